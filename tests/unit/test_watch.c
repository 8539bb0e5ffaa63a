/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that is watched, and woken as well. */
#include "server/net/watch.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

struct turns {
    unsigned reads, writes;
};

static void
on_ready(void *arg, bool may_read, bool may_write)
{
    struct turns *turns = arg;

    turns->reads += may_read;
    turns->writes += may_write;
}

static void
after(void *arg)
{
    (void)arg;
}

struct scene {
    struct watch_group group;
    struct watch *watch;
    struct turns turns;
    int fds[2];
};

static void
open_scene(struct scene *scene)
{
    *scene = (struct scene){.watch = NULL};
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, scene->fds) == 0);
    cr_assert(watch_group_open(&scene->group, after, NULL) == STATUS_OK);
    scene->watch =
        watch_new(&scene->group, scene->fds[0], on_ready, &scene->turns);
    cr_assert(scene->watch != NULL);
}

static void
close_scene(struct scene *scene)
{
    watch_free(&scene->watch);
    watch_group_close(&scene->group);
    close(scene->fds[0]);
    close(scene->fds[1]);
}

static void
loop(struct scene *scene)
{
    event_base_loop(scene->group.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

Test(watch, what_was_woken_before_it_wants_to_write_is_still_told_of_room)
{
    struct scene scene;

    open_scene(&scene);
    watch_wake(scene.watch);
    watch_want(scene.watch, false, true);
    loop(&scene);
    scene.turns.writes = 0;
    loop(&scene);
    cr_assert(scene.turns.writes == 1, "%u", scene.turns.writes);
    close_scene(&scene);
}

Test(watch, a_wake_outlives_what_is_wanted_meanwhile)
{
    struct scene scene;

    open_scene(&scene);
    watch_want(scene.watch, true, true);
    watch_wake(scene.watch);
    watch_want(scene.watch, true, false);
    loop(&scene);
    cr_assert(scene.turns.writes == 1, "%u", scene.turns.writes);
    loop(&scene);
    cr_assert(scene.turns.writes == 1, "%u", scene.turns.writes);
    close_scene(&scene);
}

Test(watch, one_that_is_let_go_is_not_told_of_its_wake)
{
    struct scene scene;

    open_scene(&scene);
    watch_wake(scene.watch);
    watch_free(&scene.watch);
    loop(&scene);
    cr_assert(scene.turns.writes == 0);
    close_scene(&scene);
}
