/* SPDX-License-Identifier: Apache-2.0 */
/* PREFIX.MATCH, or EXISTS of many keys: one command each. */
#include "tools/bench/lookup_asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_TIMEOUT_MS 30000u
#define OPTIONS_MAX     3u /* words before the keys */

struct lookup_resp {
    struct lookup_asker base;
    struct wire *wire;
    struct bytes words[2 * LOOKUP_KEYS_MAX + OPTIONS_MAX];
};

static void
close_resp(struct lookup_asker *base)
{
    struct lookup_resp *asker = (struct lookup_resp *)base;

    wire_close(&asker->wire);
    free(asker);
}

static enum status
open_resp(const struct lookup_plan *plan, struct lookup_asker **out, char *why,
          size_t room)
{
    struct lookup_resp *asker = calloc(1, sizeof *asker);
    enum status status;

    if (asker == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    asker->base =
        (struct lookup_asker){.type = &lookup_asker_resp, .plan = plan};
    status =
        wire_open(&plan->url.wire, OPEN_TIMEOUT_MS, &asker->wire, why, room);
    if (status == STATUS_OK)
        *out = &asker->base;
    else
        free(asker);
    return status;
}

/* Reads one reply to its end; the first integer of it that stands behind a name
 * (NULL: any) is *found. */
static enum status
read_reply(struct lookup_resp *asker, const char *name, int64_t *found)
{
    size_t size = name == NULL ? 0 : strlen(name);
    struct resp_token token;
    struct bytes text;
    bool is_next = name == NULL;

    for (int64_t left = 1; left > 0; left--) {
        enum status status = wire_token(asker->wire, &token, &text);

        if (status != STATUS_OK)
            return status;
        if (token.type == RESP_ARRAY || token.type == RESP_MAP)
            left += token.number;
        if (token.type == RESP_INTEGER && is_next) {
            *found = token.number;
            name = NULL; /* the first one counts */
            is_next = false;
        } else if (token.type == RESP_BULK && name != NULL) {
            is_next = text.size == size && memcmp(text.at, name, size) == 0;
        }
    }
    return STATUS_OK;
}

static enum status
put(struct lookup_asker *base, const struct bytes *names, unsigned count,
    struct bytes value)
{
    struct lookup_resp *asker = (struct lookup_resp *)base;
    int64_t none;
    enum status status;

    asker->words[0] = wire_text("MSET");
    for (unsigned i = 0; i < count; i++) {
        asker->words[2 * i + 1] = names[i];
        asker->words[2 * i + 2] = value;
    }
    status = wire_command(asker->wire, 2 * count + 1, asker->words);
    return status == STATUS_OK ? read_reply(asker, NULL, &none) : status;
}

static enum status
ask(struct lookup_asker *base, const struct bytes *names, unsigned count,
    unsigned *matched_out)
{
    struct lookup_resp *asker = (struct lookup_resp *)base;
    bool with_tiers = base->plan->with_tiers;
    unsigned words = 0;
    int64_t matched = 0;
    enum status status;

    if (base->plan->verb == LOOKUP_EXISTS) {
        asker->words[words++] = wire_text("EXISTS");
    } else {
        asker->words[words++] = wire_text("PREFIX.MATCH");
        if (with_tiers)
            asker->words[words++] = wire_text("WITHTIERS");
        asker->words[words++] = wire_text("--");
    }
    memcpy(asker->words + words, names, count * sizeof *names);
    status = wire_command(asker->wire, words + count, asker->words);
    if (status == STATUS_OK)
        status = read_reply(asker, with_tiers ? "matched" : NULL, &matched);
    if (status == STATUS_OK)
        *matched_out = (unsigned)matched;
    return status;
}

static const char *
why(const struct lookup_asker *base)
{
    return wire_why(((const struct lookup_resp *)base)->wire);
}

const struct lookup_asker_type lookup_asker_resp = {
    .open = open_resp, .close = close_resp, .put = put, .ask = ask, .why = why};
