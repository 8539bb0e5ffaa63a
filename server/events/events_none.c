/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the events, in a program that was built without them: they are
 * refused at the start, and there are none to do anything with. */
#include "server/events/events.h"

#include <assert.h>
#include <stdio.h>

enum status
events_open(const struct events_plan *plan, struct events **out, char *why,
            size_t room)
{
    *out = NULL;
    snprintf(why, room,
             "events.listen=%s is set, but this program was built without "
             "events (configure --without-events)",
             plan->listen);
    return STATUS_BAD_REQUEST;
}

enum status
events_start(struct events *events, struct store *store, const char *pod)
{
    (void)store;
    (void)pod;
    assert(events == NULL);
    return STATUS_OK;
}

void
events_stop(struct events *events)
{
    assert(events == NULL);
}

void
events_close(struct events **events)
{
    assert(*events == NULL);
}

void
events_tell(void *arg, const struct store_event *event)
{
    (void)event;
    assert(arg == NULL);
}

void
events_view(struct events *events, struct events_view *out)
{
    (void)out;
    assert(events != NULL);
}
