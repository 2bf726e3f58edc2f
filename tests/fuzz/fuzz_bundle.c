/* Bundles from the wire: what can be read is where the input is, and put together again
 * it is the input, but for what fills frames up. */
#include "proto/bundle.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static int copy_frame(struct bundle_reader *reader, struct buf *again)
{
    const void *data;
    size_t size, before = reader->left;
    int rc = bundle_next(reader, &data, &size);
    if (rc < 0)
        return rc;
    if (rc == BUNDLE_APART)
        return bundle_add_apart(again);
    FUZZ_CHECK(size <= before && (const uint8_t *)data + size <= reader->bytes);
    FUZZ_CHECK(reader->bytes + reader->left <= (const uint8_t *)data + before);
    return bundle_add(again, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    struct bundle_reader reader = {bytes, size};
    struct buf again;
    int rc = 0;
    if (size)
        memcpy(bytes, data, size);
    bundle_init(&again);
    while (rc == 0 && reader.left > 0)
        rc = copy_frame(&reader, &again);
    FUZZ_CHECK(rc <= 0);
    FUZZ_CHECK(rc < 0 || again.size == size);
    buf_fini(&again);
    free(bytes);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    static const uint8_t bytes[40] = {1};
    struct buf bundle;
    bundle_init(&bundle);
    for (size_t size = 0; size <= sizeof bytes; size += 5) {
        FUZZ_CHECK(bundle_add(&bundle, bytes, size) == 0);
        if (size % 2)
            FUZZ_CHECK(bundle_add_apart(&bundle) == 0);
        take(context, bundle.data, bundle.size);
    }
    buf_fini(&bundle);
}
