/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup of very many keys beside a connection that asks for little. */
#include "tests/lib/inline_server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 100000u

static struct inline_server here;
static struct inline_client asking, other;

/* All but its last byte, which is given back. */
static char
send_most(struct inline_client *client)
{
    static const char key[] = "$1\r\nk\r\n";
    size_t room = 64 + KEYS * (sizeof(key) - 1), size;
    char *text = malloc(room), last;

    size = (size_t)snprintf(text, room, "*%u\r\n$12\r\nPREFIX.MATCH\r\n",
                            KEYS + 1);
    for (unsigned i = 0; i < KEYS; i++) {
        memcpy(text + size, key, sizeof(key) - 1);
        size += sizeof(key) - 1;
    }
    inline_client_send(client, text, size - 1);
    last = text[size - 1];
    free(text);
    return last;
}

Test(prefix_turns, are_had_by_others_while_a_long_lookup_goes_on)
{
    static const char *const settings[] = {"limits.head=16MiB", NULL};
    static const char info[] = "*2\r\n$4\r\nINFO\r\n$11\r\nprefixcache\r\n";
    char wanted[32], last;

    cr_assert(inline_server_open(&here, settings));
    cr_assert(inline_client_open(&here, &asking));
    cr_assert(inline_client_open(&here, &other));
    inline_client_send(&other, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", 27);
    cr_assert(inline_client_got(&other, "+OK\r\n"));
    last = send_most(&asking);
    cr_assert_eq(asking.size, 0);

    /* The lookup's last byte is there first, and so it begins first. */
    cr_assert_eq(send(asking.fd, &last, 1, MSG_NOSIGNAL), 1);
    cr_assert_eq(send(other.fd, info, sizeof(info) - 1, MSG_NOSIGNAL),
                 (ssize_t)sizeof(info) - 1);
    inline_client_settle(&other);
    cr_assert_not_null(strstr(other.reply, "\r\nlookups_resp:1\r\n"));
    cr_assert_not_null(strstr(other.reply, "\r\nlookup_keys:0\r\n"),
                       "it had not ended");
    snprintf(wanted, sizeof(wanted), ":%u\r\n", KEYS);
    cr_assert(inline_client_got(&asking, wanted));
    inline_client_close(&asking);
    inline_client_close(&other);
    cr_assert(inline_server_close(&here));
}
