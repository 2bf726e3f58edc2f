#include "client/run.h"

#include "client/updates.h"
#include "common/clock.h"
#include "common/list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* ADMM hands over to polish at these relative residuals; when the certificate does not
 * hold then, it goes on with a tenth.  Newton steps converge from far away, and quicker
 * than ADMM; those of the normal family need no pass over the rows. */
#define HANDOVER_NORMAL 5e-2
#define HANDOVER_LOGISTIC 1e-2

/* Where columns are few, a Hessian costs little more than a sweep does, and Newton's
 * method takes over still earlier: at 15 columns in half the time. */
#define HANDOVER_FEW 1e-1
#define FEW_COLUMNS 64

#define HANDOVER_LEAST 1e-7

/* Updates in flight for each thread: as published; but those of the robust form on Gram
 * matrices take microseconds, and a round trip many times as long. */
#define IN_FLIGHT 2
#define IN_FLIGHT_GRAM 16

/* More of them share messages and wake-ups, and are still but a few of very many
 * chunks, so that none comes late. */
#define IN_FLIGHT_MANY 64
#define MANY_CHUNKS 64 /* for each that is in flight */

/* An update that was submitted and has not been heard of. */
struct flight {
    struct list link;
    struct admm_ticket ticket;
    struct dusk_future *future;
};

struct driver {
    struct model *model;
    struct run *run;
    struct admm *admm;
    struct dusk_as_completed *completed;
    struct dusk_future *const *arrived; /* borrowed from `completed` */
    int arrived_count;                  /* of which nothing was made yet */
    struct list flights;
    struct updates updates;
    uint64_t start_ns;
    struct err_text *text;
};

/* The published local update works on raw rows; everything else is centred. */
static bool driver_is_raw(const struct run_options *options)
{
    return options->form == ADMM_CLASSIC && options->local == LOCAL_LBFGS;
}

/* ---- submitting ---- */

static int driver_launch(struct driver *driver, const struct admm_update *update)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (!flight)
        return err_set(driver->text, DUSK_E_NOMEM, "no memory for an update");
    flight->ticket = update->ticket;
    int rc = updates_submit(&driver->updates, update, &flight->future);
    if (rc == 0) {
        dusk_future_set_tag(flight->future, flight);
        rc = dusk_as_completed_add(driver->completed, flight->future);
    }
    if (rc < 0) {
        dusk_release(&flight->future, 1);
        free(flight);
        return watch_failed(rc, driver->text);
    }
    list_append(&driver->flights, &flight->link);
    return 0;
}

static int driver_refill(struct driver *driver)
{
    struct admm_update update;
    int rc = 0;
    while (rc == 0 && admm_next(driver->admm, &update) == 0)
        rc = driver_launch(driver, &update);
    return rc;
}

/* ---- arrivals ---- */

static void flight_land(struct flight *flight)
{
    list_remove(&flight->link);
    dusk_release(&flight->future, 1);
    free(flight);
}

/* A cancelled copy is no loss; any other failure ends the run. */
static int driver_arrive(struct driver *driver, struct dusk_future *future)
{
    struct flight *flight = dusk_future_tag(future);
    const char *line;
    int rc = dusk_future_error(future, &line);
    if (rc == DUSK_E_CANCELLED) {
        admm_lose(driver->admm, &flight->ticket);
        rc = 0;
    } else if (rc < 0) {
        err_set(driver->text, rc, "%s", line);
    } else {
        struct dusk_array x;
        int64_t evaluations, status;
        rc = watch_fetch(&driver->model->watch, &future, 1, driver->text);
        if (rc == 0 &&
            (rc = dusk_result(future, 0, "all", &x, &evaluations, &status)) < 0)
            watch_failed(rc, driver->text);
        if (rc == 0)
            admm_arrive(driver->admm, &flight->ticket, x.data, evaluations, status,
                        (int64_t)clock_monotonic_ns());
        stream_add(&driver->run->stream, driver->updates.kind, flight->ticket.chunk,
                   future);
    }
    flight_land(flight);
    return rc;
}

/* Speculative copies whose twin has answered. */
static int driver_cancel_obsolete(struct driver *driver)
{
    struct admm_ticket ticket;
    while (admm_obsolete(driver->admm, &ticket) == 0) {
        LIST_FOREACH (link, &driver->flights) {
            struct flight *flight = CONTAINER_OF(link, struct flight, link);
            if (flight->ticket.chunk == ticket.chunk &&
                flight->ticket.version == ticket.version &&
                flight->ticket.copy == ticket.copy) {
                int rc = dusk_cancel(&flight->future, 1);
                if (rc < 0)
                    return watch_failed(rc, driver->text);
            }
        }
    }
    return 0;
}

/* Waits for answers, and takes all that are there. */
static int driver_wait(struct driver *driver)
{
    int rc = watch_stopped(&driver->model->watch, driver->text);
    if (rc < 0)
        return rc;
    rc = dusk_as_completed_next_batch(driver->completed, WATCH_TURN_S, &driver->arrived,
                                      &driver->arrived_count);
    if (rc == DUSK_E_TIMEOUT)
        return 0;
    if (rc == DUSK_END)
        return err_set(driver->text, DUSK_E_INTERNAL, "nothing is in flight");
    return rc < 0 ? watch_failed(rc, driver->text) : 0;
}

/* The asynchronous variant answers each arrival before it looks at the next one, the
 * others all that are there. */
static int driver_take(struct driver *driver)
{
    int rc = driver->arrived_count ? 0 : driver_wait(driver);
    bool one = driver->run->options.variant == ADMM_ASYNC;
    for (int i = 0; rc == 0 && driver->arrived_count && !(one && i); i++) {
        driver->arrived_count--;
        rc = driver_arrive(driver, *driver->arrived++);
    }
    return rc;
}

/* Of time, by the clock that never jumps, or of updates. */
static bool driver_at_limit(const struct driver *driver)
{
    const struct run_options *options = &driver->run->options;
    const struct admm_counts *counts = &driver->run->counts;
    double seconds = (double)(clock_monotonic_ns() - driver->start_ns) * 1e-9;
    return (options->max_time_s > 0 && seconds >= options->max_time_s) ||
           (options->max_updates > 0 && counts->accepted >= options->max_updates);
}

static double handover(const struct driver *driver)
{
    double given = driver->run->options.handover;
    if (given > 0)
        return given;
    if (driver->model->normal)
        return HANDOVER_NORMAL;
    return driver->model->q <= FEW_COLUMNS ? HANDOVER_FEW : HANDOVER_LOGISTIC;
}

/* Progress as the eye understands it: how far the residual has come on its way down
 * to the tolerance, on a logarithmic scale. */
static void driver_progress(struct driver *driver)
{
    const struct admm_counts *counts = &driver->run->counts;
    double worst = fmax(counts->primal, counts->dual);
    double way = worst > 0 && worst < 1 ? log10(worst) / log10(handover(driver)) : 0;
    watch_progress(&driver->model->watch, "admm", (int64_t)(1000 * fmin(way, 1)), 1000);
}

/* Until converged, diverged, stopped or at a limit. */
static int driver_iterate(struct driver *driver)
{
    int rc = 0;
    while (rc == 0 && admm_status(driver->admm) == ADMM_RUNNING &&
           !driver_at_limit(driver)) {
        rc = driver_refill(driver);
        /* The batched variant combines, and may converge, when it is asked. */
        if (rc == 0 && admm_status(driver->admm) == ADMM_RUNNING)
            rc = driver_take(driver);
        if (rc == 0)
            rc = driver_cancel_obsolete(driver);
        admm_counts(driver->admm, &driver->run->counts);
        driver_progress(driver);
    }
    return rc;
}

/* Gives up what is still in flight, so that polish and the next run have the workers
 * to themselves. */
static void driver_abandon(struct driver *driver)
{
    LIST_FOREACH (link, &driver->flights) {
        struct flight *flight = CONTAINER_OF(link, struct flight, link);
        dusk_cancel(&flight->future, 1);
        if (driver->admm)
            admm_lose(driver->admm, &flight->ticket);
        flight_land(flight);
    }
    dusk_as_completed_destroy(driver->completed);
    driver->completed = NULL;
    driver->arrived_count = 0;
}

/* ---- the whole run ---- */

static int64_t driver_slots(const struct driver *driver)
{
    const struct run_options *options = &driver->run->options;
    int64_t chunks = driver->model->data->chunks, threads = options->threads;
    if (options->form == ADMM_CLASSIC)
        return threads * IN_FLIGHT;
    if (options->local == LOCAL_LBFGS)
        return MIN(chunks, threads * IN_FLIGHT);
    int64_t many = MIN(chunks / MANY_CHUNKS, threads * IN_FLIGHT_MANY);
    return MIN(chunks, MAX(many, threads * IN_FLIGHT_GRAM));
}

static int driver_start(struct driver *driver)
{
    struct model *model = driver->model;
    const struct run_options *options = &driver->run->options;
    struct admm_problem problem = {
        .chunks = model->data->chunks,
        .columns = model->q,
        .l1 = model->l1,
        .penalty = model->penalty,
        .metric = options->form == ADMM_ROBUST ? model->metric.R : NULL,
    };
    struct admm_options admm;
    admm_options_default(&admm);
    admm.form = options->form;
    admm.variant = options->variant;
    if (options->variant != ADMM_SYNC)
        admm.slots = driver_slots(driver);
    admm.tolerance = handover(driver);
    admm.staleness = options->staleness;
    if (options->form == ADMM_CLASSIC)
        admm.rho = options->rho;
    admm.seed = options->seed;
    return admm_create(&problem, &admm, (int64_t)clock_monotonic_ns(), &driver->admm,
                       driver->text);
}

static int driver_begin_flight(struct driver *driver)
{
    int rc = dusk_as_completed_create(driver->model->data->client, NULL, 0,
                                      &driver->completed);
    return rc < 0 ? watch_failed(rc, driver->text) : 0;
}

/* The certificate of where ADMM stands, polished first in the robust form. */
static int driver_finish(struct driver *driver)
{
    struct model *model = driver->model;
    struct run *run = driver->run;
    size_t bytes = (size_t)model->q * sizeof(double);
    double *b = malloc(bytes);
    if (!b)
        return err_set(driver->text, DUSK_E_NOMEM, "no memory for coefficients");
    memcpy(b, admm_z(driver->admm), bytes);
    if (driver_is_raw(&run->options))
        model_centre(model, b);
    answer_fini(&run->answer);
    int rc = finish(model, b, run->options.form == ADMM_ROBUST, run->options.tolerance,
                    &run->answer, driver->text);
    free(b);
    return rc;
}

/* The robust form goes on with a smaller tolerance while the certificate does not
 * hold. */
static int driver_run(struct driver *driver)
{
    struct run *run = driver->run;
    double tolerance = handover(driver);
    run->status = RUN_NOT_CONVERGED;
    for (;;) {
        int rc = driver_begin_flight(driver);
        if (rc == 0)
            rc = driver_iterate(driver);
        driver_abandon(driver);
        run->admm_seconds = stream_now(&run->stream);
        if (rc < 0)
            return rc;
        if (admm_status(driver->admm) == ADMM_DIVERGED) {
            run->status = RUN_DIVERGED;
            snprintf(run->reason, sizeof run->reason, "%s", admm_reason(driver->admm));
            return 0;
        }
        rc = driver_finish(driver);
        if (rc < 0)
            return rc;
        if (run->answer.certified)
            run->status = RUN_CERTIFIED;
        tolerance /= 10;
        if (run->answer.certified || run->options.form == ADMM_CLASSIC ||
            driver_at_limit(driver) || tolerance < HANDOVER_LEAST)
            return 0;
        admm_resume(driver->admm, tolerance);
    }
}

/* Copies the machine's trace, and the answer as its last point. */
static int driver_trace(struct driver *driver)
{
    struct run *run = driver->run;
    size_t q = (size_t)driver->model->q;
    int64_t count = admm_trace_count(driver->admm);
    run->points = calloc((size_t)count + 1, sizeof *run->points);
    run->z = calloc(((size_t)count + 1) * q, sizeof *run->z);
    if (!run->points || !run->z)
        return err_set(driver->text, DUSK_E_NOMEM, "no memory for the trace");
    for (int64_t k = 0; k < count; k++) {
        struct admm_point point;
        admm_trace_point(driver->admm, k, &point);
        run->points[k] = (struct run_point){(double)point.time_ns * 1e-9, point.updates,
                                            point.primal, point.dual};
        double *z = run->z + (size_t)k * q;
        memcpy(z, point.z, q * sizeof *z);
        if (driver_is_raw(&run->options))
            model_centre(driver->model, z);
    }
    if (run->answer.b) {
        run->points[count] =
            (struct run_point){run->seconds, run->counts.accepted, NAN, NAN};
        memcpy(run->z + (size_t)count * q, run->answer.b, q * sizeof *run->z);
        count++;
    }
    run->point_count = count;
    return 0;
}

static void driver_fini(struct driver *driver)
{
    admm_destroy(driver->admm);
    updates_fini(&driver->updates);
}

int run_execute(struct model *model, const struct run_options *options,
                struct run *ret_run, struct err_text *text)
{
    struct run run = {.options = *options};
    struct driver driver = {.model = model, .run = &run, .text = text};
    list_init(&driver.flights);
    model->data->pinned = options->pinned;
    int rc = updates_init(&driver.updates, model, options, text);
    stream_init(&run.stream);
    driver.start_ns = clock_monotonic_ns();
    model->stream = &run.stream;
    if (rc == 0)
        rc = driver_start(&driver);
    if (rc == 0)
        rc = driver_run(&driver);
    model->stream = NULL;
    run.seconds = stream_now(&run.stream);
    if (rc == 0) {
        admm_counts(driver.admm, &run.counts);
        rc = driver_trace(&driver);
    }
    driver_fini(&driver);
    if (rc < 0)
        run_fini(&run);
    else
        *ret_run = run;
    return rc;
}

void run_fini(struct run *run)
{
    answer_fini(&run->answer);
    stream_fini(&run->stream);
    free(run->points);
    free(run->z);
    *run = (struct run){0};
}

const char *run_form_name(enum admm_form form)
{
    return form == ADMM_CLASSIC ? "classic" : "robust";
}

const char *run_variant_name(enum admm_variant variant)
{
    static const char *const names[] = {
        [ADMM_SYNC] = "sync", [ADMM_ASYNC] = "async", [ADMM_BATCHED] = "batched"};
    return names[variant];
}

const char *run_local_name(enum local_solver local)
{
    return local == LOCAL_GRAM ? "gram" : "lbfgs";
}

const char *run_status_name(enum run_status status)
{
    static const char *const names[] = {[RUN_CERTIFIED] = "certified",
                                        [RUN_NOT_CONVERGED] = "not converged",
                                        [RUN_DIVERGED] = "diverged"};
    return names[status];
}
