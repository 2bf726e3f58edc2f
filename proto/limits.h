/* What a peer may ask of another.  Whatever arrives is measured against these
 * before memory is spent on it; but ZeroMQ makes room for a frame before anybody sees
 * it, up to the limit that link_socket or link_limit_frames gave the socket. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#define LIMIT_HEADER_BYTES (16u << 20) /* the messages of one turn, without arrays */
#define LIMIT_HEAD_BYTES (8u << 20)    /* a payload's values: a message fits round it */
#define LIMIT_BUNDLE_BYTES (16u << 20) /* small arrays of one turn, in one part */
#define LIMIT_BATCH_FRAMES 65536u      /* frames of one turn */
#define LIMIT_BATCH_MESSAGES 65536u    /* messages of one turn */
#define LIMIT_FRAME_BYTES (8ull << 30) /* one array */
#define LIMIT_TASK_FRAME_BYTES (256u << 20) /* one array among a task's arguments */
#define LIMIT_DEPTH 8u                      /* nesting of msgpack containers */
#define LIMIT_NAME_BYTES 255u               /* names of functions, hosts, workers */
#define LIMIT_TEXT_BYTES 4096u              /* sentences */
#define LIMIT_ARGUMENTS 1024u               /* arguments of a task, items of a result */
#define LIMIT_INLINE_BYTES (64u << 10)      /* results that ride on the completion */
#define LIMIT_OUTBOX_BYTES (256u << 20)     /* waiting for one slow peer */
#define LIMIT_REQUESTS 65536u               /* for data, that wait at a worker */
#define LIMIT_CREDITS 4096u                 /* tasks that a worker may be sent ahead */
#define LIMIT_TASKS 20000000u               /* tasks that a scheduler holds */
#define LIMIT_ARGUMENT_BYTES (4ull << 30)   /* arguments of all tasks together */
#define LIMIT_PLUGIN_BYTES (16u << 20)      /* one uploaded plugin */
#define LIMIT_PLUGINS_BYTES (64u << 20)     /* all that a scheduler holds */
#define LIMIT_PLUGINS 64u                   /* their number */
#define LIMIT_MEMBERS 4096u                 /* of a cluster with keys */
#define LIMIT_PUBLICATIONS 16384u           /* names: they fit into one status */
#define LIMIT_PUBLISHED_TASKS (4u << 20)    /* under all names together */
#define LIMIT_STRANGERS 2048u               /* connections of whom nothing is known */
#define LIMIT_PEERS 16384u                  /* connections that a scheduler holds */

#endif
