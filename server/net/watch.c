/* SPDX-License-Identifier: Apache-2.0 */
/* Watches as events of libevent, in two priorities. */
#include "server/net/watch.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

/* So many short turns in a row may keep bulk waiting. */
#define SHORT_RUN_MAX 64u

struct watch {
    struct watch_group *group;
    struct event read, write;
    struct event woken; /* of its own: one that is due can not be added */
    bool wants_read, wants_write, is_bulk;
    watch_ready_fn *ready;
    void *arg;
};

static void
on_after(evutil_socket_t fd, short what, void *arg)
{
    struct watch_group *group = arg;

    (void)fd;
    (void)what;
    group->after(group->after_arg);
}

enum status
watch_group_open(struct watch_group *group, watch_after_fn *after,
                 void *after_arg)
{
    struct event_config *config = event_config_new();

    group->short_run = 0;
    group->after = after;
    group->after_arg = after_arg;
    if (config == NULL)
        return STATUS_NO_SPACE;
    /* No other thread touches a worker's base: no locks.  No change list: it
     * would take a descriptor out of the epoll set after it was closed, when it
     * may be another connection's already. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_max_dispatch_interval(config, NULL, 1, WATCH_BULK);
    group->base = event_base_new_with_config(config);
    event_config_free(config);
    if (group->base == NULL ||
        event_base_priority_init(group->base, WATCH_PRIORITIES) != 0)
        return STATUS_NO_SPACE;
    group->after_event = event_new(group->base, -1, 0, on_after, group);
    if (group->after_event == NULL)
        return STATUS_NO_SPACE;
    event_priority_set(group->after_event, WATCH_SHORT);
    return STATUS_OK;
}

void
watch_group_close(struct watch_group *group)
{
    if (group->after_event != NULL)
        event_free(group->after_event);
    group->after_event = NULL;
    if (group->base != NULL)
        event_base_free(group->base);
    group->base = NULL;
}

void
watch_group_follow(struct watch_group *group)
{
    /* Goes to the end of those that are due now; no system call. */
    event_active(group->after_event, EV_TIMEOUT, 0);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg;
    struct watch_group *group = watch->group;
    bool is_alone = (what & EV_WRITE) != 0 ||
                    event_get_priority(&watch->read) == WATCH_BULK;

    (void)fd;
    if ((what & EV_READ) != 0 && !watch->is_bulk)
        group->short_run++;
    else
        group->short_run = 0;
    /* May free the watch. */
    watch->ready(watch->arg, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
    /* An event of its own would be a round of the loop of its own. */
    if (is_alone)
        group->after(group->after_arg);
    else
        watch_group_follow(group);
}

struct watch *
watch_new(struct watch_group *group, int fd, watch_ready_fn *ready, void *arg)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->group = group;
    watch->ready = ready;
    watch->arg = arg;
    event_assign(&watch->read, group->base, fd, EV_READ | EV_PERSIST, on_watch,
                 watch);
    event_assign(&watch->write, group->base, fd, EV_WRITE | EV_PERSIST,
                 on_watch, watch);
    event_priority_set(&watch->read, WATCH_SHORT);
    event_priority_set(&watch->write, WATCH_BULK);
    event_assign(&watch->woken, group->base, -1, 0, on_watch, watch);
    event_priority_set(&watch->woken, WATCH_BULK);
    /* Only the first of a descriptor can fail: it makes room for all. */
    if (event_add(&watch->read, NULL) != 0) {
        free(watch);
        return NULL;
    }
    watch->wants_read = true;
    return watch;
}

static void
want(struct event *event, bool *wanted, bool wants)
{
    if (*wanted == wants)
        return;
    if (wants)
        event_add(event, NULL);
    else
        event_del(event);
    *wanted = wants;
}

void
watch_want(struct watch *watch, bool read, bool write)
{
    want(&watch->read, &watch->wants_read, read);
    want(&watch->write, &watch->wants_write, write);
}

void
watch_wake(struct watch *watch)
{
    event_active(&watch->woken, EV_WRITE, 0);
}

void
watch_set_bulk(struct watch *watch, bool is_bulk)
{
    /* A flood of short requests stands in line with bulk, or bulk would wait
     * for its end. */
    bool is_last = is_bulk || watch->group->short_run > SHORT_RUN_MAX;

    watch->is_bulk = is_bulk;
    /* Refused, and of no matter, while the event waits for its turn. */
    (void)event_priority_set(&watch->read, is_last ? WATCH_BULK : WATCH_SHORT);
}

void
watch_free(struct watch **watch)
{
    if (*watch == NULL)
        return;
    /* Also where nothing is wanted: it may have been woken. */
    event_del(&(*watch)->read);
    event_del(&(*watch)->write);
    event_del(&(*watch)->woken);
    free(*watch);
    *watch = NULL;
}
