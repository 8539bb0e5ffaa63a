/* SPDX-License-Identifier: Apache-2.0 */
/* ZADD: members of the router's sorted sets, under conditions. */
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCORE_TEXT_MAX 256u

enum {
    IF_NEW = 1,         /* NX */
    IF_PRESENT = 2,     /* XX */
    IF_GREATER = 4,     /* GT */
    IF_LESS = 8,        /* LT */
    COUNT_CHANGES = 16, /* CH */
    ADD_TO = 32         /* INCR */
};

static unsigned
flag_of(const struct bytes *word)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {
        {"NX", IF_NEW},  {"XX", IF_PRESENT},    {"GT", IF_GREATER},
        {"LT", IF_LESS}, {"CH", COUNT_CHANGES}, {"INCR", ADD_TO},
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (argument_is(word, words[i].word))
            return words[i].flag;
    return 0;
}

/* As strtod(3) reads it, whole, without spaces; not every NaN is a number. */
static bool
read_score(const struct bytes *word, double *out)
{
    char text[SCORE_TEXT_MAX], *end;
    int64_t number;

    if (argument_integer(word, &number)) {
        *out = (double)number;
        return true;
    }
    if (word->size == 0 || word->size >= sizeof(text) ||
        strchr(" \t\n\v\f\r", word->at[0]) != NULL)
        return false;
    memcpy(text, word->at, word->size);
    text[word->size] = '\0';
    errno = 0;
    *out = strtod(text, &end);
    if (end != text + word->size || isnan(*out))
        return false;
    return errno != ERANGE ||
           (fabs(*out) != HUGE_VAL && fpclassify(*out) != FP_ZERO);
}

struct addition {
    unsigned flags;
    struct argument_walk pairs; /* score, member, ... */
    const char *error;
};

static const char *
incompatible(const struct addition *addition)
{
    unsigned flags = addition->flags;

    if (addition->pairs.left == 0 || addition->pairs.left % 2 != 0)
        return "ERR syntax error";
    if (flags & IF_NEW && flags & IF_PRESENT)
        return "ERR XX and NX options at the same time are not compatible";
    if ((flags & IF_GREATER && flags & (IF_NEW | IF_LESS)) ||
        (flags & IF_LESS && flags & IF_NEW))
        return "ERR GT, LT, and/or NX options at the same time are not "
               "compatible";
    if (flags & ADD_TO && addition->pairs.left > 2)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

/* All scores are read before any member is added. */
static const char *
check_scores(struct argument_walk pairs)
{
    struct bytes score, member;
    double number;

    while (argument_next(&pairs, &score) && argument_next(&pairs, &member))
        if (!read_score(&score, &number))
            return "ERR value is not a valid float";
    return NULL;
}

static void
read_flags(struct addition *addition, struct resp_call *call)
{
    struct bytes word;

    addition->flags = 0;
    for (;;) {
        addition->pairs = call->arguments;
        if (!argument_next(&call->arguments, &word) || flag_of(&word) == 0)
            return;
        addition->flags |= flag_of(&word);
    }
}

enum outcome {
    LEFT_ALONE, /* a condition does not hold */
    NOT_A_NUMBER,
    KEPT, /* it had that score */
    CHANGED,
    ADDED
};

/* What the conditions make of a score for a member that has one already. */
static enum outcome
decide(unsigned flags, double present, double *score)
{
    if (flags & IF_NEW)
        return LEFT_ALONE;
    if (flags & ADD_TO)
        *score += present;
    if (isnan(*score))
        return NOT_A_NUMBER;
    if ((flags & IF_LESS && *score >= present) ||
        (flags & IF_GREATER && *score <= present))
        return LEFT_ALONE;
    return *score == present ? KEPT : CHANGED;
}

static enum status
put_member(struct catalog_edit *edit, unsigned flags,
           const struct bytes *member, double *score, enum outcome *out)
{
    double present;

    if (catalog_edit_score(edit, member, &present))
        *out = decide(flags, present, score);
    else
        *out = flags & IF_PRESENT ? LEFT_ALONE : ADDED;
    if (*out != CHANGED && *out != ADDED)
        return STATUS_OK;
    return catalog_edit_member(edit, member, *score);
}

static enum run
answer_score(struct connection *connection, enum outcome outcome, double score)
{
    if (outcome == NOT_A_NUMBER)
        return answer_error(connection,
                            "ERR resulting score is not a number (NaN)");
    if (outcome == LEFT_ALONE)
        return answer_null(connection);
    return answer_double(connection, score);
}

/* A share of the pairs, so that a long command keeps nobody waiting. */
static enum run
add_some(struct connection *connection, const struct addition *addition,
         struct catalog_edit *edit)
{
    struct request *request = &connection->request;
    enum outcome outcome = LEFT_ALONE;
    enum status status = STATUS_OK;
    struct bytes word, member;
    double score = 0;

    for (unsigned i = 0; i < KEYS_AT_ONCE && status == STATUS_OK &&
                         argument_next(&request->walk, &word) &&
                         argument_next(&request->walk, &member);
         i++) {
        (void)read_score(&word, &score);
        status = put_member(edit, addition->flags, &member, &score, &outcome);
        request->tally += outcome == ADDED || (outcome == CHANGED &&
                                               addition->flags & COUNT_CHANGES);
    }
    catalog_edit_end(edit);
    resp_catalog_count_edit(connection, edit);
    if (status != STATUS_OK)
        return resp_catalog_refuse(connection, status);
    if (request->walk.left != 0)
        return RUN_AGAIN;
    if (addition->flags & ADD_TO)
        return answer_score(connection, outcome, score);
    return answer_integer(connection, request->tally);
}

enum run
resp_zadd(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    struct addition addition;
    struct catalog_edit edit;
    struct catalog_key key;
    struct bytes name;
    enum status status;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    read_flags(&addition, call);
    if (request->step++ == 0) {
        addition.error = incompatible(&addition);
        if (addition.error == NULL)
            addition.error = check_scores(addition.pairs);
        if (addition.error != NULL)
            return answer_error(connection, "%s", addition.error);
        request->walk = addition.pairs;
    }
    if (!resp_catalog_key(connection, &name, &key))
        return resp_catalog_refuse(connection, STATUS_TOO_BIG);
    status =
        catalog_edit(connection->server->catalog, &key, CATALOG_SORTED, &edit);
    if (status != STATUS_OK)
        return resp_catalog_refuse(connection, status);
    return add_some(connection, &addition, &edit);
}
