/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections a worker has. */
#include "server/net/group.h"

void
group_join(struct group *group)
{
    atomic_fetch_add(&group->count, 1);
    atomic_fetch_add(&group->roster->count, 1);
}

void
group_leave(struct group *group)
{
    atomic_fetch_sub(&group->count, 1);
    atomic_fetch_sub(&group->roster->count, 1);
}
