/* A file in memory for readers that want a path; it lives as long as the process. */
#ifndef TESTS_FUZZ_MEMORY_FILE_H
#define TESTS_FUZZ_MEMORY_FILE_H

#include "tests/fuzz/fuzz.h"

struct memory_file {
    int fd; /* 0: not yet made */
    char path[32];
};

/* Replaces the content, as gzip when `compressed`. */
void memory_file_write(struct memory_file *file, const void *data, size_t size,
                       bool compressed);

#endif
