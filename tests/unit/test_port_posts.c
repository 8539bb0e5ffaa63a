/* SPDX-License-Identifier: Apache-2.0 */
/* What wakes a port and what it was asked to do; which engine there is; and
 * the way of a transfer that comes in parts. */
#include "storage/port_engine.h"
#include "tests/lib/forbid_uring.h"
#include "tests/lib/port_file.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/resource.h>

#define POSTS   1000u
#define THREADS 2u

static struct port *port;

struct numbered {
    struct post post;
    unsigned number;
};

static struct numbered numbered[POSTS];
static unsigned run_count;
static bool is_in_order = true;

static void
on_post(struct post *post)
{
    is_in_order = is_in_order && ((struct numbered *)post)->number == run_count;
    run_count++;
}

static void
on_post_count(struct post *post)
{
    (void)post;
    run_count++;
}

static void
on_post_again(struct post *post)
{
    run_count++;
    port_post(port, post);
}

static bool
is_readable(void)
{
    struct pollfd ready = {port_fd(port), POLLIN, 0};

    return poll(&ready, 1, 0) == 1;
}

static void *
post_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < POSTS; i++) {
        numbered[i] = (struct numbered){{on_post, NULL}, i};
        port_post(port, &numbered[i].post);
    }
    return NULL;
}

static void
open_idle_port(void)
{
    cr_assert_eq(port_open(NULL, NULL, &port), STATUS_OK);
    cr_assert_not(is_readable());
}

Test(port_posts, posts_run_in_their_order)
{
    open_idle_port();
    post_all(NULL);
    cr_assert(is_readable());
    cr_assert_eq(run_count, 0);
    port_run(port);
    cr_assert_eq(run_count, POSTS);
    cr_assert(is_in_order);
    cr_assert_not(is_readable());
    port_close(&port);
}

Test(port_posts, posts_of_another_thread_wake_the_port)
{
    pthread_t thread;

    open_idle_port();
    cr_assert_eq(pthread_create(&thread, NULL, post_all, NULL), 0);
    while (run_count < POSTS)
        cr_assert(port_turn(port));
    pthread_join(thread, NULL);
    cr_assert(is_in_order);
    port_close(&port);
}

Test(port_posts, a_post_made_by_a_post_waits_for_the_next_run)
{
    struct post post = {on_post_again, NULL};

    open_idle_port();
    port_post(port, &post);
    port_run(port);
    cr_assert_eq(run_count, 1);
    cr_assert(is_readable());
    port_run(port);
    cr_assert_eq(run_count, 2);
    post.run = on_post_count;
    port_run(port);
    cr_assert_eq(run_count, 3);
    cr_assert_not(is_readable());
    port_close(&port);
}

Test(port_posts, a_wake_makes_it_readable_until_it_is_run)
{
    open_idle_port();
    port_wake(port);
    port_wake(port);
    cr_assert(is_readable());
    port_run(port);
    cr_assert_not(is_readable());
    port_close(&port);
}

static struct port_piece piece;

static void
on_post_start(struct post *post)
{
    (void)post;
    port_piece_set(&piece, false, 0, IO_SIZE_MAX, 2);
    port_start(port, &piece.io);
}

static void
read_by_post(void)
{
    struct post post = {on_post_start, NULL};

    cr_assert(port_piece_open(&piece));
    port_post(port, &post);
    do
        cr_assert(port_turn(port));
    while (!piece.is_done);
    cr_assert_eq(piece.io.result, (int32_t)IO_SIZE_MAX);
    port_piece_close(&piece);
}

static int
open_file(void)
{
    char path[PORT_PATH_MAX];
    int fd = port_file_open(path);

    cr_assert_geq(fd, 0);
    unlink(path);
    cr_assert_eq(ftruncate(fd, (off_t)IO_SIZE_MAX), 0);
    return fd;
}

static enum status
open_engine(enum io_engine_kind kind, int fd, struct io_engine **engine_out)
{
    const char *why;

    return io_engine_open(kind, fd, THREADS, engine_out, &why);
}

/* What a post starts is passed on in the same run. */
static void
check_read_by_post(enum io_engine_kind kind)
{
    struct io_engine *engine;
    int fd = open_file();

    if (open_engine(kind, fd, &engine) == STATUS_BAD_REQUEST)
        cr_skip_test("this kernel refuses io_uring");
    cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    read_by_post();
    port_close(&port);
    io_engine_close(&engine);
    close(fd);
}

Test(port_posts, a_post_may_start_a_read_of_the_ring)
{
    check_read_by_post(IO_URING);
}

Test(port_posts, a_post_may_start_a_read_of_the_threads)
{
    check_read_by_post(IO_THREADS);
}

Test(port_engine, auto_takes_io_uring_where_it_may)
{
    struct io_engine *engine, *other;
    int fd = open_file();
    bool may = open_engine(IO_URING, fd, &other) == STATUS_OK;

    cr_assert_eq(open_engine(IO_AUTO, fd, &engine), STATUS_OK);
    cr_assert_str_eq(io_engine_name(engine), may ? "uring" : "threads");
    io_engine_close(&engine);
    if (may)
        io_engine_close(&other);
    close(fd);
}

Test(port_engine, auto_takes_threads_where_io_uring_is_forbidden)
{
    struct io_engine *engine;
    int fd = open_file();

    if (!forbid_uring())
        cr_skip_test("no seccomp filters here");
    cr_assert_eq(open_engine(IO_AUTO, fd, &engine), STATUS_OK);
    cr_assert_str_eq(io_engine_name(engine), "threads");
    cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    read_by_post();
    port_close(&port);
    io_engine_close(&engine);
    close(fd);
}

Test(port_engine, io_uring_that_is_forbidden_is_a_bad_request_that_says_why)
{
    struct io_engine *engine = NULL;
    const char *why = NULL;
    int fd = open_file();

    if (!forbid_uring())
        cr_skip_test("no seccomp filters here");
    cr_assert_eq(io_engine_open(IO_URING, fd, THREADS, &engine, &why),
                 STATUS_BAD_REQUEST);
    cr_assert_null(engine);
    cr_assert_str_eq(why, "Operation not permitted");
    close(fd);
}

Test(port_engine, a_ring_that_may_not_be_entered_is_a_refusal)
{
    struct io_engine *engine;
    int fd = open_file();

    if (!forbid_call(SYS_io_uring_enter, EPERM))
        cr_skip_test("no seccomp filters here");
    cr_assert_eq(open_engine(IO_AUTO, fd, &engine), STATUS_OK);
    cr_assert_str_eq(io_engine_name(engine), "threads");
    io_engine_close(&engine);
    close(fd);
}

/* A thread to which the kernel never has the memory to take a read. */
static void *
submit_in_vain(void *arg)
{
    bool *is_forbidden = arg;

    *is_forbidden = forbid_call(SYS_io_uring_enter, EAGAIN);
    port_start(port, &piece.io);
    port_submit(port);
    if (*is_forbidden && is_readable())
        port_run(port);
    return NULL;
}

Test(port_engine, what_the_kernel_has_not_taken_is_submitted_again)
{
    struct io_engine *engine;
    pthread_t thread;
    bool is_forbidden = false;
    int fd = open_file();

    if (open_engine(IO_URING, fd, &engine) == STATUS_BAD_REQUEST)
        cr_skip_test("this kernel refuses io_uring");
    cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    cr_assert(port_piece_open(&piece));
    port_piece_set(&piece, false, 0, IO_SIZE_MAX, 2);
    cr_assert_eq(pthread_create(&thread, NULL, submit_in_vain, &is_forbidden),
                 0);
    pthread_join(thread, NULL);
    if (!is_forbidden)
        cr_skip_test("no seccomp filters here");
    cr_assert_eq(port_pending(port), 1);
    cr_assert(port_drain(port));
    cr_assert_eq(piece.io.result, (int32_t)IO_SIZE_MAX);
    port_piece_close(&piece);
    port_close(&port);
    io_engine_close(&engine);
    close(fd);
}

/* As when the memory that may be locked is used up. */
Test(port_engine, a_port_without_its_ring_uses_threads)
{
    struct io_engine *engine;
    struct port *with_ring;
    int fd = open_file();

    if (open_engine(IO_URING, fd, &engine) == STATUS_BAD_REQUEST)
        cr_skip_test("this kernel refuses io_uring");
    cr_assert_eq(port_open(engine, NULL, &with_ring), STATUS_OK);
    if (!forbid_uring())
        cr_skip_test("no seccomp filters here");
    cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    read_by_post();
    port_close(&port);
    port = with_ring;
    read_by_post();
    port_close(&port);
    io_engine_close(&engine);
    close(fd);
}

Test(port_engine, want_of_descriptors_is_no_refusal)
{
    struct rlimit limit, none;
    struct io_engine *engine;
    const char *why = "";
    int fd = open_file();
    enum status status;

    if (open_engine(IO_URING, fd, &engine) == STATUS_BAD_REQUEST)
        cr_skip_test("this kernel refuses io_uring");
    io_engine_close(&engine);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    status = io_engine_open(IO_AUTO, fd, THREADS, &engine, &why);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(status, STATUS_NO_SPACE);
    cr_assert_str_eq(why, "Too many open files");
    close(fd);
}

/* No filesystem gives short reads on demand. */
#define STEP_SIZE    10000u
#define STEP_VECTORS 7u

static uint8_t step_from[STEP_SIZE], step_into[STEP_SIZE];

static void
set_step(struct io *io, struct iovec *vectors)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < STEP_VECTORS; i++) {
        uint32_t size = i + 1 == STEP_VECTORS ? STEP_SIZE - at : 100 + 300 * i;

        vectors[i] = (struct iovec){step_into + at, size};
        at += size;
    }
    *io = (struct io){.offset = 1ull << 40,
                      .vectors = vectors,
                      .count = STEP_VECTORS,
                      .size = STEP_SIZE};
}

/* Reads `most` bytes as a kernel would, from where the io says. */
static int
read_some(const struct io *io, size_t most)
{
    size_t at = port_io_offset(io) - io->offset, moved = 0;

    for (unsigned i = 0; i < io->count && moved < most; i++) {
        const struct iovec *vector = &io->vectors[i];
        size_t size = vector->iov_len;

        if (size > most - moved)
            size = most - moved;
        memcpy(vector->iov_base, step_from + at + moved, size);
        moved += size;
    }
    return (int)moved;
}

Test(port_step, a_read_in_parts_fills_all_vectors)
{
    struct iovec vectors[STEP_VECTORS];
    struct io io;

    value_write(step_from, 3, 0, STEP_SIZE);
    for (size_t most = 1; most <= STEP_SIZE; most += 1 + most / 3) {
        unsigned tries = 1;

        memset(step_into, 0, STEP_SIZE);
        set_step(&io, vectors);
        while (!port_io_step(&io, read_some(&io, most))) {
            cr_assert_not(port_io_step(&io, -EINTR));
            cr_assert_not(port_io_step(&io, -EAGAIN));
            tries++;
        }
        cr_assert_eq(tries, (STEP_SIZE + most - 1) / most);
        cr_assert_eq(io.result, (int32_t)STEP_SIZE);
        cr_assert_eq(memcmp(step_from, step_into, STEP_SIZE), 0);
    }
}

static int32_t
result_after(int first, int second)
{
    struct iovec vectors[STEP_VECTORS];
    struct io io;

    set_step(&io, vectors);
    cr_assert_not(port_io_step(&io, first));
    cr_assert(port_io_step(&io, second));
    return io.result;
}

Test(port_step, an_error_after_a_part_is_the_result)
{
    cr_assert_eq(result_after(5000, -ENOSPC), -ENOSPC);
    cr_assert_eq(result_after(5000, 0), -EIO);
    cr_assert_eq(result_after(5000, -EINVAL), -EIO);
    cr_assert_eq(result_after(-EINTR, -EINVAL), -EINVAL);
    cr_assert_eq(result_after(-EAGAIN, 0), -EIO);
}
