/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a server, whatever it speaks: opens it, checks names, and
 * hands each verb to the protocol's own file (wire_lm.c, wire_resp.c,
 * wire_memcached.c).  Sockets are stream.c's.
 */
#include "client/wire_verbs.h"
#include "proto/key.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wire_verbs *
verbs_of(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_LM:
        return &wire_verbs_lm;
    case WIRE_RESP:
        return &wire_verbs_resp;
    case WIRE_MEMCACHED:
        return &wire_verbs_memcached;
    }
    return NULL;
}

enum status
wire_open(const struct wire_url *url, unsigned timeout_ms,
          struct wire **wire_out, char *why, size_t room)
{
    struct wire *wire = malloc(sizeof *wire);
    enum status status;

    assert(verbs_of(url->kind) != NULL);
    if (wire == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    wire->kind = url->kind;
    wire->verbs = verbs_of(url->kind);
    wire->text = NULL;
    wire->text_room = 0;
    status = stream_open(&wire->stream, url, timeout_ms);
    if (status == STATUS_OK && url->kind == WIRE_RESP && url->space != 0)
        status = wire_resp_select(wire, url->space);
    if (status == STATUS_OK) {
        *wire_out = wire;
        return STATUS_OK;
    }
    snprintf(why, room, "%s", wire->stream.why);
    wire_close(&wire);
    return status;
}

void
wire_close(struct wire **wire)
{
    if (*wire == NULL)
        return;
    stream_close(&(*wire)->stream);
    free((*wire)->text);
    free(*wire);
    *wire = NULL;
}

const char *
wire_why(const struct wire *wire)
{
    return wire->stream.why;
}

/* A lost stream keeps the reason it was lost for. */
static enum status
check(struct wire *wire, struct bytes name)
{
    if (wire->stream.is_lost)
        return STATUS_GONE;
    if (name.size == 0)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "a key needs at least one byte");
    if (name.size > KEY_SIZE_MAX)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "a key of %zu bytes is too long: at most %u",
                           name.size, KEY_SIZE_MAX);
    return wire->verbs->check_name(wire, name);
}

enum status
wire_put(struct wire *wire, struct bytes name, struct bytes body,
         const struct chunk_meta *meta)
{
    enum status status = check(wire, name);

    assert(meta == NULL || wire->kind == WIRE_LM);
    return status == STATUS_OK ? wire->verbs->put(wire, name, body, meta)
                               : status;
}

enum status
wire_get(struct wire *wire, struct bytes name, struct iovec into,
         size_t *size_out, struct chunk_meta *meta_out)
{
    enum status status = check(wire, name);
    struct chunk_meta meta = {0};

    *size_out = 0;
    if (status == STATUS_OK)
        status = wire->verbs->get(wire, name, into, size_out,
                                  meta_out != NULL ? meta_out : &meta);
    return status;
}

enum status
wire_exists(struct wire *wire, struct bytes name)
{
    enum status status = check(wire, name);

    return status == STATUS_OK ? wire->verbs->exists(wire, name) : status;
}

enum status
wire_drop(struct wire *wire, struct bytes name)
{
    enum status status = check(wire, name);

    assert(wire->kind != WIRE_LM);
    return status == STATUS_OK ? wire->verbs->drop(wire, name) : status;
}

enum status
wire_ping(struct wire *wire)
{
    if (wire->stream.is_lost)
        return STATUS_GONE;
    return wire->verbs->ping(wire);
}

enum status
wire_receive_body(struct wire *wire, struct iovec into, uint64_t size,
                  size_t tail)
{
    struct stream *s = &wire->stream;
    enum status status;

    if (size > into.iov_len) {
        status = stream_skip(s, size + tail);
        if (status != STATUS_OK)
            return status;
        return stream_fail(s, STATUS_TOO_BIG,
                           "a value of %llu bytes does not fit into %zu",
                           (unsigned long long)size, into.iov_len);
    }
    status = stream_read(s, into.iov_base, (size_t)size);
    if (status == STATUS_OK && tail > 0)
        status = stream_skip(s, tail);
    return status;
}

struct bytes
wire_text(const char *text)
{
    return (struct bytes){.at = (const uint8_t *)text, .size = strlen(text)};
}
