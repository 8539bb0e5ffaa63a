/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the router's index, and replies that list what they hold. */
#include "server/request/resp_catalog.h"

#include "proto/resp.h"
#include "server/request/answer.h"
#include "server/server.h"

/* Room for the usual list, asked for before the key is looked at; and for what
 * is written besides its items. */
#define ROOM_FIRST 2048u
#define ROOM_HEAD  64u

bool
resp_catalog_key(struct connection *connection, const struct bytes *argument,
                 struct catalog_key *out)
{
    return catalog_key_read(connection->space, argument, out);
}

bool
resp_catalog_view(struct connection *connection, const struct bytes *argument,
                  struct catalog_view *out)
{
    struct catalog *catalog = connection->server->catalog;
    struct catalog_key key;

    return catalog_keys(catalog, CATALOG_ALL_SPACES) != 0 &&
           resp_catalog_key(connection, argument, &key) &&
           catalog_view(catalog, &key, out);
}

bool
resp_catalog_drop(struct connection *connection, const struct bytes *argument)
{
    struct catalog *catalog = connection->server->catalog;
    struct catalog_key key;

    return catalog_keys(catalog, CATALOG_ALL_SPACES) != 0 &&
           resp_catalog_key(connection, argument, &key) &&
           catalog_drop(catalog, &key);
}

enum run
resp_catalog_wrong_type(struct connection *connection)
{
    return answer_error(connection, "WRONGTYPE Operation against a key holding "
                                    "the wrong kind of value");
}

enum run
resp_catalog_refuse(struct connection *connection, enum status status)
{
    struct catalog_usage usage;

    if (status == STATUS_UNMET)
        return resp_catalog_wrong_type(connection);
    if (status == STATUS_NO_SPACE)
        return answer_error(connection, "OOM command not allowed when used "
                                        "memory > 'index.size'.");
    catalog_usage(connection->server->catalog, &usage);
    return answer_error(connection,
                        "ERR a key of the index holds at most %llu bytes here "
                        "(an item counts 64 at least), and no text of more "
                        "than %u",
                        (unsigned long long)usage.key_size_max,
                        CATALOG_TEXT_MAX);
}

enum run
resp_catalog_answer(struct connection *connection,
                    const struct catalog_key *key,
                    const struct resp_catalog_list *list)
{
    struct catalog *catalog = connection->server->catalog;
    size_t room = ROOM_FIRST;
    struct catalog_look look;
    struct cursor out;

    for (;;) {
        if (request_text(connection, room, &out) != STATUS_OK)
            return RUN_CLOSE;
        if (key == NULL || !catalog_look(catalog, key, &look)) {
            list->write(list->arg, &out, NULL);
            break;
        }
        if (look.type != list->type) {
            catalog_look_end(&look);
            return resp_catalog_wrong_type(connection);
        }
        room = look.reply_max + ROOM_HEAD;
        if (cursor_left(&out) >= room) {
            list->write(list->arg, &out, &look);
            catalog_look_end(&look);
            break;
        }
        catalog_look_end(&look);
    }
    request_text_done(connection, &out);
    return RUN_DONE;
}

void
resp_catalog_count_lookup(struct connection *connection,
                          const struct catalog_look *look)
{
    count(connection->counters,
          look != NULL ? COUNTER_index_hits : COUNTER_index_misses, 1);
}

void
resp_catalog_count_edit(struct connection *connection,
                        const struct catalog_edit *edit)
{
    if (edit->evicted != 0)
        count(connection->counters, COUNTER_index_evictions, edit->evicted);
}
