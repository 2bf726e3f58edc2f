/* Measurements of this machine.  Nothing asserts a time. */
#include "client/bench/figures.h"
#include "client/commands.h"
#include "client/subcommands.h"

static const struct subcommand benches[] = {
    {"admm", "the published problem by all variants, against dask.distributed",
     bench_admm},
    {"kernels", "the numerical kernels, against memory and dgemm", bench_kernels},
    {"tasks", "tasks that do nothing, against a bare ZeroMQ relay", bench_tasks},
    {0},
};

int command_bench(int argc, char **argv)
{
    const struct subcommands bench = {
        .name = "dusk bench",
        .summary = "Measures dusk on this machine, in turn with what it is compared "
                   "with, and\nprints the median of several rounds.",
        .items = benches,
    };
    return subcommands_run(&bench, argc, argv);
}
