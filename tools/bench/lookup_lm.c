/* SPDX-License-Identifier: Apache-2.0 */
/* An EXIST for each key, each waited for, up to the first that is not here: all
 * that the wire has. */
#include "tools/bench/lookup_asker.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN_TIMEOUT_MS 30000u

struct lookup_lm {
    struct lookup_asker base;
    struct wire *wire;
};

static void
close_lm(struct lookup_asker *base)
{
    struct lookup_lm *asker = (struct lookup_lm *)base;

    wire_close(&asker->wire);
    free(asker);
}

static enum status
open_lm(const struct lookup_plan *plan, struct lookup_asker **out, char *why,
        size_t room)
{
    struct lookup_lm *asker = calloc(1, sizeof *asker);
    enum status status;

    if (asker == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    asker->base = (struct lookup_asker){.type = &lookup_asker_lm, .plan = plan};
    status =
        wire_open(&plan->url.wire, OPEN_TIMEOUT_MS, &asker->wire, why, room);
    if (status == STATUS_OK)
        *out = &asker->base;
    else
        free(asker);
    return status;
}

static enum status
ask(struct lookup_asker *base, const struct bytes *names, unsigned count,
    unsigned *matched_out)
{
    struct lookup_lm *asker = (struct lookup_lm *)base;

    for (unsigned i = 0; i < count; i++) {
        enum status status = wire_exists(asker->wire, names[i]);

        if (status == STATUS_MISS)
            count = i;
        else if (status != STATUS_OK)
            return status;
    }
    *matched_out = count;
    return STATUS_OK;
}

/* A PUT has no reply: the last is asked for, so that all have been taken. */
static enum status
put(struct lookup_asker *base, const struct bytes *names, unsigned count,
    struct bytes value)
{
    struct lookup_lm *asker = (struct lookup_lm *)base;
    unsigned matched;

    for (unsigned i = 0; i < count; i++) {
        enum status status = wire_put(asker->wire, names[i], value, NULL);

        if (status != STATUS_OK)
            return status;
    }
    return count == 0 ? STATUS_OK : ask(base, names + count - 1, 1, &matched);
}

static const char *
why(const struct lookup_asker *base)
{
    return wire_why(((const struct lookup_lm *)base)->wire);
}

const struct lookup_asker_type lookup_asker_lm = {
    .open = open_lm, .close = close_lm, .put = put, .ask = ask, .why = why};
