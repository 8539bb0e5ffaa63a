/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies, by jansson. */
#include "server/observe/question.h"

#include "server/index/prefix.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson's integers have 64 bits with their sign: hashes have 64 without. */
#define LARGE_DIGITS 19u

/* A member that is a whole number. */
struct range {
    const char *name;
    uint32_t least, most;
};

static enum status complain(struct question_problem *problem,
                            const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum status
complain(struct question_problem *problem, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(problem->text, sizeof(problem->text), format, list);
    va_end(list);
    return STATUS_BAD_REQUEST;
}

static enum status
load(const char *text, size_t size, json_t **out,
     struct question_problem *problem)
{
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL && json_error_code(&error) == json_error_out_of_memory)
        return STATUS_NO_SPACE;
    if (root == NULL)
        return complain(problem, "the body is no JSON: line %d, column %d: %s",
                        error.line, error.column, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return complain(problem, "the body is no JSON object");
    }
    *out = root;
    return STATUS_OK;
}

/* A member that is not there leaves *out as it is, for all of these. */
static enum status
read_flag(const json_t *root, const char *name, bool *out,
          struct question_problem *problem)
{
    const json_t *member = json_object_get(root, name);

    if (member == NULL)
        return STATUS_OK;
    if (!json_is_boolean(member))
        return complain(problem, "%s is neither true nor false", name);
    *out = json_is_true(member);
    return STATUS_OK;
}

static enum status
read_number(const json_t *root, const struct range *range, uint32_t *out,
            struct question_problem *problem)
{
    const json_t *member = json_object_get(root, range->name);
    json_int_t number;

    if (member == NULL)
        return STATUS_OK;
    number = json_integer_value(member);
    if (!json_is_integer(member) || number < (json_int_t)range->least ||
        number > (json_int_t)range->most)
        return complain(problem, "%s is not a whole number from %u to %u",
                        range->name, range->least, range->most);
    *out = (uint32_t)number;
    return STATUS_OK;
}

static struct bytes
bytes_of(const json_t *string)
{
    struct bytes bytes = {(const uint8_t *)json_string_value(string),
                          json_string_length(string)};

    return bytes;
}

static enum status
read_text(const json_t *root, const char *name, struct bytes *out,
          struct question_problem *problem)
{
    const json_t *member = json_object_get(root, name);

    if (member == NULL || json_is_null(member))
        return STATUS_OK;
    if (!json_is_string(member))
        return complain(problem, "%s is not a string", name);
    *out = bytes_of(member);
    return STATUS_OK;
}

static const json_t *
list_of(const json_t *root, const char *name, struct question_problem *problem)
{
    const json_t *list = json_object_get(root, name);

    if (json_is_array(list))
        return list;
    (void)complain(problem, "%s is not an array", name);
    return NULL;
}

static enum status
read_keys(struct question_prefix *question, struct question_problem *problem)
{
    const json_t *list = list_of(question->root, "keys", problem), *key;
    size_t i, count = json_array_size(list);

    if (list == NULL)
        return STATUS_BAD_REQUEST;
    question->keys = calloc(count + 1, sizeof(*question->keys));
    if (question->keys == NULL)
        return STATUS_NO_SPACE;
    json_array_foreach(list, i, key)
    {
        if (!json_is_string(key))
            return complain(problem, "keys[%zu] is not a string", i);
        question->keys[i] = bytes_of(key);
    }
    question->count = (uint32_t)count;
    if (count % question->ranks != 0)
        return complain(problem,
                        "the number of keys, %zu, is not a multiple of ranks, "
                        "%u",
                        count, question->ranks);
    return STATUS_OK;
}

/* A misspelt option would be an answer to another question. */
static enum status
check_names(const json_t *root, struct question_problem *problem)
{
    static const char *const known[] = {"keys",       "lease_ms", "promote",
                                        "with_tiers", "ranks",    "namespace"};
    const char *name;
    json_t *member;

    json_object_foreach((json_t *)(uintptr_t)root, name, member)
    {
        unsigned i = 0;

        while (i < sizeof(known) / sizeof(known[0]) &&
               strcmp(known[i], name) != 0)
            i++;
        if (i == sizeof(known) / sizeof(known[0]))
            return complain(problem,
                            "\"%.100s\" is not known; there are keys, "
                            "with_tiers, ranks, namespace",
                            name);
    }
    return STATUS_OK;
}

static enum status
read_prefix(struct question_prefix *question, struct question_problem *problem)
{
    const struct range ranks = {"ranks", 1, PREFIX_RANKS_MAX};
    const struct range spaces = {"namespace", 0, STORE_SPACES - 1};
    const json_t *root = question->root;
    uint32_t space = 0;
    enum status status = check_names(root, problem);

    if (status == STATUS_OK)
        status = read_number(root, &ranks, &question->ranks, problem);
    if (status == STATUS_OK)
        status = read_number(root, &spaces, &space, problem);
    if (status == STATUS_OK)
        status = read_flag(root, "with_tiers", &question->with_tiers, problem);
    if (status == STATUS_OK)
        status = read_flag(root, "promote", &question->has_promotion, problem);
    if (status == STATUS_OK)
        status = read_keys(question, problem);
    question->space = (uint16_t)space;
    question->has_lease = json_object_get(root, "lease_ms") != NULL;
    return status;
}

enum status
question_read_prefix(const struct bytes *body, struct question_prefix *out,
                     struct question_problem *problem)
{
    struct question_prefix question = {.ranks = 1};
    enum status status =
        load((const char *)body->at, body->size, &question.root, problem);

    if (status == STATUS_OK)
        status = read_prefix(&question, problem);
    if (status == STATUS_OK)
        *out = question;
    else
        question_free_prefix(&question);
    return status;
}

void
question_free_prefix(struct question_prefix *question)
{
    free(question->keys);
    json_decref(question->root);
    memset(question, 0, sizeof(*question));
}

/* How many bytes of a number or of anything else begin here, and is it an
 * integer that jansson may not take? */
static size_t
piece_of(const char *at, size_t left, bool *is_large)
{
    size_t size = at[0] == '-', digits;

    *is_large = false;
    while (size < left && at[size] >= '0' && at[size] <= '9')
        size++;
    digits = size - (at[0] == '-');
    if (size == 0)
        return 1;
    /* A fraction or an exponent: none of ours. */
    if (size < left && strchr(".eE", at[size]) != NULL)
        return size;
    *is_large = digits >= LARGE_DIGITS;
    return size;
}

/* Copies JSON, in which each large integer becomes an array of one string: no
 * hash is written so, and it has all its digits. */
static size_t
quote_large(const struct bytes *body, char *into)
{
    const char *at = (const char *)body->at;
    bool is_in_string = false, is_large;
    size_t left = body->size, size;
    char *to = into;

    while (left != 0) {
        size = 1;
        is_large = false;
        if (is_in_string && at[0] == '\\' && left > 1)
            size = 2;
        else if (at[0] == '"')
            is_in_string = !is_in_string;
        else if (!is_in_string)
            size = piece_of(at, left, &is_large);
        to = is_large ? stpcpy(to, "[\"") : to;
        memcpy(to, at, size);
        to = is_large ? stpcpy(to + size, "\"]") : to + size;
        at += size;
        left -= size;
    }
    return (size_t)(to - into);
}

static enum status
load_hashes(const struct bytes *body, json_t **out,
            struct question_problem *problem)
{
    /* Four bytes more for each LARGE_DIGITS at least. */
    char *text = malloc(body->size + body->size / 4 + 8);
    enum status status;

    if (text == NULL)
        return STATUS_NO_SPACE;
    status = load(text, quote_large(body, text), out, problem);
    free(text);
    return status;
}

/* Digits that were made an array of one string by quote_large(). */
static bool
read_large(const json_t *array, struct template_hash *out)
{
    const char *text = json_string_value(json_array_get(array, 0));
    char *end;

    if (text == NULL || json_array_size(array) != 1)
        return false;
    out->is_negative = text[0] == '-';
    text += out->is_negative;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    out->magnitude = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' &&
           (!out->is_negative || out->magnitude <= (uint64_t)INT64_MAX + 1);
}

static bool
read_hash(const json_t *json, struct template_hash *out)
{
    json_int_t number = json_integer_value(json);

    if (json_is_array(json))
        return read_large(json, out);
    if (json_is_string(json)) {
        out->text = bytes_of(json);
        return out->text.size != 0;
    }
    out->is_negative = number < 0;
    out->magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    return json_is_integer(json);
}

static enum status
read_list(struct question_hashes *question, struct question_problem *problem)
{
    const json_t *list = list_of(question->root, "block_hashes", problem);
    size_t i, count = json_array_size(list);
    const json_t *hash;

    if (list == NULL)
        return STATUS_BAD_REQUEST;
    question->hashes = calloc(count + 1, sizeof(*question->hashes));
    if (question->hashes == NULL)
        return STATUS_NO_SPACE;
    json_array_foreach(list, i, hash)
    {
        if (!read_hash(hash, &question->hashes[i]))
            return complain(problem,
                            "block_hashes[%zu] is neither an integer of 64 "
                            "bits nor a text",
                            i);
    }
    question->count = (uint32_t)count;
    return STATUS_OK;
}

static enum status
read_hashes(struct question_hashes *question, struct question_problem *problem)
{
    const struct range tokens = {"block_size", 1, 1u << 20};
    const json_t *root = question->root;
    enum status status = read_text(root, "model", &question->model, problem);

    if (status == STATUS_OK)
        status = read_text(root, "model_name", &question->model, problem);
    if (status == STATUS_OK && question->model.at == NULL)
        status = complain(problem, "model_name is missing");
    if (status == STATUS_OK)
        status = read_text(root, "tenant_id", &question->tenant, problem);
    if (status == STATUS_OK)
        status = read_text(root, "cache_salt", &question->salt, problem);
    if (status == STATUS_OK)
        status = read_number(root, &tokens, &question->block_tokens, problem);
    if (status == STATUS_OK)
        status = read_list(question, problem);
    return status;
}

enum status
question_read_hashes(const struct bytes *body, struct question_hashes *out,
                     struct question_problem *problem)
{
    struct question_hashes question = {
        .tenant = {(const uint8_t *)"default", 7},
        .salt = {(const uint8_t *)"", 0}};
    enum status status = load_hashes(body, &question.root, problem);

    if (status == STATUS_OK)
        status = read_hashes(&question, problem);
    if (status == STATUS_OK)
        *out = question;
    else
        question_free_hashes(&question);
    return status;
}

void
question_free_hashes(struct question_hashes *question)
{
    free(question->hashes);
    json_decref(question->root);
    memset(question, 0, sizeof(*question));
}
