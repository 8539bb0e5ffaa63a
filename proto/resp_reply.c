/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words RESP replies and requests are spelled from.  Which words answer a
 * command is decided by who calls.
 */
#include "proto/resp.h"

#include <math.h>
#include <stdio.h>

#define WORD_MAX 48u /* the longest head of a word: marker, number, CRLF */

/* Pipelines have thousands of these words: printf would be half their cost.
 * Written from the end of `text`; the head of a word. */
static struct bytes
spell(char text[WORD_MAX], char marker, bool is_negative, uint64_t number)
{
    char *at = text + WORD_MAX;
    struct bytes head;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    if (is_negative)
        *--at = '-';
    *--at = marker;
    head.at = (const uint8_t *)at;
    head.size = (size_t)(text + WORD_MAX - at);
    return head;
}

static bool
put_number(struct cursor *out, char marker, int64_t number)
{
    char text[WORD_MAX];
    bool is_negative = number < 0;
    struct bytes head =
        spell(text, marker, is_negative,
              is_negative ? 0 - (uint64_t)number : (uint64_t)number);
    return cursor_put(out, head.at, head.size);
}

/* A head, bytes and CRLF, or nothing at all. */
static bool
put_bytes(struct cursor *out, const struct bytes *head, const void *bytes,
          size_t size)
{
    if (!cursor_has(out, head->size + size + 2))
        return false;
    cursor_put(out, head->at, head->size);
    if (size > 0)
        cursor_put(out, bytes, size);
    return resp_crlf(out);
}

static bool
put_whole(struct cursor *out, const char *head, const void *bytes, size_t size)
{
    struct bytes text = {(const uint8_t *)head, strlen(head)};
    return put_bytes(out, &text, bytes, size);
}

bool
resp_simple(struct cursor *out, const char *text)
{
    return put_whole(out, "+", text, strlen(text));
}

bool
resp_error(struct cursor *out, const char *text)
{
    size_t size = strlen(text);
    uint8_t *start = out->at;
    if (!put_whole(out, "-", text, size))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (start[i + 1] == '\r' || start[i + 1] == '\n')
            start[i + 1] = ' ';
    }
    return true;
}

bool
resp_integer(struct cursor *out, int64_t number)
{
    return put_number(out, ':', number);
}

bool
resp_bulk(struct cursor *out, const void *bytes, size_t size)
{
    char text[WORD_MAX];
    struct bytes head = spell(text, '$', false, size);
    return put_bytes(out, &head, bytes, size);
}

bool
resp_bulk_text(struct cursor *out, const char *text)
{
    return resp_bulk(out, text, strlen(text));
}

bool
resp_bulk_head(struct cursor *out, uint64_t size)
{
    char text[WORD_MAX];
    struct bytes head = spell(text, '$', false, size);
    return cursor_put(out, head.at, head.size);
}

bool
resp_verbatim(struct cursor *out, uint8_t dialect, const void *bytes,
              size_t size)
{
    if (dialect != 3)
        return resp_bulk(out, bytes, size);
    char head[WORD_MAX];
    snprintf(head, sizeof(head), "=%zu\r\ntxt:", size + 4);
    return put_whole(out, head, bytes, size);
}

bool
resp_null(struct cursor *out, uint8_t dialect)
{
    return dialect == 3 ? cursor_put(out, "_\r\n", 3)
                        : cursor_put(out, "$-1\r\n", 5);
}

bool
resp_null_array(struct cursor *out, uint8_t dialect)
{
    return dialect == 3 ? cursor_put(out, "_\r\n", 3)
                        : cursor_put(out, "*-1\r\n", 5);
}

bool
resp_double(struct cursor *out, uint8_t dialect, double number)
{
    char text[WORD_MAX];
    if (isinf(number))
        snprintf(text, sizeof(text), ",%s", number > 0 ? "inf" : "-inf");
    else
        snprintf(text, sizeof(text), ",%.17g", number);
    if (dialect != 3)
        return resp_bulk_text(out, text + 1);
    return put_whole(out, text, NULL, 0);
}

bool
resp_array(struct cursor *out, uint32_t count)
{
    return put_number(out, '*', count);
}

bool
resp_set(struct cursor *out, uint8_t dialect, uint32_t count)
{
    return put_number(out, dialect == 3 ? '~' : '*', count);
}

bool
resp_map(struct cursor *out, uint8_t dialect, uint32_t pairs)
{
    return dialect == 3 ? put_number(out, '%', pairs)
                        : put_number(out, '*', 2 * (int64_t)pairs);
}

bool
resp_crlf(struct cursor *out)
{
    return cursor_put(out, "\r\n", 2);
}

bool
resp_request(struct cursor *out, unsigned argc, const struct bytes *argv)
{
    struct cursor at = *out;
    resp_array(&at, argc);
    for (unsigned i = 0; i < argc; i++)
        resp_bulk(&at, argv[i].at, argv[i].size);
    out->short_by = at.short_by;
    if (at.short_by != 0)
        return false;
    out->at = at.at;
    return true;
}
