/* SPDX-License-Identifier: Apache-2.0 */
/* Ports over both engines: what is written is what is read, errors arrive as
 * they are, and posts run in their order. */
#include "tests/lib/port_file.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#define THREADS   3u
#define MANY      300u /* more than a ring holds, twice over */
#define PIECES    12u
#define ROUNDS    20u
#define FILE_SIZE (PIECES * (uint64_t)IO_SIZE_MAX)

static int file_fd;
static char path[PORT_PATH_MAX];
static struct io_engine *engine;
static struct port *port;

static bool
has_uring(void)
{
    struct io_engine *tried;
    const char *why;

    if (io_engine_open(IO_URING, STDIN_FILENO, THREADS, &tried, &why) !=
        STATUS_OK)
        return false;
    io_engine_close(&tried);
    return true;
}

/* threads: how many where it comes to threads. */
static void
start_with(enum io_engine_kind kind, unsigned threads)
{
    const char *why = "";

    if (kind == IO_URING && !has_uring())
        cr_skip_test("this kernel refuses io_uring");
    file_fd = port_file_open(path);
    cr_assert_geq(file_fd, 0);
    cr_assert_eq(ftruncate(file_fd, (off_t)FILE_SIZE), 0);
    cr_assert_eq(io_engine_open(kind, file_fd, threads, &engine, &why),
                 STATUS_OK, "%s", why);
    cr_assert_eq(port_open(engine, &file_fd, &port), STATUS_OK);
}

static void
start(enum io_engine_kind kind)
{
    start_with(kind, THREADS);
}

static void
end(void)
{
    cr_assert_eq(port_pending(port), 0);
    port_close(&port);
    cr_assert_null(port);
    io_engine_close(&engine);
    cr_assert_null(engine);
    close(file_fd);
    unlink(path);
}

static void
go(struct port_piece *piece)
{
    port_start(port, &piece->io);
    port_submit(port);
    cr_assert(port_drain(port));
    cr_assert(piece->is_done);
}

static void
is_named(enum io_engine_kind kind)
{
    start(kind);
    cr_assert_str_eq(io_engine_name(engine),
                     kind == IO_URING ? "uring" : "threads");
    cr_assert_eq(port_owner(port), &file_fd);
    end();
}

/* Pieces of many sizes in many vectors, each in a stretch of its own. */
static void
moves_all(struct port_piece *pieces, bool is_write, uint64_t seed)
{
    uint64_t random = seed;

    for (unsigned i = 0; i < PIECES; i++) {
        uint32_t sectors =
            1 + random_below(&random, IO_SIZE_MAX / PORT_SECTOR - 1);
        uint32_t most = sectors < IO_VECTORS_MAX ? sectors : IO_VECTORS_MAX;
        uint32_t size = sectors * PORT_SECTOR;

        port_piece_set(&pieces[i], is_write, i * (uint64_t)IO_SIZE_MAX, size,
                       1 + random_below(&random, most));
        if (is_write)
            value_write(pieces[i].data, seed + i, 0, size);
        else
            memset(pieces[i].data, 0, size);
        port_start(port, &pieces[i].io);
    }
    cr_assert_eq(port_pending(port), PIECES);
    port_submit(port);
    cr_assert(port_drain(port));
    for (unsigned i = 0; i < PIECES; i++) {
        cr_assert(pieces[i].is_done);
        cr_assert_eq(pieces[i].io.result, (int32_t)pieces[i].io.size);
        cr_assert(value_is(pieces[i].data, seed + i, 0, pieces[i].io.size));
    }
}

static void
what_is_written_is_read_again(enum io_engine_kind kind)
{
    static struct port_piece pieces[PIECES];

    start(kind);
    for (unsigned i = 0; i < PIECES; i++)
        cr_assert(port_piece_open(&pieces[i]));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        moves_all(pieces, true, round << 32);
        moves_all(pieces, false, round << 32);
    }
    for (unsigned i = 0; i < PIECES; i++)
        port_piece_close(&pieces[i]);
    end();
}

static void
the_greatest_read_in_the_most_vectors_is_one_read(enum io_engine_kind kind)
{
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    port_piece_set(&piece, true, 0, IO_SIZE_MAX, 1);
    value_write(piece.data, 7, 0, IO_SIZE_MAX);
    go(&piece);
    memset(piece.data, 0, IO_SIZE_MAX);
    port_piece_set(&piece, false, 0, IO_SIZE_MAX, IO_VECTORS_MAX);
    go(&piece);
    cr_assert_eq(piece.io.result, (int32_t)IO_SIZE_MAX);
    cr_assert(value_is(piece.data, 7, 0, IO_SIZE_MAX));
    port_piece_close(&piece);
    end();
}

/* One of many small reads or writes. */
struct small {
    struct io io;
    struct iovec vector;
    uint8_t *data;
    unsigned number;
};

static unsigned done_count, started_count;
static unsigned done_order[MANY];
static struct small smalls[MANY];

static void
on_small(struct io *io)
{
    done_order[done_count++] = ((struct small *)io)->number;
}

static void
set_small(unsigned number, bool is_write, void (*done)(struct io *))
{
    struct small *small = &smalls[number];

    small->number = number;
    small->vector = (struct iovec){small->data, PORT_SECTOR};
    small->io = (struct io){.is_write = is_write,
                            .offset = (uint64_t)number * PORT_SECTOR,
                            .vectors = &small->vector,
                            .count = 1,
                            .size = PORT_SECTOR,
                            .done = done};
    if (is_write)
        value_write(small->data, number, 0, PORT_SECTOR);
}

static void
open_smalls(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        smalls[i].data = aligned_alloc(PORT_SECTOR, PORT_SECTOR);
        cr_assert_not_null(smalls[i].data);
    }
}

static void
close_smalls(void)
{
    for (unsigned i = 0; i < MANY; i++)
        free(smalls[i].data);
}

static void
move_smalls(bool is_write)
{
    done_count = 0;
    for (unsigned i = 0; i < MANY; i++) {
        set_small(i, is_write, on_small);
        port_start(port, &smalls[i].io);
    }
    port_submit(port);
    cr_assert(port_drain(port));
    cr_assert_eq(done_count, MANY);
}

static void
more_than_a_ring_holds_is_all_done(enum io_engine_kind kind)
{
    start(kind);
    open_smalls();
    move_smalls(true);
    for (unsigned i = 0; i < MANY; i++)
        memset(smalls[i].data, 0, PORT_SECTOR);
    move_smalls(false);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(smalls[i].io.result, (int32_t)PORT_SECTOR);
        cr_assert(value_is(smalls[i].data, i, 0, PORT_SECTOR));
    }
    close_smalls();
    end();
}

static void
on_small_start_two(struct io *io)
{
    on_small(io);
    for (unsigned i = 0; i < 2 && started_count < MANY; i++) {
        set_small(started_count, false, on_small_start_two);
        port_start(port, &smalls[started_count++].io);
    }
}

static void
done_may_start_more(enum io_engine_kind kind)
{
    start(kind);
    open_smalls();
    done_count = 0;
    started_count = 1;
    set_small(0, false, on_small_start_two);
    port_start(port, &smalls[0].io);
    port_submit(port);
    cr_assert(port_drain(port));
    cr_assert_eq(done_count, MANY);
    close_smalls();
    end();
}

static void
done_may_start_the_same_again(enum io_engine_kind kind)
{
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    for (unsigned i = 0; i < MANY; i++) {
        port_piece_set(&piece, i % 2 == 0, 0, PORT_SECTOR, 1);
        if (i % 2 == 0)
            value_write(piece.data, i, 0, PORT_SECTOR);
        else
            memset(piece.data, 0, PORT_SECTOR);
        go(&piece);
        cr_assert(value_is(piece.data, i & ~1u, 0, PORT_SECTOR));
    }
    port_piece_close(&piece);
    end();
}

static void
a_write_that_may_not_be_says_why(enum io_engine_kind kind)
{
    struct port_piece piece;
    int readable_fd;

    start(kind);
    port_close(&port);
    io_engine_close(&engine);
    readable_fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(readable_fd, 0);
    close(file_fd);
    file_fd = readable_fd;
    cr_assert_eq(
        io_engine_open(kind, file_fd, THREADS, &engine, &(const char *){NULL}),
        STATUS_OK);
    cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    cr_assert(port_piece_open(&piece));
    port_piece_set(&piece, true, 0, PORT_SECTOR, 1);
    go(&piece);
    cr_assert_eq(piece.io.result, -EBADF);
    port_piece_set(&piece, false, 0, PORT_SECTOR, 1);
    go(&piece);
    cr_assert_eq(piece.io.result, (int32_t)PORT_SECTOR);
    port_piece_close(&piece);
    end();
}

/* Behind the end, across it, and across one that is within a sector. */
static void
the_end_of_the_file_is_an_io_error(enum io_engine_kind kind)
{
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    port_piece_set(&piece, false, FILE_SIZE + IO_SIZE_MAX, PORT_SECTOR, 1);
    go(&piece);
    cr_assert_eq(piece.io.result, -EIO);
    port_piece_set(&piece, false, FILE_SIZE - PORT_SECTOR, 8 * PORT_SECTOR, 3);
    go(&piece);
    cr_assert_eq(piece.io.result, -EIO);
    cr_assert_eq(ftruncate(file_fd, (off_t)FILE_SIZE - 1000), 0);
    port_piece_set(&piece, false, FILE_SIZE - 2ull * PORT_SECTOR,
                   4 * PORT_SECTOR, 2);
    go(&piece);
    cr_assert_eq(piece.io.result, -EIO);
    port_piece_close(&piece);
    end();
}

/* The part before the limit is moved, and then the rest is refused. */
static void
a_write_across_the_limit_gives_the_error_of_its_rest(enum io_engine_kind kind)
{
    struct rlimit limit;
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = FILE_SIZE;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    port_piece_set(&piece, true, FILE_SIZE - 2ull * PORT_SECTOR,
                   8 * PORT_SECTOR, 5);
    value_write(piece.data, 1, 0, 8 * PORT_SECTOR);
    go(&piece);
    cr_assert_eq(piece.io.result, -EFBIG);
    memset(piece.data, 0, 2 * PORT_SECTOR);
    port_piece_set(&piece, false, FILE_SIZE - 2ull * PORT_SECTOR,
                   2 * PORT_SECTOR, 1);
    go(&piece);
    cr_assert_eq(piece.io.result, (int32_t)(2 * PORT_SECTOR));
    cr_assert(value_is(piece.data, 1, 0, 2 * PORT_SECTOR));
    port_piece_close(&piece);
    end();
}

static void
each_port_gets_its_own_back(enum io_engine_kind kind)
{
    struct port_piece mine, theirs;
    struct port *other;

    start(kind);
    cr_assert_eq(port_open(engine, NULL, &other), STATUS_OK);
    cr_assert(port_piece_open(&mine));
    cr_assert(port_piece_open(&theirs));
    port_piece_set(&mine, false, 0, IO_SIZE_MAX, 4);
    port_piece_set(&theirs, false, IO_SIZE_MAX, IO_SIZE_MAX, 4);
    port_start(port, &mine.io);
    port_start(other, &theirs.io);
    port_submit(port);
    port_submit(other);
    cr_assert(port_drain(other));
    cr_assert(theirs.is_done);
    cr_assert_not(mine.is_done);
    cr_assert(port_drain(port));
    cr_assert(mine.is_done);
    port_piece_close(&mine);
    port_piece_close(&theirs);
    port_close(&other);
    end();
}

static void
ports_come_and_go(enum io_engine_kind kind)
{
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    for (unsigned i = 0; i < 50; i++) {
        port_piece_set(&piece, i % 2 == 0, 0, IO_SIZE_MAX, 3);
        value_write(piece.data, i, 0, 64);
        go(&piece);
        cr_assert_eq(piece.io.result, (int32_t)IO_SIZE_MAX);
        port_close(&port);
        cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    }
    port_piece_close(&piece);
    end();
}

/* Which is what keeps two servers off one device. */
static void
the_files_lock_is_free_after_the_close(enum io_engine_kind kind)
{
    struct port_piece piece;

    start(kind);
    cr_assert(port_piece_open(&piece));
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(flock(file_fd, LOCK_EX | LOCK_NB), 0);
        port_piece_set(&piece, false, 0, IO_SIZE_MAX, 1);
        go(&piece);
        port_close(&port);
        io_engine_close(&engine);
        close(file_fd);
        file_fd = open(path, O_RDWR | O_CLOEXEC);
        cr_assert_eq(io_engine_open(kind, file_fd, THREADS, &engine,
                                    &(const char *){NULL}),
                     STATUS_OK);
        cr_assert_eq(port_open(engine, NULL, &port), STATUS_OK);
    }
    port_piece_close(&piece);
    end();
}

#define CASE(suite, kind, name)                                                \
    Test(suite, name)                                                          \
    {                                                                          \
        name(kind);                                                            \
    }
#define CASES(suite, kind)                                                     \
    CASE(suite, kind, is_named)                                                \
    CASE(suite, kind, what_is_written_is_read_again)                           \
    CASE(suite, kind, the_greatest_read_in_the_most_vectors_is_one_read)       \
    CASE(suite, kind, more_than_a_ring_holds_is_all_done)                      \
    CASE(suite, kind, done_may_start_more)                                     \
    CASE(suite, kind, done_may_start_the_same_again)                           \
    CASE(suite, kind, a_write_that_may_not_be_says_why)                        \
    CASE(suite, kind, the_end_of_the_file_is_an_io_error)                      \
    CASE(suite, kind, a_write_across_the_limit_gives_the_error_of_its_rest)    \
    CASE(suite, kind, each_port_gets_its_own_back)                             \
    CASE(suite, kind, ports_come_and_go)                                       \
    CASE(suite, kind, the_files_lock_is_free_after_the_close)

CASES(port_uring, IO_URING)
CASES(port_threads, IO_THREADS)

Test(port_threads, a_read_goes_before_the_writes_that_wait)
{
    start_with(IO_THREADS, 1);
    open_smalls();
    done_count = 0;
    for (unsigned i = 0; i < MANY; i++) {
        set_small(i, i != MANY - 1, on_small);
        port_start(port, &smalls[i].io);
    }
    port_submit(port);
    cr_assert(port_drain(port));
    cr_assert_eq(done_order[0], MANY - 1);
    for (unsigned i = 1; i < MANY; i++)
        cr_assert_eq(done_order[i], i - 1);
    close_smalls();
    end();
}
