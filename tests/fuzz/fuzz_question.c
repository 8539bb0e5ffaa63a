/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP port is asked.  The first byte says what the others are: p and
 * h bodies, q a query string, t a template, which then spells a few keys.
 */
#include "server/index/prefix.h"
#include "server/observe/question.h"

#include <stdlib.h>
#include <string.h>

#define KEY_ROOM 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

/* Every byte of it may be read. */
static void
touch(struct bytes bytes)
{
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < bytes.size; i++)
        sum = (uint8_t)(sum + bytes.at[i]);
}

static void
require_problem(enum status status, const struct question_problem *problem)
{
    require(status == STATUS_BAD_REQUEST);
    require(problem->text[0] != '\0' &&
            memchr(problem->text, '\0', sizeof(problem->text)) != NULL);
}

static void
try_prefix(const struct bytes *body)
{
    struct question_problem problem = {""};
    struct question_prefix question;
    enum status status = question_read_prefix(body, &question, &problem);

    if (status != STATUS_OK) {
        require_problem(status, &problem);
        return;
    }
    require(question.count <= body->size);
    require(question.ranks >= 1 && question.ranks <= PREFIX_RANKS_MAX);
    require(question.count % question.ranks == 0);
    require(question.space < STORE_SPACES);
    for (uint32_t i = 0; i < question.count; i++)
        touch(question.keys[i]);
    question_free_prefix(&question);
}

static void
try_hashes(const struct bytes *body)
{
    struct question_problem problem = {""};
    struct question_hashes question;
    enum status status = question_read_hashes(body, &question, &problem);

    if (status != STATUS_OK) {
        require_problem(status, &problem);
        return;
    }
    require(question.count <= body->size);
    touch(question.model);
    touch(question.tenant);
    touch(question.salt);
    for (uint32_t i = 0; i < question.count; i++) {
        const struct template_hash *hash = &question.hashes[i];

        touch(hash->text);
        require(hash->text.at != NULL || !hash->is_negative ||
                hash->magnitude <= (uint64_t)INT64_MAX + 1);
    }
    question_free_hashes(&question);
}

static void
try_query(const struct bytes *query)
{
    static const char *const names[] = {"k", "keys", "n", ""};
    uint8_t *room = malloc(KEY_ROOM);

    require(room != NULL);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bytes found = {NULL, 0};
        uint64_t number = 1;
        enum status status =
            question_find(query, names[i], room, KEY_ROOM, &found);

        require(status != STATUS_OK || found.size <= KEY_ROOM);
        require(status == STATUS_OK || found.at == NULL);
        status = question_find_number(query, names[i], 1000, &number);
        require(status != STATUS_OK || number <= 1000);
        require(status == STATUS_OK || number == 1);
    }
    free(room);
}

static void
try_template(const struct bytes *bytes)
{
    static const struct template_hash hashes[] = {
        {.magnitude = UINT64_MAX},
        {.is_negative = true, .magnitude = 1},
        {.text = {(const uint8_t *)"ff", 2}}};
    char *text = malloc(bytes->size + 1);
    uint8_t *room = malloc(KEY_ROOM);

    require(text != NULL && room != NULL);
    memcpy(text, bytes->at, bytes->size);
    text[bytes->size] = '\0';
    for (unsigned i = 0; template_check(text) == NULL && i < 3; i++) {
        const struct template_values values = {
            .model = {(const uint8_t *)"m/x", 3},
            .hash = &hashes[i],
            .rank = 3,
            .ranks = 4096};
        size_t size = template_spell(text, &values, room, KEY_ROOM);

        require(size <= KEY_ROOM);
        touch((struct bytes){room, size});
    }
    free(text);
    free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest;
    uint8_t *copy;

    if (size == 0)
        return 0;
    /* Exactly as long as it is, so that a sanitizer sees a step too far. */
    copy = malloc(size > 1 ? size - 1 : 1);
    require(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    rest = (struct bytes){copy, size - 1};
    if (data[0] == 'p')
        try_prefix(&rest);
    else if (data[0] == 'h')
        try_hashes(&rest);
    else if (data[0] == 'q')
        try_query(&rest);
    else if (data[0] == 't')
        try_template(&rest);
    free(copy);
    return 0;
}
