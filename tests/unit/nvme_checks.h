/* SPDX-License-Identifier: Apache-2.0 */
/* What the criterion programs over the NVMe tier share: one tier, opened anew
 * for each test, with both engines. */
#ifndef UNIT_NVME_CHECKS_H
#define UNIT_NVME_CHECKS_H

#include "tests/lib/nvme_tier.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MIB (1u << 20)

static struct nvme_tier nvme;

/* In a process that is killed later criterion can not be asked. */
static bool is_child;
#define HOLDS(condition)                                                       \
    do {                                                                       \
        bool holds_ = (condition);                                             \
        if (!holds_ && is_child) {                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,         \
                    #condition);                                               \
            _exit(1);                                                          \
        }                                                                      \
        cr_assert(holds_, "%s", #condition);                                   \
    } while (0)

static inline bool
has_uring(void)
{
    struct io_engine *engine;
    const char *why;

    if (io_engine_open(IO_URING, STDIN_FILENO, 1, &engine, &why) != STATUS_OK)
        return false;
    io_engine_close(&engine);
    return true;
}

static inline void
make(enum io_engine_kind engine, uint64_t size)
{
    if (engine == IO_URING && !has_uring())
        cr_skip_test("this kernel refuses io_uring");
    cr_assert(nvme_tier_make(&nvme, engine, size));
}

static inline void
opens(void)
{
    HOLDS(nvme_tier_open(&nvme) == STATUS_OK);
}

static inline void
again(void)
{
    nvme_tier_close(&nvme);
    opens();
}

/* Nothing of the pool is left behind. */
static inline void
removes(void)
{
    nvme_tier_close(&nvme);
    cr_assert(nvme_tier_remove(&nvme));
}

/* One test for each engine, over a new tier of so many bytes. */
#define BOTH(suite, name, size)                                                \
    static void name(void);                                                    \
    Test(suite, name##_uring, .timeout = 120)                                  \
    {                                                                          \
        make(IO_URING, size);                                                  \
        opens();                                                               \
        name();                                                                \
        removes();                                                             \
    }                                                                          \
    Test(suite, name##_threads, .timeout = 120)                                \
    {                                                                          \
        make(IO_THREADS, size);                                                \
        opens();                                                               \
        name();                                                                \
        removes();                                                             \
    }                                                                          \
    static void name(void)

static inline void
puts_value(unsigned number, uint64_t sequence, uint32_t size)
{
    uint64_t end_ns = clock_now_ns() + NVME_WAIT_NS;
    enum status status;

    /* Out of segments: the mover reclaims, and so does this. */
    while ((status = nvme_put(&nvme, number, sequence, size)) == STATUS_BUSY) {
        if (nvme_wants_reclaim(nvme.tier))
            HOLDS(nvme_reclaim(&nvme) == STATUS_OK);
        nvme_turn(&nvme);
        HOLDS(clock_now_ns() < end_ns);
    }
    HOLDS(status == STATUS_OK);
}

static inline void
is_there(unsigned number, uint64_t sequence)
{
    cr_assert(nvme.kept[number].is_there, "value %u", number);
    cr_assert_eq(nvme.kept[number].sequence, sequence, "value %u", number);
    cr_assert_eq(nvme_get(&nvme, number), STATUS_OK, "value %u", number);
}

static inline void
is_gone(unsigned number)
{
    cr_assert(!nvme.kept[number].is_there, "value %u", number);
}

/* Of its record in the file. */
static inline uint64_t
offset_of(const struct tier_place *place, uint64_t segment_size)
{
    uint64_t block = (place->word[0] & UINT32_MAX) >> 2;

    return NVME_DATA_START + (place->word[0] >> 32) * segment_size +
           block * NVME_BLOCK;
}

static inline void
settles(void)
{
    HOLDS(nvme_settle(&nvme));
}

/* Runs a body in a process that ends at once after it, as one that is killed:
 * nothing is closed.  What it wrote, the parent then opens. */
#define KILLED_DURING(body)                                                    \
    do {                                                                       \
        pid_t pid_ = fork();                                                   \
        int status_;                                                           \
        cr_assert_geq(pid_, 0);                                                \
        if (pid_ == 0) {                                                       \
            is_child = true;                                                   \
            body;                                                              \
            _exit(0);                                                          \
        }                                                                      \
        cr_assert_eq(waitpid(pid_, &status_, 0), pid_);                        \
        cr_assert(WIFEXITED(status_) && WEXITSTATUS(status_) == 0);            \
    } while (0)

static inline uint32_t
size_of(unsigned number)
{
    static const uint32_t sizes[] = {0, 1, 1900, 4096, 70001, 300000};

    return sizes[number % 6];
}

static inline void
puts_many(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++)
        puts_value(i, sequence + i, size_of(i));
}

static inline void
are_there(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++)
        is_there(i, sequence + i);
}

/* The notes that wait are on the device. */
static inline void
notes_settle(void)
{
    uint64_t before = nvme_used(&nvme).written_bytes;
    uint64_t end_ns = clock_now_ns() + NS_PER_SECOND;

    while (nvme_used(&nvme).written_bytes == before) {
        nvme_turn(&nvme);
        HOLDS(clock_now_ns() < end_ns);
    }
    settles();
}

/* The tier is opened by a process that ends without closing anything. */
#define KILLED_AFTER(body)                                                     \
    do {                                                                       \
        nvme_tier_close(&nvme);                                                \
        KILLED_DURING({                                                        \
            opens();                                                           \
            body;                                                              \
        });                                                                    \
        opens();                                                               \
    } while (0)

#endif
