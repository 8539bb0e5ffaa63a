/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/doctor_census.h"

#include <string.h>

#define RANK_MOST 63u

static void
copy(char *to, size_t room, struct bytes from)
{
    size_t size = from.size < room - 1 ? from.size : room - 1;

    if (size > 0)
        memcpy(to, from.at, size);
    to[size] = '\0';
}

static bool
is_alike(const struct doctor_census_group *a,
         const struct doctor_census_group *b)
{
    return a->space == b->space && a->layout == b->layout &&
           a->hash == b->hash && a->workers == b->workers &&
           strcmp(a->label, b->label) == 0 && strcmp(a->model, b->model) == 0 &&
           strcmp(a->dtype, b->dtype) == 0;
}

/* NULL: there is no room for another one. */
static struct doctor_census_group *
find(struct doctor_census *census, unsigned space,
     const struct doctor_shape *shape)
{
    struct doctor_census_group wanted = {.space = space,
                                         .layout = shape->layout,
                                         .hash = shape->hash,
                                         .workers = shape->workers};

    copy(wanted.label, sizeof wanted.label, shape->label);
    copy(wanted.model, sizeof wanted.model, shape->model);
    copy(wanted.dtype, sizeof wanted.dtype, shape->dtype);
    for (unsigned i = 0; i < census->group_count; i++)
        if (is_alike(&census->groups[i], &wanted))
            return &census->groups[i];
    if (census->group_count == DOCTOR_CENSUS_GROUPS)
        return NULL;
    census->groups[census->group_count] = wanted;
    return &census->groups[census->group_count++];
}

void
doctor_census_add(struct doctor_census *census,
                  const struct prefixcache_entry *entry, bool is_misplaced)
{
    struct bytes key = {entry->key, entry->key_size};
    struct doctor_census_group *group;
    struct doctor_shape shape;

    census->keys++;
    census->bytes += entry->body_size;
    census->misplaced += is_misplaced;
    doctor_shape_read(key, &shape);
    group = find(census, entry->space, &shape);
    if (group == NULL) {
        census->ungrouped++;
        return;
    }
    group->keys++;
    group->bytes += entry->body_size;
    group->negative += shape.is_negative;
    group->ranks |= 1ull << (shape.rank < RANK_MOST ? shape.rank : RANK_MOST);
}
