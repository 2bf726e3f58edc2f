/* The public functions for what outlives a client, or a worker. */
#include "client/client.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

static int name_check(const char *name)
{
    if (!name || !*name)
        return client_fail(DUSK_E_INVALID, "what is published needs a name");
    if (strlen(name) > LIMIT_NAME_BYTES)
        return client_fail(DUSK_E_LIMIT, "'%.40s...' is longer than %u bytes", name,
                           LIMIT_NAME_BYTES);
    return 0;
}

/* Asks about a name, with the lock held. */
static int ask_about(struct dusk_client *client, struct client_question *question,
                     double timeout_s, const char *what)
{
    struct client_wait wait = client_wait_for(timeout_s);
    int rc = client_ask(client, question, &wait, what);
    if (rc == 0 && question->code < 0)
        rc = client_fail(question->code, "%s", question->reason);
    free(question->reason);
    return rc;
}

static int keys_of(const struct dusk_client *client, const char *name,
                   struct dusk_future *const *futures, int n,
                   struct task_key **ret_keys)
{
    if (n < 0 || (size_t)n > LIMIT_HEADER_BYTES / 2 / sizeof(struct task_key))
        return client_fail(DUSK_E_LIMIT, "%s: %d futures cannot be published", name, n);
    struct task_key *keys = malloc(((size_t)n + 1) * sizeof *keys);
    if (!keys)
        return client_fail(DUSK_E_NOMEM, "no memory for %d keys", n);
    for (int i = 0; i < n; i++) {
        if (!futures[i] || futures[i]->core != client->core) {
            free(keys);
            return client_fail(DUSK_E_INVALID, "%s: future %d is %s", name, i,
                               futures[i] ? "of another client" : "NULL");
        }
        keys[i] = futures[i]->key;
    }
    *ret_keys = keys;
    return 0;
}

int dusk_publish(struct dusk_client *client, const char *name,
                 struct dusk_future *const *futures, int n, double timeout_s)
{
    struct task_key *keys = NULL;
    int rc = name_check(name);
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = keys_of(client, name, futures, n, &keys);
    if (rc == 0) {
        struct client_question question = {
            .kind = ASK_PUBLISH, .name = name, .keys = {keys, (size_t)n}};
        rc = ask_about(client, &question, timeout_s, "whether that is published");
    }
    free(keys);
    client_leave(client);
    return rc;
}

int dusk_get_published(struct dusk_client *client, const char *name, double timeout_s,
                       struct dusk_future ***ret_futures, int *ret_count)
{
    struct client_question question = {.kind = ASK_GET_PUBLISHED, .name = name};
    int rc = name_check(name);
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = ask_about(client, &question, timeout_s, "what is published");
    if (rc == 0) {
        *ret_futures = question.futures;
        *ret_count = (int)question.future_count;
    }
    client_leave(client);
    return rc;
}

int dusk_unpublish(struct dusk_client *client, const char *name, double timeout_s)
{
    struct client_question question = {.kind = ASK_UNPUBLISH, .name = name};
    int rc = name_check(name);
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    rc = ask_about(client, &question, timeout_s, "whether that is unpublished");
    client_leave(client);
    return rc;
}

int dusk_list_published(struct dusk_client *client, double timeout_s,
                        const char ***ret_names, int *ret_count)
{
    struct dusk_cluster *cluster;
    int rc = dusk_workers(client, timeout_s, &cluster);
    if (rc < 0)
        return rc;
    size_t count = (size_t)cluster->published_count, texts = 0;
    for (size_t i = 0; i < count; i++)
        texts += strlen(cluster->published[i].name) + 1;
    const char **names = malloc((count + 1) * sizeof *names + texts);
    char *room = names ? (char *)&names[count] : NULL;
    for (size_t i = 0; names && i < count; i++) {
        names[i] = room;
        room = stpcpy(room, cluster->published[i].name) + 1;
    }
    dusk_cluster_free(cluster);
    if (!names)
        return client_fail(DUSK_E_NOMEM, "no memory for %zu names", count);
    *ret_names = names;
    *ret_count = (int)count;
    return 0;
}

int dusk_replicate(struct dusk_future *const *futures, int n, int copies)
{
    struct dusk_client *client;
    if (copies < 1)
        return client_fail(DUSK_E_INVALID, "%d copies are fewer than one", copies);
    int rc = client_enter_all(futures, n, true, true, &client);
    if (rc < 0 || !client)
        return rc;
    for (int i = 0; i < n; i++)
        if (futures[i])
            client_core_replicate(client->core, futures[i], (unsigned)copies);
    client_leave(client);
    return 0;
}
