/* The public functions that ask about the cluster, or for its end. */
#include "client/client.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_NS (20 * NS_PER_MS) /* between two looks at the workers */

int client_ask(struct dusk_client *client, struct client_question *question,
               struct client_wait *wait, const char *what)
{
    struct client_core *core = client->core;
    client_core_ask(core, question);
    while (!question->answered) {
        bool refused = core->link == LINK_REFUSED;
        if (!refused && client_wait_turn(client, wait))
            continue;
        client_core_take_back(core, question);
        if (refused)
            return client_fail(core->refusal, "%s", core->refusal_text.line);
        return client_fail(DUSK_E_TIMEOUT, "%s did not tell %s%s", client->address,
                           what, client_wait_text(client, wait).text);
    }
    return 0;
}

int dusk_workers(struct dusk_client *client, double timeout_s,
                 struct dusk_cluster **ret_cluster)
{
    struct client_wait wait = client_wait_for(timeout_s);
    struct client_question question = {.kind = ASK_STATUS};
    int rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = client_ask(client, &question, &wait, "its status");
    if (rc == 0)
        *ret_cluster = question.cluster;
    client_leave(client);
    return rc;
}

void dusk_cluster_free(struct dusk_cluster *cluster)
{
    free(cluster);
}

/* Workers come one by one, seconds apart: a look now and then will do. */
static void rest(struct dusk_client *client, struct client_wait *wait)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t until_ns = now_ns + LOOK_NS;
    while (!wait->over && now_ns < until_ns) {
        client_turn(client, until_ns - now_ns);
        now_ns = clock_monotonic_ns();
        wait->over = now_ns >= wait->until_ns;
    }
}

static int workers_wait(struct dusk_client *client, int n, struct client_wait *wait)
{
    int count = -1;
    int rc;
    do {
        if (count >= 0)
            rest(client, wait);
        struct client_question question = {0};
        rc = client_ask(client, &question, wait, "its status");
        if (rc == 0)
            count = question.cluster->worker_count;
        dusk_cluster_free(question.cluster);
    } while (rc == 0 && count < n);
    if (rc == DUSK_E_TIMEOUT && count >= 0)
        return client_fail(rc, "%s has %d workers instead of %d%s", client->address,
                           count, n, client_wait_text(client, wait).text);
    return rc;
}

int dusk_wait_for_workers(struct dusk_client *client, int n, double timeout_s)
{
    struct client_wait wait = client_wait_for(timeout_s);
    int rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = workers_wait(client, n, &wait);
    client_leave(client);
    return rc;
}

static int ask_why(struct dusk_client *client, enum client_question_kind kind,
                   struct task_key key, double timeout_s, char **ret_reason)
{
    struct client_wait wait = client_wait_for(timeout_s);
    struct client_question question = {.kind = kind, .key = key};
    int rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = client_ask(client, &question, &wait, "why");
    if (rc == 0)
        *ret_reason = question.reason;
    client_leave(client);
    return rc;
}

int dusk_why_all(struct dusk_client *client, double timeout_s, char **ret_lines)
{
    return ask_why(client, ASK_WHY_ALL, (struct task_key){0}, timeout_s, ret_lines);
}

int dusk_why(struct dusk_client *client, const char *key, double timeout_s,
             char *ret_line, size_t size)
{
    struct task_key parsed;
    char *reason = NULL;
    if (!key || !key_parse(key, &parsed) || parsed.bits == 0)
        return client_fail(DUSK_E_INVALID, "'%s' is not a key like c0ffee-17",
                           key ? key : "");
    int rc = ask_why(client, ASK_WHY, parsed, timeout_s, &reason);
    if (rc < 0)
        return rc;
    snprintf(ret_line, size, "%s", reason);
    free(reason);
    return 0;
}

int dusk_shutdown(struct dusk_client *client, double timeout_s)
{
    struct client_wait wait = client_wait_for(timeout_s);
    struct client_question question = {.kind = ASK_SHUTDOWN};
    int rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = client_ask(client, &question, &wait, "that the cluster has ended");
    if (rc == 0 && question.code < 0)
        rc = client_fail(question.code, "%s: %s", client->address, question.reason);
    free(question.reason);
    client_leave(client);
    return rc;
}
