/* Commands that only choose among others: `dusk`, `dusk bench`. */
#ifndef CLIENT_SUBCOMMANDS_H
#define CLIENT_SUBCOMMANDS_H

struct subcommand {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
};

struct subcommands {
    const char *name; /* "dusk bench" */
    const char *summary;
    const struct subcommand *items; /* up to one without a name */
};

/* Runs the one that argv[1] names and returns its exit code; or says in one line that
 * there is none; or answers --help, "help NAME" and --version. */
int subcommands_run(const struct subcommands *group, int argc, char **argv);

#endif
