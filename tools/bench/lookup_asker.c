/* SPDX-License-Identifier: Apache-2.0 */
/* Which wire a lookup goes over. */
#include "tools/bench/lookup_asker.h"

#include <assert.h>

static const struct lookup_asker_type *
type_of(const struct load_url *url)
{
    if (url->is_native)
        return &lookup_asker_native;
    switch (url->wire.kind) {
    case WIRE_LM:
        return &lookup_asker_lm;
    case WIRE_RESP:
        return &lookup_asker_resp;
    case WIRE_MEMCACHED:
        break;
    }
    return NULL;
}

bool
lookup_asker_may(const struct lookup_plan *plan, const char **why)
{
    const struct lookup_asker_type *type = type_of(&plan->url);

    if (type == NULL)
        *why = "memcached:// has no lookups";
    else if (type == &lookup_asker_lm && plan->verb != LOOKUP_EXISTS)
        *why = "over lm:// there is only --ask exists";
    else if (plan->with_tiers &&
             (type != &lookup_asker_resp || plan->verb != LOOKUP_PREFIX))
        *why = "--with-tiers is of --ask prefix over redis://";
    else
        return true;
    return false;
}

enum status
lookup_asker_open(const struct lookup_plan *plan, struct lookup_asker **out,
                  char *why, size_t room)
{
    const struct lookup_asker_type *type = type_of(&plan->url);

    assert(type != NULL); /* lookup_asker_may() has seen to that */
    return type->open(plan, out, why, room);
}

void
lookup_asker_close(struct lookup_asker **owner)
{
    struct lookup_asker *asker = *owner;

    *owner = NULL;
    if (asker != NULL)
        asker->type->close(asker);
}

enum status
lookup_asker_put(struct lookup_asker *asker, const struct bytes *names,
                 unsigned count, struct bytes value)
{
    return asker->type->put(asker, names, count, value);
}

enum status
lookup_asker_ask(struct lookup_asker *asker, const struct bytes *names,
                 unsigned count, unsigned *matched_out)
{
    return asker->type->ask(asker, names, count, matched_out);
}

const char *
lookup_asker_why(const struct lookup_asker *asker)
{
    return asker->type->why(asker);
}
