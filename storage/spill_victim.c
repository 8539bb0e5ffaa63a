/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oldest group, on its way to be given back: its values are listed by their
 * heads, then the heads go, and with them all that a start would believe; then
 * the family, which frees its tables.
 */
#include "storage/spill_state.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MIN  256u
#define KEYS_MIN   (64u << 10)
#define BATCH_MOST 16384u

struct item {
    uint64_t sequence, number, checksum;
    size_t key_at;
    uint32_t size;
    uint16_t key_size, space;
    uint8_t kind;
};

struct spill_victim {
    struct lower_victim lower; /* first */
    struct spill *spill;
    uint64_t group, bytes;
    uint64_t below; /* not a group, but all below this one, which are lost */
    struct item *items;
    size_t count, room, at;
    uint8_t *keys;
    size_t keys_size, keys_room;
    bool is_blind;
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

/* What to do with one, which may be told of a head that lies elsewhere by now.
 */
struct visit {
    struct spill *spill;
    uint64_t group;
    struct spill_victim *victim; /* that lists them, or ... */
    struct rocks_batch *batch;   /* ... that removes them */
};

static bool
grow(void **memory, size_t *room, size_t wanted, size_t size)
{
    size_t more = *room * 2 > wanted ? *room * 2 : wanted;
    void *grown;

    if (wanted <= *room)
        return true;
    grown = reallocarray(*memory, more, size);
    if (grown == NULL)
        return false;
    *memory = grown;
    *room = more;
    return true;
}

static bool
list_head(struct spill_victim *victim, const struct spill_head *head)
{
    void *items = victim->items, *keys = victim->keys;
    bool has_room = grow(&items, &victim->room, victim->count + 1 + ITEMS_MIN,
                         sizeof(struct item));

    victim->items = items;
    has_room =
        has_room && grow(&keys, &victim->keys_room,
                         victim->keys_size + head->key.size + KEYS_MIN, 1);
    victim->keys = keys;
    if (!has_room)
        return false;
    assert(items != NULL && keys != NULL);
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
    victim->bytes += head->size;
    return true;
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
        if (visit->victim == NULL)
            rocks_batch_delete(visit->batch, key);
        else if (!list_head(visit->victim, &head))
            status = STATUS_BUSY;
    }
    rocks_value_free(&value);
    return status;
}

static enum status
commit(const struct visit *visit, unsigned least, struct rocks_why *why)
{
    if (visit->victim != NULL || rocks_batch_count(visit->batch) < least)
        return STATUS_OK;
    return rocks_batch_write(visit->batch, visit->spill->base.heads, why);
}

static enum status
visit_all(const struct visit *visit, struct rocks_cursor *cursor,
          struct rocks_why *why)
{
    struct rocks_bytes name, none;
    uint64_t group, sequence;
    enum status status;

    for (;; rocks_cursor_advance(cursor)) {
        status = rocks_cursor_read(cursor, &name, &none, why);
        if (status != STATUS_OK)
            break;
        if (!spill_head_parse_group_name(name.at, name.size, &group,
                                         &sequence) ||
            group != visit->group) {
            status = STATUS_MISS;
            break;
        }
        if (visit->victim == NULL)
            rocks_batch_delete(visit->batch, name);
        status = visit_head(visit, sequence, why);
        if (status == STATUS_OK)
            status = commit(visit, BATCH_MOST, why);
        if (status != STATUS_OK)
            break;
    }
    return status == STATUS_MISS ? commit(visit, 1, why) : status;
}

/* In the base. */
static enum status
visit_group(const struct visit *visit, struct rocks_why *why)
{
    struct spill_name name;
    struct rocks_cursor *cursor;
    enum status status;

    spill_head_group_name(&name, visit->group, 0);
    cursor = rocks_cursor_new(visit->spill->base.heads,
                              (struct rocks_bytes){name.bytes, name.size});
    status = visit_all(visit, cursor, why);
    rocks_cursor_free(&cursor);
    return status;
}

static enum status
remove_heads(struct spill *spill, uint64_t group, struct rocks_why *why)
{
    struct visit visit = {
        .spill = spill, .group = group, .batch = rocks_batch_new()};
    enum status status = visit_group(&visit, why);

    rocks_batch_free(&visit.batch);
    return status;
}

/* --- A victim. --- */

static void
end(struct spill_victim *victim)
{
    free(victim->items);
    free(victim->keys);
    free(victim);
}

static void
list(struct spill_victim *victim)
{
    const struct visit visit = {
        .spill = victim->spill, .group = victim->group, .victim = victim};
    struct rocks_why why = {"no memory"};

    victim->is_blind = visit_group(&visit, &why) != STATUS_OK;
    if (!victim->is_blind)
        return;
    victim->count = 0;
    victim->bytes = 0;
    log_event(LOG_WARN, "spill group can not be listed", "group %llu: %s",
              (unsigned long long)victim->group, why.text);
}

/* Groups that are gone already: whoever looks through the index finds out whose
 * places were there. */
static enum status
start_with_lost(struct spill *spill, struct lower_victim **out)
{
    struct spill_victim *victim = calloc(1, sizeof(*victim));

    if (victim == NULL)
        return STATUS_MISS;
    victim->lower.tier = &spill->tier;
    victim->spill = spill;
    victim->below = atomic_load(&spill->groups.lost);
    victim->is_blind = true;
    *out = &victim->lower;
    return STATUS_OK;
}

enum status
spill_victim_start(struct tier *tier, struct port *port,
                   struct lower_victim **out)
{
    struct spill *spill = spill_of(tier);
    struct spill_victim *victim = NULL;
    struct spill_group *group;

    (void)port;
    if (spill_group_has_lost(spill))
        return start_with_lost(spill, out);
    if (!spill_base_enter(spill))
        return STATUS_MISS;
    group = spill_group_hold_oldest(spill);
    if (group != NULL)
        victim = calloc(1, sizeof(*victim));
    if (victim != NULL) {
        victim->lower.tier = tier;
        victim->spill = spill;
        victim->group = group->id;
        list(victim);
        *out = &victim->lower;
    } else if (group != NULL) {
        spill_group_spare(spill, group->id);
    }
    if (group != NULL)
        spill_group_release(spill, group);
    spill_base_leave(spill);
    return victim != NULL ? STATUS_OK : STATUS_MISS;
}

bool
spill_victim_is_blind(const struct lower_victim *lower)
{
    return victim_of_const(lower)->is_blind;
}

bool
spill_victim_next(struct lower_victim *lower, struct tier_found *item_out)
{
    struct spill_victim *victim = victim_of(lower);
    const struct item *item = &victim->items[victim->at];
    struct spill_spot spot;

    if (victim->at == victim->count) {
        victim->at = 0;
        return false;
    }
    victim->at++;
    spot = (struct spill_spot){.group = victim->group,
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
    return true;
}

uint64_t
spill_victim_bytes(const struct lower_victim *lower)
{
    return victim_of_const(lower)->bytes;
}

bool
spill_victim_has(const struct lower_victim *lower,
                 const struct tier_place *place)
{
    const struct spill_victim *victim = victim_of_const(lower);
    uint64_t group = spill_spot(place).group;

    return victim->below != 0 ? group < victim->below : group == victim->group;
}

/* In the base.  OK also for one that is gone already. */
static enum status
drop_group(struct spill *spill, uint64_t id, struct rocks_why *why)
{
    struct spill_group *group = spill_group_hold(spill, id);
    enum status status;

    if (group == NULL)
        return STATUS_OK;
    status = rocks_family_drop(group->family, why);
    if (status == STATUS_OK)
        spill_group_forget(spill, id);
    spill_group_release(spill, group);
    return status;
}

enum status
spill_victim_retire(struct lower_victim *lower)
{
    struct spill_victim *victim = victim_of(lower);
    struct spill *spill = victim->spill;
    struct rocks_why why = {""};
    enum status status;

    if (victim->below != 0) {
        atomic_store(&spill->groups.told, victim->below);
        return STATUS_OK;
    }
    if (!spill_base_enter(spill)) {
        spill_victim_abandon(&lower);
        return STATUS_IO;
    }
    status = remove_heads(spill, victim->group, &why);
    if (status == STATUS_OK)
        status = drop_group(spill, victim->group, &why);
    spill_base_leave(spill);
    if (status == STATUS_OK)
        return STATUS_OK;
    spill_health_doubt(spill, status, &why);
    spill_victim_abandon(&lower);
    return STATUS_IO;
}

void
spill_victim_finish(struct lower_victim **lower)
{
    struct spill_victim *victim = victim_of(*lower);

    *lower = NULL;
    end(victim);
}

void
spill_victim_abandon(struct lower_victim **lower)
{
    struct spill_victim *victim = victim_of(*lower);

    *lower = NULL;
    if (victim->below == 0)
        spill_group_spare(victim->spill, victim->group);
    end(victim);
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
        *why = more;
        spill_health_doubt(spill, status, why);
        return status;
    }
    spill_group_lose(spill, id + 1);
    /* Without a group they are nothing, here and at the next start. */
    if (remove_heads(spill, id, &more) != STATUS_OK)
        log_event(LOG_DEBUG, "spill heads not removed", "%s", more.text);
    return STATUS_OK;
}
