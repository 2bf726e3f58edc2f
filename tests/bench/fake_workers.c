/* Many workers in one process, each with a connection of its own and none with a
 * thread: what they are sent to run they answer at once, and all with the same result.
 * See --help.  An embedded cluster can run it in the place of dusk-worker. */
#include "common/clock.h"
#include "common/list.h"
#include "common/options.h"
#include "proto/curve.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define CREDITS 1024
#define TASK_NS 1000 /* what a task is said to have taken */
#define EVENTS_A_TURN 256

struct fake {
    void *socket;
    unsigned number;
    struct batch batch; /* what is to be sent, one message a turn */
    struct list due;    /* in fakes->due, when it was welcomed */
    uint64_t due_ns;    /* when its next heartbeat is */
    uint64_t epoch, scheduler_epoch;
    bool left;
};

struct fakes {
    const char *name, *address, *keys;
    int64_t workers, columns, threads, ready_fd;
    struct join join;
    struct fake *items;
    unsigned count, welcomed, left;
    struct list due; /* all have the same interval: the first is always due first */
    uint64_t heartbeat_ns, start_ns;
    /* In turn: what asks again and again shall not converge. */
    struct payload *results[2];
    unsigned answers;
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "fake_workers: %s: %s\n", what, why);
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc < 0)
        die(what, err_sentence(rc));
}

static void say(struct fake *fake, const struct message *message)
{
    must(batch_add(&fake->batch, message), message_name(message->type));
}

/* An address for each, at which nobody listens. */
static void say_hello(const struct fakes *fakes, struct fake *fake)
{
    char name[64], address[64];
    unsigned n = fake->number;
    snprintf(name, sizeof name, "%.40s-%u", fakes->name, n);
    snprintf(address, sizeof address, "tcp://127.%u.%u.%u:%u", n >> 16 & 255,
             n >> 8 & 255, n & 255, 1 + (unsigned)getpid() % 65535);
    say(fake,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .minor = PROTOCOL_MINOR, .build = str_of(DUSK_VERSION),
                .role = ROLE_WORKER, .name = str_of(name), .epoch = fake->epoch,
                .address = str_of(address), .pid = (uint64_t)getpid(), .nthreads = 1,
                .memory_limit = 1 << 30, .credits = CREDITS, .unix_ns = clock_unix_ns(),
                .scheduler_epoch = fake->scheduler_epoch));
}

static void be_welcome(struct fakes *fakes, struct fake *fake,
                       const struct msg_welcome *welcome)
{
    bool first = fake->scheduler_epoch == 0;
    fake->scheduler_epoch = welcome->epoch;
    fakes->heartbeat_ns = welcome->heartbeat_ms * NS_PER_MS;
    fake->due_ns = clock_monotonic_ns() + fakes->heartbeat_ns;
    list_remove(&fake->due);
    list_append(&fakes->due, &fake->due);
    if (!first || ++fakes->welcomed < fakes->count)
        return;
    printf("%u workers welcomed in %.3f s\n", fakes->count,
           (double)(clock_monotonic_ns() - fakes->start_ns) * 1e-9);
    fflush(stdout);
    if (fakes->ready_fd >= 0)
        dprintf((int)fakes->ready_fd, "ready %s\n", fakes->address);
}

static void leave(struct fakes *fakes, struct fake *fake)
{
    if (fake->left)
        return;
    say(fake, MESSAGE(bye, .reason = str_of("it was a fake")));
    list_remove(&fake->due);
    fake->left = true;
    fakes->left++;
}

static void run(struct fakes *fakes, struct fake *fake, const struct msg_run_task *task)
{
    uint64_t now_ns = clock_unix_ns();
    struct payload *result = fakes->results[fakes->answers++ % 2];
    say(fake, MESSAGE(done, .key = task->key, .attempt = task->attempt,
                      .nbytes = payload_bytes(result), .start_ns = now_ns - TASK_NS,
                      .stop_ns = now_ns, .result = result));
}

static void acquire(struct fake *fake, field_sources sources)
{
    for (size_t i = 0; i < sources.count; i++) {
        const struct source *source = &sources.items[i];
        struct holding holding = {source->key, source->nbytes};
        say(fake, MESSAGE(have, .holdings = {&holding, 1}));
    }
}

/* Every other message asks for nothing. */
static void handle(struct fakes *fakes, struct fake *fake,
                   const struct message *message)
{
    switch (message->type) {
    case MSG_welcome:
        be_welcome(fakes, fake, &message->welcome);
        break;
    case MSG_refuse:
        die("refused",
            strndupa(message->refuse.reason.text, message->refuse.reason.size));
    case MSG_register_again:
        say_hello(fakes, fake);
        break;
    case MSG_run_task:
        run(fakes, fake, &message->run_task);
        break;
    case MSG_acquire:
        acquire(fake, message->acquire.sources);
        break;
    case MSG_load_plugin:
        say(fake, MESSAGE(plugin_loaded, .checksum = message->load_plugin.checksum));
        break;
    case MSG_shutdown:
        leave(fakes, fake);
        break;
    default:
        break;
    }
}

static void receive(struct fakes *fakes, struct fake *fake)
{
    struct delivery delivery;
    struct message message;
    struct err_text text;
    int rc;
    while ((rc = link_receive(fake->socket, &delivery)) == 0) {
        while ((rc = batch_reader_next(&delivery.reader, &message, &text)) == 0)
            handle(fakes, fake, &message);
        if (rc < 0)
            die("a message", text.line);
        delivery_fini(&delivery);
    }
    must(rc, "receiving");
}

static bool is_readable(const struct fake *fake)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(fake->socket, ZMQ_EVENTS, &events, &size) == 0 &&
           events & ZMQ_POLLIN;
}

/* What cannot be sent waits until the socket has news again.  Sending may take those
 * news from the socket's descriptor: it is asked for more before it is waited for. */
static void serve(struct fakes *fakes, struct fake *fake)
{
    do {
        receive(fakes, fake);
        if (!batch_is_empty(&fake->batch))
            must(link_send(fake->socket, NULL, &fake->batch), "sending");
    } while (is_readable(fake));
}

static void send_heartbeats(struct fakes *fakes)
{
    uint64_t now_ns = clock_monotonic_ns();
    LIST_FOREACH (link, &fakes->due) {
        struct fake *fake = CONTAINER_OF(link, struct fake, due);
        if (fake->due_ns > now_ns)
            return;
        fake->due_ns = now_ns + fakes->heartbeat_ns;
        list_remove(link);
        list_append(&fakes->due, link);
        say(fake, MESSAGE(heartbeat, .memory = 0));
        serve(fakes, fake);
    }
}

static int wait_ms(const struct fakes *fakes)
{
    if (list_is_empty(&fakes->due))
        return -1;
    uint64_t due_ns = CONTAINER_OF(fakes->due.next, struct fake, due)->due_ns;
    uint64_t now_ns = clock_monotonic_ns();
    return due_ns > now_ns ? (int)((due_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

/* False when the standard input has ended. */
static bool turn(struct fakes *fakes, int epoll)
{
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(epoll, events, EVENTS_A_TURN, wait_ms(fakes));
    for (int i = 0; i < count; i++) {
        char byte;
        if (events[i].data.ptr)
            serve(fakes, events[i].data.ptr);
        else if (read(STDIN_FILENO, &byte, 1) <= 0)
            return false;
    }
    send_heartbeats(fakes);
    return true;
}

static void watch(int epoll, int fd, struct fake *fake)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fake};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl", "the standard input must be a pipe or a terminal");
}

static void join(const struct fakes *fakes, struct fake *fake, void *context, int epoll)
{
    struct err_text text;
    int fd = -1;
    size_t size = sizeof fd;
    batch_init(&fake->batch);
    list_init(&fake->due);
    while (getrandom(&fake->epoch, sizeof fake->epoch, 0) < 0 || fake->epoch == 0)
        ;
    if (link_socket(context, ZMQ_DEALER, &fake->socket, &text) < 0 ||
        (*fakes->keys &&
         curve_connect(fake->socket, &fakes->join, fakes->address, &text) < 0) ||
        link_connect(fake->socket, fakes->address, &text) < 0)
        die("connecting", text.line);
    zmq_getsockopt(fake->socket, ZMQ_FD, &fd, &size);
    watch(epoll, fd, fake);
    say_hello(fakes, fake);
}

/* Two descriptors a connection. */
static void raise_descriptor_limit(unsigned workers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * (rlim_t)workers + 32)
        die("too many workers", "RLIMIT_NOFILE must be twice their number");
}

/* What an update of ADMM answers: a vector, evaluations and a status. */
static struct payload *result_of(int64_t columns, double scale)
{
    struct dusk_value values[] = {{.kind = DUSK_ARRAY},
                                  {.kind = DUSK_INT, .integer = 1},
                                  {.kind = DUSK_INT, .integer = 0}};
    struct payload_builder builder;
    struct payload *result;
    double *x = calloc((size_t)columns + 1, sizeof *x);
    if (!x)
        die("a result", err_sentence(DUSK_E_NOMEM));
    for (int64_t j = 0; j < columns; j++)
        x[j] = scale / (double)(j + 1);
    values[0].array = (struct dusk_array){DUSK_F64, 1, {columns}, x};
    payload_builder_init(&builder);
    for (int i = 0; columns && i < 3; i++)
        must(payload_builder_value(&builder, &values[i], NULL), "a result");
    must(payload_builder_finish(&builder, &result), "a result");
    free(x);
    return result;
}

static int read_options(struct fakes *fakes, int argc, char **argv)
{
    const struct option_spec options[] = {
        {.name = "workers",
         .argument = "W",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 60000,
         .to.integer = &fakes->workers,
         .shown = true,
         .help = "of this process"},
        {.name = "columns",
         .argument = "P",
         .kind = OPTION_INTEGER,
         .most = 100000,
         .to.integer = &fakes->columns,
         .shown = true,
         .help = "answer like an update of ADMM; 0: with a result without items"},
        {.name = "name",
         .argument = "NAME",
         .kind = OPTION_STRING,
         .to.string = &fakes->name,
         .shown = true,
         .help = "of all, before a number"},
        {.name = "keys",
         .argument = "FILE",
         .kind = OPTION_STRING,
         .to.string = &fakes->keys,
         .help = "the join file"},
        {.name = "ready-fd",
         .argument = "FD",
         .kind = OPTION_INTEGER,
         .most = INT32_MAX,
         .to.integer = &fakes->ready_fd,
         .help = "say there when all are welcomed, and serve until killed"},
        {.name = "nthreads",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1,
         .to.integer = &fakes->threads,
         .help = "of each: 1"},
        {0}};
    const struct positional_spec positionals[] = {
        {.name = "ADDRESS", .string = &fakes->address}, {0}};
    const struct command command = {
        .name = "fake_workers",
        .summary = "Workers that answer at once.  Prints how long it took until all "
                   "were welcomed, and serves until its standard input ends or the "
                   "cluster is shut down.",
        .options = options,
        .positionals = positionals};
    struct err_text text;
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc == OPTIONS_RUN && !fakes->address)
        rc = options_complain(&command, stderr, "no ADDRESS is given");
    if (rc == OPTIONS_RUN && *fakes->keys &&
        keys_read_join(fakes->keys, &fakes->join, &text) < 0)
        die("keys", text.line);
    return rc;
}

int main(int argc, char **argv)
{
    struct fakes fakes = {.name = "fake",
                          .address = getenv("DUSK_SCHEDULER_ADDRESS"),
                          .keys = "",
                          .workers = 1,
                          .ready_fd = -1};
    int rc = read_options(&fakes, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? 0 : 2;
    fakes.count = (unsigned)fakes.workers;
    raise_descriptor_limit(fakes.count);
    list_init(&fakes.due);
    for (int i = 0; i < 2; i++)
        fakes.results[i] = result_of(fakes.columns, 1 + i);
    void *context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)fakes.count + 1);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fakes.items = calloc(fakes.count, sizeof *fakes.items);
    fakes.start_ns = clock_monotonic_ns();
    if (fakes.ready_fd < 0)
        watch(epoll, STDIN_FILENO, NULL);
    for (unsigned i = 0; i < fakes.count; i++) {
        fakes.items[i].number = i + 1;
        join(&fakes, &fakes.items[i], context, epoll);
    }
    while (fakes.left < fakes.count && turn(&fakes, epoll))
        ;
    for (unsigned i = 0; i < fakes.count; i++) {
        leave(&fakes, &fakes.items[i]);
        serve(&fakes, &fakes.items[i]);
        zmq_close(fakes.items[i].socket);
        batch_fini(&fakes.items[i].batch);
    }
    free(fakes.items);
    for (int i = 0; i < 2; i++)
        payload_unref(fakes.results[i]);
    close(epoll);
    link_context_end(context);
    return 0;
}
