/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memcached:// verbs of a wire, in memcached's text protocol, so that the
 * benchmark can drive memcached with the very client it drives this server
 * with.  EXISTS is a meta get without a value (`mg`, memcached 1.6 and later).
 */
#include "client/wire_verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE_MAX     250u
#define REQUEST_SIZE_MAX  (NAME_SIZE_MAX + 64u)
#define VALUE_SIZE_DIGITS 19u

static enum status
check_name(struct wire *wire, struct bytes name)
{
    if (name.size > NAME_SIZE_MAX)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "a key of %zu bytes is too long for memcached: at "
                           "most %u",
                           name.size, NAME_SIZE_MAX);
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] <= ' ' || name.at[i] == 0x7f)
            return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                               "memcached cannot carry a key with a space or "
                               "a control byte");
    return STATUS_OK;
}

static enum status send_line(struct wire *, struct bytes body, bool has_body,
                             const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Formats a request line and sends it with the pieces behind it. */
static enum status
send_line(struct wire *wire, struct bytes body, bool has_body,
          const char *format, ...)
{
    char line[REQUEST_SIZE_MAX];
    char crlf[] = "\r\n";
    struct iovec pieces[3];
    va_list words;
    int size;

    va_start(words, format);
    size = vsnprintf(line, sizeof line, format, words);
    va_end(words);
    pieces[0] = (struct iovec){line, (size_t)size};
    /* iovec has no const form; sending only reads. */
    pieces[1] = (struct iovec){(void *)(uintptr_t)body.at, body.size};
    pieces[2] = (struct iovec){crlf, 2};
    return stream_send(&wire->stream, pieces, has_body ? 3 : 1);
}

static bool
starts(const struct bytes *line, const char *word)
{
    size_t size = strlen(word);

    return line->size >= size && memcmp(line->at, word, size) == 0;
}

/* Sends one line of a name and reads the first line of the answer; an error
 * line is BAD_REQUEST. */
static enum status
read_answer(struct wire *wire, struct bytes *line)
{
    enum status status = stream_line(&wire->stream, line);

    if (status == STATUS_OK &&
        (starts(line, "ERROR") || starts(line, "CLIENT_ERROR") ||
         starts(line, "SERVER_ERROR")))
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST, "%.*s",
                           (int)line->size, (const char *)line->at);
    return status;
}

static enum status
ask(struct wire *wire, const char *command, struct bytes name,
    struct bytes *line)
{
    enum status status =
        send_line(wire, (struct bytes){NULL, 0}, false, "%s%.*s\r\n", command,
                  (int)name.size, (const char *)name.at);

    return status == STATUS_OK ? read_answer(wire, line) : status;
}

/* One of two words, or the peer is something else. */
static enum status
expect(struct wire *wire, const struct bytes *line, const char *yes,
       const char *no)
{
    if (starts(line, yes))
        return STATUS_OK;
    if (no != NULL && starts(line, no))
        return STATUS_MISS;
    return stream_fail(&wire->stream, STATUS_BROKEN,
                       "%s does not speak memcached's text protocol: \"%.*s\" "
                       "where \"%s\" was expected",
                       wire->stream.peer,
                       line->size > 40 ? 40 : (int)line->size,
                       (const char *)line->at, yes);
}

static enum status
put(struct wire *wire, struct bytes name, struct bytes body,
    const struct chunk_meta *meta)
{
    struct bytes line = {NULL, 0};
    enum status status =
        send_line(wire, body, true, "set %.*s 0 0 %zu\r\n", (int)name.size,
                  (const char *)name.at, body.size);

    (void)meta;
    if (status == STATUS_OK)
        status = read_answer(wire, &line);
    return status == STATUS_OK ? expect(wire, &line, "STORED", NULL) : status;
}

/* The last number of "VALUE name flags size". */
static bool
read_size(const struct bytes *line, uint64_t *size_out)
{
    const uint8_t *at = line->at + line->size;
    uint64_t size = 0, unit = 1;
    unsigned digits = 0;

    while (at > line->at && at[-1] >= '0' && at[-1] <= '9' &&
           digits < VALUE_SIZE_DIGITS) {
        size += unit * (uint64_t)(*--at - '0');
        unit *= 10;
        digits++;
    }
    *size_out = size;
    return digits > 0 && at > line->at && at[-1] == ' ';
}

static enum status
get(struct wire *wire, struct bytes name, struct iovec into, size_t *size_out,
    struct chunk_meta *meta_out)
{
    struct bytes line = {NULL, 0};
    enum status status = ask(wire, "get ", name, &line), ended;
    uint64_t size = 0;

    if (status == STATUS_OK)
        status = expect(wire, &line, "VALUE ", "END");
    if (status != STATUS_OK)
        return status;
    if (!read_size(&line, &size) || size > RESP_BODY_SIZE_MAX)
        return stream_fail(&wire->stream, STATUS_BROKEN,
                           "%s announced a value without a sound size",
                           wire->stream.peer);
    meta_out->size = 0;
    *size_out = (size_t)size;
    status = wire_receive_body(wire, into, size, 2);
    if (status != STATUS_OK && status != STATUS_TOO_BIG)
        return status;
    ended = read_answer(wire, &line);
    if (ended == STATUS_OK)
        ended = expect(wire, &line, "END", NULL);
    return ended == STATUS_OK ? status : ended;
}

static enum status
exists(struct wire *wire, struct bytes name)
{
    struct bytes line = {NULL, 0};
    enum status status = ask(wire, "mg ", name, &line);

    return status == STATUS_OK ? expect(wire, &line, "HD", "EN") : status;
}

static enum status
drop(struct wire *wire, struct bytes name)
{
    struct bytes line = {NULL, 0};
    enum status status = ask(wire, "delete ", name, &line);

    return status == STATUS_OK ? expect(wire, &line, "DELETED", "NOT_FOUND")
                               : status;
}

static enum status
ping(struct wire *wire)
{
    struct bytes line = {NULL, 0};
    enum status status = ask(wire, "version", wire_text(""), &line);

    return status == STATUS_OK ? expect(wire, &line, "VERSION", NULL) : status;
}

const struct wire_verbs wire_verbs_memcached = {
    .check_name = check_name,
    .put = put,
    .get = get,
    .exists = exists,
    .drop = drop,
    .ping = ping,
};
