/* Running one task function: what stands behind `struct dusk_task`.  Everything here
 * happens on one compute thread. */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include "worker/dusk_task.h"
#include "worker/job.h"
#include "worker/scratch.h"

/* Asks for memory beyond job->room, and waits: 0, and the job may take `bytes` more;
 * or an error with its line. */
typedef int task_room_fn(void *context, struct job *job, size_t bytes,
                         struct err_text *text);

struct task_array;

struct dusk_task {
    struct job *job;
    struct scratch *scratch;
    task_room_fn *ask;
    void *ask_context;
    struct values *arguments;
    struct values **results; /* of job->inputs, read when they are needed */
    struct task_array *arrays;
    size_t room; /* that is left */
    int unread;  /* why items of an argument could not be counted, < 0; 0 */
    int returned;
};

/* Runs the function and fills in the job's code, reason and result; its times and
 * thread are the caller's.  `function` NULL: there is none of that name. */
void task_run(struct job *job, const struct dusk_function *function,
              struct scratch *scratch, task_room_fn *ask, void *ask_context);

/* Result arrays, shared by the files of the task API. */
struct frame *task_take_array(struct dusk_task *task, const struct dusk_array *array);
int task_charge(struct dusk_task *task, size_t bytes);
int task_error(struct dusk_task *task, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
