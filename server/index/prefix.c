/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a prompt's keys, some dozens at a time: all that a lookup needs
 * of its connection in between is in struct prefix. */
#include "server/index/prefix.h"

#include "proto/object_name.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What a key may mean, in the order in which it is tried. */
#define MEANINGS 3u

/* Keys that are looked for together, and what was found of each. */
struct batch {
    unsigned count;
    const struct bytes *keys;
    struct store_name names[PREFIX_AT_ONCE];
    struct store_sight sights[PREFIX_AT_ONCE];
};

void
prefix_start(struct prefix *prefix, const struct prefix_terms *terms,
             struct store *store, struct store_port *port)
{
    assert(terms->ranks >= 1 && terms->ranks <= PREFIX_RANKS_MAX);
    assert(port != NULL || (!terms->is_leased && !terms->is_promoted));
    memset(prefix, 0, sizeof(*prefix));
    prefix->terms = *terms;
    prefix->store = store;
    prefix->port = port;
}

/* The half of an object that its suffix says, as EXISTS has it. */
static bool
name_half(const struct prefix_terms *terms, const struct bytes *key,
          struct store_name *out)
{
    struct object_name object;

    if (!object_name_split(key->at, key->size, &object))
        return false;
    out->key = key_make(KEY_OBJECT, terms->space, object.stem.at,
                        (uint16_t)object.stem.size);
    out->forms = (uint8_t)(1u << object.form | 1u << FORM_LM);
    out->part = object.half == HALF_BYTES ? PART_BODY : PART_META;
    return true;
}

/* One of the names a key may mean; false where it can not mean that. */
static bool
name_of(const struct prefix_terms *terms, const struct bytes *key,
        unsigned meaning, struct store_name *out)
{
    if (key->size > terms->key_most || key->size > KEY_SIZE_MAX)
        return false;
    if (meaning == 0)
        return name_half(terms, key, out);
    /* Then the value that was SET by this very name, then the whole object. */
    out->key = key_make(meaning == 1 ? KEY_PLAIN : KEY_OBJECT, terms->space,
                        key->at, (uint16_t)key->size);
    out->forms = STORE_ANY_FORM;
    out->part = meaning == 1 ? PART_BODY : PART_META;
    return true;
}

/* Looks for one meaning of all keys that were not found by an earlier one. */
static void
look(const struct prefix *prefix, struct batch *batch, unsigned meaning)
{
    struct store_name names[PREFIX_AT_ONCE];
    struct store_sight sights[PREFIX_AT_ONCE];
    uint8_t asked[PREFIX_AT_ONCE];
    unsigned count = 0;

    for (unsigned i = 0; i < batch->count; i++)
        if (!batch->sights[i].is_here &&
            name_of(&prefix->terms, &batch->keys[i], meaning, &names[count]))
            asked[count++] = (uint8_t)i;
    store_look(prefix->store, names, count, sights);
    for (unsigned i = 0; i < count; i++) {
        batch->names[asked[i]] = names[i];
        batch->sights[asked[i]] = sights[i];
    }
}

static enum tier_kind
fastest(unsigned tiers)
{
    return (enum tier_kind)__builtin_ctz(tiers);
}

/* Has a key of the match what its lookup asked for it? */
static enum prefix_state
secure(struct prefix *prefix, const struct store_name *name,
       const struct store_sight *sight)
{
    enum status status = STATUS_OK;

    if (prefix->terms.is_leased)
        status = store_exists_for(prefix->port, name, prefix->terms.lease_ns);
    if (status != STATUS_OK)
        return status == STATUS_BUSY ? PREFIX_UNLEASED : PREFIX_MISSING;
    if (prefix->terms.is_promoted && (sight->tiers & 1u << TIER_DRAM) == 0)
        prefix->promoted += store_promote(prefix->port, name);
    return PREFIX_HERE;
}

/* All keys of a position are here: what was noted of it counts. */
static void
close_position(struct prefix *prefix)
{
    unsigned slowest = TIER_DRAM;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        const struct prefix_part *open = &prefix->open[tier];

        if (open->keys != 0)
            slowest = tier;
        prefix->parts[tier].keys += open->keys;
        prefix->parts[tier].bytes += open->bytes;
    }
    prefix->parts[slowest].matched++;
    for (unsigned tier = slowest; tier < TIER_COUNT; tier++)
        prefix->parts[tier].unbroken +=
            prefix->parts[tier].unbroken == prefix->matched;
    prefix->matched++;
    memset(prefix->open, 0, sizeof(prefix->open));
}

static void
add_key(struct prefix *prefix, const struct batch *batch, unsigned i,
        struct prefix_key *out)
{
    const struct store_sight *sight = &batch->sights[i];
    struct prefix_part *open;

    out->state = sight->is_here ? PREFIX_HERE : PREFIX_MISSING;
    out->tiers = sight->is_here ? sight->tiers : 0;
    out->bytes = sight->is_here ? sight->body_size : 0;
    if (sight->is_here && !prefix->is_over)
        out->state = secure(prefix, &batch->names[i], sight);
    prefix->keys++;
    if (out->state != PREFIX_HERE)
        prefix->is_over = true;
    if (prefix->is_over)
        return;
    open = &prefix->open[fastest(sight->tiers)];
    open->keys++;
    open->bytes += sight->body_size;
    if (prefix->keys % prefix->terms.ranks == 0)
        close_position(prefix);
}

bool
prefix_add(struct prefix *prefix, const struct bytes *keys, unsigned count,
           struct prefix_key *keys_out)
{
    struct batch batch = {.count = count, .keys = keys};
    struct prefix_key key;

    assert(count <= PREFIX_AT_ONCE);
    for (unsigned i = 0; i < count; i++)
        batch.sights[i].is_here = false;
    for (unsigned meaning = 0; meaning < MEANINGS; meaning++)
        look(prefix, &batch, meaning);
    for (unsigned i = 0; i < count; i++)
        add_key(prefix, &batch, i, keys_out == NULL ? &key : &keys_out[i]);
    return !prefix->is_over || prefix->terms.wants_all;
}

static double
load_time(const struct prefix *prefix, const struct speed *speeds,
          unsigned speed_count)
{
    double sum_ns = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        const struct prefix_part *part = &prefix->parts[tier];
        struct speed_line line = speed_line(speeds, speed_count, tier);

        if (part->keys == 0)
            continue;
        if (!line.is_known)
            return -1;
        sum_ns += part->keys * line.get_ns + (double)part->bytes * line.byte_ns;
    }
    return sum_ns / prefix->terms.ranks;
}

void
prefix_end(const struct prefix *prefix, const struct speed *speeds,
           unsigned speed_count, struct prefix_sum *out)
{
    uint32_t matched = 0;
    uint64_t bytes = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        matched += prefix->parts[tier].matched;
        bytes += prefix->parts[tier].bytes;
        out->tiers[tier].matched = matched;
        out->tiers[tier].bytes = bytes;
        out->tiers[tier].unbroken = prefix->parts[tier].unbroken;
    }
    assert(matched == prefix->matched);
    out->matched = matched;
    out->bytes = bytes;
    out->load_ns = load_time(prefix, speeds, speed_count);
}

const char *
prefix_word(const struct prefix_key *key, char into[PREFIX_WORD_MAX])
{
    int size = 0;

    if (key->state == PREFIX_UNLEASED)
        return "unleased";
    if (key->state == PREFIX_MISSING)
        return "missing";
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((key->tiers & 1u << tier) != 0)
            size +=
                snprintf(into + size, PREFIX_WORD_MAX - (size_t)size, "%s%s",
                         size == 0 ? "" : "+", tier_kinds[tier]->name);
    return into;
}
