/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of RESP: one function each, by the files that hold them. */
#ifndef REQUEST_RESP_REQUEST_H
#define REQUEST_RESP_REQUEST_H

#include "proto/resp.h"
#include "server/request/request.h"

/* A command whose arguments are all there, its name taken off. */
struct resp_call {
    const struct resp_command *command;
    struct argument_walk arguments;
    uint32_t count; /* of arguments behind the name */
};

/* Of a command with many keys, those looked up before others may have their
 * turn. */
#define KEYS_AT_ONCE 64u

typedef enum run resp_handler(struct connection *, struct resp_call *);

/* resp_put.c */
enum run resp_put(struct connection *);
enum status resp_body_key(struct connection *, struct key *key_out) MUST_USE;
void resp_lose(struct connection *, const struct key *, enum status why);

/* resp_get.c */
resp_handler resp_get, resp_mget, resp_getrange, resp_strlen;

/* resp_key.c */
resp_handler resp_exists_many, resp_del, resp_ttl, resp_expire, resp_persist,
    resp_type, resp_memory;

/* resp_space.c */
resp_handler resp_scan, resp_dbsize, resp_flush;

/* resp_hkeys.c */
resp_handler resp_hkeys;

/* resp_hash.c */
resp_handler resp_hset, resp_hget, resp_hmget, resp_hdel, resp_hlen,
    resp_hgetall;

/* resp_sorted.c, resp_zadd.c */
resp_handler resp_zrange, resp_zcard, resp_zadd;

/* resp_script.c */
resp_handler resp_eval, resp_script;

/* resp_session.c */
resp_handler resp_hello, resp_auth, resp_select, resp_ping, resp_echo,
    resp_quit, resp_reset, resp_readonly;

/* resp_client.c */
resp_handler resp_client;
bool resp_is_client_name(const struct bytes *);
enum run resp_refuse_client_name(struct connection *);

/* resp_prefix.c */
resp_handler resp_prefix_match;

/* resp_cluster.c */
resp_handler resp_cluster;

/* resp_server.c */
resp_handler resp_command_info, resp_info, resp_config;

#endif
