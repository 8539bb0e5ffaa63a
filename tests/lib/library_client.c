/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libprefixcache from outside: a program that does what its standard input says,
 * a line a call, and answers a line each.  The values are made from a number, so
 * that what comes back can be judged here.
 *
 *     library_client URL
 *
 *     put KEY SEED SIZE         STATUS
 *     behind KEY SEED SIZE      STATUS
 *     get KEY SEED ROOM         STATUS GOT US (WRONG where bytes are not those)
 *     gets STEM COUNT SEED ROOM OK-COUNT US WRONG-COUNT (keys STEM0, STEM1...)
 *     puts STEM COUNT SEED SIZE OK-COUNT US
 *     submit ...                as puts and gets, by tickets and the eventfd
 *     exists KEY...             STATUS...
 *     drop KEY...               STATUS...
 *     prefix LEASE RANKS KEY... STATUS MATCHED BYTES TIER=MATCHED/UNBROKEN...
 *     shards                    NAME=UP,OPEN,REQUESTS,LATE,GONE,CORRUPT,LOST...
 *     shard KEY                 number
 *     stats SHARD               STATUS SIZE
 *     walk SHARD                COUNT of entries
 *     untouched                 how many bytes of memory that was given back by
 *                               late gets were written to afterwards
 *     fork                      number of a child, which does nothing
 *     misuse                    what calls that can not be have returned
 *     load THREADS MS KEYS SIZE, pinned THREADS MS KEYS SIZE GET_MS
 *                               see library_load.h
 *     close                     US
 */
#include "tests/lib/library_load.h"
#include "tests/lib/library_values.h"

#include "client/prefixcache.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WORDS_MAX 20000u
#define LATE_MAX  64u
#define SCRIBBLE  0xa5

static struct prefixcache *cache;
/* What late gets and puts have given back, kept to see whether anybody writes to
 * it, or goes on to send it. */
static struct late {
    uint8_t *memory;
    size_t size;
} lates[LATE_MAX];
static unsigned late_count;

static char *words[WORDS_MAX];
static unsigned word_count;

static size_t
number(unsigned word)
{
    return word < word_count ? strtoull(words[word], NULL, 0) : 0;
}

static void *
take(size_t size)
{
    void *memory = calloc(1, size + 1);

    if (memory == NULL)
        abort();
    return memory;
}

static const char *
name(const struct prefixcache_item *item)
{
    return prefixcache_status_name(item->status);
}

static void
keep_late(uint8_t *memory, size_t size)
{
    memset(memory, SCRIBBLE, size);
    if (late_count < LATE_MAX)
        lates[late_count++] = (struct late){memory, size};
    else
        free(memory);
}

static void
say_untouched(void)
{
    size_t touched = 0;

    for (unsigned i = 0; i < late_count; i++)
        for (size_t j = 0; j < lates[i].size; j++)
            touched += lates[i].memory[j] != SCRIBBLE;
    printf("%zu\n", touched);
}

static void
put_one(bool is_behind)
{
    size_t size = number(3);
    uint8_t *body = take(size);
    struct prefixcache_item item = {.key = words[1],
                                    .key_size = strlen(words[1]),
                                    .body = body,
                                    .body_size = size};

    library_values_fill(body, size, number(2));
    if (is_behind)
        prefixcache_put_behind(cache, &item, 1);
    else
        prefixcache_put(cache, &item, 1);
    /* What is late must not go on being sent from here. */
    if (item.status == PREFIXCACHE_LATE) {
        keep_late(body, size);
    } else {
        memset(body, 0, size);
        free(body);
    }
    printf("%s\n", name(&item));
}

static void
get_one(void)
{
    size_t room = number(3);
    uint8_t *body = take(room);
    struct prefixcache_item item = {.key = words[1],
                                    .key_size = strlen(words[1]),
                                    .body = body,
                                    .body_size = room};
    uint64_t start_us = library_values_now_us(), took_us;
    bool is_right = true;

    body[room] = SCRIBBLE;
    prefixcache_get(cache, &item, 1);
    took_us = library_values_now_us() - start_us;
    if (item.status == PREFIXCACHE_OK)
        is_right = library_values_match(body, item.got, number(2));
    if (body[room] != SCRIBBLE)
        is_right = false;
    printf("%s %zu %lu%s%s%s\n", name(&item), item.got, (unsigned long)took_us,
           is_right ? "" : " WRONG", item.tier[0] != '\0' ? " " : "",
           item.tier);
    if (item.status == PREFIXCACHE_MISS)
        keep_late(body, room);
    else
        free(body);
}

/* Items of a batch: each with a key and a body of its own. */
static struct prefixcache_item *
make_items(const char *stem, size_t count, size_t room)
{
    struct prefixcache_item *items = take(count * sizeof *items);

    for (size_t i = 0; i < count; i++) {
        char *key = take(strlen(stem) + 24);

        items[i].key_size = (size_t)sprintf(key, "%s%zu", stem, i);
        items[i].key = key;
        items[i].body = take(room);
        items[i].body_size = room;
    }
    return items;
}

static void
free_items(struct prefixcache_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)items[i].key);
        free(items[i].body);
    }
    free(items);
}

/* Waits for the completion of a ticket as a loop of events would. */
static size_t
await(uint64_t ticket)
{
    struct pollfd wait = {.fd = prefixcache_event_fd(cache), .events = POLLIN};
    struct prefixcache_completion completion;

    if (ticket == 0 || poll(&wait, 1, 60000) != 1 ||
        prefixcache_drain(cache, &completion, 1) != 1 ||
        completion.ticket != ticket || poll(&wait, 1, 0) != 0) {
        printf("no completion of %lu\n", (unsigned long)ticket);
        exit(1);
    }
    return completion.ok_count;
}

static void
batch(bool is_put, bool is_submitted)
{
    size_t count = number(2), seed = number(3), room = number(4);
    struct prefixcache_item *items = make_items(words[1], count, room);
    size_t ok_count, wrong_count = 0;
    uint64_t start_us;

    for (size_t i = 0; is_put && i < count; i++)
        library_values_fill(items[i].body, room, seed + i);
    start_us = library_values_now_us();
    if (is_submitted)
        ok_count = await(prefixcache_submit(
            cache, is_put ? PREFIXCACHE_PUT : PREFIXCACHE_GET, items, count));
    else
        ok_count = (size_t)(is_put ? prefixcache_put(cache, items, count)
                                   : prefixcache_get(cache, items, count));
    printf("%zu %lu", ok_count,
           (unsigned long)(library_values_now_us() - start_us));
    for (size_t i = 0; !is_put && i < count; i++)
        if (items[i].status == PREFIXCACHE_OK)
            wrong_count +=
                !library_values_match(items[i].body, items[i].got, seed + i);
    printf(" %zu\n", wrong_count);
    free_items(items, count);
}

static void
each(bool is_drop)
{
    size_t count = word_count - 1;
    struct prefixcache_item *items = take(count * sizeof *items);

    for (size_t i = 0; i < count; i++) {
        items[i].key = words[i + 1];
        items[i].key_size = strlen(words[i + 1]);
    }
    if (is_drop)
        prefixcache_drop(cache, items, count);
    else
        prefixcache_exists(cache, items, count, 0);
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i > 0 ? " " : "", name(&items[i]));
    printf("\n");
    free(items);
}

static void
prefix(void)
{
    size_t count = word_count - 3;
    struct prefixcache_item *items = take(count * sizeof *items);
    struct prefixcache_prefix_options options = {
        .size = sizeof options,
        .lease_ms = (unsigned)number(1),
        .ranks = (unsigned)number(2),
    };
    struct prefixcache_match match = {.size = sizeof match};
    int status;

    for (size_t i = 0; i < count; i++) {
        items[i].key = words[i + 3];
        items[i].key_size = strlen(words[i + 3]);
    }
    status = prefixcache_prefix(cache, items, count, &options, &match);
    printf("%s %u %lu", prefixcache_status_name(status), match.matched,
           (unsigned long)match.bytes);
    for (unsigned i = 0; i < match.tier_count; i++)
        printf(" %s=%u/%u/%lu", match.tiers[i].name, match.tiers[i].matched,
               match.tiers[i].unbroken, (unsigned long)match.tiers[i].bytes);
    printf(" lease=%u\n", match.lease_ms);
    free(items);
}

static void
shards(void)
{
    struct prefixcache_shard all[PREFIXCACHE_SHARDS_MAX];
    size_t count =
        prefixcache_shards(cache, all, PREFIXCACHE_SHARDS_MAX, sizeof all[0]);

    for (size_t i = 0; i < count; i++)
        printf("%s%s=%d,%d,%lu,%lu,%lu,%lu,%lu", i > 0 ? " " : "", all[i].name,
               all[i].is_up, all[i].is_open, (unsigned long)all[i].requests,
               (unsigned long)all[i].misses_late,
               (unsigned long)all[i].misses_gone,
               (unsigned long)all[i].misses_corrupt,
               (unsigned long)all[i].puts_lost);
    printf("\n");
}

static void
stats(void)
{
    char *text = NULL;
    int status = prefixcache_stats(cache, number(1), &text);

    printf("%s %zu\n", prefixcache_status_name(status),
           text != NULL ? strlen(text) : 0);
    free(text);
}

static void
walk(void)
{
    static struct prefixcache_entry entries[256];
    uint64_t cursor = 0;
    long sum = 0;
    int count;

    do {
        count = prefixcache_walk(cache, number(1), &cursor, entries, 256);
        sum += count;
    } while (count >= 0 && cursor != 0);
    printf("%ld\n", count >= 0 ? sum : (long)count);
}

static void
misuse(void)
{
    const struct prefixcache_item good = {.key = "k", .key_size = 1};
    struct prefixcache_item items[2] = {good, good}, last = good;
    struct prefixcache_match match = {.size = 0};
    struct prefixcache_entry entry;
    uint64_t cursor = 0;
    char *text = NULL;

    items[1].key_size = 0;
    printf("%d", prefixcache_get(cache, items, 2));
    printf("/%s/%s", name(&items[0]), name(&items[1]));
    items[1].key_size = PREFIXCACHE_KEY_MAX + 1;
    printf(" %d", prefixcache_exists(cache, items, 2, 0));
    items[1] = good;
    items[1].body_size = 1;
    printf(" %d", prefixcache_put(cache, items, 2));
    items[1] = good;
    items[1].kind = 3;
    printf(" %d", prefixcache_drop(cache, items, 2));
    items[1] = good;
    items[1].meta_size = PREFIXCACHE_META_MAX + 1;
    printf(" %d", prefixcache_put_behind(cache, items, 2));
    printf(" %d", prefixcache_get(cache, NULL, 1));
    printf(" %d", prefixcache_get(cache, NULL, 0));
    printf(" %lu", (unsigned long)prefixcache_submit(cache, 5, &last, 1));
    printf(" %lu",
           (unsigned long)prefixcache_submit(cache, PREFIXCACHE_GET, NULL, 1));
    printf(" %d", prefixcache_prefix(cache, &good, 1, NULL, &match));
    printf(" %d", prefixcache_stats(cache, 64, &text));
    printf(" %d\n", prefixcache_walk(cache, 0, &cursor, &entry, 1));
}

/* Has all that this process has open, until it ends. */
static void
bear(void)
{
    pid_t child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    printf("%d\n", (int)child);
}

static void
load(bool is_pinned)
{
    struct library_load load = {.cache = cache,
                                .threads = (unsigned)number(1),
                                .ms = (unsigned)number(2),
                                .keys = (unsigned)number(3),
                                .size = number(4)};

    if (is_pinned)
        load.shards = (unsigned)prefixcache_shards(cache, NULL, 0, 0);
    load.get_ms = (unsigned)number(5);
    library_load_run(&load);
    if (is_pinned)
        library_load_say_pinned(&load);
    else
        library_load_say(&load);
}

static bool
perform(void)
{
    const char *verb = words[0];

    if (strcmp(verb, "put") == 0 || strcmp(verb, "behind") == 0)
        put_one(verb[0] == 'b');
    else if (strcmp(verb, "get") == 0)
        get_one();
    else if (strcmp(verb, "puts") == 0 || strcmp(verb, "gets") == 0)
        batch(verb[0] == 'p', false);
    else if (strcmp(verb, "submit-puts") == 0 ||
             strcmp(verb, "submit-gets") == 0)
        batch(verb[7] == 'p', true);
    else if (strcmp(verb, "exists") == 0 || strcmp(verb, "drop") == 0)
        each(verb[0] == 'd');
    else if (strcmp(verb, "prefix") == 0)
        prefix();
    else if (strcmp(verb, "shards") == 0)
        shards();
    else if (strcmp(verb, "shard") == 0)
        printf("%zu\n",
               prefixcache_shard_of(cache, words[1], strlen(words[1])));
    else if (strcmp(verb, "stats") == 0)
        stats();
    else if (strcmp(verb, "walk") == 0)
        walk();
    else if (strcmp(verb, "misuse") == 0)
        misuse();
    else if (strcmp(verb, "fork") == 0)
        bear();
    else if (strcmp(verb, "untouched") == 0)
        say_untouched();
    else if (strcmp(verb, "load") == 0 || strcmp(verb, "pinned") == 0)
        load(verb[0] == 'p');
    else
        return false;
    return true;
}

static void
end(void)
{
    uint64_t start_us = library_values_now_us();

    prefixcache_close(&cache);
    for (unsigned i = 0; i < late_count; i++)
        free(lates[i].memory);
    printf("%lu\n", (unsigned long)(library_values_now_us() - start_us));
}

int
main(int count, char **arguments)
{
    static char line[1 << 20];
    char why[PREFIXCACHE_WHY_SIZE];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count != 2 || prefixcache_open(arguments[1], NULL, &cache, why)) {
        printf("cannot open: %s\n", count == 2 ? why : "no URL");
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *rest = NULL, *word = strtok_r(line, " \n", &rest);

        for (word_count = 0; word != NULL && word_count < WORDS_MAX;
             word = strtok_r(NULL, " \n", &rest))
            words[word_count++] = word;
        if (word_count == 0)
            continue;
        if (strcmp(words[0], "close") == 0)
            break;
        if (!perform())
            printf("what?\n");
    }
    end();
    return 0;
}
