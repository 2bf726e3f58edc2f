#include "scheduler/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void graves_fini(struct graves *graves)
{
    for (size_t i = 0; i < GRAVES_MAX; i++)
        free(graves->items[i]);
}

/* "w1 (SIGSEGV)", "w2 (exit status 3)". */
static void death_write(const struct death *death, char *text, size_t size)
{
    const char *signal =
        WIFSIGNALED(death->status) ? sigabbrev_np(WTERMSIG(death->status)) : NULL;
    if (death->status == -1)
        snprintf(text, size, "%s (vanished)", death->worker);
    else if (signal)
        snprintf(text, size, "%s (SIG%s)", death->worker, signal);
    else if (WIFSIGNALED(death->status))
        snprintf(text, size, "%s (signal %d)", death->worker, WTERMSIG(death->status));
    else
        snprintf(text, size, "%s (exit status %d)", death->worker,
                 WEXITSTATUS(death->status));
}

static void task_fail_killed(struct scheduler *scheduler, struct task *task)
{
    char list[2048] = "";
    size_t used = 0;
    for (unsigned i = 0; i < task->extra->death_count && used < sizeof list; i++) {
        char one[128];
        death_write(&task->extra->deaths[i], one, sizeof one);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 one);
    }
    task_fail(scheduler, task, DUSK_E_KILLED,
              "task " KEY_FORMAT " (%s) was running each time that %u workers died: %s",
              KEY_ARGS(task->key), task->function->name, task->extra->death_count,
              list);
    struct note *note = note_add(&scheduler->notes, NOTE_ERROR, "task killed workers");
    note_field(note, "task", KEY_FORMAT, KEY_ARGS(task->key));
    note_field(note, "function", "%s", task->function->name);
    note_field(note, "workers", "%s", list);
}

/* One more worker died while this task ran. */
static void charge(struct scheduler *scheduler, struct task_key key,
                   const struct death *death)
{
    struct task *task = task_find(scheduler, key);
    if (!task || !task->function || task->state >= TASK_MEMORY || task->failure)
        return;
    struct task_extra *extra = task_extra(task);
    for (unsigned i = 0; extra && i < extra->death_count; i++)
        if (extra->deaths[i].epoch == death->epoch)
            return;
    struct death *deaths =
        extra ? realloc(extra->deaths, (extra->death_count + 1) * sizeof *deaths)
              : NULL;
    if (!deaths)
        return;
    extra->deaths = deaths;
    extra->deaths[extra->death_count++] = *death;
    if (extra->death_count >= scheduler->config.deaths_allowed)
        task_fail_killed(scheduler, task);
}

/* ---- graves ---- */

static void grave_close(struct scheduler *scheduler, size_t place)
{
    struct grave *grave = scheduler->graves.items[place];
    scheduler->graves.items[place] = NULL;
    timer_clear(scheduler, &grave->timer);
    free(grave);
}

/* No report has come: the guess counts. */
static void grave_timer(struct scheduler *scheduler, struct timer *timer)
{
    struct grave *grave = CONTAINER_OF(timer, struct grave, timer);
    struct death death = {.epoch = grave->epoch, .status = -1};
    memcpy(death.worker, grave->name, sizeof death.worker);
    for (unsigned i = 0; i < grave->count; i++)
        charge(scheduler, grave->suspects[i], &death);
    for (size_t i = 0; i < GRAVES_MAX; i++)
        if (scheduler->graves.items[i] == grave) {
            grave_close(scheduler, i);
            return;
        }
}

void death_suspected(struct scheduler *scheduler, const struct worker *worker)
{
    size_t place = 0;
    while (place < GRAVES_MAX && scheduler->graves.items[place])
        place++;
    struct grave *grave = place < GRAVES_MAX ? calloc(1, sizeof *grave) : NULL;
    if (!grave)
        return;
    grave->epoch = worker->epoch;
    grave->timer.fire = grave_timer;
    snprintf(grave->name, sizeof grave->name, "%s", worker->name);
    LIST_FOREACH (link, &worker->processing)
        if (grave->count < worker->nthreads && grave->count < GRAVE_TASKS)
            grave->suspects[grave->count++] =
                CONTAINER_OF(link, struct task, link)->key;
    if (timer_set(scheduler, &grave->timer, scheduler->now_ns + GRAVE_WAIT_NS) < 0) {
        free(grave);
        return;
    }
    scheduler->graves.items[place] = grave;
}

/* A worker without a name of its own goes by its address, which its successor does
 * not share; who asks for its name is told what it was. */
static void name_the_dead(const struct scheduler *scheduler,
                          const struct msg_hello *hello, struct death *death)
{
    snprintf(death->worker, sizeof death->worker, STR_FORMAT,
             STR_ARGS(hello->name.size ? hello->name : address_shown(hello->address)));
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (worker->epoch == death->epoch)
            snprintf(death->worker, sizeof death->worker, "%s", worker->name);
    }
    for (size_t i = 0; i < GRAVES_MAX; i++) {
        const struct grave *grave = scheduler->graves.items[i];
        if (grave && grave->epoch == death->epoch)
            snprintf(death->worker, sizeof death->worker, "%s", grave->name);
    }
}

void death_reported(struct scheduler *scheduler, const struct msg_hello *hello)
{
    struct death death = {.epoch = hello->previous_epoch,
                          .status = (int)hello->previous_status};
    if (hello->previous_epoch)
        name_the_dead(scheduler, hello, &death);
    /* Who was thought dead and is here is not; whose end is known needs no guess. */
    for (size_t i = 0; i < GRAVES_MAX; i++) {
        const struct grave *grave = scheduler->graves.items[i];
        if (grave &&
            (grave->epoch == hello->epoch || grave->epoch == hello->previous_epoch))
            grave_close(scheduler, i);
    }
    if (hello->previous_epoch == 0)
        return;
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "worker died");
    char text[128];
    death_write(&death, text, sizeof text);
    note_field(note, "worker", "%s", text);
    note_field(note, "running", "%zu", hello->previous_running.count);
    for (size_t i = 0; i < hello->previous_running.count; i++)
        charge(scheduler, hello->previous_running.items[i], &death);
}
