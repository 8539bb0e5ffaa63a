/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libprefixcache: a prefix cache, from an engine's side.
 *
 *     struct prefixcache *cache;
 *     char why[PREFIXCACHE_WHY_SIZE];
 *     if (prefixcache_open("prefixcache://a:7654,b:7654", NULL, &cache, why))
 *         ...
 *     struct prefixcache_item item = {.key = "m@1@0@ab", .key_size = 8,
 *                                     .body = memory, .body_size = room};
 *     prefixcache_get(cache, &item, 1);
 *     if (item.status == PREFIXCACHE_OK) ... item.got bytes
 *     prefixcache_close(&cache);
 *
 * A cache is a number of shards, each with some connections; every key has one
 * shard.  Nothing here waits longer than its deadline: what is late, what a
 * dead shard had, what does not match its checksum is a miss.  Bodies are
 * received straight into the caller's memory and sent straight from it.
 *
 * Threads: every function may be called by any thread at any time, but for
 * prefixcache_close(), which has to be the last.  The library has threads of
 * its own (the option "threads", and one for as long as the name of a shard is
 * looked up); no function of the caller's is called on them, and they take no
 * signals.  A cache does not survive fork(): the child must not touch it.
 *
 * Ownership: keys are copied.  Bodies of a get must stay until the call has
 * returned, or its completion has been drained; so must bodies of a put.  Then
 * they are the caller's, also where the call was late: what still comes is
 * thrown away.  A body may hold anything where its item is not OK.  A structure
 * that is passed begins with its size where it may grow.
 *
 * Order: calls that are under way together are done in any order, those of one
 * thread too.  A get sees what a put has stored that was OK before it began.
 *
 * Deadlines: lookup_ms for exists, drop and prefix, put_ms for puts, get_ms for
 * all others, from when a call began.  Each item of a batch that was answered by
 * then has its answer.  After `failures` requests in a row without an answer, and
 * with nothing else from that shard meanwhile, its connections are given up and
 * it is asked nothing (its items are answered at once) until it answers a
 * greeting, which is tried every retry_ms or more often.
 */
#ifndef CLIENT_PREFIXCACHE_H
#define CLIENT_PREFIXCACHE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PREFIXCACHE_API __attribute__((visibility("default")))
#else
#define PREFIXCACHE_API
#endif

#define PREFIXCACHE_VERSION_MAJOR 0
#define PREFIXCACHE_VERSION_MINOR 1
#define PREFIXCACHE_WHY_SIZE      256
#define PREFIXCACHE_KEY_MAX       4096
#define PREFIXCACHE_META_MAX      128
#define PREFIXCACHE_SHARDS_MAX    64

enum prefixcache_status {
    PREFIXCACHE_OK = 0,
    PREFIXCACHE_MISS = 1,     /* not there, or not to be had in time */
    PREFIXCACHE_UNMET = 2,    /* the condition of a put does not hold */
    PREFIXCACHE_BUSY = 3,     /* over a limit of the server, or the queue of
                                    puts is full */
    PREFIXCACHE_TOO_BIG = 4,  /* a value over the server's limit, or over the
                                    room that a get has (got says its size) */
    PREFIXCACHE_NO_SPACE = 5, /* the server, or this process, has no memory */
    PREFIXCACHE_BAD_REQUEST = 6, /* what was passed can not be */
    PREFIXCACHE_CORRUPT = 7,     /* a put whose bytes changed on their way */
    PREFIXCACHE_LATE = 8,        /* not a get: no answer before the deadline */
    PREFIXCACHE_GONE = 9         /* not a get: the shard can not be reached */
};

/* A word for it; never NULL. */
PREFIXCACHE_API const char *prefixcache_status_name(int status);

struct prefixcache; /* a cache that was opened */

/* 0 is each one's default, which is in brackets. */
struct prefixcache_options {
    size_t size;          /* sizeof(struct prefixcache_options) */
    unsigned connect_ms;  /* until a shard counts as gone (1,000) */
    unsigned lookup_ms;   /* exists, prefix, drop (100) */
    unsigned get_ms;      /* (2,000) */
    unsigned put_ms;      /* until a put that was waited for is LATE (5,000) */
    unsigned connections; /* to each shard (2) */
    unsigned threads;     /* of the library (1) */
    unsigned space;       /* namespace, 0 to 255 */
    unsigned retry_ms;    /* the longest pause between attempts to reach a shard
                              that is gone (1,000) */
    unsigned failures;    /* in a row, until a shard is asked no more (3) */
    uint64_t queue_bytes; /* of puts nobody waits for, in all, each with its key
                              and up to 1 KiB (256 MiB) */
    unsigned flags;       /* PREFIXCACHE_CHECKSUM */
};
#define PREFIXCACHE_CHECKSUM 1u /* XXH3-64 of every body, end to end */

/* url: prefixcache://host[:port][,host[:port]...][/space][?option=number&...],
 * whose options are the names above and go before `options`.  Also
 * prefixcache+unix:///path, and prefixcache+ucx://..., which goes on over TCP
 * where UCX is not there.  Succeeds also where no shard answers: they are
 * misses.  options may be NULL.  BAD_REQUEST (a URL that is none, an option out
 * of range) or NO_SPACE, with a sentence in why[PREFIXCACHE_WHY_SIZE], which
 * may be NULL. */
PREFIXCACHE_API int prefixcache_open(const char *url,
                                     const struct prefixcache_options *options,
                                     struct prefixcache **cache_out, char *why);
/* Waits for what is under way, puts behind too, at most for its deadline; what
 * was not drained is let go, and NULL. */
PREFIXCACHE_API void prefixcache_close(struct prefixcache **cache);

enum prefixcache_kind {
    PREFIXCACHE_ANY = 0,   /* of a get: PLAIN, else OBJECT; of a put: PLAIN */
    PREFIXCACHE_PLAIN = 1, /* what redis:// has under this name */
    PREFIXCACHE_OBJECT = 2 /* what lm:// has, with metadata */
};

/* One key and its value, of a call that may have many. */
struct prefixcache_item {
    const void *key;
    size_t key_size;
    void *body;       /* get: where to; put: from where */
    size_t body_size; /* get: room there; put: bytes of the value */
    size_t got;       /* out, get: bytes of the value */
    int status;       /* out */
    int kind;         /* enum prefixcache_kind; out of a get as well */
    unsigned form;    /* of an OBJECT: how its name is spelled over redis:// */
    unsigned meta_size; /* of an OBJECT; out of a get */
    uint8_t meta[PREFIXCACHE_META_MAX];
    uint64_t lifetime_ms; /* put: 0 for no end; out of a get: what is left */
    char tier[16];        /* out of a get: where it was */
};

/*
 * Waits for all of them.  Returns how many are OK, or -1 where an item or
 * `count` can not be (then every status is BAD_REQUEST).
 *
 * A get's value that is larger than its room is TOO_BIG, and `got` its size.
 * With PREFIXCACHE_CHECKSUM a get's bytes are compared by the thread that calls
 * or drains.  After a put that is neither OK nor BAD_REQUEST the key may have
 * the new value, the one before it or none.
 */
PREFIXCACHE_API int prefixcache_get(struct prefixcache *cache,
                                    struct prefixcache_item *items,
                                    size_t count);
PREFIXCACHE_API int prefixcache_put(struct prefixcache *cache,
                                    struct prefixcache_item *items,
                                    size_t count);
/* A key that is OK stays readable for lease_ms (0: the server's lease.ms). */
PREFIXCACHE_API int prefixcache_exists(struct prefixcache *cache,
                                       struct prefixcache_item *items,
                                       size_t count, unsigned lease_ms);
PREFIXCACHE_API int prefixcache_drop(struct prefixcache *cache,
                                     struct prefixcache_item *items,
                                     size_t count);

/* Copies the bodies and returns at once; nobody hears what becomes of them, but
 * prefixcache_shards() counts those that did not become OK (puts_lost).  An item
 * is OK when it was taken, BUSY when "queue_bytes" wait already, GONE when its
 * shard is not to be reached now, NO_SPACE.  A get may overtake it. */
PREFIXCACHE_API int prefixcache_put_behind(struct prefixcache *cache,
                                           struct prefixcache_item *items,
                                           size_t count);

struct prefixcache_tier {
    char name[16];
    uint32_t matched;  /* of the match, here or in a faster tier */
    uint32_t unbroken; /* those of them from the first on */
    uint64_t bytes;    /* of values of the match, here or in a faster tier */
};
struct prefixcache_match {
    size_t size;       /* sizeof(struct prefixcache_match), by the caller */
    uint32_t matched;  /* how many positions from the first on are here */
    uint64_t bytes;    /* of those */
    int64_t load_us;   /* what getting them would take, from all shards at the
                          same time; -1: not known */
    unsigned lease_ms; /* what was granted, the shortest */
    unsigned tier_count;
    struct prefixcache_tier tiers[4]; /* fastest first */
};
struct prefixcache_prefix_options {
    size_t size;       /* sizeof(struct prefixcache_prefix_options) */
    unsigned lease_ms; /* 0: none; nothing is changed then */
    unsigned ranks;    /* lists that are interleaved; 0 is 1 */
    int promote;       /* what is on disk is to go to memory */
};
/* `keys` are of one prompt, in its order; `options` may be NULL.  With `ranks`
 * each position has so many keys side by side, and `count` is a multiple of it.
 * One question and one answer for each shard that has any of them.  With one
 * shard the figures are what it says; with several the match and its tiers are
 * exact, while bytes and time are taken from what each shard says of its own
 * keys, in proportion.  A shard that does not answer in time has none of its
 * keys.  OK, BAD_REQUEST, NO_SPACE, or LATE or GONE where none has answered. */
PREFIXCACHE_API int
prefixcache_prefix(struct prefixcache *cache,
                   const struct prefixcache_item *keys, size_t count,
                   const struct prefixcache_prefix_options *options,
                   struct prefixcache_match *match_out);

/*
 * The same without waiting.  Items stay the caller's and are written to until
 * the completion with their ticket was drained; there is one for each call,
 * whatever becomes of it, `count` 0 too.  Returns the ticket; 0 where nothing was
 * begun and no item written to: the verb, `count` or an item can not be, or no
 * memory.  An exists leases for the server's lease.ms.
 */
enum prefixcache_verb {
    PREFIXCACHE_GET = 1,
    PREFIXCACHE_PUT = 2,
    PREFIXCACHE_EXISTS = 3,
    PREFIXCACHE_DROP = 4
};
PREFIXCACHE_API uint64_t prefixcache_submit(struct prefixcache *cache, int verb,
                                            struct prefixcache_item *items,
                                            size_t count);
struct prefixcache_completion {
    uint64_t ticket;
    size_t count, ok_count; /* items, and those that are OK */
};
/* Readable while there are completions; -1 where there is none (no memory).
 * Belongs to the cache. */
PREFIXCACHE_API int prefixcache_event_fd(struct prefixcache *cache);
/* Up to `most`, without waiting; how many. */
PREFIXCACHE_API size_t
prefixcache_drain(struct prefixcache *cache,
                  struct prefixcache_completion *completions, size_t most);

/* Of each shard, in the order of the URL. */
struct prefixcache_shard {
    char name[264]; /* host:port */
    int is_up;      /* a connection stands */
    int is_open;    /* its circuit is: it is asked nothing but to answer */
    /* Since the cache was opened; keys, not calls.  Late and gone are counted
     * for all verbs. */
    uint64_t requests, misses_late, misses_gone, bytes_in, bytes_out;
    char transport[16]; /* tcp, unix, ucx */
    char server[48];    /* what it says that it is; empty: not known */
    /* Gets whose bytes did not match their checksum; puts behind that were
     * taken and did not become OK. */
    uint64_t misses_corrupt, puts_lost;
};
/* How many shards there are; fills at most `most`.  size: of the struct. */
PREFIXCACHE_API size_t prefixcache_shards(struct prefixcache *cache,
                                          struct prefixcache_shard *shards,
                                          size_t most, size_t size);
/* Which of them has this key. */
PREFIXCACHE_API size_t prefixcache_shard_of(const struct prefixcache *cache,
                                            const void *key, size_t key_size);

/* What a shard counts: the lines of INFO over redis://, name:value, and a 0
 * behind the last; free() them.  OK, GONE, LATE, BAD_REQUEST (no such shard),
 * NO_SPACE. */
PREFIXCACHE_API int prefixcache_stats(struct prefixcache *cache, size_t shard,
                                      char **text_out);

/* What a shard holds, some at a time: *cursor is 0 at first and 0 behind the
 * last.  A key that is there all the time is found at least once.  Fills at most
 * `most` (at least 256) entries; the number of them, or the negative of a
 * status. */
struct prefixcache_entry {
    uint8_t key[PREFIXCACHE_KEY_MAX];
    size_t key_size, body_size;
    int kind;
    unsigned form, space, tiers; /* tiers: bit 0 memory, 1 NVMe, 2 spill */
};
PREFIXCACHE_API int prefixcache_walk(struct prefixcache *cache, size_t shard,
                                     uint64_t *cursor,
                                     struct prefixcache_entry *entries,
                                     size_t most);

#ifdef __cplusplus
}
#endif

#endif
