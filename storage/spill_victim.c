/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oldest group, on its way to be given back: its values are listed by their
 * heads, twice.  The second time the heads go with that, and with them all that
 * a start would believe; then the family, which frees its tables.  Some hundred
 * heads are listed at a time, so that a group of many values takes no more
 * memory and keeps nobody waiting for longer than one of few.
 */
#include "storage/spill_state.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MOST 2048u
#define KEYS_SIZE  (256u << 10)
#define HEADS_MOST 16384u /* removed at a time, where nobody waits for items */

struct item {
    uint64_t sequence, number, checksum;
    uint32_t key_at, size;
    uint16_t key_size, space;
    uint8_t kind;
};

struct spill_victim {
    struct lower_victim lower; /* first */
    struct spill *spill;
    uint64_t group, bytes;
    bool is_retiring; /* heads go when they are listed */
    bool is_done;     /* ... and all have */
    bool has_failed;  /* and tells no more */
    /* Those that are listed now. */
    uint64_t from; /* the sequence that the next ones begin with */
    bool is_last;  /* there are no next ones */
    unsigned count, at;
    uint32_t keys_size;
    struct item items[ITEMS_MOST];
    uint8_t keys[KEYS_SIZE];
};

static struct spill_victim *
victim_of(struct lower_victim *lower)
{
    return (struct spill_victim *)lower;
}

static const struct spill_victim *
victim_of_const(const struct lower_victim *lower)
{
    return (const struct spill_victim *)lower;
}

/* --- The heads of a group. --- */

/* A visit of some of them; a name may lead to a head that lies elsewhere by
 * now. */
struct visit {
    struct spill *spill;
    uint64_t group;
    uint64_t from; /* the sequence to begin with; then, to go on with */
    bool is_last;  /* there are no more */
    unsigned most;
    struct spill_victim *victim; /* that lists them, or NULL */
    struct rocks_batch *batch;   /* that removes them, or NULL */
};

static bool
is_full(const struct spill_victim *victim)
{
    return victim != NULL && (victim->count == ITEMS_MOST ||
                              KEYS_SIZE - victim->keys_size < KEY_SIZE_MAX);
}

static void
list_head(struct spill_victim *victim, const struct spill_head *head)
{
    memcpy(victim->keys + victim->keys_size, head->key.bytes, head->key.size);
    victim->items[victim->count++] =
        (struct item){.sequence = head->sequence,
                      .number = head->number,
                      .checksum = head->checksum,
                      .key_at = victim->keys_size,
                      .size = head->size,
                      .key_size = head->key.size,
                      .space = head->key.space,
                      .kind = (uint8_t)head->key.kind};
    victim->keys_size += head->key.size;
}

/* The head of a sequence, if it is in that group. */
static enum status
visit_head(const struct visit *visit, uint64_t sequence, struct rocks_why *why)
{
    struct rocks *heads = visit->spill->base.heads;
    struct spill_name name;
    struct spill_head head;
    struct rocks_value value;
    struct rocks_bytes key;
    enum status status;

    spill_head_name(&name, sequence);
    key = (struct rocks_bytes){name.bytes, name.size};
    status = rocks_read(rocks_default(heads), key, &value, why);
    if (status != STATUS_OK)
        return status == STATUS_MISS ? STATUS_OK : status;
    if (spill_head_read(value.bytes.at, value.bytes.size, &head) &&
        head.group == visit->group) {
        if (visit->batch != NULL)
            rocks_batch_delete(visit->batch, key);
        if (visit->victim != NULL)
            list_head(visit->victim, &head);
    }
    rocks_value_free(&value);
    return STATUS_OK;
}

/* The one the cursor is at.  MISS: it is no more of the group. */
static enum status
visit_one(struct visit *visit, struct rocks_cursor *cursor,
          struct rocks_why *why)
{
    struct rocks_bytes name, none;
    uint64_t group, sequence;
    enum status status = rocks_cursor_read(cursor, &name, &none, why);

    if (status != STATUS_OK)
        return status;
    if (!spill_head_parse_group_name(name.at, name.size, &group, &sequence) ||
        group != visit->group)
        return STATUS_MISS;
    if (visit->batch != NULL)
        rocks_batch_delete(visit->batch, name);
    visit->from = sequence + 1;
    rocks_cursor_advance(cursor);
    return visit_head(visit, sequence, why);
}

/* In the base. */
static enum status
visit_some(struct visit *visit, struct rocks_why *why)
{
    struct rocks *heads = visit->spill->base.heads;
    enum status status = STATUS_OK;
    struct rocks_cursor *cursor;
    struct spill_name name;

    spill_head_group_name(&name, visit->group, visit->from);
    cursor =
        rocks_cursor_new(heads, (struct rocks_bytes){name.bytes, name.size});
    for (unsigned i = 0;
         i < visit->most && status == STATUS_OK && !is_full(visit->victim); i++)
        status = visit_one(visit, cursor, why);
    rocks_cursor_free(&cursor);
    visit->is_last = status == STATUS_MISS;
    if (status == STATUS_MISS)
        status = STATUS_OK;
    if (status == STATUS_OK && visit->batch != NULL &&
        rocks_batch_count(visit->batch) != 0)
        status = rocks_batch_write(visit->batch, heads, why);
    return status;
}

static enum status
remove_heads(struct spill *spill, uint64_t group, struct rocks_why *why)
{
    struct visit visit = {.spill = spill,
                          .group = group,
                          .most = HEADS_MOST,
                          .batch = rocks_batch_new()};
    enum status status;

    do
        status = visit_some(&visit, why);
    while (status == STATUS_OK && !visit.is_last);
    rocks_batch_free(&visit.batch);
    return status;
}

/* --- A victim. --- */

/* From the first one. */
static void
rewind_items(struct spill_victim *victim)
{
    victim->from = 0;
    victim->is_last = victim->has_failed;
    victim->count = victim->at = 0;
}

/* No more of it can be told.  What was on its way when its heads were to go may
 * be gone, and nobody has heard of it. */
static void
fail(struct spill_victim *victim, enum status status,
     const struct rocks_why *why)
{
    struct spill *spill = victim->spill;

    log_event(LOG_WARN, "spill group can not be given back", "group %llu: %s",
              (unsigned long long)victim->group, why->text);
    victim->has_failed = victim->is_last = true;
    victim->count = 0;
    if (victim->is_retiring && spill->groups.doubted <= victim->group)
        spill->groups.doubted = victim->group + 1;
    spill_health_doubt(spill, status, why);
}

/* The next ones. */
static void
list(struct spill_victim *victim)
{
    struct spill *spill = victim->spill;
    struct rocks_why why = {"it is closed"};
    enum status status = STATUS_IO;
    struct visit visit = {.spill = spill,
                          .group = victim->group,
                          .from = victim->from,
                          .most = ITEMS_MOST,
                          .victim = victim};

    victim->count = victim->at = 0;
    victim->keys_size = 0;
    if (victim->is_retiring)
        visit.batch = rocks_batch_new();
    if (spill_base_enter(spill)) {
        status = visit_some(&visit, &why);
        spill_base_leave(spill);
    }
    if (visit.batch != NULL)
        rocks_batch_free(&visit.batch);
    victim->from = visit.from;
    victim->is_last = visit.is_last;
    if (status != STATUS_OK)
        fail(victim, status, &why);
}

enum status
spill_victim_start(struct tier *tier, struct port *port,
                   struct lower_victim **out)
{
    struct spill *spill = spill_of(tier);
    struct spill_victim *victim = NULL;
    struct spill_group *group;

    (void)port;
    if (!spill_base_enter(spill))
        return STATUS_MISS;
    group = spill_group_hold_oldest(spill);
    if (group != NULL)
        victim = calloc(1, sizeof(*victim));
    if (victim != NULL) {
        victim->lower.tier = tier;
        victim->spill = spill;
        victim->group = group->id;
        victim->bytes = group->bytes;
        *out = &victim->lower;
    } else if (group != NULL) {
        spill_group_spare(spill, group->id);
    }
    if (group != NULL)
        spill_group_release(spill, group);
    spill_base_leave(spill);
    return victim != NULL ? STATUS_OK : STATUS_MISS;
}

static void
tell(const struct spill_victim *victim, const struct item *item,
     struct tier_found *item_out)
{
    const struct spill_spot spot = {.group = victim->group,
                                    .number = item->number,
                                    .checksum = item->checksum};

    *item_out = (struct tier_found){.kind = TIER_FOUND_VALUE,
                                    .key = key_make(item->kind, item->space,
                                                    victim->keys + item->key_at,
                                                    item->key_size),
                                    .sequence = item->sequence,
                                    .checksum = item->checksum,
                                    .size = item->size,
                                    .place = spill_place(&spot)};
}

enum status
spill_victim_next(struct lower_victim *lower, struct tier_found *item_out)
{
    struct spill_victim *victim = victim_of(lower);

    if (victim->at == victim->count && !victim->is_last) {
        list(victim);
        /* All of these lie elsewhere by now. */
        if (victim->count == 0 && !victim->is_last)
            return STATUS_BUSY;
    }
    if (victim->at < victim->count) {
        tell(victim, &victim->items[victim->at++], item_out);
        return STATUS_OK;
    }
    victim->is_done = victim->is_retiring && !victim->has_failed;
    rewind_items(victim);
    return STATUS_MISS;
}

uint64_t
spill_victim_bytes(const struct lower_victim *lower)
{
    return victim_of_const(lower)->bytes;
}

/* In the base.  OK also for one that is gone already. */
static enum status
drop_group(struct spill *spill, uint64_t id, struct rocks_why *why)
{
    struct spill_group *group = spill_group_hold(spill, id);
    enum status status;

    if (group == NULL)
        return STATUS_OK;
    /* Before it is gone. */
    spill_group_hide(spill, id + 1);
    status = rocks_family_drop(group->family, why);
    if (status == STATUS_OK)
        spill_group_forget(spill, id);
    else
        spill_health_doubt(spill, status, why);
    spill_group_release(spill, group);
    return status;
}

void
spill_victim_close(struct lower_victim *lower)
{
    const struct spill_victim *victim = victim_of_const(lower);

    atomic_store(&victim->spill->groups.closed, victim->group + 1);
}

enum status
spill_victim_retire(struct lower_victim *lower)
{
    struct spill_victim *victim = victim_of(lower);

    if (victim->has_failed) {
        spill_victim_abandon(&lower);
        return STATUS_IO;
    }
    victim->is_retiring = true;
    rewind_items(victim);
    return STATUS_OK;
}

/* Without heads nothing in it is believed any more. */
static bool
give_back(const struct spill_victim *victim)
{
    struct spill *spill = victim->spill;
    struct rocks_why why;
    enum status status;

    if (!victim->is_done || !spill_base_enter(spill))
        return false;
    status = drop_group(spill, victim->group, &why);
    spill_base_leave(spill);
    if (status == STATUS_OK && victim->group < spill->groups.doubted)
        spill_group_lose(spill, victim->group + 1);
    return status == STATUS_OK;
}

static void
end(struct lower_victim **lower, bool is_given_back)
{
    struct spill_victim *victim = victim_of(*lower);

    *lower = NULL;
    atomic_store(&victim->spill->groups.closed, 0);
    if (!is_given_back)
        spill_group_spare(victim->spill, victim->group);
    free(victim);
}

void
spill_victim_finish(struct lower_victim **lower)
{
    end(lower, give_back(victim_of(*lower)));
}

void
spill_victim_abandon(struct lower_victim **lower)
{
    end(lower, false);
}

/* --- Without asking. --- */

enum status
spill_victim_sacrifice(struct spill *spill, struct rocks_why *why)
{
    struct spill_group *group = spill_group_hold_oldest(spill);
    struct rocks_why more;
    enum status status;
    uint64_t id;

    if (group == NULL)
        return STATUS_MISS;
    id = group->id;
    spill_group_release(spill, group);
    log_event(LOG_WARN, "spill gives up its oldest values",
              "%s: %s, although spill.size is not used up", spill->options.path,
              why->text);
    status = drop_group(spill, id, &more);
    if (status != STATUS_OK) {
        spill_group_spare(spill, id);
        *why = more;
        return status;
    }
    spill_group_lose(spill, id + 1);
    /* Without a group they are nothing, here and at the next start. */
    status = remove_heads(spill, id, &more);
    if (status != STATUS_OK) {
        *why = more;
        spill_health_doubt(spill, status, why);
    }
    return status;
}
