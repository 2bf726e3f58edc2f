/* The ADMM core by its events alone.  Chunk i has f_i(x) = a_i/2 (x - c_i)^2 in every
 * column, so that local answers are one line and the optimum is known. */
#include "client/admm.h"
#include "client/admm_flight.h"
#include "client/metric.h"
#include "tests/test.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_CHUNKS 64

struct toy {
    int64_t N, q;
    double a[MAX_CHUNKS], c[MAX_CHUNKS];
    double R[MAX_CHUNKS * 4];
    struct admm_options options;
    struct admm *admm;
};

static void toy_init(struct toy *toy, int64_t N, int64_t q, double l1,
                     enum admm_variant variant)
{
    *toy = (struct toy){.N = N, .q = q};
    for (int64_t i = 0; i < N; i++) {
        toy->a[i] = 1 + (double)(i % 3);
        toy->c[i] = 2 + cos((double)i);
    }
    for (int64_t k = 0; k < N * q; k++)
        toy->R[k] = 0.5 + (double)(k % 5);
    admm_options_default(&toy->options);
    toy->options.variant = variant;
    struct admm_problem problem = {
        .chunks = N, .columns = q, .l1 = l1, .metric = toy->R};
    ck_assert_int_eq(admm_create(&problem, &toy->options, 0, &toy->admm, NULL), 0);
}

static void toy_restart(struct toy *toy, double l1)
{
    bool robust = toy->options.form == ADMM_ROBUST;
    admm_destroy(toy->admm);
    struct admm_problem problem = {.chunks = toy->N,
                                   .columns = toy->q,
                                   .l1 = l1,
                                   .metric = robust ? toy->R : NULL};
    ck_assert_int_eq(admm_create(&problem, &toy->options, 0, &toy->admm, NULL), 0);
}

static double toy_optimum(const struct toy *toy, double l1)
{
    double ac = 0, a = 0;
    for (int64_t i = 0; i < toy->N; i++) {
        ac += toy->a[i] * toy->c[i];
        a += toy->a[i];
    }
    return copysign(fmax(fabs(ac) - l1, 0), ac) / a;
}

static void toy_answer(const struct toy *toy, const struct admm_update *update,
                       double *x)
{
    int64_t i = update->ticket.chunk;
    bool robust = toy->options.form == ADMM_ROBUST;
    for (int64_t j = 0; j < toy->q; j++) {
        double R = robust ? toy->R[i * toy->q + j] : toy->options.rho;
        x[j] = (toy->a[i] * toy->c[i] + R * update->v[j]) / (toy->a[i] + R);
    }
}

struct flying {
    struct admm_ticket ticket;
    double x[4];
};

/* Hands out all there is; returns how many. */
static int take(struct toy *toy, struct flying *flying, int count)
{
    struct admm_update update;
    while (admm_next(toy->admm, &update) == 0) {
        ck_assert_int_lt(count, 8 * MAX_CHUNKS);
        flying[count].ticket = update.ticket;
        toy_answer(toy, &update, flying[count++].x);
    }
    return count;
}

static int land(struct toy *toy, const struct flying *f, int64_t now)
{
    return admm_arrive(toy->admm, &f->ticket, f->x, 1, 0, now);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static struct admm_counts counts_of(const struct toy *toy)
{
    struct admm_counts counts;
    admm_counts(toy->admm, &counts);
    return counts;
}

/* Runs to the end, answers arriving in random order. */
static void run(struct toy *toy, uint64_t seed, int64_t most)
{
    struct flying flying[8 * MAX_CHUNKS];
    int count = 0;
    for (int64_t k = 0; k < most && admm_status(toy->admm) == ADMM_RUNNING; k++) {
        count = take(toy, flying, count);
        if (count == 0)
            break;
        int pick = (int)(next_random(&seed) % (uint64_t)count);
        int rc = land(toy, &flying[pick], k);
        ck_assert(rc == 0 || (rc == ADMM_DROPPED && counts_of(toy).copies > 0));
        flying[pick] = flying[--count];
    }
}

START_TEST(bad_values_are_named)
{
    double R[] = {1, 1}, zero[] = {1, 0}, penalty[] = {-1};
    struct admm_problem good = {.chunks = 2, .columns = 1, .l1 = 1, .metric = R};
    struct admm_options options;
    struct err_text error;
    struct admm *admm;
    struct {
        struct admm_problem problem;
        const char *line;
    } problems[] = {
        {{.chunks = 0, .columns = 1, .metric = R},
         "ADMM needs chunks and columns, not 0 and 1"},
        {{.chunks = 2, .columns = 0, .metric = R},
         "ADMM needs chunks and columns, not 2 and 0"},
        {{.chunks = 2, .columns = 1, .l1 = -3, .metric = R},
         "l1 must be a number >= 0, not -3"},
        {{.chunks = 2, .columns = 1, .l1 = NAN, .metric = R},
         "l1 must be a number >= 0, not nan"},
        {{.chunks = 2, .columns = 1, .l2 = -1, .metric = R},
         "l2 must be a number >= 0, not -1"},
        {{.chunks = 2, .columns = 1, .penalty = penalty, .metric = R},
         "the penalty of column 0 must be a number >= 0, not -1"},
        {{.chunks = 2, .columns = 1, .metric = zero},
         "the metric of chunk 1, column 0 must be > 0, not 0"},
        {{.chunks = 2, .columns = 1}, "the robust form needs a metric"},
    };
    for (size_t k = 0; k < sizeof problems / sizeof *problems; k++) {
        admm_options_default(&options);
        ck_assert_int_eq(admm_create(&problems[k].problem, &options, 0, &admm, &error),
                         DUSK_E_INVALID);
        ck_assert_str_eq(error.line, problems[k].line);
    }
    struct {
        size_t offset;
        double value;
        const char *line;
    } values[] = {
        {offsetof(struct admm_options, alpha), 2,
         "alpha must be from 0.1 to 1.95, not 2"},
        {offsetof(struct admm_options, rho), 0,
         "rho must be from 1e-300 to 1e+300, not 0"},
        {offsetof(struct admm_options, staleness), -1,
         "staleness must be from 0 to 1e+09, not -1"},
        {offsetof(struct admm_options, tolerance), NAN,
         "tolerance must be from 0 to 1, not nan"},
    };
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        admm_options_default(&options);
        memcpy((char *)&options + values[k].offset, &values[k].value, sizeof(double));
        ck_assert_int_eq(admm_create(&good, &options, 0, &admm, &error),
                         DUSK_E_INVALID);
        ck_assert_str_eq(error.line, values[k].line);
    }
    admm_options_default(&options);
    options.form = ADMM_CLASSIC;
    good.l2 = 1;
    ck_assert_int_eq(admm_create(&good, &options, 0, &admm, &error), DUSK_E_INVALID);
    ck_assert_str_eq(error.line, "l2 must be 0 in the classic form, not 1");
}
END_TEST

START_TEST(useless_answers_change_nothing)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    double before[2], wild[2] = {1e6, -1e6};
    toy_init(&toy, 5, 2, 1, ADMM_ASYNC);
    take(&toy, flying, 0);
    ck_assert_int_eq(land(&toy, &flying[2], 1), 0);
    memcpy(before, admm_z(toy.admm), sizeof before);
    struct admm_ticket useless[] = {
        flying[2].ticket,                       /* twice */
        {.chunk = -1, .version = 1},            /* no such chunk */
        {.chunk = 5, .version = 1},             /* no such chunk */
        {.chunk = 1, .version = 2},             /* not yet */
        {.chunk = 1, .version = 0},             /* never */
        {.chunk = 1, .version = 1, .copy = 1},  /* never issued */
        {.chunk = 1, .version = 1, .copy = -1}, /* never issued */
        {.chunk = 2, .version = INT64_MAX},     /* never */
    };
    int64_t count = sizeof useless / sizeof *useless;
    for (int64_t k = 0; k < count; k++) {
        ck_assert_int_eq(admm_arrive(toy.admm, &useless[k], wild, 1, 0, 2),
                         ADMM_DROPPED);
        ck_assert_int_eq(admm_lose(toy.admm, &useless[k]), ADMM_DROPPED);
    }
    ck_assert_int_eq(counts_of(&toy).dropped, count);
    ck_assert_int_eq(counts_of(&toy).lost, 0);
    ck_assert_int_eq(counts_of(&toy).accepted, 1);
    ck_assert_int_eq(counts_of(&toy).in_flight, 4);
    ck_assert_mem_eq(before, admm_z(toy.admm), sizeof before);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(a_lost_update_is_the_same_update_again)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    struct admm_update update;
    double v, wild = 1e6;
    toy_init(&toy, 3, 1, 1, ADMM_ASYNC);
    toy.options.slots = 2;
    toy_restart(&toy, 1);
    ck_assert_int_eq(admm_next(toy.admm, &update), 0);
    v = update.v[0];
    flying[0].ticket = update.ticket;
    toy_answer(&toy, &update, flying[0].x);
    ck_assert_int_eq(admm_next(toy.admm, &update), 0);
    ck_assert_int_eq(admm_next(toy.admm, &update), ADMM_NOTHING);
    flying[1].ticket = update.ticket;
    toy_answer(&toy, &update, flying[1].x);
    ck_assert_int_eq(land(&toy, &flying[1], 1), 0); /* z has moved */
    ck_assert_int_eq(admm_lose(toy.admm, &flying[0].ticket), 0);
    ck_assert_int_eq(admm_lose(toy.admm, &flying[0].ticket), ADMM_DROPPED);
    ck_assert_int_eq(admm_next(toy.admm, &update), 0);
    ck_assert_int_eq(update.ticket.chunk, flying[0].ticket.chunk);
    ck_assert_int_eq(update.ticket.version, 1);
    ck_assert_int_eq(update.ticket.copy, 1);
    ck_assert_double_eq(update.v[0], v);
    /* The lost one arrives after all: it is as good as the copy, which is then
     * superfluous. */
    struct admm_ticket copy = update.ticket, obsolete;
    ck_assert_int_eq(admm_obsolete(toy.admm, &obsolete), ADMM_NOTHING);
    ck_assert_int_eq(land(&toy, &flying[0], 2), 0);
    ck_assert_int_eq(admm_obsolete(toy.admm, &obsolete), 0);
    ck_assert_int_eq(obsolete.chunk, copy.chunk);
    ck_assert_int_eq(obsolete.copy, 1);
    ck_assert_int_eq(admm_arrive(toy.admm, &copy, &wild, 1, 0, 3), ADMM_DROPPED);
    ck_assert_int_eq(counts_of(&toy).in_flight, 0);
    ck_assert_int_eq(counts_of(&toy).lost, 1);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(a_chunk_is_in_flight_once_and_the_oldest_goes_next)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    int64_t last[8] = {0}, dispatch = 0;
    uint64_t seed = 3;
    toy_init(&toy, 8, 1, 1, ADMM_ASYNC);
    toy.options.slots = 3;
    toy.options.tolerance = 0;
    toy_restart(&toy, 1);
    int count = 0;
    bool flies[8] = {false};
    for (int step = 0; step < 500; step++) {
        struct admm_update update;
        while (admm_next(toy.admm, &update) == 0) {
            int64_t i = update.ticket.chunk;
            ck_assert(!flies[i]);
            for (int k = 0; k < 8; k++)
                ck_assert(flies[k] || last[k] >= last[i]);
            flies[i] = true;
            last[i] = ++dispatch;
            flying[count].ticket = update.ticket;
            toy_answer(&toy, &update, flying[count++].x);
        }
        ck_assert_int_eq(count, 3);
        int pick = (int)(next_random(&seed) % (uint64_t)count);
        flies[flying[pick].ticket.chunk] = false;
        land(&toy, &flying[pick], step);
        flying[pick] = flying[--count];
    }
    admm_destroy(toy.admm);
}
END_TEST

/* Chunks 0 to 3 leave in this order; whatever is lost keeps its age. */
START_TEST(the_oldest_in_flight_stays_the_oldest_after_a_loss)
{
    struct flight flight;
    ck_assert_int_eq(flight_init(&flight, 4), 0);
    for (int64_t i = 0; i < 4; i++)
        flight_launch(&flight, i, 10 * i);
    flight_lose(&flight, 0, 0);
    flight_lose(&flight, 1, 0);
    flight_launch(&flight, 0, 100);
    flight_launch(&flight, 1, 100);
    int64_t second = flight_launch(&flight, 0, 100);
    flight_launch(&flight, 1, 100);
    flight_lose(&flight, 0, second);
    flight_lose(&flight, 1, 1);
    for (int64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(flight_first_once(&flight), i);
        ck_assert_int_eq(flight_oldest(&flight, 1000), 10 * i);
        flight_land(&flight, i);
    }
    flight_fini(&flight);
}
END_TEST

/* They are copied, and lost, in whatever order. */
START_TEST(the_oldest_is_known_in_every_list)
{
    struct flight flight;
    ck_assert_int_eq(flight_init(&flight, 4), 0);
    for (int64_t i = 0; i < 4; i++)
        flight_launch(&flight, i, 10 * i);
    static const int order[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++)
        flight_launch(&flight, order[i], 100);
    ck_assert_int_eq(flight_oldest(&flight, 1000), 0);
    for (int i = 0; i < 8; i++)
        flight_lose(&flight, order[i % 4], i / 4);
    for (int64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(flight_first_lost(&flight), i);
        ck_assert_int_eq(flight_oldest(&flight, 1000), 10 * i);
        flight_land(&flight, i);
    }
    flight_fini(&flight);
}
END_TEST

START_TEST(an_overdue_update_is_copied_and_then_waited_for)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS], slow, copy = {0};
    toy_init(&toy, 4, 1, 1, ADMM_ASYNC);
    toy.options.tolerance = 0;
    toy.options.staleness = 2;
    toy_restart(&toy, 1);
    int count = take(&toy, flying, 0);
    ck_assert_int_eq(count, 4);
    slow = flying[0];
    flying[0] = flying[--count];
    int64_t copied_at = 0, held_at = 0;
    for (int64_t arrivals = 0; arrivals < 40 && count > 0; arrivals++) {
        struct flying now = flying[0];
        memmove(flying, flying + 1, (size_t)--count * sizeof *flying);
        double before = admm_z(toy.admm)[0];
        ck_assert_int_eq(land(&toy, &now, arrivals), 0);
        if (admm_z(toy.admm)[0] == before && !held_at)
            held_at = arrivals + 1;
        count = take(&toy, flying, count);
        for (int k = 0; k < count; k++)
            if (flying[k].ticket.copy == 1) {
                copied_at = arrivals + 1;
                copy = flying[k];
                flying[k] = flying[--count];
            }
    }
    ck_assert_int_eq(copied_at, 9); /* more than tau N = 8 arrivals old */
    ck_assert_int_eq(held_at, 17);  /* more than 2 tau N = 16 */
    ck_assert_int_eq(counts_of(&toy).copies, 1);
    ck_assert_int_eq(copy.ticket.chunk, slow.ticket.chunk);
    ck_assert_double_eq(copy.x[0], slow.x[0]);
    double before = admm_z(toy.admm)[0];
    ck_assert_int_eq(land(&toy, &copy, 100), 0);
    ck_assert_double_ne(admm_z(toy.admm)[0], before);
    struct admm_ticket obsolete;
    ck_assert_int_eq(admm_obsolete(toy.admm, &obsolete), 0);
    ck_assert_int_eq(obsolete.copy, 0);
    ck_assert_int_eq(land(&toy, &slow, 101), ADMM_DROPPED);
    admm_destroy(toy.admm);
}
END_TEST

/* The survivor is still the oldest: it gets its second copy back before anyone. */
START_TEST(one_of_two_copies_may_be_lost)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    toy_init(&toy, 3, 1, 1, ADMM_ASYNC);
    toy.options.tolerance = 0;
    toy.options.staleness = 1;
    toy_restart(&toy, 1);
    int count = take(&toy, flying, 0);
    struct flying slow = flying[0], copy = slow;
    flying[0] = flying[--count];
    for (int64_t k = 0; copy.ticket.copy == 0; k++) {
        ck_assert_int_lt(k, 10);
        ck_assert_int_eq(land(&toy, &flying[0], k), 0);
        memmove(flying, flying + 1, (size_t)--count * sizeof *flying);
        count = take(&toy, flying, count);
        copy = flying[count - 1];
    }
    ck_assert_int_eq(copy.ticket.chunk, slow.ticket.chunk);
    count--;
    ck_assert_int_eq(admm_lose(toy.admm, &slow.ticket), 0);
    count = take(&toy, flying, count);
    struct flying third = flying[count - 1];
    ck_assert_int_eq(third.ticket.chunk, slow.ticket.chunk);
    ck_assert_int_eq(third.ticket.copy, 2);
    ck_assert_int_eq(counts_of(&toy).in_flight, 3);
    ck_assert_int_eq(land(&toy, &copy, 9), 0);
    struct admm_ticket obsolete;
    ck_assert_int_eq(admm_obsolete(toy.admm, &obsolete), 0);
    ck_assert_int_eq(obsolete.copy, 2);
    ck_assert_int_eq(counts_of(&toy).in_flight, 1);
    admm_destroy(toy.admm);
}
END_TEST

/* By hand, two chunks, both in flight: the second answer is to the z at its start. */
START_TEST(robust_follows_its_formulas)
{
    struct toy toy;
    struct admm_update update;
    struct flying flying[8];
    double w[3] = {0}, at[3] = {0}, z = 0;
    toy_init(&toy, 3, 1, 2, ADMM_ASYNC);
    toy.options.slots = 2;
    toy.options.tolerance = 0;
    toy_restart(&toy, 2);
    int count = 0;
    for (int k = 0; k < 30; k++) {
        while (admm_next(toy.admm, &update) == 0) {
            int64_t i = update.ticket.chunk;
            at[i] = z;
            ck_assert_double_eq_tol(update.v[0], 2 * z - w[i], 1e-13);
            flying[count].ticket = update.ticket;
            toy_answer(&toy, &update, flying[count++].x);
        }
        ck_assert_int_eq(count, 2);
        ck_assert_int_eq(land(&toy, &flying[k % 2], k), 0);
        int64_t i = flying[k % 2].ticket.chunk;
        w[i] += 1.7 * (flying[k % 2].x[0] - at[i]);
        flying[k % 2] = flying[--count];
        double V = 0, Rs = 0;
        for (int m = 0; m < 3; m++) {
            V += toy.R[m] * w[m];
            Rs += toy.R[m];
        }
        z = copysign(fmax(fabs(V) - 2, 0), V) / Rs;
        ck_assert_double_eq_tol(admm_z(toy.admm)[0], z, 1e-13);
    }
    admm_destroy(toy.admm);
}
END_TEST

/* Three of four chunks agree on 0 exactly; the fourth, which has not been heard,
 * would tip the balance. */
START_TEST(a_chunk_that_never_answers_is_no_consensus)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    toy_init(&toy, 4, 1, 12, ADMM_ASYNC);
    ck_assert_double_gt(toy_optimum(&toy, 12), 0);
    toy.options.staleness = 0;
    toy_restart(&toy, 12);
    int count = take(&toy, flying, 0);
    for (int64_t k = 0; k < 400; k++) {
        int pick = flying[0].ticket.chunk == 0;
        ck_assert_int_eq(land(&toy, &flying[pick], k), 0);
        flying[pick] = flying[--count];
        count = take(&toy, flying, count);
        ck_assert_double_eq(admm_z(toy.admm)[0], 0);
    }
    ck_assert_double_lt(counts_of(&toy).primal, 1e-3);
    ck_assert_int_eq(admm_status(toy.admm), ADMM_RUNNING);
    admm_destroy(toy.admm);
}
END_TEST

/* All agree, on something else each time: primal residual 0, but no convergence. */
START_TEST(agreement_on_the_move_is_no_convergence)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    toy_init(&toy, 4, 1, 0, ADMM_SYNC);
    toy.options.alpha = 1;
    toy_restart(&toy, 0);
    double x = 1;
    for (int sweep = 0; sweep < 30; sweep++) {
        int count = take(&toy, flying, 0);
        ck_assert_int_eq(count, 4);
        for (int k = 0; k < count; k++) {
            flying[k].x[0] = x;
            land(&toy, &flying[k], sweep);
        }
        ck_assert_double_eq_tol(admm_z(toy.admm)[0], x, 1e-12);
        ck_assert_double_lt(counts_of(&toy).primal, 1e-6);
        x *= 1.01;
    }
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(synchronous_does_not_see_the_order)
{
    double z[3][2];
    for (int order = 0; order < 3; order++) {
        struct toy toy;
        toy_init(&toy, 30, 2, 20, ADMM_SYNC);
        toy.options.slots = order == 2 ? 4 : 0;
        toy_restart(&toy, 20);
        run(&toy, (uint64_t)order, 100000);
        ck_assert_int_eq(admm_status(toy.admm), ADMM_CONVERGED);
        ck_assert_int_eq(counts_of(&toy).accepted, 30 * counts_of(&toy).combines);
        memcpy(z[order], admm_z(toy.admm), sizeof z[order]);
        admm_destroy(toy.admm);
    }
    ck_assert_mem_eq(z[0], z[1], sizeof z[0]);
    ck_assert_mem_eq(z[0], z[2], sizeof z[0]);
}
END_TEST

START_TEST(synchronous_waits_for_all)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    struct admm_update update;
    toy_init(&toy, 6, 1, 1, ADMM_SYNC);
    int count = take(&toy, flying, 0);
    ck_assert_int_eq(count, 6);
    for (int k = 0; k < 6; k++) {
        ck_assert_double_eq(admm_z(toy.admm)[0], 0);
        ck_assert_int_eq(admm_next(toy.admm, &update), ADMM_NOTHING);
        land(&toy, &flying[k], k);
    }
    ck_assert_double_ne(admm_z(toy.admm)[0], 0);
    ck_assert_int_eq(take(&toy, flying, 0), 6);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(a_batch_is_one_combine)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    toy_init(&toy, 6, 1, 1, ADMM_BATCHED);
    take(&toy, flying, 0);
    for (int k = 0; k < 4; k++)
        land(&toy, &flying[k], k);
    ck_assert_int_eq(counts_of(&toy).combines, 0);
    ck_assert_int_eq(take(&toy, flying, 0), 4);
    ck_assert_int_eq(counts_of(&toy).combines, 1);
    admm_destroy(toy.admm);
}
END_TEST

/* N from 1 on, every variant, all in flight or a few, alpha up to 1.9. */
START_TEST(all_variants_find_the_optimum)
{
    static const int64_t sizes[] = {1, 2, 7, 50};
    static const double alphas[] = {1, 1.7, 1.9};
    for (int size = 0; size < 4; size++)
        for (int variant = 0; variant < 3; variant++)
            for (int k = 0; k < 6; k++) {
                struct toy toy;
                toy_init(&toy, sizes[size], 3, 5, (enum admm_variant)variant);
                toy.options.alpha = alphas[k % 3];
                toy.options.slots = k < 3 ? 0 : 4;
                toy.options.tolerance = 1e-7;
                toy_restart(&toy, 5);
                run(&toy, 11, 2000 * toy.N);
                ck_assert_int_eq(admm_status(toy.admm), ADMM_CONVERGED);
                double best = toy_optimum(&toy, 5);
                for (int j = 0; j < 3; j++)
                    ck_assert_double_eq_tol(admm_z(toy.admm)[j], best,
                                            2e-6 * (1 + best));
                admm_destroy(toy.admm);
            }
}
END_TEST

START_TEST(above_the_largest_l1_all_is_zero)
{
    struct toy toy;
    toy_init(&toy, 7, 2, 1000, ADMM_ASYNC);
    run(&toy, 1, 10000);
    ck_assert_int_eq(admm_status(toy.admm), ADMM_CONVERGED);
    ck_assert_double_eq(admm_z(toy.admm)[0], 0);
    ck_assert_double_eq(admm_z(toy.admm)[1], 0);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(a_resumed_run_gets_closer)
{
    struct toy toy;
    toy_init(&toy, 9, 1, 5, ADMM_ASYNC);
    double best = toy_optimum(&toy, 5);
    toy.options.tolerance = 0.05;
    toy_restart(&toy, 5);
    struct flying flying[8 * MAX_CHUNKS];
    int count = 0;
    double coarse = 0;
    for (int k = 0; k < 5000 && admm_status(toy.admm) == ADMM_RUNNING; k++) {
        count = take(&toy, flying, count);
        ck_assert_int_eq(land(&toy, &flying[0], k), 0);
        memmove(flying, flying + 1, (size_t)--count * sizeof *flying);
        if (admm_status(toy.admm) == ADMM_CONVERGED && coarse == 0) {
            coarse = fabs(admm_z(toy.admm)[0] - best);
            ck_assert_int_eq(take(&toy, flying, count), count); /* hands out nothing */
            admm_resume(toy.admm, 1e-7);
        }
    }
    ck_assert_int_eq(admm_status(toy.admm), ADMM_CONVERGED);
    ck_assert_double_gt(coarse, 1e-5);
    ck_assert_double_eq_tol(admm_z(toy.admm)[0], best, 1e-6);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(answers_that_are_not_finite_end_the_run)
{
    static const double bad[] = {NAN, INFINITY, 1};
    static const int64_t status[] = {0, 0, ADMM_LOCAL_NONFINITE};
    for (int form = 0; form < 2; form++)
        for (int k = 0; k < 3; k++) {
            struct toy toy;
            struct flying flying[8 * MAX_CHUNKS];
            toy_init(&toy, 4, 1, 1, ADMM_ASYNC);
            toy.options.form = (enum admm_form)form;
            toy_restart(&toy, 1);
            take(&toy, flying, 0);
            struct admm_ticket ticket = flying[1].ticket;
            char reason[80];
            snprintf(reason, sizeof reason,
                     "the local answer of chunk %d is not finite", (int)ticket.chunk);
            admm_arrive(toy.admm, &ticket, &bad[k], 1, status[k], 1);
            ck_assert_int_eq(admm_status(toy.admm), ADMM_DIVERGED);
            ck_assert_str_eq(admm_reason(toy.admm), reason);
            ck_assert(isfinite(admm_z(toy.admm)[0]));
            ck_assert_int_eq(land(&toy, &flying[0], 2), ADMM_DROPPED);
            ck_assert_int_eq(take(&toy, flying, 0), 0);
            admm_destroy(toy.admm);
        }
}
END_TEST

START_TEST(a_cancelled_answer_counts_as_lost)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    for (int form = 0; form < 2; form++) {
        toy_init(&toy, 4, 1, 1, ADMM_ASYNC);
        toy.options.form = (enum admm_form)form;
        toy_restart(&toy, 1);
        take(&toy, flying, 0);
        struct admm_ticket ticket = flying[1].ticket;
        ck_assert_int_eq(
            admm_arrive(toy.admm, &ticket, flying[1].x, 1, ADMM_LOCAL_CANCELLED, 1), 0);
        ck_assert_int_eq(take(&toy, flying, 0), 1);
        ck_assert_int_eq(flying[0].ticket.chunk, ticket.chunk);
        ck_assert_int_eq(flying[0].ticket.version, ticket.version);
        ck_assert_int_eq(counts_of(&toy).accepted, 0);
        ck_assert_int_eq(land(&toy, &flying[0], 2), 0);
        admm_destroy(toy.admm);
    }
}
END_TEST

START_TEST(the_trace_is_bounded_and_keeps_both_ends)
{
    struct toy toy;
    toy_init(&toy, 5, 2, 1, ADMM_ASYNC);
    toy.options.snapshots = 10;
    toy.options.tolerance = 1e-7;
    toy_restart(&toy, 1);
    run(&toy, 5, 100000);
    struct admm_point point, last = {.updates = -1};
    int64_t early = 0;
    int64_t count = admm_trace_count(toy.admm);
    ck_assert_int_gt(count, 4);
    ck_assert_int_le(count, 10);
    for (int64_t k = 0; k < count; k++) {
        admm_trace_point(toy.admm, k, &point);
        ck_assert_int_gt(point.updates, last.updates);
        ck_assert_int_ge(point.time_ns, last.time_ns);
        ck_assert_int_ge(point.time_ns, point.updates ? point.updates - 1 : 0);
        early += 2 * point.updates <= counts_of(&toy).accepted;
        last = point;
    }
    ck_assert_int_ge(4 * early, count);
    admm_trace_point(toy.admm, 0, &point);
    ck_assert_int_eq(point.updates, 0);
    ck_assert_double_eq(point.z[0], 0);
    ck_assert_int_eq(last.updates, counts_of(&toy).accepted);
    ck_assert_mem_eq(last.z, admm_z(toy.admm), 2 * sizeof(double));
    ck_assert_double_lt(last.primal, 2e-7);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(forgotten_obsoletes_are_the_oldest)
{
    struct toy toy;
    toy_init(&toy, 2, 1, 1, ADMM_ASYNC);
    toy.options.tolerance = 0;
    toy_restart(&toy, 1);
    struct admm_update update;
    for (int k = 0; k < 100; k++) {
        double x = 1;
        ck_assert_int_eq(admm_next(toy.admm, &update), 0);
        struct admm_ticket first = update.ticket;
        ck_assert_int_eq(admm_lose(toy.admm, &first), 0);
        ck_assert_int_eq(admm_next(toy.admm, &update), 0);
        ck_assert_int_eq(update.ticket.chunk, first.chunk);
        ck_assert_int_eq(admm_arrive(toy.admm, &first, &x, 1, 0, k), 0);
    }
    struct admm_ticket ticket;
    int count = 0;
    int64_t version = 0;
    while (admm_obsolete(toy.admm, &ticket) == 0) {
        version = ticket.version;
        count++;
    }
    ck_assert_int_eq(count, 64);
    ck_assert_int_eq(version, 50);
    admm_destroy(toy.admm);
}
END_TEST

/* By hand: N = 4, one column, l1 = 0, rho = 1. */
START_TEST(classic_follows_the_published_steps)
{
    struct toy toy;
    struct admm_update update;
    toy_init(&toy, 4, 1, 0, ADMM_ASYNC);
    toy.options.form = ADMM_CLASSIC;
    toy.options.rho = 1;
    toy.options.abstol = toy.options.reltol = 0;
    toy.options.slots = 1;
    toy_restart(&toy, 0);
    double x[4] = {0}, u[4] = {0}, z = 0;
    bool repeated = false;
    int64_t before = -1, versions[4] = {0};
    for (int count = 1; count <= 40; count++) {
        ck_assert_int_eq(admm_next(toy.admm, &update), 0);
        int64_t i = update.ticket.chunk;
        repeated |= i == before;
        before = i;
        ck_assert_int_eq(update.ticket.version, ++versions[i]);
        u[i] += x[i] - z;
        ck_assert_double_eq_tol(update.v[0], z - u[i], 1e-12);
        ck_assert_double_eq(update.x0[0], x[i]);
        toy_answer(&toy, &update, &x[i]);
        struct admm_ticket ticket = update.ticket;
        ck_assert_int_eq(admm_arrive(toy.admm, &ticket, &x[i], 1, 0, count), 0);
        double mean = 0;
        for (int m = 0; m < 4; m++)
            mean += (x[m] + u[m]) / 4;
        z = count < 4 ? mean * 4 / (count + 1) : mean;
        ck_assert_double_eq_tol(admm_z(toy.admm)[0], z, 1e-12);
    }
    ck_assert(repeated);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(classic_synchronous_is_consensus_admm)
{
    double answers[2];
    for (int order = 0; order < 2; order++) {
        struct toy toy;
        toy_init(&toy, 12, 1, 6, ADMM_SYNC);
        toy.options.form = ADMM_CLASSIC;
        toy.options.abstol = 1e-9;
        toy.options.reltol = 1e-9;
        toy_restart(&toy, 6);
        run(&toy, (uint64_t)order, 100000);
        ck_assert_int_eq(admm_status(toy.admm), ADMM_CONVERGED);
        ck_assert_double_eq_tol(admm_z(toy.admm)[0], toy_optimum(&toy, 6), 1e-7);
        answers[order] = admm_z(toy.admm)[0];
        admm_destroy(toy.admm);
    }
    ck_assert_double_eq(answers[0], answers[1]);
}
END_TEST

START_TEST(classic_takes_each_answer_once)
{
    for (int variant = 0; variant < 3; variant++) {
        struct toy toy;
        struct flying flying[8 * MAX_CHUNKS];
        toy_init(&toy, 3, 1, 0, (enum admm_variant)variant);
        toy.options.form = ADMM_CLASSIC;
        toy.options.slots = 6;
        toy_restart(&toy, 0);
        int count = take(&toy, flying, 0);
        ck_assert_int_eq(count, variant == ADMM_SYNC ? 3 : 6);
        ck_assert_int_eq(admm_lose(toy.admm, &flying[0].ticket), 0);
        ck_assert_int_eq(admm_lose(toy.admm, &flying[0].ticket), ADMM_DROPPED);
        struct flying again[8 * MAX_CHUNKS];
        ck_assert_int_eq(take(&toy, again, 0), 1);
        ck_assert_int_eq(again[0].ticket.chunk, flying[0].ticket.chunk);
        ck_assert_int_eq(again[0].ticket.version, flying[0].ticket.version);
        ck_assert_int_eq(again[0].ticket.copy, 1);
        ck_assert_int_eq(land(&toy, &flying[0], 1), 0);
        double wild = 1e6, before = admm_z(toy.admm)[0];
        ck_assert_int_eq(admm_arrive(toy.admm, &again[0].ticket, &wild, 1, 0, 2),
                         ADMM_DROPPED);
        ck_assert_double_eq(admm_z(toy.admm)[0], before);
        ck_assert_int_eq(counts_of(&toy).in_flight, count - 1);
        struct admm_ticket never = {.chunk = 1, .version = 1000};
        ck_assert_int_eq(admm_arrive(toy.admm, &never, &wild, 1, 0, 2), ADMM_DROPPED);
        admm_destroy(toy.admm);
    }
}
END_TEST

START_TEST(classic_does_not_repeat_what_came_after_all)
{
    struct toy toy;
    struct flying flying[8 * MAX_CHUNKS];
    struct admm_update update;
    toy_init(&toy, 3, 1, 0, ADMM_SYNC);
    toy.options.form = ADMM_CLASSIC;
    toy_restart(&toy, 0);
    ck_assert_int_eq(take(&toy, flying, 0), 3);
    ck_assert_int_eq(admm_lose(toy.admm, &flying[0].ticket), 0);
    ck_assert_int_eq(land(&toy, &flying[0], 1), 0);
    ck_assert_int_eq(admm_next(toy.admm, &update), ADMM_NOTHING);
    ck_assert_int_eq(counts_of(&toy).in_flight, 2);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(classic_divergence_is_growth_not_slowness)
{
    struct toy toy;
    struct admm_update update;
    toy_init(&toy, 2, 1, 0, ADMM_ASYNC);
    toy.options.form = ADMM_CLASSIC;
    toy.options.abstol = toy.options.reltol = 0;
    toy_restart(&toy, 0);
    double x = 1;
    for (int k = 0; k < 400 && admm_status(toy.admm) == ADMM_RUNNING; k++) {
        ck_assert_int_eq(admm_next(toy.admm, &update), 0);
        x = k % 2 ? -1 : 1; /* never settles, never grows */
        struct admm_ticket ticket = update.ticket;
        admm_arrive(toy.admm, &ticket, &x, 1, 0, k);
    }
    ck_assert_int_eq(admm_status(toy.admm), ADMM_RUNNING);
    for (int k = 0; k < 400 && admm_status(toy.admm) == ADMM_RUNNING; k++) {
        ck_assert_int_eq(admm_next(toy.admm, &update), 0);
        x *= -1.2;
        struct admm_ticket ticket = update.ticket;
        admm_arrive(toy.admm, &ticket, &x, 1, 0, k);
    }
    ck_assert_int_eq(admm_status(toy.admm), ADMM_DIVERGED);
    ck_assert_ptr_nonnull(strstr(admm_reason(toy.admm), "at the beginning"));
    admm_destroy(toy.admm);
}
END_TEST

/* Answers that lie: x = v + 100 (v - z) style growth drives the guard all the way. */
START_TEST(the_guard_retreats_and_then_gives_up)
{
    struct toy toy;
    struct admm_update update;
    toy_init(&toy, 8, 1, 0, ADMM_ASYNC);
    double x = 1;
    int64_t guards = 0;
    for (int k = 0; k < 4000 && admm_status(toy.admm) == ADMM_RUNNING; k++) {
        if (admm_next(toy.admm, &update) != 0)
            break;
        x *= -1.3;
        struct admm_ticket ticket = update.ticket;
        admm_arrive(toy.admm, &ticket, &x, 1, 0, k);
        struct admm_counts counts = counts_of(&toy);
        if (counts.guards == guards)
            continue;
        guards = counts.guards;
        ck_assert_int_eq(counts.barrier, guards == 1 ? 2 : guards == 2 ? 4 : 8);
        ck_assert_double_eq_tol(counts.alpha, fmax(1, 1.7 * pow(0.8, (double)guards)),
                                1e-12);
    }
    ck_assert_int_eq(admm_status(toy.admm), ADMM_DIVERGED);
    ck_assert_int_eq(guards, 12);
    admm_destroy(toy.admm);
}
END_TEST

START_TEST(the_metric_has_no_zeros)
{
    struct metric metric;
    double first[] = {4, 0, 8}, second[] = {0, 0, 8}, none[] = {0, 0, 0};
    ck_assert_int_eq(metric_init(&metric, 3, 3), 0);
    metric_set(&metric, 0, 30, first);
    metric_set(&metric, 1, 10, second);
    metric_set(&metric, 2, 0, none);
    metric_finish(&metric, 2, 0.5);
    ck_assert_double_eq_tol(metric_row(&metric, 0)[0], 4 + 1e-3 * 0.75 * 4, 1e-15);
    ck_assert_double_eq_tol(metric_row(&metric, 1)[0], 1e-3 * 0.25 * 4, 1e-15);
    ck_assert_double_eq_tol(metric_row(&metric, 1)[2], 8 + 1e-3 * 0.25 * 16, 1e-15);
    ck_assert_double_eq(metric.total[1], 0);
    for (int k = 0; k < 9; k++)
        ck_assert_double_gt(metric.R[k], 0);
    metric_fini(&metric);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admm");
    TCase *tcase = tcase_create("admm");
    tcase_add_test(tcase, bad_values_are_named);
    tcase_add_test(tcase, useless_answers_change_nothing);
    tcase_add_test(tcase, a_lost_update_is_the_same_update_again);
    tcase_add_test(tcase, a_chunk_is_in_flight_once_and_the_oldest_goes_next);
    tcase_add_test(tcase, the_oldest_in_flight_stays_the_oldest_after_a_loss);
    tcase_add_test(tcase, the_oldest_is_known_in_every_list);
    tcase_add_test(tcase, an_overdue_update_is_copied_and_then_waited_for);
    tcase_add_test(tcase, one_of_two_copies_may_be_lost);
    tcase_add_test(tcase, robust_follows_its_formulas);
    tcase_add_test(tcase, a_chunk_that_never_answers_is_no_consensus);
    tcase_add_test(tcase, agreement_on_the_move_is_no_convergence);
    tcase_add_test(tcase, synchronous_does_not_see_the_order);
    tcase_add_test(tcase, synchronous_waits_for_all);
    tcase_add_test(tcase, a_batch_is_one_combine);
    tcase_add_test(tcase, all_variants_find_the_optimum);
    tcase_add_test(tcase, above_the_largest_l1_all_is_zero);
    tcase_add_test(tcase, a_resumed_run_gets_closer);
    tcase_add_test(tcase, answers_that_are_not_finite_end_the_run);
    tcase_add_test(tcase, a_cancelled_answer_counts_as_lost);
    tcase_add_test(tcase, the_trace_is_bounded_and_keeps_both_ends);
    tcase_add_test(tcase, forgotten_obsoletes_are_the_oldest);
    tcase_add_test(tcase, classic_follows_the_published_steps);
    tcase_add_test(tcase, classic_synchronous_is_consensus_admm);
    tcase_add_test(tcase, classic_takes_each_answer_once);
    tcase_add_test(tcase, classic_does_not_repeat_what_came_after_all);
    tcase_add_test(tcase, classic_divergence_is_growth_not_slowness);
    tcase_add_test(tcase, the_guard_retreats_and_then_gives_up);
    tcase_add_test(tcase, the_metric_has_no_zeros);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
