/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of waiting requests share: one server on this thread over a
 * store that answers when the test says, and a client that says commands.
 */
#ifndef LIB_LATE_SESSION_H
#define LIB_LATE_SESSION_H

#include "tests/lib/inline_server.h"
#include "tests/lib/late_store.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

#define SESSION_TEXT 65536u

static struct inline_server here;
static struct inline_client client;
static uint64_t session_used; /* of the pool, before anything was stored */

static inline uint64_t
session_pool_used(void)
{
    struct store_usage usage;

    store_usage(here.server->store, &usage);
    return usage.dram_used;
}

static inline void
session_start(const char *const *settings)
{
    cr_assert(inline_server_open(&here, settings));
    session_used = session_pool_used();
    cr_assert(inline_client_open(&here, &client));
}

/* Appends a command whose words are those of the line. */
static inline size_t
session_encode(char *into, size_t room, const char *line)
{
    static char words[SESSION_TEXT];
    char *rest = words, *word;
    unsigned count = 1;
    size_t size;

    snprintf(words, sizeof(words), "%s", line);
    for (const char *at = line; *at != '\0'; at++)
        count += *at == ' ';
    size = (size_t)snprintf(into, room, "*%u\r\n", count);
    while ((word = strsep(&rest, " ")) != NULL)
        size += (size_t)snprintf(into + size, room - size, "$%zu\r\n%s\r\n",
                                 strlen(word), word);
    return size;
}

/* Sends these commands in one piece, up to a NULL. */
static inline void
session_say(struct inline_client *to, const char *line, ...)
{
    static char text[2 * SESSION_TEXT];
    size_t size = 0;
    va_list lines;

    va_start(lines, line);
    for (; line != NULL; line = va_arg(lines, const char *))
        size += session_encode(text + size, sizeof(text) - size, line);
    va_end(lines);
    inline_client_send(to, text, size);
}

/* What the client got since it was last asked is exactly this. */
#define session_expect(what)                                                   \
    cr_assert(inline_client_got(&client, what), "got: %s", client.reply)

static inline void
session_have(const char *key, const char *value)
{
    char line[128];

    snprintf(line, sizeof(line), "SET %s %s", key, value);
    session_say(&client, line, NULL);
    session_expect("+OK\r\n");
}

static inline void
session_release(const char *key)
{
    cr_assert(late_release(key, STATUS_OK), "nobody waits for %s", key);
}

/* Has another client use the buffers that those who wait gave back. */
static inline void
session_scribble(void)
{
    static struct inline_client scribbler;
    char line[600] = "ECHO ";

    memset(line + strlen(line), '~', 500);
    cr_assert(inline_client_open(&here, &scribbler));
    session_say(&scribbler, line, NULL);
    cr_assert_eq(scribbler.size, 6 + 500 + 2u);
    inline_client_close(&scribbler);
    worker_turn(here.worker);
}

/* No GET was left behind, and nobody holds a value. */
static inline void
session_end(void)
{
    inline_client_close(&client);
    while (server_connections(here.server) != 0)
        worker_turn(here.worker);
    cr_assert_eq(late_count, 0u);
    late_flush_status = STATUS_OK;
    late_flushes = false;
    cr_assert(inline_client_open(&here, &client));
    session_say(&client, "FLUSHALL", NULL);
    session_expect("+OK\r\n");
    inline_client_close(&client);
    cr_assert_eq(session_pool_used(), session_used);
    cr_assert(inline_server_close(&here));
}

#endif
