/* Drives a fuzz target without libFuzzer: its seeds, the files and directories that are
 * named (those that end in .hex as hexadecimal text, where # begins a comment), and
 * mutations of all these.
 *
 *     fuzz_NAME [--mutations N] [--seed S] [--write DIRECTORY] [PATH ...]
 *
 * With --write the inputs become files, for libFuzzer to start from.  The input that
 * is being tried when something goes wrong is printed in hexadecimal. */
#include "common/options.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS_MAX 4096

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static unsigned input_count;
static const struct input *current;

static void take(void *context, const void *data, size_t size)
{
    if (input_count == INPUTS_MAX)
        fuzz_fail("more than %d inputs", INPUTS_MAX);
    struct input *input = &inputs[input_count++];
    *input = (struct input){malloc(size + 1), size};
    if (size)
        memcpy(input->bytes, data, size);
}

/* ---- files ---- */

static size_t hex_decode(uint8_t *text, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '#')
            while (i < size && text[i] != '\n')
                i++;
        else if (isxdigit(text[i])) {
            unsigned digit =
                isdigit(text[i]) ? text[i] - '0' : (text[i] | 32) - 'a' + 10;
            unsigned high = digits % 2 ? (unsigned)text[digits / 2] << 4 : 0;
            text[digits++ / 2] = (uint8_t)(high | digit);
        }
    }
    return digits / 2;
}

static void take_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fuzz_fail("%s: cannot be read", path);
    size_t capacity = 1 << 20, length = strlen(path);
    uint8_t *bytes = malloc(capacity);
    size_t size = fread(bytes, 1, capacity, file);
    if (length > 4 && strcmp(path + length - 4, ".hex") == 0)
        size = hex_decode(bytes, size);
    take(NULL, bytes, size);
    free(bytes);
    fclose(file);
}

static void take_path(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        take_file(path);
        return;
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            take_file(name);
        free(entries[i]);
    }
    free(entries);
}

static void write_inputs(const char *directory)
{
    mkdir(directory, 0777);
    for (unsigned i = 0; i < input_count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%04u", directory, i);
        FILE *file = fopen(path, "wb");
        if (!file ||
            fwrite(inputs[i].bytes, 1, inputs[i].size, file) != inputs[i].size ||
            fclose(file))
            fuzz_fail("%s: cannot be written", path);
    }
}

/* ---- mutations ---- */

static void mutate(struct input *input, uint64_t *state, size_t capacity)
{
    for (unsigned changes = 1 + (unsigned)(fuzz_random(state) % 8); changes;
         changes--) {
        size_t at = input->size ? fuzz_random(state) % input->size : 0;
        size_t count = 1 + fuzz_random(state) % 16;
        if (count > input->size - at)
            count = input->size - at;
        switch (fuzz_random(state) % 5) {
        case 0: /* a few bits */
            if (input->size)
                input->bytes[at] ^= (uint8_t)(1u << fuzz_random(state) % 8);
            break;
        case 1: /* another byte */
            if (input->size)
                input->bytes[at] = (uint8_t)(fuzz_random(state) >> 56);
            break;
        case 2: /* some are gone */
            memmove(input->bytes + at, input->bytes + at + count,
                    input->size - at - count);
            input->size -= count;
            break;
        case 3: /* some come twice */
            if (input->size + count > capacity)
                break;
            memmove(input->bytes + at + count, input->bytes + at, input->size - at);
            input->size += count;
            break;
        default: /* some come from elsewhere */
            if (input->size)
                memmove(input->bytes + at,
                        input->bytes + fuzz_random(state) % (input->size - count + 1),
                        count);
        }
    }
}

static void try(const struct input *input)
{
    current = input;
    LLVMFuzzerTestOneInput(input->bytes, input->size);
    current = NULL;
}

static void try_mutations(int64_t count, uint64_t seed)
{
    uint64_t state = seed * 2 + 1;
    for (int64_t i = 0; i < count && input_count; i++) {
        const struct input *from = &inputs[fuzz_random(&state) % input_count];
        size_t capacity = from->size + 256;
        struct input input = {malloc(capacity), from->size};
        memcpy(input.bytes, from->bytes, from->size);
        mutate(&input, &state, capacity);
        try(&input);
        free(input.bytes);
    }
}

/* ---- */

static void on_abort(int signal_number)
{
    signal(signal_number, SIG_DFL);
    for (size_t i = 0; current && i < current->size; i++)
        dprintf(STDERR_FILENO, "%02x%s", current->bytes[i],
                i % 40 == 39 || i + 1 == current->size ? "\n" : "");
    raise(signal_number);
}

int main(int argc, char **argv)
{
    int64_t mutations = 0, seed = 1;
    const char *directory = NULL;
    struct option_list paths = {0};
    const struct option_spec options[] = {
        {.name = "mutations",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &mutations,
         .help = "how many are tried"},
        {.name = "seed",
         .argument = "S",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &seed,
         .help = "from which they follow"},
        {.name = "write",
         .argument = "DIRECTORY",
         .kind = OPTION_STRING,
         .to.string = &directory,
         .help = "write the inputs, try nothing"},
        {0},
    };
    const struct positional_spec positionals[] = {{.name = "PATH", .list = &paths},
                                                  {0}};
    const struct command command = {.name = argv[0],
                                    .summary = "Drives a fuzz target.",
                                    .options = options,
                                    .positionals = positionals};
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc < 0 ? 2 : 0;
    fuzz_seeds(take, NULL);
    for (int i = 0; i < paths.count; i++)
        take_path(paths.items[i]);
    if (directory) {
        write_inputs(directory);
        return 0;
    }
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    for (unsigned i = 0; i < input_count; i++)
        try(&inputs[i]);
    try_mutations(mutations, (uint64_t)seed);
    printf("1..1\nok 1 - %u inputs and %lld mutations, seed %lld\n", input_count,
           (long long)mutations, (long long)seed);
    for (unsigned i = 0; i < input_count; i++)
        free(inputs[i].bytes);
    return 0;
}
