#include "worker/executor.h"

#include "common/clock.h"
#include "worker/dusk_task.h"
#include "worker/task.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct compute_thread {
    struct executor *executor;
    pthread_t thread;
    unsigned number;
    struct job *job;      /* that runs */
    struct list asks;     /* in executor->asks while it asks for memory */
    size_t bytes;         /* how much */
    bool waits;           /* for the answer */
    int code;             /* the answer */
    struct err_text text; /* its line */
    pthread_cond_t answered;
};

struct executor {
    pthread_mutex_t lock; /* over all lists and over each thread's question */
    pthread_cond_t work;
    pthread_cond_t exits;
    struct list queue;
    struct list done;
    struct list asks;
    struct list taken; /* from `done`: the main thread's, without the lock */
    bool told;         /* the main thread will look at what has come out */
    struct registry *registry;
    uint64_t *running;
    double slowness; /* at least 1 */
    unsigned idle;
    unsigned alive;
    bool stopping;
    int fd;
    unsigned thread_count;
    struct compute_thread threads[];
};

/* The main thread empties all lists when it is woken: one wake-up is enough. */
static void wake(struct executor *executor)
{
    uint64_t one = 1;
    if (!executor->told && write(executor->fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
    executor->told = true;
}

/* ---- compute threads ---- */

static int ask(void *context, struct job *job, size_t bytes, struct err_text *text)
{
    struct compute_thread *thread = context;
    struct executor *executor = thread->executor;
    pthread_mutex_lock(&executor->lock);
    thread->bytes = bytes;
    thread->waits = true;
    list_append(&executor->asks, &thread->asks);
    wake(executor);
    while (thread->waits && !executor->stopping)
        pthread_cond_wait(&thread->answered, &executor->lock);
    list_remove(&thread->asks);
    int code = thread->waits ? DUSK_E_CANCELLED : thread->code;
    if (code < 0)
        err_set(text, code, "%s",
                thread->waits ? "the worker ends" : thread->text.line);
    thread->waits = false;
    pthread_mutex_unlock(&executor->lock);
    return code;
}

static void running_set(const struct executor *executor, unsigned thread, uint64_t key)
{
    if (executor->running)
        __atomic_store_n(&executor->running[thread], key, __ATOMIC_RELEASE);
}

#define NAP_NS NS_PER_MS

/* Between two looks at the flag that cancels. */
static void nap(const struct job *job, uint64_t ns)
{
    uint64_t end = clock_monotonic_ns() + ns, now;
    while ((now = clock_monotonic_ns()) < end && !dusk_flag(&job->cancelled)) {
        uint64_t left = end - now < NAP_NS ? end - now : NAP_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
    }
}

static void run(struct compute_thread *thread, struct job *job, struct scratch *scratch)
{
    const struct executor *executor = thread->executor;
    job->thread = thread->number;
    job->start_ns = clock_unix_ns();
    running_set(executor, thread->number, job->key.bits);
    uint64_t begin_ns = clock_monotonic_ns();
    task_run(job, registry_find(executor->registry, job->function), scratch, ask,
             thread);
    if (executor->slowness > 1)
        nap(job, (uint64_t)((executor->slowness - 1) *
                            (double)(clock_monotonic_ns() - begin_ns)));
    running_set(executor, thread->number, 0);
    job->stop_ns = clock_unix_ns();
}

static struct job *next_job(struct executor *executor)
{
    while (list_is_empty(&executor->queue) && !executor->stopping) {
        executor->idle++;
        pthread_cond_wait(&executor->work, &executor->lock);
        executor->idle--;
    }
    if (executor->stopping)
        return NULL;
    struct list *link = executor->queue.next;
    list_remove(link);
    return CONTAINER_OF(link, struct job, link);
}

static void *compute(void *context)
{
    struct compute_thread *thread = context;
    struct executor *executor = thread->executor;
    struct scratch scratch;
    scratch_init(&scratch);
    pthread_mutex_lock(&executor->lock);
    struct job *job;
    while ((job = next_job(executor))) {
        thread->job = job;
        pthread_mutex_unlock(&executor->lock);
        run(thread, job, &scratch);
        pthread_mutex_lock(&executor->lock);
        thread->job = NULL;
        list_append(&executor->done, &job->link);
        wake(executor);
    }
    executor->alive--;
    pthread_cond_signal(&executor->exits);
    pthread_mutex_unlock(&executor->lock);
    scratch_fini(&scratch);
    return NULL;
}

/* ---- the main thread's side ---- */

static int thread_start(struct executor *executor, unsigned number)
{
    struct compute_thread *thread = &executor->threads[number];
    *thread = (struct compute_thread){.executor = executor, .number = number};
    list_init(&thread->asks);
    pthread_cond_init(&thread->answered, NULL);
    int error = pthread_create(&thread->thread, NULL, compute, thread);
    if (error) {
        pthread_cond_destroy(&thread->answered);
        return -error;
    }
    char name[16];
    snprintf(name, sizeof name, "compute-%u", number % 1000000);
    pthread_setname_np(thread->thread, name);
    return 0;
}

int executor_create(unsigned nthreads, struct registry *registry, uint64_t *running,
                    struct executor **ret_executor, struct err_text *text)
{
    struct executor *executor =
        calloc(1, sizeof *executor + nthreads * sizeof executor->threads[0]);
    if (!executor)
        return err_set(text, DUSK_E_NOMEM, "no memory for %u threads", nthreads);
    executor->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (executor->fd < 0) {
        free(executor);
        return err_set(text, DUSK_E_IO, "no eventfd: %s", strerror(errno));
    }
    pthread_mutex_init(&executor->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&executor->work, NULL);
    pthread_cond_init(&executor->exits, &attributes);
    pthread_condattr_destroy(&attributes);
    list_init(&executor->queue);
    list_init(&executor->done);
    list_init(&executor->asks);
    list_init(&executor->taken);
    executor->registry = registry;
    executor->running = running;
    executor->slowness = 1;
    int rc = 0;
    pthread_mutex_lock(&executor->lock);
    while (rc == 0 && executor->thread_count < nthreads)
        if ((rc = thread_start(executor, executor->thread_count)) == 0) {
            executor->thread_count++;
            executor->alive++;
        }
    pthread_mutex_unlock(&executor->lock);
    if (rc < 0) {
        err_set(text, DUSK_E_IO, "cannot start %u threads: %s", nthreads,
                strerror(-rc));
        executor_stop(executor, UINT64_MAX);
        executor_destroy(executor);
        return DUSK_E_IO;
    }
    *ret_executor = executor;
    return 0;
}

void executor_slow_down(struct executor *executor, double factor)
{
    executor->slowness = factor;
}

static void deadline_after(uint64_t ns, struct timespec *ret_time)
{
    clock_gettime(CLOCK_MONOTONIC, ret_time);
    if (ns > 3600 * NS_PER_S)
        ns = 3600 * NS_PER_S;
    uint64_t nsec = (uint64_t)ret_time->tv_nsec + ns;
    ret_time->tv_sec += (time_t)(nsec / NS_PER_S);
    ret_time->tv_nsec = (long)(nsec % NS_PER_S);
}

bool executor_stop(struct executor *executor, uint64_t grace_ns)
{
    struct timespec deadline;
    deadline_after(grace_ns, &deadline);
    pthread_mutex_lock(&executor->lock);
    executor->stopping = true;
    for (unsigned i = 0; i < executor->thread_count; i++) {
        if (executor->threads[i].job)
            job_cancel(executor->threads[i].job);
        pthread_cond_broadcast(&executor->threads[i].answered);
    }
    pthread_cond_broadcast(&executor->work);
    while (executor->alive &&
           pthread_cond_timedwait(&executor->exits, &executor->lock, &deadline) == 0) {
    }
    bool stopped = executor->alive == 0;
    pthread_mutex_unlock(&executor->lock);
    for (unsigned i = 0; stopped && i < executor->thread_count; i++)
        pthread_join(executor->threads[i].thread, NULL);
    return stopped;
}

void executor_destroy(struct executor *executor)
{
    if (!executor)
        return;
    while (!list_is_empty(&executor->queue))
        list_remove(executor->queue.next);
    list_append_all(&executor->taken, &executor->done);
    while (!list_is_empty(&executor->taken))
        list_remove(executor->taken.next);
    for (unsigned i = 0; i < executor->thread_count; i++)
        pthread_cond_destroy(&executor->threads[i].answered);
    pthread_cond_destroy(&executor->work);
    pthread_cond_destroy(&executor->exits);
    pthread_mutex_destroy(&executor->lock);
    close(executor->fd);
    free(executor);
}

int executor_fd(const struct executor *executor)
{
    return executor->fd;
}

void executor_start(struct executor *executor, struct list *jobs)
{
    if (list_is_empty(jobs))
        return;
    bool one = jobs->next == jobs->prev;
    pthread_mutex_lock(&executor->lock);
    list_append_all(&executor->queue, jobs);
    unsigned idle = executor->idle;
    pthread_mutex_unlock(&executor->lock);
    if (idle && one)
        pthread_cond_signal(&executor->work);
    else if (idle)
        pthread_cond_broadcast(&executor->work);
}

void executor_answer(struct executor *executor, struct job *job, int code,
                     const char *line)
{
    pthread_mutex_lock(&executor->lock);
    for (unsigned i = 0; i < executor->thread_count; i++) {
        struct compute_thread *thread = &executor->threads[i];
        if (thread->job != job || !thread->waits)
            continue;
        thread->code = code;
        err_set(&thread->text, code, "%s", line ? line : "");
        thread->waits = false;
        pthread_cond_signal(&thread->answered);
    }
    pthread_mutex_unlock(&executor->lock);
}

/* Questions come before what is done: their threads are blocked. */
static bool take_ask(struct executor *executor, struct executor_event *event)
{
    if (list_is_empty(&executor->asks))
        return false;
    struct compute_thread *thread =
        CONTAINER_OF(executor->asks.next, struct compute_thread, asks);
    list_remove(&thread->asks);
    *event = (struct executor_event){EXECUTOR_ASKS, thread->job, thread->bytes};
    return true;
}

static bool take_done(struct executor *executor, struct executor_event *event)
{
    if (list_is_empty(&executor->taken))
        return false;
    struct list *link = executor->taken.next;
    list_remove(link);
    *event = (struct executor_event){.kind = EXECUTOR_FINISHED,
                                     .job = CONTAINER_OF(link, struct job, link)};
    return true;
}

/* All that is done is taken at once, and the descriptor cleared when there is nothing:
 * one lock and one system call for many events. */
bool executor_next(struct executor *executor, struct executor_event *ret_event)
{
    uint64_t count;
    if (take_done(executor, ret_event))
        return true;
    pthread_mutex_lock(&executor->lock);
    list_append_all(&executor->taken, &executor->done);
    bool asks = take_ask(executor, ret_event);
    if (!asks && list_is_empty(&executor->taken)) {
        if (read(executor->fd, &count, sizeof count) < 0 && errno != EAGAIN)
            abort();
        executor->told = false;
    }
    pthread_mutex_unlock(&executor->lock);
    return asks || take_done(executor, ret_event);
}
