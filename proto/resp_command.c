/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of RESP commands and looking a name up in it.  What a command does
 * is the server's.
 */
#include "proto/resp.h"

#include <assert.h>

/* The words resp_command.def spells flags with. */
enum {
    WRITE = RESP_FLAG_WRITE,
    READONLY = RESP_FLAG_READONLY,
    FAST = RESP_FLAG_FAST,
    ADMIN = RESP_FLAG_ADMIN,
    DENYOOM = RESP_FLAG_DENYOOM,
    LOADING = RESP_FLAG_LOADING,
    STALE = RESP_FLAG_STALE,
    NOSCRIPT = RESP_FLAG_NOSCRIPT
};

/* clang-format off */
static const struct resp_command rows[] = {
#define COMMAND(name, word, arity, flags, first, last, step, body, every,      \
                group, summary)                                                \
    {RESP_COMMAND_##name, word, arity, flags, first, last, step, body, every,  \
     group, summary},
#include "proto/resp_command.def"
#undef COMMAND
    {RESP_COMMAND_UNKNOWN, "unknown", -1, 0, 0, 0, 0, 0, 0, "", ""},
};
/* clang-format on */

/* Beside the table, so that a look-up reads one cache line before it compares
 * the few names of the right size. */
static const uint8_t name_sizes[] = {
#define COMMAND(name, word, arity, flags, first, last, step, body, every,      \
                group, summary)                                                \
    sizeof(word) - 1,
#include "proto/resp_command.def"
#undef COMMAND
};

const struct resp_command *
resp_command_row(enum resp_command_id id)
{
    assert(id <= RESP_COMMAND_UNKNOWN);
    return &rows[id];
}

const struct resp_command *
resp_command_find(const uint8_t *name, size_t size)
{
    struct bytes text = {name, size};
    for (unsigned i = 0; i < RESP_COMMAND_UNKNOWN; i++) {
        if (name_sizes[i] == size && argument_is(&text, rows[i].name))
            return &rows[i];
    }
    return &rows[RESP_COMMAND_UNKNOWN];
}

bool
resp_command_takes(const struct resp_command *row, uint32_t argument_count)
{
    if (row->arity >= 0)
        return argument_count == (uint32_t)row->arity;
    return argument_count >= (uint32_t)-row->arity;
}
