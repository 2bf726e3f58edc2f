#include "proto/resources.h"

#include <string.h>

/* 1 to 18 digits, so that sums do not overflow; 0 when it is no such number. */
static int64_t quantity_of(const char *digits, size_t size)
{
    int64_t quantity = 0;
    if (size < 1 || size > 18)
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        quantity = 10 * quantity + (digits[i] - '0');
    }
    return quantity;
}

static bool name_is_sound(const char *name, size_t size)
{
    if (size < 1 || size > RESOURCE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f)
            return false;
    return true;
}

static bool resources_name(const struct resources *resources, const char *name)
{
    for (unsigned i = 0; i < resources->count; i++)
        if (strcmp(resources->items[i].name, name) == 0)
            return true;
    return false;
}

/* One NAME=QUANTITY. */
static int resource_parse(const char *part, size_t size, struct err_text *error,
                          struct resources *resources)
{
    const char *equals = memchr(part, '=', size);
    size_t name_size = equals ? (size_t)(equals - part) : 0;
    int64_t quantity = equals ? quantity_of(equals + 1, size - name_size - 1) : 0;
    int shown = (int)(size < 80 ? size : 80);
    struct resource resource = {.quantity = quantity};
    if (!name_is_sound(part, name_size) || quantity < 1)
        return err_set(
            error, DUSK_E_INVALID,
            "'%.*s' is no resource: write NAME=QUANTITY, as in GPU=1,disk=2, "
            "with whole numbers from 1",
            shown, part);
    memcpy(resource.name, part, name_size);
    if (resources_name(resources, resource.name))
        return err_set(error, DUSK_E_INVALID, "resource %s stands there twice",
                       resource.name);
    if (resources->count == RESOURCES_MAX)
        return err_set(error, DUSK_E_INVALID, "'%.*s' is one resource more than %d",
                       shown, part, RESOURCES_MAX);
    resources->items[resources->count++] = resource;
    return 0;
}

int resources_parse(struct str text, struct err_text *error,
                    struct resources *ret_resources)
{
    struct resources resources = {0};
    const char *at = text.text, *end = at + text.size;
    while (text.size) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t size = (size_t)((comma ? comma : end) - at);
        int rc = resource_parse(at, size, error, &resources);
        if (rc < 0)
            return rc;
        if (!comma)
            break;
        at = comma + 1;
    }
    *ret_resources = resources;
    return 0;
}
