/* SPDX-License-Identifier: Apache-2.0 */
/* What the criterion programs over the spill tier share: one tier, opened anew
 * for each test. */
#ifndef UNIT_SPILL_CHECKS_H
#define UNIT_SPILL_CHECKS_H

#include "tests/lib/spill_tier.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>

#define MIB (1u << 20)

static struct spill_tier spill;

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

/* With a deadline. */
#define AWAIT(condition)                                                       \
    do {                                                                       \
        uint64_t end_ns_ = clock_now_ns() + SPILL_WAIT_NS;                     \
        while (!(condition)) {                                                 \
            spill_turn(&spill);                                                \
            if (clock_now_ns() > end_ns_)                                      \
                HOLDS(condition);                                              \
        }                                                                      \
    } while (0)

static inline void
opens(void)
{
    HOLDS(spill_tier_open(&spill) == STATUS_OK);
}

static inline bool
is_state(const char *state)
{
    return strcmp(spill_used(&spill).state, state) == 0;
}

static inline void
again(void)
{
    spill_tier_close(&spill);
    opens();
    HOLDS(is_state("serving"));
}

/* Over a directory of so many bytes, which the test opens itself.  A process
 * that is forked must open RocksDB before the one that forked it has: its
 * threads do not come along. */
#define SPILL_CLOSED(suite, name, size)                                        \
    static void name(void);                                                    \
    Test(suite, name, .timeout = 120)                                          \
    {                                                                          \
        cr_assert(spill_tier_make(&spill, size));                              \
        name();                                                                \
        spill_tier_close(&spill);                                              \
        cr_assert(spill_tier_remove(&spill));                                  \
    }                                                                          \
    static void name(void)

/* Over an open tier of so many bytes. */
#define SPILL_OPEN(suite, name, size)                                          \
    static void name(void);                                                    \
    Test(suite, name, .timeout = 120)                                          \
    {                                                                          \
        cr_assert(spill_tier_make(&spill, size));                              \
        opens();                                                               \
        name();                                                                \
        spill_tier_close(&spill);                                              \
        cr_assert(spill_tier_remove(&spill));                                  \
    }                                                                          \
    static void name(void)

/* Runs a body in a process that ends at once after it, as one that is killed:
 * nothing is closed. */
#define KILLED_AFTER(body)                                                     \
    do {                                                                       \
        pid_t pid_ = fork();                                                   \
        int status_;                                                           \
        cr_assert_geq(pid_, 0);                                                \
        if (pid_ == 0) {                                                       \
            is_child = true;                                                   \
            opens();                                                           \
            body;                                                              \
            _exit(0);                                                          \
        }                                                                      \
        cr_assert_eq(waitpid(pid_, &status_, 0), pid_);                        \
        cr_assert(WIFEXITED(status_) && WEXITSTATUS(status_) == 0);            \
    } while (0)

static inline void
puts_value(unsigned number, uint64_t sequence, uint32_t size)
{
    HOLDS(spill_put(&spill, number, sequence, size) == STATUS_OK);
}

static inline void
is_there(unsigned number, uint64_t sequence)
{
    enum status status = spill_get(&spill, number);

    cr_assert(spill.kept[number].is_there, "value %u", number);
    cr_assert_eq(spill.kept[number].sequence, sequence, "value %u", number);
    cr_assert_eq(status, STATUS_OK, "value %u: %d", number, status);
}

static inline void
is_gone(unsigned number)
{
    cr_assert(!spill.kept[number].is_there, "value %u", number);
}

static inline uint32_t
size_of(unsigned number)
{
    static const uint32_t sizes[] = {0, 1, 1900, 4096, 70001, 300000};

    return sizes[number % 6];
}

static struct spill_transfer many[SPILL_KEYS];

/* Of the sizes above, all under way at one time. */
static inline void
puts_many(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++) {
        struct spill_transfer *its = &many[i];

        spill_prepare(&spill, its, i, sequence + i, size_of(i));
        its->transfer.chunk =
            spill_sealed(&spill, size_of(i), spill_seed(i, sequence + i));
        HOLDS(spill_put_begin(&spill, its) == PENDING);
    }
    HOLDS(spill_settle(&spill));
    for (unsigned i = from; i < end; i++)
        HOLDS(spill_put_end(&spill, &many[i], i) == STATUS_OK);
}

static inline void
are_there(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++)
        is_there(i, sequence + i);
}

/* --- Flushes. --- */

struct spill_flushing {
    struct lower_flush inner; /* first */
    bool is_done;
};

static inline void
on_flushed(struct lower_flush *inner)
{
    ((struct spill_flushing *)inner)->is_done = true;
}

static inline enum status
flushes(unsigned space, uint64_t sequence)
{
    struct spill_flushing flush = {.inner = {.space = space,
                                             .sequence = sequence,
                                             .port = spill.port,
                                             .done = on_flushed}};

    lower_flush(spill.tier, &flush.inner);
    AWAIT(flush.is_done);
    return flush.inner.status;
}

/* What was noted is on the device: a flush of nothing stands behind it.  Notes
 * wait for 200 ms at most. */
static inline void
notes_settle(void)
{
    AWAIT(spill_used(&spill).notes_waiting == 0);
}

/* --- Files. --- */

struct spill_path {
    char text[SPILL_PATH + 300];
};

static inline struct spill_path
path_of(const char *name)
{
    struct spill_path path;

    snprintf(path.text, sizeof(path.text), "%s/%s", spill.directory, name);
    return path;
}

static inline bool
has_file(const char *name)
{
    return access(path_of(name).text, F_OK) == 0;
}

/* Calls with the path of each file in a folder whose name has the word in it;
 * returns how many there were. */
static inline unsigned
each_file(const char *folder, const char *word, void (*call)(const char *))
{
    struct spill_path path = path_of(folder);
    DIR *files = opendir(path.text);
    struct dirent *entry;
    unsigned count = 0;

    while (files != NULL && (entry = readdir(files)) != NULL) {
        struct spill_path inside;

        if (entry->d_name[0] == '.' || strstr(entry->d_name, word) == NULL)
            continue;
        snprintf(inside.text, sizeof(inside.text), "%s/%s/%s", spill.directory,
                 folder, entry->d_name);
        if (call != NULL)
            call(inside.text);
        count++;
    }
    if (files != NULL)
        closedir(files);
    return count;
}

static inline void
removes_file(const char *path)
{
    cr_assert_eq(unlink(path), 0);
}

#endif
