/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads with a port each read and write one file, each its own
 * stretches of it, and post to each other all the while.  Every byte that is
 * read was written there last, every post is run once and in its order, and in
 * the end nothing is under way.  Over both engines; for ThreadSanitizer.
 */
#include "base/clock.h"
#include "storage/port.h"
#include "tests/lib/port_file.h"

#include <pthread.h>

#define USERS        3u
#define PIECES       6u
#define STRETCHES    24u /* of a user */
#define STRETCH_SIZE (256u << 10)
#define POSTS        16u /* of a user to each other one */
#define DISK_THREADS 2u
#define NS_EACH      (700 * NS_PER_MS)

struct user;

/* Goes from a user to a peer, and is the user's again when it is run. */
struct note {
    struct post post;
    struct user *from, *to;
    uint64_t number;
    _Atomic bool is_away;
};

struct stretch {
    uint64_t seed; /* 0: not yet written */
    uint32_t size;
    bool is_busy;
};

struct user {
    pthread_t thread;
    struct port *port;
    unsigned index;
    uint64_t random;
    struct port_piece pieces[PIECES];
    struct stretch stretches[STRETCHES];
    struct stretch *moving[PIECES]; /* NULL: the piece is idle */
    struct note notes[USERS][POSTS];
    uint64_t sent[USERS], received[USERS];
    uint64_t reads, writes, posts;
    bool is_wrong;
};

static struct user users[USERS];
static uint64_t end_ns;
static _Atomic unsigned users_at_end;

static void
on_note(struct post *post)
{
    struct note *note = (struct note *)post;
    struct user *user = note->to;

    if (note->number != user->received[note->from->index]++)
        user->is_wrong = true;
    user->posts++;
    atomic_store(&note->is_away, false);
}

static void
send_notes(struct user *user)
{
    unsigned to = random_below(&user->random, USERS);
    struct note *note = &user->notes[to][random_below(&user->random, POSTS)];

    if (atomic_load(&note->is_away))
        return;
    atomic_store(&note->is_away, true);
    note->post.run = on_note;
    note->from = user;
    note->to = &users[to];
    note->number = user->sent[to]++;
    port_post(users[to].port, &note->post);
}

static void
on_piece(struct io *io)
{
    struct port_piece *piece = (struct port_piece *)io;
    struct user *user = piece->owner;
    struct stretch **moving = &user->moving[piece - user->pieces];

    if (io->result != (int32_t)io->size)
        user->is_wrong = true;
    if (!io->is_write && !value_is(piece->data, (*moving)->seed, 0, io->size))
        user->is_wrong = true;
    *(io->is_write ? &user->writes : &user->reads) += 1;
    (*moving)->is_busy = false;
    *moving = NULL;
}

static void
start_piece(struct user *user, unsigned number)
{
    struct port_piece *piece = &user->pieces[number];
    unsigned which = random_below(&user->random, STRETCHES);
    struct stretch *stretch = &user->stretches[which];
    bool is_write = stretch->seed == 0 || random_below(&user->random, 3) == 0;
    uint32_t sectors;

    if (stretch->is_busy)
        return;
    if (is_write) {
        stretch->seed = 1 + random_next(&user->random) / 2;
        stretch->size =
            PORT_SECTOR *
            (1 + random_below(&user->random, STRETCH_SIZE / PORT_SECTOR));
        value_write(piece->data, stretch->seed, 0, stretch->size);
    }
    sectors = stretch->size / PORT_SECTOR;
    port_piece_set(piece, is_write,
                   (user->index * STRETCHES + which) * (uint64_t)STRETCH_SIZE,
                   stretch->size, 1 + random_below(&user->random, sectors));
    piece->io.done = on_piece;
    piece->owner = user;
    stretch->is_busy = true;
    user->moving[number] = stretch;
    port_start(user->port, &piece->io);
}

static bool
is_at_rest(const struct user *user)
{
    for (unsigned to = 0; to < USERS; to++)
        for (unsigned i = 0; i < POSTS; i++)
            if (atomic_load(&user->notes[to][i].is_away))
                return false;
    return port_pending(user->port) == 0;
}

static void *
use(void *arg)
{
    struct user *user = arg;

    while (clock_now_ns() < end_ns) {
        send_notes(user);
        for (unsigned i = 0; i < PIECES; i++)
            if (user->moving[i] == NULL)
                start_piece(user, i);
        port_submit(user->port);
        if (port_pending(user->port) != 0 && !port_turn(user->port))
            user->is_wrong = true;
    }
    /* The others' posts come until all have theirs back. */
    while (!is_at_rest(user))
        port_run(user->port);
    atomic_fetch_add(&users_at_end, 1);
    while (atomic_load(&users_at_end) != USERS)
        port_run(user->port);
    return NULL;
}

static bool
report(const char *name)
{
    uint64_t reads = 0, writes = 0, posts = 0;
    bool is_fine = true;

    for (unsigned i = 0; i < USERS; i++) {
        reads += users[i].reads;
        writes += users[i].writes;
        posts += users[i].posts;
        is_fine = is_fine && !users[i].is_wrong;
        for (unsigned from = 0; from < USERS; from++)
            is_fine = is_fine && users[i].received[from] == users[from].sent[i];
    }
    printf("%s: %llu reads, %llu writes, %llu posts: %s\n", name,
           (unsigned long long)reads, (unsigned long long)writes,
           (unsigned long long)posts, is_fine ? "right" : "WRONG");
    return is_fine && reads != 0 && writes != 0 && posts != 0;
}

static bool
open_user(struct io_engine *engine, unsigned index)
{
    struct user *user = &users[index];

    memset(user, 0, sizeof(*user));
    user->index = index;
    user->random = (uint64_t)(index + 1) << 32;
    for (unsigned i = 0; i < PIECES; i++)
        if (!port_piece_open(&user->pieces[i]))
            return false;
    return port_open(engine, user, &user->port) == STATUS_OK;
}

static void
close_user(struct user *user)
{
    for (unsigned i = 0; i < PIECES; i++)
        port_piece_close(&user->pieces[i]);
    port_close(&user->port);
}

/* false: something was wrong.  An engine that the kernel refuses is fine. */
static bool
race(enum io_engine_kind kind, int fd)
{
    struct io_engine *engine;
    const char *why;
    bool is_fine;

    if (io_engine_open(kind, fd, DISK_THREADS, &engine, &why) != STATUS_OK) {
        printf("left out: %s\n", why);
        return kind == IO_URING;
    }
    atomic_store(&users_at_end, 0);
    for (unsigned i = 0; i < USERS; i++)
        if (!open_user(engine, i))
            return false;
    end_ns = clock_now_ns() + NS_EACH;
    for (unsigned i = 0; i < USERS; i++)
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
            return false;
    for (unsigned i = 0; i < USERS; i++)
        pthread_join(users[i].thread, NULL);
    is_fine = report(io_engine_name(engine));
    for (unsigned i = 0; i < USERS; i++)
        close_user(&users[i]);
    io_engine_close(&engine);
    return is_fine;
}

int
main(void)
{
    char path[PORT_PATH_MAX];
    int fd = port_file_open(path);
    bool is_fine;

    if (fd < 0)
        return 2;
    unlink(path);
    is_fine = race(IO_URING, fd);
    is_fine = race(IO_THREADS, fd) && is_fine;
    close(fd);
    return is_fine ? 0 : 1;
}
