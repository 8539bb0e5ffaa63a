/* SPDX-License-Identifier: Apache-2.0 */
/* ping and ls over the native wire. */
#include "base/clock.h"
#include "tools/cli/output.h"
#include "tools/cli/walker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a shard counts is the smallest question that is about the shard and not
 * about a key. */
static int
ask(struct prefixcache *cache, size_t shard, double *ms_out)
{
    uint64_t start_ns = clock_now_ns();
    char *text = NULL;
    int status = prefixcache_stats(cache, shard, &text);

    *ms_out = (double)(clock_now_ns() - start_ns) / 1e6;
    free(text);
    return status;
}

static enum exit_code
say_ping(const struct command *command, const char *name, double ms)
{
    json_t *object;

    if (!command->is_json) {
        printf("%s answered in %.3f ms\n", name, ms);
        return EXIT_DONE;
    }
    object =
        json_pack("{s:s, s:b, s:f}", "url", name, "ok", 1, "milliseconds", ms);
    return output_json(object) ? EXIT_DONE : command_fail_memory(command);
}

/* An object a line where there are some shards. */
enum exit_code
verb_ping_native(struct command *command)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    size_t count = prefixcache_shards(command->cache, shards,
                                      PREFIXCACHE_SHARDS_MAX, sizeof *shards);
    enum exit_code code = EXIT_DONE;

    for (size_t i = 0; i < count; i++) {
        const char *name = count == 1 ? command->url_text : shards[i].name;
        double ms;
        int status = ask(command->cache, i, &ms);
        enum exit_code said = EXIT_CONNECTION;

        if (status == PREFIXCACHE_OK)
            said = say_ping(command, name, ms);
        else
            command_complain(command, "%s does not answer: %s", name,
                             prefixcache_status_name(status));
        if (said != EXIT_DONE)
            code = said;
    }
    return code;
}

static const char *const tier_names[] = {"dram", "nvme", "spill"};
#define TIER_COUNT (sizeof tier_names / sizeof *tier_names)

static const char *
kind_name(int kind)
{
    return kind == PREFIXCACHE_OBJECT ? "object" : "plain";
}

static bool
print_long(const struct prefixcache_entry *entry)
{
    printf("%10zu  %-6s  %3u  ", entry->body_size, kind_name(entry->kind),
           entry->space);
    for (size_t i = 0; i < TIER_COUNT; i++)
        putchar((entry->tiers >> i & 1) != 0 ? tier_names[i][0] : '-');
    fputs("  ", stdout);
    output_name((struct bytes){entry->key, entry->key_size});
    return putchar('\n') != EOF;
}

static json_t *
make_object(const struct prefixcache_entry *entry)
{
    json_t *tiers = json_array(), *object;

    for (size_t i = 0; tiers != NULL && i < TIER_COUNT; i++)
        if ((entry->tiers >> i & 1) != 0)
            json_array_append_new(tiers, json_string(tier_names[i]));
    object = json_pack(
        "{s:I, s:s, s:i, s:o}", "size", (json_int_t)entry->body_size, "kind",
        kind_name(entry->kind), "namespace", (int)entry->space, "tiers", tiers);
    if (object != NULL &&
        output_set_bytes(object, "key",
                         (struct bytes){entry->key, entry->key_size}))
        return object;
    json_decref(object);
    return NULL;
}

static bool
print_entry(const struct command *command,
            const struct prefixcache_entry *entry, bool is_first)
{
    json_t *object;
    int failed;

    if (!command->is_json && command_option(command, "long") != NULL)
        return print_long(entry);
    if (!command->is_json) {
        output_name((struct bytes){entry->key, entry->key_size});
        return putchar('\n') != EOF;
    }
    fputs(is_first ? "\n " : ",\n ", stdout);
    object = make_object(entry);
    failed = object == NULL ? -1 : json_dumpf(object, stdout, 0);
    json_decref(object);
    return failed == 0;
}

/* A namespace is that of the URL, as over redis://. */
enum exit_code
verb_ls_native(struct command *command)
{
    int space = command_space(command->url_text);
    struct walker walker = {.cache = command->cache,
                            .space = space < 0 ? 0 : space,
                            .pattern =
                                command->argc > 0 ? command->argv[0] : NULL};
    const struct prefixcache_entry *entry;
    bool is_first = true;
    enum exit_code code = walker_open(&walker, command);

    if (code == EXIT_DONE && command->is_json)
        fputs("[", stdout);
    while (code == EXIT_DONE && (entry = walker_next(&walker)) != NULL) {
        if (!print_entry(command, entry, is_first)) {
            command_complain(command, "cannot print a key");
            code = EXIT_USAGE;
        }
        is_first = false;
    }
    if (code == EXIT_DONE && walker.status != PREFIXCACHE_OK)
        code = command_fail_native(command, walker.status);
    if (command->is_json && code == EXIT_DONE)
        fputs(is_first ? "]\n" : "\n]\n", stdout);
    walker_close(&walker);
    return code;
}
