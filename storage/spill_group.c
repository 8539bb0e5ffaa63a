/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: families of bodies, in the order in which they were begun.  The newest
 * one is written, the oldest one is given back.
 *
 *   listed, held by the list and by readers -> forgotten, held by readers alone
 *   -> closed, by the last of them: its tables go
 */
#include "storage/spill_state.h"

#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* With the lock held: where it is, or where it would be. */
static struct spill_group **
find(struct spill_groups *groups, uint64_t id)
{
    struct spill_group **at = &groups->oldest;

    while (*at != NULL && (*at)->id < id)
        at = &(*at)->next;
    return at;
}

/* Likewise. */
static void
link_group(struct spill_groups *groups, struct spill_group *group)
{
    struct spill_group **at = find(groups, group->id);

    group->next = *at;
    *at = group;
    if (group->next == NULL)
        groups->newest = group;
    atomic_fetch_add(&groups->count, 1);
    if (group->id >= groups->next_id)
        groups->next_id = group->id + 1;
}

/* Its last holder's: nobody else knows it. */
static void
end(struct spill *spill, struct spill_group *group)
{
    rocks_family_close(&group->family);
    atomic_fetch_sub(&spill->space.groups, group->bytes);
    free(group);
}

struct spill_group *
spill_group_hold(struct spill *spill, uint64_t id)
{
    struct spill_groups *groups = &spill->groups;
    struct spill_group *group;

    pthread_mutex_lock(&groups->lock);
    group = *find(groups, id);
    if (group != NULL && group->id == id)
        group->refs++;
    else
        group = NULL;
    pthread_mutex_unlock(&groups->lock);
    return group;
}

struct spill_group *
spill_group_hold_oldest(struct spill *spill)
{
    struct spill_groups *groups = &spill->groups;
    struct spill_group *group;

    pthread_mutex_lock(&groups->lock);
    group = groups->oldest;
    if (atomic_load(&groups->count) < 2 || group->is_victim) {
        group = NULL;
    } else {
        group->is_victim = true;
        group->refs++;
    }
    pthread_mutex_unlock(&groups->lock);
    return group;
}

void
spill_group_spare(struct spill *spill, uint64_t id)
{
    struct spill_groups *groups = &spill->groups;
    struct spill_group *group;

    pthread_mutex_lock(&groups->lock);
    group = *find(groups, id);
    if (group != NULL && group->id == id)
        group->is_victim = false;
    pthread_mutex_unlock(&groups->lock);
}

unsigned
spill_group_count(const struct spill *spill)
{
    return atomic_load_explicit(&spill->groups.count, memory_order_relaxed);
}

void
spill_group_release(struct spill *spill, struct spill_group *group)
{
    bool is_last;

    pthread_mutex_lock(&spill->groups.lock);
    assert(group->refs != 0);
    is_last = --group->refs == 0;
    pthread_mutex_unlock(&spill->groups.lock);
    if (is_last)
        end(spill, group);
}

struct spill_group *
spill_group_newest(struct spill *spill)
{
    struct spill_group *group;

    pthread_mutex_lock(&spill->groups.lock);
    group = spill->groups.newest;
    pthread_mutex_unlock(&spill->groups.lock);
    return group;
}

static struct spill_group *
new_group(struct rocks_family *family, uint64_t id)
{
    struct spill_group *group = calloc(1, sizeof(*group));

    if (group == NULL)
        return NULL;
    group->id = id;
    group->family = family;
    group->refs = 1;
    group->bytes = rocks_family_bytes(family);
    return group;
}

enum status
spill_group_new(struct spill *spill, struct rocks_why *why)
{
    struct spill_groups *groups = &spill->groups;
    char name[SPILL_FAMILY_MAX];
    struct rocks_family *family;
    struct spill_group *group;
    enum status status;

    assert(groups->next_id >> SPILL_GROUP_BITS == 0);
    spill_head_family(name, groups->next_id);
    status = rocks_family_new(spill->base.bodies, name, &family, why);
    if (status != STATUS_OK)
        return status;
    group = new_group(family, groups->next_id);
    if (group == NULL) {
        rocks_family_close(&family);
        return STATUS_BUSY;
    }
    pthread_mutex_lock(&groups->lock);
    link_group(groups, group);
    pthread_mutex_unlock(&groups->lock);
    return STATUS_OK;
}

void
spill_group_resize(struct spill *spill, struct spill_group *group,
                   uint64_t bytes)
{
    atomic_fetch_add(&spill->space.groups, bytes - group->bytes);
    pthread_mutex_lock(&spill->groups.lock);
    group->bytes = bytes;
    pthread_mutex_unlock(&spill->groups.lock);
}

void
spill_group_forget(struct spill *spill, uint64_t id)
{
    struct spill_groups *groups = &spill->groups;
    struct spill_group **at, *group;

    pthread_mutex_lock(&groups->lock);
    at = find(groups, id);
    group = *at;
    if (group != NULL && group->id == id) {
        *at = group->next;
        atomic_fetch_sub(&groups->count, 1);
        if (groups->newest == group)
            groups->newest = NULL;
        for (struct spill_group *next = groups->oldest;
             groups->newest == NULL && next != NULL; next = next->next)
            if (next->next == NULL)
                groups->newest = next;
    } else {
        group = NULL;
    }
    pthread_mutex_unlock(&groups->lock);
    if (group != NULL)
        spill_group_release(spill, group);
}

/* True: it was less. */
static bool
raise_to(_Atomic uint64_t *bound, uint64_t id)
{
    uint64_t seen = atomic_load(bound);

    while (seen < id && !atomic_compare_exchange_weak(bound, &seen, id))
        continue;
    return seen < id;
}

void
spill_group_hide(struct spill *spill, uint64_t id)
{
    (void)raise_to(&spill->groups.hidden, id);
}

bool
spill_group_is_hidden(const struct spill *spill, uint64_t id)
{
    return id < atomic_load(&spill->groups.hidden);
}

void
spill_group_lose(struct spill *spill, uint64_t id)
{
    spill_group_hide(spill, id);
    if (raise_to(&spill->groups.lost, id))
        atomic_fetch_add(&spill->groups.losses, 1);
}

bool
spill_group_is_lost(const struct spill *spill, uint64_t id)
{
    return id < atomic_load(&spill->groups.lost);
}

static enum status
adopt(struct spill *spill, struct rocks_family *family)
{
    struct spill_group *group;
    struct rocks_why why;
    uint64_t id;

    if (!spill_head_parse_family(family->name, &id)) {
        if (rocks_family_drop(family, &why) != STATUS_OK)
            log_event(LOG_WARN, "spill family not dropped", "%s", why.text);
        rocks_family_close(&family);
        return STATUS_OK;
    }
    group = new_group(family, id);
    if (group == NULL) {
        rocks_family_close(&family);
        return STATUS_NO_SPACE;
    }
    atomic_fetch_add(&spill->space.groups, group->bytes);
    pthread_mutex_lock(&spill->groups.lock);
    link_group(&spill->groups, group);
    pthread_mutex_unlock(&spill->groups.lock);
    return STATUS_OK;
}

enum status
spill_group_adopt(struct spill *spill, struct rocks_why *why)
{
    struct spill_groups *groups = &spill->groups;
    struct rocks_family *family;

    while ((family = rocks_take_family(spill->base.bodies)) != NULL) {
        if (adopt(spill, family) == STATUS_OK)
            continue;
        snprintf(why->text, sizeof(why->text), "no memory");
        return STATUS_IO;
    }
    /* They go oldest first, also where the device has done it and said that it
     * has not. */
    spill_group_lose(spill, groups->oldest != NULL ? groups->oldest->id
                                                   : groups->next_id);
    return STATUS_OK;
}

void
spill_group_close_all(struct spill *spill)
{
    while (spill->groups.oldest != NULL)
        spill_group_forget(spill, spill->groups.oldest->id);
}
