/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLUSTER, as a cluster of one answers: all slots are here.  INFO says
 * cluster_enabled:1 and still redis_mode:standalone, and SELECT works: a client
 * that was not told to speak to a cluster need not notice.
 */
#include "proto/slot.h"
#include "server/net/address.h"
#include "server/request/answer.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX   OPTION_TEXT_MAX
#define REPLY_ROOM 2048u

struct node {
    char host[HOST_MAX];
    char port[HOST_MAX];
    int64_t port_number;
    const char *id;
};

/* Where clients are told to connect: what was configured, else where this one
 * has, else (over a Unix socket) where the data port is. */
static struct node
own_node(const struct connection *connection)
{
    const struct server *server = connection->server;
    const char *address = server->options.cluster_announce;
    struct node node = {.id = server->node_id};
    char own[ADDRESS_TEXT_MAX];

    if (address[0] == '\0')
        address =
            address_of_own(connection->fd, own) ? own : server->data_address;
    if (!address_split(address, node.host, node.port, HOST_MAX))
        node.host[0] = node.port[0] = '\0';
    node.port_number = strtol(node.port, NULL, 10);
    return node;
}

static void
write_slots(struct cursor *out, uint8_t dialect, const struct node *node)
{
    (void)resp_array(out, 1);
    (void)resp_array(out, 3);
    (void)resp_integer(out, 0);
    (void)resp_integer(out, SLOT_COUNT - 1);
    (void)resp_array(out, 4);
    (void)resp_bulk_text(out, node->host);
    (void)resp_integer(out, node->port_number);
    (void)resp_bulk_text(out, node->id);
    (void)resp_map(out, dialect, 0);
}

static void
write_text(struct cursor *out, const char *name, const char *value)
{
    (void)resp_bulk_text(out, name);
    (void)resp_bulk_text(out, value);
}

static void
write_shards(struct cursor *out, uint8_t dialect, const struct node *node)
{
    (void)resp_array(out, 1);
    (void)resp_map(out, dialect, 2);
    (void)resp_bulk_text(out, "slots");
    (void)resp_array(out, 2);
    (void)resp_integer(out, 0);
    (void)resp_integer(out, SLOT_COUNT - 1);
    (void)resp_bulk_text(out, "nodes");
    (void)resp_array(out, 1);
    (void)resp_map(out, dialect, 7);
    write_text(out, "id", node->id);
    (void)resp_bulk_text(out, "port");
    (void)resp_integer(out, node->port_number);
    write_text(out, "ip", node->host);
    write_text(out, "endpoint", node->host);
    write_text(out, "role", "master");
    (void)resp_bulk_text(out, "replication-offset");
    (void)resp_integer(out, 0);
    write_text(out, "health", "online");
}

/* No bus: its port is 0. */
static void
write_nodes(struct cursor *out, uint8_t dialect, const struct node *node)
{
    char text[2 * HOST_MAX + 128];
    int size = snprintf(text, sizeof(text),
                        "%s %s:%s@0 myself,master - 0 0 1 connected 0-%u\n",
                        node->id, node->host, node->port, SLOT_COUNT - 1);

    (void)resp_verbatim(out, dialect, text, (size_t)size);
}

static void
write_state(struct cursor *out, uint8_t dialect, const struct node *node)
{
    char text[512];
    int size = snprintf(text, sizeof(text),
                        "cluster_state:ok\r\n"
                        "cluster_slots_assigned:%u\r\n"
                        "cluster_slots_ok:%u\r\n"
                        "cluster_slots_pfail:0\r\n"
                        "cluster_slots_fail:0\r\n"
                        "cluster_known_nodes:1\r\n"
                        "cluster_size:1\r\n"
                        "cluster_current_epoch:1\r\n"
                        "cluster_my_epoch:1\r\n"
                        "cluster_stats_messages_sent:0\r\n"
                        "cluster_stats_messages_received:0\r\n"
                        "total_cluster_links_buffer_limit_exceeded:0\r\n",
                        SLOT_COUNT, SLOT_COUNT);

    (void)node;
    (void)resp_verbatim(out, dialect, text, (size_t)size);
}

static void
write_id(struct cursor *out, uint8_t dialect, const struct node *node)
{
    (void)dialect;
    (void)resp_bulk_text(out, node->id);
}

static const struct {
    const char *word;
    void (*write)(struct cursor *, uint8_t dialect, const struct node *);
} views[] = {
    {"slots", write_slots}, {"shards", write_shards}, {"nodes", write_nodes},
    {"info", write_state},  {"myid", write_id},
};

static enum run
answer_slot(struct connection *connection, struct resp_call *call)
{
    struct bytes key;

    if (call->count != 2 || !argument_next(&call->arguments, &key))
        return answer_arity(connection, "cluster|keyslot");
    return answer_integer(connection, slot_of(key.at, key.size));
}

enum run
resp_cluster(struct connection *connection, struct resp_call *call)
{
    struct node node;
    struct cursor out;
    struct bytes word;

    if (!argument_next(&call->arguments, &word))
        return answer_syntax(connection);
    if (!connection->server->options.cluster_enabled)
        return answer_error(connection,
                            "ERR This instance has cluster support disabled");
    if (argument_is(&word, "KEYSLOT"))
        return answer_slot(connection, call);
    for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        if (!argument_is(&word, views[i].word))
            continue;
        if (call->count != 1)
            return answer_error(connection,
                                "ERR wrong number of arguments for "
                                "'cluster|%s' command",
                                views[i].word);
        node = own_node(connection);
        if (request_text(connection, REPLY_ROOM, &out) != STATUS_OK)
            return RUN_CLOSE;
        views[i].write(&out, connection->dialect, &node);
        request_text_done(connection, &out);
        return RUN_DONE;
    }
    return answer_error(connection,
                        "ERR unknown subcommand '%.*s'. Try CLUSTER HELP.",
                        answer_shown(&word), (const char *)word.at);
}
