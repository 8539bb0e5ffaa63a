/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one connection looks keys up, by wire: in one request where the wire can
 * (lookup_resp.c, lookup_native.c), else one after the other (lookup_lm.c).
 *
 * One thread at a time.
 */
#ifndef TOOLS_BENCH_LOOKUP_ASKER_H
#define TOOLS_BENCH_LOOKUP_ASKER_H

#include "tools/bench/lookup.h"

#include <stddef.h>

struct lookup_asker;

/* What a wire does; each as the function of its name below. */
struct lookup_asker_type {
    enum status (*open)(const struct lookup_plan *, struct lookup_asker **out,
                        char *why, size_t room);
    void (*close)(struct lookup_asker *);
    enum status (*put)(struct lookup_asker *, const struct bytes *names,
                       unsigned count, struct bytes value);
    enum status (*ask)(struct lookup_asker *, const struct bytes *names,
                       unsigned count, unsigned *matched_out);
    const char *(*why)(const struct lookup_asker *);
};
extern const struct lookup_asker_type lookup_asker_resp;
extern const struct lookup_asker_type lookup_asker_lm;
extern const struct lookup_asker_type lookup_asker_native;

/* The first member of what a wire makes of it. */
struct lookup_asker {
    const struct lookup_asker_type *type;
    const struct lookup_plan *plan; /* lent */
};

/* A failure has a sentence in why[room]. */
enum status lookup_asker_open(const struct lookup_plan *,
                              struct lookup_asker **out, char *why,
                              size_t room) MUST_USE;
void lookup_asker_close(struct lookup_asker **); /* NULL is let go */

/* The same value under all of these names, at most LOOKUP_KEYS_MAX. */
enum status lookup_asker_put(struct lookup_asker *, const struct bytes *names,
                             unsigned count, struct bytes value) MUST_USE;
/* One lookup of the plan's verb.  How many of the names are here: from the first
 * on where the wire says that, else of all. */
enum status lookup_asker_ask(struct lookup_asker *, const struct bytes *names,
                             unsigned count, unsigned *matched_out) MUST_USE;
/* Of the last failure. */
const char *lookup_asker_why(const struct lookup_asker *);

/* Can that wire say it?  False, and why not. */
bool lookup_asker_may(const struct lookup_plan *, const char **why);

#endif
