/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that a command names: its arguments, then the lines of --keys FILE,
 * where \xNN and \\ are bytes as in what ls prints; and how the name of a file
 * spells a key.
 */
#ifndef CLI_KEY_LIST_H
#define CLI_KEY_LIST_H

#include "proto/message.h"
#include "tools/cli/command.h"
#include "tools/cli/value.h"

struct key_list {
    struct bytes *keys;
    size_t count;
    struct value text; /* what the keys of a file lie in */
    bool has_copies;   /* each key is allocated by itself */
};

/* EXIT_USAGE and a complaint: there is none, one is too long or too short, or
 * the file cannot be read. */
enum exit_code key_list_read(struct key_list *, const struct command *);
/* The keys that the files of a directory are named by. */
enum exit_code key_list_read_files(struct key_list *, const struct command *,
                                   const char *directory);
void key_list_drop(struct key_list *);

/* Items of libprefixcache with those keys, one allocation; NULL: no memory. */
struct prefixcache_item *key_list_items(const struct key_list *);

/* DIRECTORY/NAME: letters, digits and @._-=:,+~ stand for themselves, but no dot
 * in front; any other byte is %NN.  False: the name is longer than a file's may
 * be, or the path than into[room]. */
bool key_list_path(const char *directory, struct bytes key, char *into,
                   size_t room);

#endif
