/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No ask is due before the one that it stands below.  What stands below one is a
 * list by `beside`; `before` is the one before it in that list, and of the first
 * the one that it stands below.
 */
#include "client/deadlines.h"

/* Two that stand below none become one.  Either may be NULL. */
static struct ask *
join(struct ask *ask, struct ask *other)
{
    struct ask *first = ask, *second = other;

    if (ask == NULL || other == NULL)
        return ask != NULL ? ask : other;
    if (other->deadline_ns < ask->deadline_ns) {
        first = other;
        second = ask;
    }
    second->before = first;
    second->beside = first->below;
    if (first->below != NULL)
        first->below->before = second;
    first->below = second;
    return first;
}

/* The next of a list, which is cut off from it. */
static struct ask *
take(struct ask **list)
{
    struct ask *ask = *list;

    if (ask == NULL)
        return NULL;
    *list = ask->beside;
    ask->beside = ask->before = NULL;
    return ask;
}

/* In pairs first, then all of these: that is what keeps it flat. */
static struct ask *
join_all(struct ask *list)
{
    struct ask *pairs = NULL, *joined = NULL, *ask;

    while ((ask = take(&list)) != NULL) {
        ask = join(ask, take(&list));
        ask->beside = pairs;
        pairs = ask;
    }
    while ((ask = take(&pairs)) != NULL)
        joined = join(joined, ask);
    return joined;
}

void
deadlines_add(struct deadlines *deadlines, struct ask *ask)
{
    ask->below = ask->beside = ask->before = NULL;
    deadlines->first = join(deadlines->first, ask);
}

void
deadlines_remove(struct deadlines *deadlines, struct ask *ask)
{
    struct ask *below = join_all(ask->below);

    if (ask == deadlines->first) {
        deadlines->first = below;
        return;
    }
    if (ask->before->below == ask)
        ask->before->below = ask->beside;
    else
        ask->before->beside = ask->beside;
    if (ask->beside != NULL)
        ask->beside->before = ask->before;
    deadlines->first = join(deadlines->first, below);
}
