/* Asynchronous ADMM by hand, on futures: minimise sum_i |X_i b - y_i|^2 + l1 |b|_1
 * over chunks of rows that live on the workers.  The algorithm is yours to change.
 *
 *     cc async_admm.c -o async_admm $(pkg-config --cflags --libs dusk) -lm */
#include <dusk.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { CHUNKS = 8, P = 10, MOST_UPDATES = 100000 };

static const int64_t rows = 2000, columns = P, seed = 1, stream[] = {0, 1};
static const int64_t intercept = 0, max_iterations = 200, max_evaluations = 250;
static const double l1 = 50, rho = 4000, noise = 0.5, tolerance = 1e-4;

static struct dusk_client *client;
static struct dusk_future *X[CHUNKS], *y[CHUNKS], *updates[CHUNKS];
static double x[CHUNKS][P], u[CHUNKS][P], z[P];

static int fail(void)
{
    fprintf(stderr, "async_admm: %s\n", dusk_last_error());
    return 1;
}

/* X is made on the workers, and y from X, where X is. */
static int make_chunk(int64_t i, const double *truth)
{
    struct dusk_array beta = dusk_vector(truth, P);
    int rc = dusk_submit(client, &X[i], "random_normal", "l l l l l", seed, stream[0],
                         i, rows, columns);
    return rc < 0 ? rc
                  : dusk_submit(client, &y[i], "linear_response", "f a d s l l l", X[i],
                                &beta, noise, "normal", seed, stream[1], i);
}

/* x_i = argmin |X_i x - y_i|^2 + rho/2 |x - (z - u_i)|^2, on a worker. */
static int submit_update(int i, struct dusk_as_completed *completed)
{
    double v[P];
    for (int j = 0; j < P; j++)
        v[j] = z[j] - u[i][j];
    struct dusk_array target = dusk_vector(v, P), start = dusk_vector(x[i], P);
    int rc = dusk_submit(client, &updates[i], "glm_prox_plain", "f f s l d a a l l",
                         X[i], y[i], "normal", intercept, rho, &target, &start,
                         max_iterations, max_evaluations);
    if (rc < 0)
        return rc;
    dusk_future_set_tag(updates[i], &updates[i]);
    return dusk_as_completed_add(completed, updates[i]);
}

/* z = S(mean(x + u), l1 / (rho N)),  u_i += x_i - z. */
static void combine(int i, const double *answer)
{
    for (int j = 0; j < P; j++) {
        double mean = 0;
        x[i][j] = answer[j];
        for (int k = 0; k < CHUNKS; k++)
            mean += (x[k][j] + u[k][j]) / CHUNKS;
        z[j] = copysign(fmax(fabs(mean) - l1 / (rho * CHUNKS), 0), mean);
        u[i][j] += x[i][j] - z[j];
    }
}

/* The chunks' answers agree with z.  One that has not been heard of for long does not,
 * so no fast worker can end the run alone. */
static bool converged(void)
{
    for (int i = 0; i < CHUNKS; i++)
        for (int j = 0; j < P; j++)
            if (fabs(x[i][j] - z[j]) > tolerance)
                return false;
    return true;
}

int main(void)
{
    const double truth[P] = {1, 0, -2, 0, 3, 0, 0, 0.5, 0, 0};
    struct dusk_as_completed *completed;
    struct dusk_future *update;
    struct dusk_array answer;

    if (dusk_connect(NULL, 5, &client) < 0 ||
        dusk_as_completed_create(client, NULL, 0, &completed) < 0)
        return fail();
    for (int i = 0; i < CHUNKS; i++)
        if (make_chunk(i, truth) < 0 || submit_update(i, completed) < 0)
            return fail();

    /* Whichever chunk comes back is combined at once, and goes out again. */
    for (int count = 0; count < MOST_UPDATES; count++) {
        if (dusk_as_completed_next(completed, 60, &update) != 0 ||
            dusk_result(update, 60, "a**", &answer) < 0)
            return fail();
        int i = (int)((struct dusk_future **)dusk_future_tag(update) - updates);
        combine(i, answer.data);
        if (converged())
            break;
        dusk_release(&updates[i], 1);
        if (submit_update(i, completed) < 0)
            return fail();
    }
    for (int j = 0; j < P; j++)
        printf("%8.4f  (true: %g)\n", z[j], truth[j]);

    dusk_as_completed_destroy(completed);
    dusk_release(updates, CHUNKS);
    dusk_release(X, CHUNKS);
    dusk_release(y, CHUNKS);
    dusk_close(client);
    return 0;
}
