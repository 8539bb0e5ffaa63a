/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may, and what must, be found of a key: pure rules over what was asked of
 * the server and answered by it.  main.c tells them in words.
 *
 * A life is a server's, from its start to its end.  A key's events are what was
 * asked of it in this life, one after the other, behind its base: what was
 * found of it when the life began.
 *
 * Each key belongs to one thread, that of its user; a life's fields to the main
 * thread, but for those that say otherwise.
 */
#ifndef CRASH_MODEL_H
#define CRASH_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_MISS    0u /* stands for a version where there is no value */
#define MODEL_SEAL_NS (2 * UINT64_C(1000000000))

struct event {
    uint32_t version; /* PUT; MODEL_MISS: deleted */
    bool is_base;
    bool is_whole;              /* a pair has its metadata, too */
    uint64_t begun_ns, done_ns; /* asked; answered, 0: not */
    uint64_t position;          /* of the log, when it was asked */
};

struct key {
    uint32_t newest; /* version that was ever asked for */
    unsigned count, room;
    struct event *events;
    unsigned place; /* among the user's keys that have a value */
    bool is_listed; /* the server says that it has it */
};

struct life {
    uint64_t killed_ns;    /* 0: it goes on */
    uint64_t end_position; /* at least where the log ends */
    uint64_t window; /* bytes up to there that a tier of this size must have */
    _Atomic uint64_t position;       /* any thread reads */
    _Atomic uint64_t flush_begun_ns; /* FLUSHALL; 0: not.  Any thread reads */
    _Atomic uint64_t flush_done_ns;
};

enum verdict {
    MODEL_FINE,
    MODEL_LOST,   /* what must be there is not, or not whole */
    MODEL_OLD,    /* deleted, flushed or overwritten, and back */
    MODEL_UNKNOWN /* a version that was not yet put */
};

/* What a start has brought of a key. */
struct finding {
    uint32_t version;
    bool is_whole;
    bool is_sure; /* of a miss: the server does not have it */
};

struct judgement {
    enum verdict verdict;
    bool is_expected; /* a hit */
    bool is_base;     /* ... of what was found before, not put in this life */
};

/* A key nobody asked for.  Aborts without memory, as the others do. */
void key_open(struct key *);
void key_close(struct key *);

/* A request of this life; key_done() when it was answered. */
void key_begin(struct key *, uint32_t version, uint64_t now_ns,
               uint64_t position);
void key_done(struct key *, uint64_t now_ns);
/* Its version as far as is known: what a GET after the last answer finds. */
uint32_t key_version(const struct key *);
/* It has a version, and metadata if it should. */
bool key_is_whole(const struct key *);

/* In the life, with all of the key's requests answered.  asked_ns: when the GET
 * was.  Only OLD and UNKNOWN are possible: any miss is legal. */
enum verdict key_judge_live(const struct key *, const struct life *,
                            uint32_t seen, uint64_t asked_ns);
/* After the life: of what its successor serves. */
struct judgement key_judge(const struct key *, const struct life *,
                           const struct finding *);

/* A new life begins with this.  A miss that is not sure keeps all that may be
 * there yet. */
void key_settle(struct key *, const struct life *, const struct finding *);

#endif
