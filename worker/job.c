#include "worker/job.h"

#include <stdlib.h>
#include <string.h>

struct job *job_create(const char *function, struct payload *arguments,
                       unsigned input_count)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    list_init(&job->link);
    job->function = strdup(function);
    job->arguments = payload_ref(arguments);
    if (input_count)
        job->inputs = calloc(input_count, sizeof *job->inputs);
    if (!job->function || (input_count && !job->inputs)) {
        job_destroy(job);
        return NULL;
    }
    job->input_count = input_count;
    return job;
}

void job_destroy(struct job *job)
{
    if (!job)
        return;
    list_remove(&job->link);
    for (unsigned i = 0; i < job->input_count; i++)
        payload_unref(job->inputs[i].payload);
    free(job->inputs);
    payload_unref(job->arguments);
    payload_unref(job->result);
    free(job->function);
    free(job);
}
