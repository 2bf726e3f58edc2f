#include "scheduler/core.h"

#include "common/units.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *task_state_name(enum task_state state)
{
    static const char *const names[] = {
#define NAME(name, text) [TASK_##name] = text,
        TASK_STATES(NAME)
#undef NAME
    };
    return state < TASK_STATE_COUNT ? names[state] : "unknown";
}

const char *task_what(const struct task *task)
{
    return task->function ? task->function->name : "scattered data";
}

static int task_add(struct scheduler *scheduler, struct task_key key, size_t edges,
                    struct err_text *text, struct task **ret_task)
{
    if (scheduler->tasks.count >= scheduler->config.tasks_allowed)
        return err_set(text, DUSK_E_LIMIT,
                       "the scheduler holds %u tasks and takes no more",
                       scheduler->config.tasks_allowed);
    struct task *task = calloc(1, sizeof *task + edges * sizeof task->edges[0]);
    if (!task || task_table_put(&scheduler->tasks, key, task) < 0) {
        free(task);
        return err_set(text, DUSK_E_NOMEM,
                       "the scheduler has no memory for task " KEY_FORMAT,
                       KEY_ARGS(key));
    }
    task->key = key;
    task->state = TASK_RELEASED;
    task->queue.order = ++scheduler->submissions;
    task->edge_count = (uint32_t)edges;
    list_init(&task->dependents);
    scheduler->state_counts[TASK_RELEASED]++;
    *ret_task = task;
    return 0;
}

static void failure_unref(struct failure *failure)
{
    if (failure && --failure->references == 0)
        free(failure);
}

static void far_bonds_free(struct far_bond *first)
{
    while (first) {
        struct far_bond *next = first->next;
        free(first);
        first = next;
    }
}

void task_destroy(struct task *task)
{
    failure_unref(task->failure);
    if (task->extra) {
        list_remove(&task->extra->scarce);
        if (task->extra->demand)
            task->extra->demand->users--;
        free(task->extra->restriction);
        free(task->extra->deaths);
        free(task->extra->last_holders);
        far_bonds_free(task->extra->bonds);
        free(task->extra);
    }
    payload_unref(task->arguments);
    free(task);
}

void task_uncount(struct scheduler *scheduler, struct task *task)
{
    task_timers_clear(scheduler, task);
    if (task->arguments)
        scheduler->argument_bytes -= payload_bytes(task->arguments);
}

static void task_drop(struct scheduler *scheduler, struct task *task)
{
    task_uncount(scheduler, task);
    scheduler->state_counts[task->state]--;
    task_table_remove(&scheduler->tasks, task->key);
    task_destroy(task);
}

static void task_tie_edges(struct scheduler *scheduler, struct task *task,
                           field_keys dependencies)
{
    for (size_t i = 0; i < dependencies.count; i++) {
        struct edge *edge = &task->edges[i];
        edge->dependency = task_find(scheduler, dependencies.items[i]);
        edge->dependent = task;
        list_init(&edge->link);
        list_append(&edge->dependency->dependents, &edge->link);
        task->missing += edge->dependency->state != TASK_MEMORY;
    }
}

/* Where it may run, what it needs, and until when it must be done. */
static int task_set_conditions(struct scheduler *scheduler, struct task *task,
                               const struct msg_submit *submit, struct err_text *text)
{
    if (submit->worker.size + submit->resources.size + submit->deadline_ms == 0)
        return 0;
    if (!task_extra(task) ||
        (submit->worker.size && !(task->extra->restriction = str_copy(submit->worker))))
        return err_set(text, DUSK_E_NOMEM, "out of memory");
    if (submit->resources.size) {
        int rc = demand_get(scheduler, submit->resources, submit->worker, text,
                            &task->extra->demand);
        if (rc < 0)
            return rc;
        task->extra->demand->users++;
    }
    if (task_limit_time(scheduler, task, submit->deadline_ms) < 0)
        return err_set(text, DUSK_E_NOMEM, "out of memory");
    return 0;
}

static int arguments_check(const struct scheduler *scheduler,
                           const struct msg_submit *submit, struct err_text *text)
{
    uint64_t bytes = submit->arguments ? payload_bytes(submit->arguments) : 0;
    uint64_t limit = scheduler->config.argument_bytes;
    if (bytes <= limit && scheduler->argument_bytes <= limit - bytes)
        return 0;
    return err_set(text, DUSK_E_LIMIT,
                   "task " KEY_FORMAT " (" STR_FORMAT
                   ") has arguments of %s: with those "
                   "of other tasks, %s, the scheduler would hold more than %s "
                   "(--argument-memory)",
                   KEY_ARGS(submit->key), STR_ARGS(submit->function),
                   units_bytes((int64_t)bytes).text,
                   units_bytes((int64_t)scheduler->argument_bytes).text,
                   units_bytes((int64_t)limit).text);
}

/* What can fail is done before the task is known to anybody. */
int task_create(struct scheduler *scheduler, const struct msg_submit *submit,
                struct err_text *text, struct task **ret_task)
{
    for (size_t i = 0; i < submit->dependencies.count; i++)
        if (!task_find(scheduler, submit->dependencies.items[i]))
            return err_set(text, DUSK_E_NOT_FOUND,
                           "task " KEY_FORMAT " (" STR_FORMAT ") depends on " KEY_FORMAT
                           ", which the scheduler does not know",
                           KEY_ARGS(submit->key), STR_ARGS(submit->function),
                           KEY_ARGS(submit->dependencies.items[i]));
    if (!text_is_clean(submit->function, 1) || !text_is_clean(submit->worker, 0) ||
        !text_is_clean(submit->resources, 0))
        return err_set(
            text, DUSK_E_INVALID,
            "names of functions, workers and resources must be printable text");
    struct function *function;
    int rc = arguments_check(scheduler, submit, text);
    if (rc < 0)
        return rc;
    rc = functions_get(&scheduler->functions, submit->function, &function);
    if (rc < 0)
        return err_set(text, rc, "no place for another function named " STR_FORMAT,
                       STR_ARGS(submit->function));
    struct task *task = NULL;
    rc = task_add(scheduler, submit->key, submit->dependencies.count, text, &task);
    if (rc < 0)
        return rc;
    rc = task_set_conditions(scheduler, task, submit, text);
    if (rc < 0) {
        task_drop(scheduler, task);
        return rc;
    }
    task_tie_edges(scheduler, task, submit->dependencies);
    task->function = function;
    task->queue.priority = submit->priority;
    task->retries =
        (uint16_t)(submit->retries < UINT16_MAX ? submit->retries : UINT16_MAX);
    task->flags = submit->flags & SUBMIT_KEEP ? TASK_KEEP : 0;
    task->arguments = payload_ref(submit->arguments);
    if (task->arguments)
        scheduler->argument_bytes += payload_bytes(task->arguments);
    *ret_task = task;
    return 0;
}

int task_create_data(struct scheduler *scheduler, struct task_key key, uint64_t nbytes,
                     struct err_text *text, struct task **ret_task)
{
    struct task *task = NULL;
    int rc = task_add(scheduler, key, 0, text, &task);
    if (rc < 0)
        return rc;
    task->nbytes = nbytes;
    *ret_task = task;
    return 0;
}

struct task_extra *task_extra(struct task *task)
{
    if (task->extra || !(task->extra = calloc(1, sizeof *task->extra)))
        return task->extra;
    task->extra->task = task;
    list_init(&task->extra->scarce);
    return task->extra;
}

void line_cut(char *line, size_t size, int length)
{
    if (length >= (int)size)
        memcpy(line + size - sizeof "...", "...", sizeof "...");
}

/* One line: control characters become blanks. */
static void line_clean(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = ' ';
}

static struct failure *failure_create(struct scheduler *scheduler,
                                      const struct task *task, int code,
                                      const char *line)
{
    size_t size = strlen(line) + 1;
    struct failure *failure = malloc(sizeof *failure + size);
    if (!failure) {
        scheduler->no_memory->references++;
        return scheduler->no_memory;
    }
    *failure = (struct failure){
        .references = 1, .code = code, .origin = task->key, .what = task_what(task)};
    memcpy(failure->line, line, size);
    line_clean(failure->line);
    return failure;
}

void task_fail_like(struct scheduler *scheduler, struct task *task,
                    struct failure *failure)
{
    if (task->failure)
        return;
    failure->references++;
    task->failure = failure;
    agenda_add(scheduler, task);
}

void task_fail(struct scheduler *scheduler, struct task *task, int code,
               const char *format, ...)
{
    char line[LIMIT_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    line_cut(line, sizeof line, vsnprintf(line, sizeof line, format, args));
    va_end(args);
    struct failure *failure = failure_create(scheduler, task, code, line);
    task_fail_like(scheduler, task, failure);
    failure_unref(failure);
}
