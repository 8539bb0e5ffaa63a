/* SPDX-License-Identifier: Apache-2.0 */
/* SCAN, DBSIZE, FLUSHALL, FLUSHDB: a namespace as a whole, chunks and the
 * router's index. */
#include "proto/object_name.h"
#include "server/request/answer.h"
#include "server/request/glob.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_DEFAULT 10
#define COUNT_MAX     1000
#define NAME_MAX_SIZE (KEY_SIZE_MAX + 16u)
/* A SCAN ends early, as it always may, before it keeps others waiting: by bytes
 * of names found and by bytes of names times those of the pattern. */
#define BYTES_ENOUGH (64u << 10)
#define WORK_ENOUGH  (8u << 20)
/* A name is matched under a lock. */
#define PATTERN_MAX 1024u
/* Keys of the router's index come before those of chunks.  Their cursors have the
 * first of these bits; the second alone is where chunks begin. */
#define CURSOR_CATALOG (1ull << 62)
#define CURSOR_STORE   (1ull << 61)

enum { TYPE_STRING = 1, TYPE_HASH = 2, TYPE_SET = 4 };
#define TYPE_ANY (TYPE_STRING | TYPE_HASH | TYPE_SET)

struct scan {
    struct connection *connection;
    struct bytes pattern;
    bool has_pattern;
    unsigned types; /* TYPE_ that are asked for */
    unsigned count;
    unsigned seen; /* entries */
    size_t work, found_bytes;
    uint64_t cursor;
    FILE *found; /* the names as bulks, in memory */
    uint32_t found_count;
};

static void
note(struct scan *scan, const void *bytes, size_t size)
{
    struct bytes name = {bytes, size};

    scan->work += size * scan->pattern.size;
    if (scan->has_pattern && !glob_matches(&scan->pattern, &name))
        return;
    scan->found_bytes += size;
    fprintf(scan->found, "$%zu\r\n", size);
    fwrite(bytes, 1, size, scan->found);
    fputs("\r\n", scan->found);
    scan->found_count++;
}

static void
note_half(struct scan *scan, const struct store_seen *seen, enum name_half half)
{
    struct object_name object = {.stem = {seen->key.bytes, seen->key.size},
                                 .form = (enum name_form)seen->form,
                                 .half = half};
    uint8_t name[NAME_MAX_SIZE];
    size_t size = object_name_join(&object, name, sizeof(name));

    if (size != 0)
        note(scan, name, size);
}

/* The names that were written: an object's halves each by its own. */
static void
on_seen(void *arg, const struct store_seen *seen)
{
    struct scan *scan = arg;

    scan->seen++;
    if (seen->key.space != scan->connection->space)
        return;
    if (seen->key.kind == KEY_PLAIN || seen->form == FORM_LM) {
        note(scan, seen->key.bytes, seen->key.size);
        return;
    }
    if (seen->has_body)
        note_half(scan, seen, HALF_BYTES);
    if (seen->has_meta)
        note_half(scan, seen, HALF_METADATA);
}

static void
on_catalog_seen(void *arg, const struct catalog_seen *seen)
{
    unsigned type = seen->type == CATALOG_HASH ? TYPE_HASH : TYPE_SET;
    struct scan *scan = arg;

    scan->seen++;
    if (seen->space == scan->connection->space && (scan->types & type) != 0)
        note(scan, seen->name.at, seen->name.size);
}

static unsigned
type_of(const struct bytes *word)
{
    if (argument_is(word, "string"))
        return TYPE_STRING;
    if (argument_is(word, "hash"))
        return TYPE_HASH;
    return argument_is(word, "zset") ? TYPE_SET : 0;
}

static const char *
read_scan(struct scan *scan, struct resp_call *call)
{
    struct bytes word, value;
    int64_t number;

    if (!argument_next(&call->arguments, &word) ||
        !argument_integer(&word, &number) || number < 0)
        return "ERR invalid cursor";
    scan->cursor = (uint64_t)number;
    while (argument_next(&call->arguments, &word)) {
        if (!argument_next(&call->arguments, &value))
            return "ERR syntax error";
        if (argument_is(&word, "MATCH")) {
            if (value.size > PATTERN_MAX)
                return "ERR pattern longer than 1024 bytes";
            scan->pattern = value;
            scan->has_pattern = true;
        } else if (argument_is(&word, "COUNT")) {
            if (!argument_integer(&value, &number))
                return "ERR value is not an integer or out of range";
            if (number < 1)
                return "ERR syntax error";
            scan->count = number < COUNT_MAX ? (unsigned)number : COUNT_MAX;
        } else if (argument_is(&word, "TYPE")) {
            scan->types = type_of(&value);
        } else {
            return "ERR syntax error";
        }
    }
    return NULL;
}

static enum run
answer_scan(struct connection *connection, const struct scan *scan,
            const char *found, size_t size)
{
    char number[24];
    struct cursor out;

    snprintf(number, sizeof(number), "%llu", (unsigned long long)scan->cursor);
    if (request_text(connection, size + 96, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_array(&out, 2);
    (void)resp_bulk_text(&out, number);
    (void)resp_array(&out, scan->found_count);
    (void)cursor_put(&out, found, size);
    request_text_done(connection, &out);
    return RUN_DONE;
}

static bool
is_wanting(const struct scan *scan)
{
    return scan->seen < scan->count && scan->found_bytes < BYTES_ENOUGH &&
           scan->work < WORK_ENOUGH;
}

/* Walks chunks; where the namespace has none, that takes no time. */
static void
walk_store(struct scan *scan)
{
    struct connection *connection = scan->connection;
    unsigned before;

    scan->cursor &= ~CURSOR_STORE;
    if ((scan->types & TYPE_STRING) == 0 ||
        store_names(connection->server->store, connection->space) == 0) {
        scan->cursor = 0;
        return;
    }
    if (!is_wanting(scan)) {
        scan->cursor |= CURSOR_STORE;
        return;
    }
    /* An empty stretch is not gone on with either. */
    do {
        before = scan->seen;
        store_walk(connection->port, &scan->cursor, 1, on_seen, scan);
    } while (scan->cursor != 0 && scan->seen != before && is_wanting(scan));
}

/* False at the end of the index, where the store's walk begins. */
static bool
walk_catalog(struct scan *scan)
{
    struct connection *connection = scan->connection;
    struct catalog *catalog = connection->server->catalog;
    unsigned before;

    scan->cursor &= ~CURSOR_CATALOG;
    if ((scan->types & (TYPE_HASH | TYPE_SET)) == 0 ||
        catalog_keys(catalog, connection->space) == 0) {
        scan->cursor = 0;
        return false;
    }
    do {
        before = scan->seen;
        catalog_walk(catalog, &scan->cursor, 1, on_catalog_seen, scan);
    } while (scan->cursor != 0 && scan->seen != before && is_wanting(scan));
    if (scan->cursor == 0)
        return false;
    scan->cursor |= CURSOR_CATALOG;
    return true;
}

static void
walk(struct scan *scan)
{
    if ((scan->cursor == 0 || (scan->cursor & CURSOR_CATALOG) != 0) &&
        walk_catalog(scan))
        return;
    walk_store(scan);
}

enum run
resp_scan(struct connection *connection, struct resp_call *call)
{
    struct scan scan = {
        .connection = connection, .types = TYPE_ANY, .count = COUNT_DEFAULT};
    const char *error = read_scan(&scan, call);
    char *found = NULL;
    size_t size = 0;
    enum run run;

    if (error != NULL)
        return answer_error(connection, "%s", error);
    scan.found = open_memstream(&found, &size);
    if (scan.found == NULL)
        return RUN_CLOSE;
    walk(&scan);
    if (!answer_text_end(scan.found, &found))
        return RUN_CLOSE;
    run = answer_scan(connection, &scan, found, size);
    free(found);
    return run;
}

enum run
resp_dbsize(struct connection *connection, struct resp_call *call)
{
    (void)call;
    return answer_integer(
        connection,
        (int64_t)(store_names(connection->server->store, connection->space) +
                  catalog_keys(connection->server->catalog,
                               connection->space)));
}

static void
on_flush(struct store_flush *flush)
{
    struct connection *connection =
        (struct connection *)((char *)flush -
                              offsetof(struct connection, request.flush));

    connection->request.has_flush = false;
    connection_wake(connection);
}

/* First of all the device is told, so that nothing comes back after a stop. */
static bool
has_to_wait(struct connection *connection, unsigned space)
{
    struct request *request = &connection->request;

    if (request->step++ != 0)
        return false;
    request->flush.space = space;
    request->flush.done = on_flush;
    if (store_flush_start(connection->port, &request->flush) == FINISHED)
        return false;
    request->has_flush = true;
    request->is_waiting = true;
    return true;
}

/* The router's index and chunks are flushed apart: whoever empties a cache does
 * not mean what routers know of all others. */
static enum run
flush_catalog(struct connection *connection, bool is_all)
{
    unsigned space = is_all ? CATALOG_ALL_SPACES : connection->space;

    return catalog_flush_some(connection->server->catalog, space,
                              &connection->request.cursor)
               ? RUN_AGAIN
               : answer_ok(connection);
}

enum run
resp_flush(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    bool is_all = call->command->id == RESP_COMMAND_FLUSHALL;
    unsigned space = is_all ? STORE_ALL_SPACES : connection->space;
    struct bytes word;

    if (call->count > 1)
        return answer_syntax(connection);
    if (argument_next(&call->arguments, &word)) {
        if (argument_is(&word, "INDEX"))
            return flush_catalog(connection, is_all);
        if (!argument_is(&word, "ASYNC") && !argument_is(&word, "SYNC"))
            return answer_syntax(connection);
    }
    if (has_to_wait(connection, space))
        return RUN_WAIT;
    if (store_flush_some(connection->port, space, &request->cursor))
        return RUN_AGAIN;
    if (request->flush.status != STATUS_OK)
        return answer_error(
            connection,
            "ERR flushed from memory, but the nvme or spill tier did "
            "not take it: values there may return after a "
            "restart");
    return answer_ok(connection);
}
