/* SPDX-License-Identifier: Apache-2.0 */
/* ZRANGE, ZREVRANGE, ZCARD: reading the sorted sets of the router's index. */
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

/* By rank; negative ones count from behind, both ends are inclusive. */
struct range {
    struct connection *connection;
    int64_t first, last;
    bool is_reverse, with_scores;
    bool has_limit;
    const char *error;
};

static uint32_t
clip(const struct range *range, uint32_t items, uint32_t *first_out)
{
    int64_t first = range->first, last = range->last;

    if (first < 0)
        first = first + items > 0 ? first + items : 0;
    if (last < 0)
        last += items;
    if (last >= items)
        last = (int64_t)items - 1;
    if (first > last || first >= items)
        return 0;
    *first_out = (uint32_t)first;
    return (uint32_t)(last - first + 1);
}

static void
write_member(const struct range *range, struct cursor *out,
             const struct catalog_item *item)
{
    uint8_t dialect = range->connection->dialect;

    if (range->with_scores && dialect == 3)
        (void)resp_array(out, 2);
    (void)resp_bulk(out, item->name.at, item->name.size);
    if (range->with_scores)
        (void)resp_double(out, dialect, item->score);
}

static void
write_range(void *arg, struct cursor *out, const struct catalog_look *look)
{
    const struct range *range = arg;
    bool is_flat = range->with_scores && range->connection->dialect != 3;
    uint32_t first = 0;
    uint32_t size = look == NULL ? 0 : clip(range, look->count, &first);
    struct catalog_item item;

    (void)resp_array(out, is_flat ? 2 * size : size);
    for (uint32_t i = 0; i < size; i++) {
        uint32_t rank = first + i;

        if (range->is_reverse)
            rank = look->count - 1 - rank;
        catalog_look_item(look, rank, &item);
        write_member(range, out, &item);
    }
}

/* LIMIT's two numbers are read and checked where it makes no sense as well. */
static const char *
read_limit(struct resp_call *call)
{
    struct bytes number;
    int64_t value;

    for (unsigned i = 0; i < 2; i++) {
        if (!argument_next(&call->arguments, &number))
            return "ERR syntax error";
        if (!argument_integer(&number, &value))
            return "ERR value is not an integer or out of range";
    }
    return NULL;
}

static const char *
read_option(struct range *range, struct resp_call *call,
            const struct bytes *word)
{
    bool is_plain = call->command->id == RESP_COMMAND_ZRANGE;

    if (argument_is(word, "WITHSCORES")) {
        range->with_scores = true;
        return NULL;
    }
    if (argument_is(word, "LIMIT")) {
        range->has_limit = true;
        return read_limit(call);
    }
    if (is_plain && !range->is_reverse && argument_is(word, "REV")) {
        range->is_reverse = true;
        return NULL;
    }
    if (is_plain &&
        (argument_is(word, "BYSCORE") || argument_is(word, "BYLEX")))
        return "ERR ZRANGE goes by rank here: BYSCORE and BYLEX are not taken";
    return "ERR syntax error";
}

static const char *
read_range(struct range *range, struct resp_call *call)
{
    struct bytes first, last, word;
    const char *error = NULL;

    if (!argument_next(&call->arguments, &first) ||
        !argument_next(&call->arguments, &last))
        return "ERR syntax error";
    while (error == NULL && argument_next(&call->arguments, &word))
        error = read_option(range, call, &word);
    if (error != NULL)
        return error;
    if (range->has_limit)
        return "ERR syntax error, LIMIT is only supported in combination with "
               "either BYSCORE or BYLEX";
    if (!argument_integer(&first, &range->first) ||
        !argument_integer(&last, &range->last))
        return "ERR value is not an integer or out of range";
    return NULL;
}

static enum run
answer_set(struct connection *connection, const struct bytes *name,
           const struct resp_catalog_list *list)
{
    struct catalog_key key;
    bool may_be = resp_catalog_key(connection, name, &key);

    return resp_catalog_answer(connection, may_be ? &key : NULL, list);
}

enum run
resp_zrange(struct connection *connection, struct resp_call *call)
{
    struct range range = {.connection = connection,
                          .is_reverse =
                              call->command->id == RESP_COMMAND_ZREVRANGE};
    struct resp_catalog_list list = {CATALOG_SORTED, write_range, &range};
    const char *error;
    struct bytes name;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    error = read_range(&range, call);
    if (error != NULL)
        return answer_error(connection, "%s", error);
    return answer_set(connection, &name, &list);
}

static void
write_count(void *arg, struct cursor *out, const struct catalog_look *look)
{
    (void)arg;
    (void)resp_integer(out, look == NULL ? 0 : look->count);
}

enum run
resp_zcard(struct connection *connection, struct resp_call *call)
{
    struct resp_catalog_list list = {CATALOG_SORTED, write_count, NULL};
    struct bytes name;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    return answer_set(connection, &name, &list);
}
