/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's index over a stop: what was saved is read back, and a file that
 * is not what was written is put aside and never believed.  The file that an
 * earlier version of this program has written is tests/golden/index/snapshot
 * (PREFIXCACHE_GOLDEN names a folder to write a new one to).
 */
#include "server/index/saver.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/index/catalog_save.h"
#include "tests/lib/catalog_keys.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB       (1u << 20)
#define PATH_ROOM 256u

static char directory[PATH_ROOM], file[PATH_ROOM + 32], refused[PATH_ROOM + 48];
static struct catalog *catalog;
static struct saver *saver;

static void
start(void)
{
    const char *parent = getenv("PREFIXCACHE_TMP");

    log_setup(LOG_ERROR, LOG_LOGFMT);
    snprintf(directory, PATH_ROOM, "%s/saver.XXXXXX",
             parent != NULL ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/prefixcache.index", directory);
    snprintf(refused, sizeof(refused), "%s.refused", file);
}

static void
remove_all(void)
{
    (void)unlink(file);
    (void)unlink(refused);
    (void)rmdir(directory);
}

TestSuite(saver, .init = start, .fini = remove_all);

static void
open_saver(uint64_t size, uint64_t every_ns)
{
    cr_assert_eq(catalog_open(size, &catalog), STATUS_OK);
    cr_assert_eq(saver_open(catalog, directory, every_ns, &saver), STATUS_OK);
}

static void
close_saver(void)
{
    saver_close(&saver);
    cr_assert_null(saver);
    catalog_close(&catalog);
}

static bool
is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void
put_in(uint8_t space, const char *name, const char *field)
{
    struct bytes its_name = text_of(name), its_field = text_of(field),
                 none = text_of("");
    struct catalog_edit edit;
    struct catalog_key key;
    bool is_new;

    cr_assert(catalog_key_read(space, &its_name, &key));
    cr_assert_eq(catalog_edit(catalog, &key, CATALOG_HASH, &edit), STATUS_OK);
    cr_assert_eq(catalog_edit_field(&edit, &its_field, &none, &is_new),
                 STATUS_OK);
    catalog_edit_end(&edit);
}

/* A bit of everything a file can say. */
static void
fill(unsigned items)
{
    char name[32];

    put_in(0, "8703025237158681905", "{\"PodIdentifier\":\"a\"}");
    put_in(0, "8703025237158681905", "{\"PodIdentifier\":\"b\"}");
    put_in(3, "8703025237158681905", "{\"PodIdentifier\":\"c\"}");
    put_in(0, "matrix:kv:block:m@1", "pod-0");
    cr_assert_eq(put_value(catalog, "matrix:kv:block:m@1", "pod-1", "171"),
                 STATUS_OK);
    cr_assert_eq(put_value(catalog, "matrix:kv:block:m@1", "", "171"),
                 STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:18446744073709551615",
                            "8703025237158681905", 1),
                 STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:18446744073709551615", "7", -1),
                 STATUS_OK);
    cr_assert_eq(put_member(catalog, "wide", "7", 0.1), STATUS_OK);
    cr_assert_eq(put_member(catalog, "wide", "word", -1e300), STATUS_OK);
    for (unsigned i = 0; i < items; i++) {
        snprintf(name, sizeof(name), "%u", i);
        cr_assert_eq(put_field(catalog, "long", name), STATUS_OK);
        cr_assert_eq(put_member(catalog, "engine:0", name, items - i),
                     STATUS_OK);
    }
}

static void
check_filled(unsigned items)
{
    char last[64];
    struct bytes name = text_of("8703025237158681905");
    struct catalog_key key = key_of("long");
    struct catalog_look look;
    struct catalog_item item;

    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), 7);
    cr_assert(is_shown_as(catalog, "8703025237158681905",
                          "{\"PodIdentifier\":\"a\"} "
                          "{\"PodIdentifier\":\"b\"}"));
    cr_assert(
        is_shown_as(catalog, "matrix:kv:block:m@1", "pod-0 pod-1=171 =171"));
    cr_assert(is_shown_as(catalog, "engine:18446744073709551615",
                          "7:-1 8703025237158681905:1"));
    cr_assert(is_shown_as(catalog, "wide", "word:-1e+300 7:0.1"));
    cr_assert(catalog_key_read(3, &name, &key));
    cr_assert(catalog_look(catalog, &key, &look));
    catalog_look_item(&look, 0, &item);
    cr_assert_eq(item.name.size, 21);
    cr_assert_eq(item.name.at[18], 'c');
    catalog_look_end(&look);
    cr_assert_eq(usage_of(catalog).items, 2 + 1 + 3 + 2 + 2 + 2 * items);
    snprintf(last, sizeof(last), " 1:%u 0:%u", items - 1, items);
    cr_assert_str_eq(strstr(show(catalog, "engine:0"), " 1:"), last);
}

Test(saver, what_was_saved_is_read_back)
{
    struct saver_usage usage;

    open_saver(4 * MIB, 0);
    fill(2000);
    close_saver();
    open_saver(4 * MIB, 0);
    check_filled(2000);
    saver_usage(saver, &usage);
    cr_assert_eq(usage.keys, 7);
    cr_assert_eq(usage.saves, 0);
    cr_assert_gt(usage.saved_unix_ms, clock_unix_ms() - 100000);
    close_saver();
    open_saver(20 * MIB, 0);
    check_filled(2000);
    close_saver();
    cr_assert_not(is_there(refused));
}

Test(saver, without_a_file_the_index_begins_empty)
{
    open_saver(MIB, 0);
    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), 0);
    close_saver();
    /* Nothing has changed: nothing to write. */
    cr_assert_not(is_there(file));
}

Test(saver, writes_now_and_then_if_anything_has_changed)
{
    uint64_t until_ns = clock_now_ns() + 20 * NS_PER_SECOND;
    struct saver_usage usage;

    open_saver(MIB, 2 * NS_PER_MS);
    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK);
    do
        saver_usage(saver, &usage);
    while (usage.saves == 0 && clock_now_ns() < until_ns);
    cr_assert_eq(usage.saves, 1);
    cr_assert_eq(usage.failures, 0);
    cr_assert(is_there(file));
    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK); /* no change */
    cr_assert(is_shown_as(catalog, "1", "f"));
    cr_assert_eq(put_field(catalog, "2", "f"), STATUS_OK);
    do
        saver_usage(saver, &usage);
    while (usage.saves < 2 && clock_now_ns() < until_ns);
    cr_assert_eq(usage.saves, 2);
    cr_assert_eq(usage.keys, 2);
    close_saver();
}

Test(saver, a_file_that_can_not_be_written_is_counted_and_the_rest_goes_on)
{
    uint64_t until_ns = clock_now_ns() + 20 * NS_PER_SECOND;
    struct saver_usage usage;

    cr_assert_eq(rmdir(directory), 0);
    cr_assert_eq(catalog_open(MIB, &catalog), STATUS_OK);
    cr_assert_eq(saver_open(catalog, file, 2 * NS_PER_MS, &saver), STATUS_OK);
    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK);
    do
        saver_usage(saver, &usage);
    while (usage.failures < 2 && clock_now_ns() < until_ns);
    cr_assert_geq(usage.failures, 2);
    cr_assert(is_shown_as(catalog, "1", "f"));
    cr_assert_eq(mkdir(directory, 0700), 0);
    do
        saver_usage(saver, &usage);
    while (usage.saves == 0 && clock_now_ns() < until_ns);
    cr_assert_eq(usage.saves, 1);
    close_saver();
}

Test(saver, the_oldest_before_a_stop_are_the_oldest_after_it)
{
    unsigned kept = 0;
    char name[32];

    open_saver(4 * MIB, 0);
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(name, sizeof(name), "%u", i);
        cr_assert_eq(put_field(catalog, name, "f"), STATUS_OK);
    }
    for (unsigned i = 0; i < 40000; i += 2) {
        snprintf(name, sizeof(name), "%u", i);
        cr_assert(is_shown_as(catalog, name, "f"));
    }
    close_saver();
    open_saver(4 * MIB, 0);
    /* Until 15,000 had to leave. */
    for (unsigned i = 0;
         catalog_keys(catalog, 0) + 15000 > 40000 + i && i < 1000000; i++) {
        snprintf(name, sizeof(name), "%u", 1000000 + i);
        cr_assert_eq(put_field(catalog, name, "f"), STATUS_OK);
    }
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(name, sizeof(name), "%u", i);
        kept += is_shown_as(catalog, name, "f") ? i % 2 == 0 ? 1 : 0x10000 : 0;
    }
    cr_assert_gt(kept & 0xffff, 2 * (kept >> 16),
                 "%u that were used last, %u that were not", kept & 0xffff,
                 kept >> 16);
    close_saver();
}

Test(saver, an_index_that_is_smaller_now_holds_what_it_can)
{
    char name[32];

    open_saver(8 * MIB, 0);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "%u", i);
        cr_assert_eq(put_field(catalog, name, "f"), STATUS_OK);
    }
    close_saver();
    open_saver(MIB, 0);
    cr_assert_gt(catalog_keys(catalog, 0), 10000);
    cr_assert_leq(usage_of(catalog).used, MIB);
    close_saver();
    cr_assert_not(is_there(refused));
}

/* --- Files that are not what was written. --- */

static size_t
read_bytes(uint8_t *into, size_t room)
{
    FILE *stream = fopen(file, "rb");
    size_t size = fread(into, 1, room, stream);

    cr_assert_lt(size, room);
    fclose(stream);
    return size;
}

static void
write_bytes(const uint8_t *bytes, size_t size)
{
    FILE *stream = fopen(file, "wb");

    cr_assert_eq(fwrite(bytes, 1, size, stream), size);
    cr_assert_eq(fclose(stream), 0);
}

static void
expect_refused(const uint8_t *bytes, size_t size, const char *what)
{
    struct stat about;

    write_bytes(bytes, size);
    open_saver(MIB, 0);
    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), 0, "%s", what);
    cr_assert_eq(usage_of(catalog).words, 0);
    cr_assert(is_there(refused), "%s", what);
    cr_assert_not(is_there(file), "%s", what);
    cr_assert_eq(stat(refused, &about), 0);
    cr_assert_eq((size_t)about.st_size, size);
    close_saver();
    cr_assert_eq(unlink(refused), 0);
}

static size_t
small_file(uint8_t *into, size_t room)
{
    open_saver(MIB, 0);
    put_in(0, "8703025237158681905", "{\"PodIdentifier\":\"a\"}");
    put_in(0, "text", "{\"PodIdentifier\":\"a\"}");
    cr_assert_eq(put_member(catalog, "engine:1", "8703025237158681905", 1),
                 STATUS_OK);
    cr_assert_eq(put_member(catalog, "wide", "word", 0.5), STATUS_OK);
    close_saver();
    return read_bytes(into, room);
}

Test(saver, a_file_that_was_cut_anywhere_is_refused)
{
    uint8_t bytes[1024];
    size_t size = small_file(bytes, sizeof(bytes));

    log_setup((enum log_level) - 1, LOG_LOGFMT);
    for (size_t cut = 0; cut < size; cut++)
        expect_refused(bytes, cut, "cut");
    bytes[size] = 0;
    expect_refused(bytes, size + 1, "longer");
    write_bytes(bytes, size);
    open_saver(MIB, 0);
    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), 4);
    close_saver();
}

Test(saver, a_file_with_one_wrong_bit_is_refused)
{
    uint8_t bytes[1024];
    size_t size = small_file(bytes, sizeof(bytes));

    log_setup((enum log_level) - 1, LOG_LOGFMT);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        expect_refused(bytes, size, "a bit");
        bytes[i] ^= (uint8_t)(1 << i % 8);
    }
}

Test(saver, a_file_of_a_later_version_is_put_aside)
{
    uint8_t bytes[1024];
    size_t size = small_file(bytes, sizeof(bytes));
    uint64_t unix_ms;

    log_setup((enum log_level) - 1, LOG_LOGFMT);
    bytes[8] = SNAPSHOT_VERSION + 1;
    cr_assert_eq(snapshot_read_head(bytes, &unix_ms), SNAPSHOT_NEWER);
    expect_refused(bytes, size, "newer");
    memcpy(bytes, "something else altogether", 25);
    cr_assert_eq(snapshot_read_head(bytes, &unix_ms), SNAPSHOT_FOREIGN);
    expect_refused(bytes, size, "foreign");
}

Test(saver, what_an_earlier_version_wrote_is_read)
{
    const char *source = getenv("PREFIXCACHE_SOURCE");
    char golden[PATH_ROOM];

    if (getenv("PREFIXCACHE_GOLDEN") != NULL) {
        snprintf(golden, sizeof(golden), "%s/snapshot",
                 getenv("PREFIXCACHE_GOLDEN"));
        cr_assert_eq(catalog_open(MIB, &catalog), STATUS_OK);
        cr_assert_eq(saver_open(catalog, golden, 0, &saver), STATUS_OK);
        flush_keys(catalog, CATALOG_ALL_SPACES);
        fill(10);
        close_saver();
    }
    snprintf(golden, sizeof(golden), "%s/tests/golden/index/snapshot",
             source != NULL ? source : ".");
    cr_assert_eq(symlink(golden, file), 0);
    open_saver(MIB, 0);
    check_filled(10);
    close_saver();
}
