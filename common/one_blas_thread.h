/* Programs here have threads, and processes, of their own for what is parallel. */
#ifndef COMMON_ONE_BLAS_THREAD_H
#define COMMON_ONE_BLAS_THREAD_H

/* To be called first of all in main.  The BLAS library starts threads when it is
 * loaded, before main, which a process that forks must not have, and each takes more
 * than 100 MiB of address space; it reads its number of threads from the environment:
 * so this sets it and runs the program anew, as `name` in lists of processes. */
void one_blas_thread(const char *name, char **argv);

#endif
