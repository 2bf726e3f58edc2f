/* Keeps a random graph of tasks with known values going on the cluster at
 * $DUSK_SCHEDULER_ADDRESS until its standard input ends, whatever happens to the
 * cluster; then waits for what is left.  Every future must resolve with the right
 * value, or fail with a code that its history allows:
 *
 *     TASK       it is a task that fails, or has one among its ancestors
 *     CANCELLED  it is one that may be cancelled, or has one among its ancestors
 *     DATA_LOST  it was scattered, or has scattered data among its ancestors
 *
 *     chaos_graph [SEED [LENGTH]]    LENGTH: of the arrays among the values
 *
 * Prints what became of the futures as JSON; exit code 0 when all went as it should,
 * else a line about what did not. */
#include "client/dusk.h"
#include "common/clock.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARRAYS = 120, NODES = 700, LENGTH_MOST = 20000, ARGUMENTS_MAX = 4 };
enum { SETTLED_A_TURN = 16 };
/* An answer that takes longer than this never comes. */
#define HANG_S 240.0
#define VALUE_MAX 1e9 /* sums of small integers and 64ths stay exact */

enum { MAY_FAIL = 1, MAY_BE_CANCELLED = 2, MAY_BE_LOST = 4 };

/* The first ARRAYS are arrays of `length` times their value, the others numbers. */
struct node {
    struct dusk_future *future;
    double value;
    unsigned may;
    bool must_fail;
    bool cancellable; /* by this program */
};

/* Others' tasks come first: hundreds of these wait all the time. */
static const struct dusk_submit_options behind = {.priority = 1};

static struct dusk_client *client;
static struct node nodes[NODES];
static uint64_t state;
static int length = LENGTH_MOST;
static struct {
    int submitted, values, released, failed, cancelled, lost;
} counts;

static uint64_t draw(uint64_t below)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % below;
}

static void die(const char *what, const struct node *node)
{
    char why[512] = "";
    if (node && node->future &&
        dusk_why(client, dusk_future_key(node->future), 5, why, sizeof why) < 0)
        snprintf(why, sizeof why, "%s", dusk_last_error());
    printf("wrong: %s: %s: %s\n", what,
           node && node->future ? dusk_future_key(node->future) : "", why);
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc < 0) {
        printf("wrong: %s: %s\n", what, dusk_last_error());
        exit(1);
    }
}

#define MUST(call) must(call, #call)

/* ---- new nodes ---- */

static void scatter_array(struct node *node)
{
    static double numbers[LENGTH_MOST];
    const struct dusk_array vector = dusk_vector(numbers, length);
    node->value = (double)draw(1000);
    node->may = MAY_BE_LOST;
    for (int i = 0; i < length; i++)
        numbers[i] = node->value;
    MUST(dusk_scatter(client, &node->future, "a", &vector));
}

static void submit_leaf(struct node *node, bool is_array)
{
    node->value = (double)draw(1000);
    if (is_array) {
        MUST(dusk_submit_with(client, &behind, &node->future, "fill", "l d",
                              (int64_t)length, node->value));
    } else if (draw(3) == 0) {
        node->value = (double)draw(20) / 64;
        MUST(dusk_submit_with(client, &behind, &node->future, "sleep", "d",
                              node->value));
    } else if (draw(20) == 0) {
        node->may = MAY_FAIL;
        node->must_fail = true;
        MUST(dusk_submit_with(client, &behind, &node->future, "fail", "s",
                              "on purpose"));
    } else {
        MUST(dusk_submit_with(client, &behind, &node->future, "identity", "d",
                              node->value));
    }
}

/* A function of `count` others: their sum, or the largest of them. */
static void submit_over(struct node *node, const char *function, int count,
                        const struct node *const *others)
{
    struct dusk_argument arguments[ARGUMENTS_MAX] = {0};
    for (int i = 0; i < count; i++) {
        arguments[i].future = others[i]->future;
        node->may |= others[i]->may;
        node->must_fail |= others[i]->must_fail;
    }
    MUST(dusk_submit_arguments(client, &behind, &node->future, function, count,
                               arguments));
}

static void submit_sum(struct node *node, bool is_array)
{
    const struct node *others[ARGUMENTS_MAX];
    int count = is_array ? 2 + (int)draw(ARGUMENTS_MAX - 1) : 2;
    double sum = 0;
    for (int i = 0; i < count; i++) {
        others[i] =
            is_array ? &nodes[draw(ARRAYS)] : &nodes[ARRAYS + draw(NODES - ARRAYS)];
        if (!others[i]->future)
            return;
        sum += others[i]->value;
    }
    if (sum > VALUE_MAX)
        return;
    node->value = sum;
    submit_over(node, is_array ? "sum" : "add", count, others);
}

static void submit_largest(struct node *node)
{
    const struct node *others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = &nodes[ARRAYS + draw(NODES - ARRAYS)];
        if (!others[i]->future)
            return;
        if (others[i]->value > node->value)
            node->value = others[i]->value;
    }
    submit_over(node, "max_of", 3, others);
}

static void submit_total(struct node *node)
{
    const struct node *array = &nodes[draw(ARRAYS)];
    if (!array->future || array->value * length > VALUE_MAX)
        return;
    node->value = array->value * length;
    submit_over(node, "total", 1, &array);
}

/* Where too little is there yet to make something of, a leaf. */
static void submit(struct node *node)
{
    bool is_array = node < nodes + ARRAYS;
    *node = (struct node){0};
    switch (draw(is_array ? 3 : 5)) {
    case 0:
        break;
    case 1:
        submit_sum(node, is_array);
        break;
    case 2:
        if (!is_array)
            submit_total(node);
        else if (draw(3) == 0)
            scatter_array(node);
        break;
    default:
        submit_largest(node);
    }
    if (!node->future)
        submit_leaf(node, is_array);
    node->cancellable = draw(25) == 0;
    if (node->cancellable)
        node->may |= MAY_BE_CANCELLED;
    counts.submitted++;
}

/* ---- what became of them ---- */

static void check_failure(const struct node *node, int code, const char *line)
{
    char what[600];
    unsigned needs = code == DUSK_E_TASK        ? MAY_FAIL
                     : code == DUSK_E_CANCELLED ? MAY_BE_CANCELLED
                     : code == DUSK_E_DATA_LOST ? MAY_BE_LOST
                                                : 0;
    if (!(needs & node->may)) {
        snprintf(what, sizeof what, "failed with %s (%s), and may (%u) not",
                 dusk_error_name(code), line, node->may);
        die(what, node);
    }
    counts.failed += code == DUSK_E_TASK;
    counts.cancelled += code == DUSK_E_CANCELLED;
    counts.lost += code == DUSK_E_DATA_LOST;
}

static void check_value(const struct node *node, const struct dusk_value *value)
{
    char what[200];
    double number = value->kind == DUSK_INT ? (double)value->integer : value->number;
    if (node < nodes + ARRAYS) {
        const double *numbers = value->array.data;
        if (value->kind != DUSK_ARRAY || value->array.shape[0] != length)
            die("a result that is no array of that length", node);
        number = numbers[0];
        for (int i = 1; i < length; i++)
            if (numbers[i] != number)
                die("an array of different numbers", node);
    }
    snprintf(what, sizeof what, "%.17g, not %.17g", number, node->value);
    if (number != node->value)
        die(what, node);
    if (node->must_fail)
        die("a value, in spite of a failure before it", node);
    counts.values++;
}

static void settle(struct node *node)
{
    const struct dusk_value *values;
    const char *line;
    int count, code = dusk_future_error(node->future, &line);
    if (code < 0) {
        check_failure(node, code, line);
    } else {
        code = dusk_result_values(node->future, HANG_S, &values, &count);
        if (code < 0)
            check_failure(node, code, dusk_last_error());
        else
            check_value(node, &values[0]);
    }
    dusk_release(&node->future, 1);
}

/* Looks at all from a random one on. */
static void settle_some(bool submit_more)
{
    int settled = 0, first = (int)draw(NODES);
    for (int i = 0; i < NODES && settled < SETTLED_A_TURN; i++) {
        struct node *node = &nodes[(first + i) % NODES];
        if (!node->future || dusk_future_status(node->future) == DUSK_PENDING)
            continue;
        settle(node);
        settled++;
        if (submit_more)
            submit(node);
    }
}

static void give_up_some(void)
{
    struct node *node = &nodes[draw(NODES)];
    if (node->cancellable && dusk_future_status(node->future) == DUSK_PENDING)
        MUST(dusk_cancel(&node->future, 1));
    if (draw(10) == 0) {
        node = &nodes[draw(NODES)];
        dusk_release(&node->future, 1);
        counts.released++;
        submit(node);
    }
}

/* Returns how many are left, after one of them was done or a moment has passed. */
static int wait_a_moment(void)
{
    struct dusk_future *pending[NODES];
    int count = 0;
    for (int i = 0; i < NODES; i++)
        if (nodes[i].future)
            pending[count++] = nodes[i].future;
    usleep(10000);
    int rc = dusk_wait(pending, count, DUSK_FIRST, 0.05);
    if (rc < 0 && rc != DUSK_E_TIMEOUT)
        MUST(rc);
    return count;
}

static bool goes_on(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) == 0;
}

static void say(void *arg, enum dusk_log_level level, const char *line)
{
    fprintf(stderr, "chaos_graph: %s\n", line);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    if (argc > 2)
        length = atoi(argv[2]);
    if (length < 1 || length > LENGTH_MOST)
        return 2;
    MUST(dusk_connect(NULL, HANG_S, &client));
    dusk_set_log(client, say, NULL);
    for (int i = 0; i < NODES; i++)
        submit(&nodes[i]);
    while (goes_on()) {
        settle_some(true);
        give_up_some();
        wait_a_moment();
    }
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)HANG_S * NS_PER_S;
    do {
        settle_some(false);
        if (clock_monotonic_ns() > until_ns)
            for (int i = 0; i < NODES; i++)
                if (nodes[i].future)
                    die("still not done", &nodes[i]);
    } while (wait_a_moment() > 0);
    dusk_close(client);
    printf("{\"submitted\": %d, \"values\": %d, \"released\": %d, \"failed\": %d, "
           "\"cancelled\": %d, \"lost\": %d}\n",
           counts.submitted, counts.values, counts.released, counts.failed,
           counts.cancelled, counts.lost);
    return 0;
}
