/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of prefixcache-cli: what the command line asked for, the verb that
 * does it, and the connection, or the cache, it is done over.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "client/prefixcache.h"
#include "client/wire.h"
#include "tools/cli/verb.h"

#include <stdbool.h>

/* What --timeout 0 is to libprefixcache, which has no longer calls. */
#define COMMAND_FOREVER_MS 3600000u

struct command {
    const struct verb_row *verb;
    const char *url_text;
    struct wire_url url; /* what a wire is opened by; not where is_native */
    bool is_native;      /* the URL is libprefixcache's */
    unsigned timeout_ms; /* 0: none */
    bool is_json;
    int argc; /* the verb's arguments */
    char **argv;
    /* As verb_options has them: NULL where one was not given. */
    const char *options[VERB_OPTIONS_MAX];

    /* The one that the verb's row says is open. */
    struct wire *wire;
    struct prefixcache *cache;
};

/* Checks what the wire could not carry, opens, runs the verb, and closes. */
enum exit_code command_run(struct command *);
/* Is the scheme of a URL one of libprefixcache's? */
bool command_is_native(const char *url);

/* The text that was given to --NAME ("" where it takes none), or NULL. */
const char *command_option(const struct command *, const char *name);
/* The same as a time (5s, 500ms, 2m; a number alone is in seconds), a size
 * (65536, 64MiB, 10G) or a number.  True with *inout left alone where it was
 * not given; false, and a complaint, where it is none: EXIT_USAGE. */
bool command_option_time(const struct command *, const char *name,
                         unsigned *ms_inout);
bool command_option_size(const struct command *, const char *name,
                         uint64_t *inout);
bool command_option_count(const struct command *, const char *name,
                          unsigned *inout);

/* False for what is no time. */
bool command_read_time(const char *text, unsigned *ms_out);

/* Opens what a URL of any scheme but memcached:// says by the native wire, with
 * the command's timeout.  `flags` are libprefixcache's; `space` is the namespace
 * where the URL has none.  EXIT_USAGE and a complaint where it is no URL. */
struct command_target {
    const char *url;
    unsigned flags, space;
};
enum exit_code command_open_cache(const struct command *,
                                  const struct command_target *,
                                  struct prefixcache **cache_out);
/* Has one of its shards answered?  Else EXIT_CONNECTION and a complaint. */
enum exit_code command_greet(const struct command *, const char *url,
                             struct prefixcache *);
/* Calls that were late, or whose shard was gone, since the cache was opened. */
uint64_t command_lost(struct prefixcache *);
/* The namespace that a URL names, or -1 where it names none. */
int command_space(const char *url);

/* Says on stderr why a call on the command's wire failed (OK and MISS are no
 * failures), and gives the exit code of it. */
enum exit_code command_fail(const struct command *, enum status);
/* The same of libprefixcache: `status` is one of enum prefixcache_status. */
enum exit_code command_fail_native(const struct command *, int status);
enum exit_code command_fail_memory(const struct command *);
/* A sentence of its own: "prefixcache-cli: VERB: ..." on stderr. */
void command_complain(const struct command *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
