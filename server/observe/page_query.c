/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routers ask other indexes: POST /query_by_hash of a Mooncake conductor or
 * Dynamo's indexer, GET /batch_query_keys of a Mooncake master.  Both look at
 * the same keys as everybody else; there is no second index.
 */
#include "server/index/prefix.h"
#include "server/index/template.h"
#include "server/observe/page.h"
#include "server/observe/question.h"
#include "server/server.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CODE_OK  200
#define CODE_BAD 400
/* Keys that one question may stand for: this thread has others to answer. */
#define KEYS_MOST 262144u
/* All of a question's keys, encoded. */
#define KEYS_ROOM 65536u

static uint64_t
key_most(const struct server *server)
{
    return atomic_load_explicit(&server->limits.key, memory_order_relaxed);
}

static const char *
instance_of(const struct server *server)
{
    const char *announced = server->options.cluster_announce;

    return announced[0] != '\0' ? announced : server->data_address;
}

/* The keys of one walk over the hashes, rank by rank. */
struct spelling {
    const struct question_hashes *question;
    const char *text; /* the template */
    struct template_values values;
    uint32_t hash; /* the next one */
    uint8_t room[PREFIX_AT_ONCE][KEY_SIZE_MAX];
};

/* The next keys, as many as go together. */
static unsigned
spell(struct spelling *spelling, struct bytes keys[PREFIX_AT_ONCE])
{
    struct template_values *values = &spelling->values;
    unsigned count = 0;
    size_t size;

    while (count < PREFIX_AT_ONCE &&
           spelling->hash < spelling->question->count) {
        values->hash = &spelling->question->hashes[spelling->hash];
        size = template_spell(spelling->text, values, spelling->room[count],
                              KEY_SIZE_MAX);
        /* One that is too long is here as little as any other of that size. */
        keys[count].size = size == 0 ? SIZE_MAX : size;
        keys[count].at = spelling->room[count];
        count++;
        if (++values->rank == values->ranks) {
            values->rank = 0;
            spelling->hash++;
        }
    }
    return count;
}

static enum status
match(const struct page_ask *ask, const struct question_hashes *question,
      struct prefix_sum *out)
{
    const struct server *server = ask->server;
    const struct prefix_terms terms = {
        .ranks = (uint32_t)server->options.index_ranks,
        .key_most = key_most(server)};
    struct spelling *spelling = calloc(1, sizeof(*spelling));
    struct bytes keys[PREFIX_AT_ONCE];
    struct prefix prefix;
    unsigned found;

    if (spelling == NULL)
        return STATUS_NO_SPACE;
    spelling->question = question;
    spelling->text = server->options.index_key_template;
    spelling->values = (struct template_values){.model = question->model,
                                                .tenant = question->tenant,
                                                .salt = question->salt,
                                                .ranks = terms.ranks};
    prefix_start(&prefix, &terms, server->store, NULL);
    do
        found = spell(spelling, keys);
    while (found != 0 && prefix_add(&prefix, keys, found, NULL));
    prefix_end(&prefix, server->speeds, server->worker_count, out);
    count(ask->counters, COUNTER_lookups_http, 1);
    count(ask->counters, COUNTER_lookup_keys, prefix.keys);
    count(ask->counters, COUNTER_lookup_matched,
          (uint64_t)out->matched * terms.ranks);
    free(spelling);
    return STATUS_OK;
}

/* In tokens, and cumulated as theirs are: memory, then memory and disks.  There
 * is no GPU here, and no data parallel rank. */
static json_t *
instance(const struct prefix_sum *sum, uint32_t tokens, bool is_upper)
{
    static const char *const names[2][4] = {{"gpu", "dp", "cpu", "disk"},
                                            {"GPU", "DP", "CPU", "DISK"}};
    const char *const *name = names[is_upper];
    json_int_t memory =
        (json_int_t)sum->tiers[TIER_DRAM].unbroken * (json_int_t)tokens;
    json_int_t all = (json_int_t)sum->matched * (json_int_t)tokens;

    return json_pack("{s:I, s:i, s:{}, s:I, s:I}", "longest_matched", all,
                     name[0], 0, name[1], name[2], memory, name[3], all);
}

/* A conductor's answer by tenant and instance, and that of later ones by
 * instance alone. */
static json_t *
answer_of(const struct server *server, const struct question_hashes *question,
          const struct prefix_sum *sum)
{
    uint32_t tokens = question->block_tokens != 0
                          ? question->block_tokens
                          : (uint32_t)server->options.index_chunk_tokens;
    const char *name = instance_of(server);
    json_t *answer = json_object();

    json_object_setn_new(answer, (const char *)question->tenant.at,
                         question->tenant.size,
                         json_pack("{s:o}", name, instance(sum, tokens, true)));
    json_object_set_new(answer, "instances",
                        json_pack("{s:o}", name, instance(sum, tokens, false)));
    return answer;
}

void
page_query_by_hash(const struct page_ask *ask, struct page *out)
{
    uint64_t ranks = ask->server->options.index_ranks;
    struct question_hashes question;
    struct question_problem problem;
    struct prefix_sum sum;

    switch (question_read_hashes(&ask->body, &question, &problem)) {
    case STATUS_OK:
        break;
    case STATUS_BAD_REQUEST:
        page_error(out, CODE_BAD, "bad_request", "%s", problem.text);
        return;
    default:
        return;
    }
    if (question.count * ranks > KEYS_MOST)
        page_error(out, CODE_BAD, "too_many",
                   "%u hashes of %llu ranks are more than %u keys",
                   question.count, (unsigned long long)ranks, KEYS_MOST);
    else if (match(ask, &question, &sum) == STATUS_OK)
        page_json(out, CODE_OK, answer_of(ask->server, &question, &sum));
    question_free_hashes(&question);
}

/* As a master answers: replicas in memory, and those on its disks. */
static json_t *
replicas_of(const struct server *server, const struct prefix_key *key)
{
    const char *name = instance_of(server);
    json_t *memory = json_array(), *disk = json_array();

    if ((key->tiers & 1u << TIER_DRAM) != 0)
        json_array_append_new(memory, json_pack("{s:I, s:s}", "size_",
                                                (json_int_t)key->bytes,
                                                "transport_endpoint_", name));
    if ((key->tiers & ~(1u << TIER_DRAM)) != 0)
        json_array_append_new(disk, json_pack("{s:I, s:s}", "object_size",
                                              (json_int_t)key->bytes,
                                              "transport_endpoint", name));
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "values", memory,
                     "local_disk_values", disk);
}

static json_t *
found_of(const struct server *server, const struct prefix_key *key)
{
    if (key->state != PREFIX_HERE)
        return json_pack("{s:b, s:s}", "ok", 0, "error", "OBJECT_NOT_FOUND");
    return replicas_of(server, key);
}

static void
add_found(json_t *data, const struct bytes *key, json_t *found)
{
    json_t *name = page_string(key);

    if (name == NULL)
        json_decref(found);
    else
        json_object_setn_new(data, json_string_value(name),
                             json_string_length(name), found);
    json_decref(name);
}

/* Takes the keys between commas, as many as go together. */
static unsigned
take_keys(struct bytes *list, struct bytes keys[PREFIX_AT_ONCE])
{
    unsigned count = 0;

    while (count < PREFIX_AT_ONCE && list->size != 0) {
        const uint8_t *comma = memchr(list->at, ',', list->size);
        size_t size = comma == NULL ? list->size : (size_t)(comma - list->at);

        keys[count].at = list->at;
        keys[count].size = size;
        count += size != 0;
        size += comma != NULL;
        list->at += size;
        list->size -= size;
    }
    return count;
}

static json_t *
look_up(const struct page_ask *ask, struct bytes list, uint16_t space)
{
    const struct prefix_terms terms = {.space = space,
                                       .ranks = 1,
                                       .key_most = key_most(ask->server),
                                       .wants_all = true};
    struct prefix_key states[PREFIX_AT_ONCE];
    struct bytes keys[PREFIX_AT_ONCE];
    json_t *data = json_object();
    struct prefix prefix;
    unsigned found;

    prefix_start(&prefix, &terms, ask->server->store, NULL);
    while ((found = take_keys(&list, keys)) != 0) {
        (void)prefix_add(&prefix, keys, found, states);
        for (unsigned i = 0; i < found; i++)
            add_found(data, &keys[i], found_of(ask->server, &states[i]));
    }
    count(ask->counters, COUNTER_lookups_http, 1);
    count(ask->counters, COUNTER_lookup_keys, prefix.keys);
    count(ask->counters, COUNTER_lookup_matched, prefix.matched);
    return data;
}

void
page_batch_query_keys(const struct page_ask *ask, struct page *out)
{
    uint8_t *room = malloc(KEYS_ROOM);
    struct bytes list = {NULL, 0};
    uint64_t space = 0;
    enum status status;

    if (room == NULL)
        return;
    status = question_find_number(&ask->query, "namespace", STORE_SPACES - 1,
                                  &space);
    if (status != STATUS_BAD_REQUEST)
        status = question_find(&ask->query, "keys", room, KEYS_ROOM, &list);
    if (status != STATUS_OK || list.size == 0)
        page_json(out, CODE_BAD,
                  json_pack("{s:b, s:s, s:s}", "success", 0, "error",
                            "bad_request", "reason",
                            "no keys; expected ?keys=a,b,c and no other "
                            "namespace than 0 to 255"));
    else
        page_json(out, CODE_OK,
                  json_pack("{s:b, s:o}", "success", 1, "data",
                            look_up(ask, list, (uint16_t)space)));
    free(room);
}
