#include "client/commands.h"
#include "common/options.h"
#include "proto/keygen.h"

#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *directory;
    const char *add;    /* ROLE:NAME */
    const char *revoke; /* NAME */
};

static int create(const struct arguments *a, struct err_text *text)
{
    int rc = keygen_create(a->directory, text);
    if (rc == 0)
        printf("%s: a scheduler's key, its allow-list, and worker.join, client.join "
               "and submitter.join\n",
               a->directory);
    return rc;
}

static int add(const struct arguments *a, struct err_text *text)
{
    const char *colon = strchr(a->add, ':');
    char word[16] = "";
    if (colon && (size_t)(colon - a->add) < sizeof word)
        memcpy(word, a->add, (size_t)(colon - a->add));
    enum member_role role = member_role_parse(word);
    if (!role)
        return err_set(text, DUSK_E_INVALID,
                       "--add: '%s' is not worker:NAME, client:NAME or submitter:NAME",
                       a->add);
    int rc = keygen_add(a->directory, role, colon + 1, text);
    if (rc == 0)
        printf("%s: %s.join; a running scheduler learns of it by SIGHUP\n",
               a->directory, colon + 1);
    return rc;
}

static int revoke(const struct arguments *a, struct err_text *text)
{
    int rc = keygen_revoke(a->directory, a->revoke, text);
    if (rc == 0)
        printf("%s: %s is revoked; a running scheduler learns of it by SIGHUP\n",
               a->directory, a->revoke);
    return rc;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    const struct option_spec options[] = {
        {.name = "add",
         .argument = "ROLE:NAME",
         .kind = OPTION_STRING,
         .to.string = &a->add,
         .help = "add a member to the keys that are there, as worker:host7"},
        {.name = "revoke",
         .argument = "NAME",
         .kind = OPTION_STRING,
         .to.string = &a->revoke,
         .help = "take a member out"},
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "DIR", .required = true, .string = &a->directory},
        {0},
    };
    const struct command command = {
        .name = "dusk keygen",
        .summary = "Makes the keys of a cluster in a new directory, for dusk-scheduler "
                   "--keys DIR: the scheduler's secret key, the allow-list 'members', "
                   "and a join file for a worker, a client and a client that may only "
                   "submit (submitter).  Give each join file to who shall join, for "
                   "--keys FILE or $DUSK_KEYS.  Several may share one.",
        .options = options,
        .positionals = positionals,
        .epilogue =
            "A worker may only work; a client may submit, upload plugins and shut the "
            "cluster down; a submitter may submit.  Nothing is overwritten, and all "
            "files are for their owner alone.  After --add and --revoke send SIGHUP "
            "to the scheduler: who is revoked is disconnected.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc == OPTIONS_RUN && a->add && a->revoke)
        return options_complain(&command, stderr,
                                "--add and --revoke exclude "
                                "each other");
    return rc;
}

int command_keygen(int argc, char **argv)
{
    struct arguments a = {0};
    struct err_text text;
    int rc = parse(argc, argv, &a);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    rc = a.add ? add(&a, &text) : a.revoke ? revoke(&a, &text) : create(&a, &text);
    if (rc < 0) {
        fprintf(stderr, "dusk keygen: %s\n", text.line);
        return rc == DUSK_E_INVALID ? COMMAND_USAGE : COMMAND_FAILED;
    }
    return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}
