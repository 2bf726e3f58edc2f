/* The commands of `dusk`: each reads its own options from argv[1] on and returns an
 * exit code. */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_NOT_CERTIFIED = 3, /* or not converged */
};

int command_admm(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_status(int argc, char **argv);
int command_why(int argc, char **argv);

#endif
