/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that answers when the test says so.  Stands between the server and
 * the real one, for a program that is linked with --wrap of each function here:
 * a GET that finds the body of a key with "late" in its name is PENDING until
 * late_release(), and so are flushes while late_flushes is set.  A look sees such
 * a value on a device alone.
 */
#ifndef LIB_LATE_STORE_H
#define LIB_LATE_STORE_H

#include "storage/store_look.h"

#include <stdatomic.h>
#include <string.h>

#define LATE_MAX 64u

struct late_get {
    struct store_get *get; /* NULL: a free row */
    struct chunk *chunk;   /* what it will be given */
    char key[32];
};

static struct late_get late_gets[LATE_MAX];
static _Atomic unsigned late_count; /* PENDING now */
static unsigned late_started, late_cancelled;
static unsigned late_submits, late_unsubmitted;
static bool late_is_off; /* all answers at once */

static bool late_flushes;
static enum status late_flush_status;
static struct store_flush *late_flush;

enum progress __real_store_get_start(struct store_port *, struct store_get *,
                                     const struct store_name *);
enum progress __wrap_store_get_start(struct store_port *, struct store_get *,
                                     const struct store_name *);
void __wrap_store_get_cancel(struct store_port *, struct store_get *);
enum progress __wrap_store_flush_start(struct store_port *,
                                       struct store_flush *);
void __wrap_store_flush_cancel(struct store_port *, struct store_flush *);
void __real_store_look(struct store *, const struct store_name *, unsigned,
                       struct store_sight *);
void __wrap_store_look(struct store *, const struct store_name *, unsigned,
                       struct store_sight *);
void __real_store_port_submit(struct store_port *);
void __wrap_store_port_submit(struct store_port *);

static struct late_get *
late_row(const struct store_get *get)
{
    unsigned i = 0;

    while (i < LATE_MAX && late_gets[i].get != get)
        i++;
    return i < LATE_MAX ? &late_gets[i] : NULL;
}

static bool
late_is_name(const struct store_name *name)
{
    return name->part == PART_BODY &&
           memmem(name->key.bytes, name->key.size, "late", 4) != NULL;
}

enum progress
__wrap_store_get_start(struct store_port *port, struct store_get *get,
                       const struct store_name *name)
{
    struct late_get *row = late_row(NULL);
    enum progress progress = __real_store_get_start(port, get, name);

    if (progress == PENDING || row == NULL || late_is_off ||
        !late_is_name(name) || get->status != STATUS_OK || get->chunk == NULL ||
        name->key.size >= sizeof(row->key))
        return progress;
    row->get = get;
    row->chunk = get->chunk;
    memcpy(row->key, name->key.bytes, name->key.size);
    row->key[name->key.size] = '\0';
    get->chunk = NULL;
    get->status = STATUS_IO; /* nothing holds before done() */
    late_started++;
    late_unsubmitted++;
    late_count++;
    return PENDING;
}

void
__wrap_store_look(struct store *store, const struct store_name *names,
                  unsigned count, struct store_sight *out)
{
    __real_store_look(store, names, count, out);
    for (unsigned i = 0; i < count; i++)
        if (!late_is_off && late_is_name(&names[i]) && out[i].is_here)
            out[i].tiers = 1u << TIER_NVME;
}

void
__wrap_store_get_cancel(struct store_port *port, struct store_get *get)
{
    struct late_get *row = late_row(get);

    (void)port;
    if (row == NULL)
        return;
    chunk_drop(&row->chunk);
    row->get = NULL;
    late_count--;
    late_cancelled++;
}

/* As the store's port would, between turns of the worker. */
static inline void
late_end(struct late_get *row, enum status status)
{
    struct store_get *get = row->get;

    row->get = NULL;
    late_count--;
    get->status = status;
    if (status == STATUS_OK)
        get->chunk = row->chunk;
    else
        chunk_drop(&row->chunk);
    get->done(get);
}

/* Ends one that is PENDING, some way on from the first; false where none is. */
static inline bool
late_release_any(unsigned from)
{
    for (unsigned i = 0; i < LATE_MAX; i++) {
        struct late_get *row = &late_gets[(from + i) % LATE_MAX];

        if (row->get != NULL) {
            late_end(row, STATUS_OK);
            return true;
        }
    }
    return false;
}

/* Ends the GET of this key; false where there is none. */
static inline bool
late_release(const char *key, enum status status)
{
    for (unsigned i = 0; i < LATE_MAX; i++) {
        if (late_gets[i].get != NULL && strcmp(late_gets[i].key, key) == 0) {
            late_end(&late_gets[i], status);
            return true;
        }
    }
    return false;
}

enum progress
__wrap_store_flush_start(struct store_port *port, struct store_flush *flush)
{
    (void)port;
    flush->status = late_flush_status;
    if (!late_flushes)
        return FINISHED;
    flush->status = STATUS_CORRUPT; /* nothing holds before done() */
    late_flush = flush;
    return PENDING;
}

void
__wrap_store_flush_cancel(struct store_port *port, struct store_flush *flush)
{
    (void)port;
    if (late_flush == flush)
        late_flush = NULL;
}

static inline void
late_flush_end(void)
{
    struct store_flush *flush = late_flush;

    late_flush = NULL;
    flush->status = late_flush_status;
    flush->done(flush);
}

void
__wrap_store_port_submit(struct store_port *port)
{
    late_submits++;
    late_unsubmitted = 0;
    __real_store_port_submit(port);
}

#endif
