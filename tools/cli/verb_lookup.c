/* SPDX-License-Identifier: Apache-2.0 */
/* exists, lease, del and prefix over the native wire: what concerns keys and not
 * their values, many in a round trip. */
#include "tools/bench/quantity.h"
#include "tools/cli/key_list.h"
#include "tools/cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One question about each of many keys. */
struct question {
    const char *field, *total; /* in JSON */
    const char *yes, *no;      /* in the table */
};

struct answers {
    const struct command *command;
    const struct question *question;
    struct key_list list;
    struct prefixcache_item *items;
    size_t yes_count;
};

static enum exit_code
read_keys(struct answers *answers)
{
    enum exit_code code = key_list_read(&answers->list, answers->command);

    if (code != EXIT_DONE)
        return code;
    answers->items = key_list_items(&answers->list);
    if (answers->items != NULL)
        return EXIT_DONE;
    key_list_drop(&answers->list);
    return command_fail_memory(answers->command);
}

static void
drop(struct answers *answers)
{
    free(answers->items);
    key_list_drop(&answers->list);
}

/* The worst that a shard answered: all of them are asked. */
static enum exit_code
check(const struct answers *answers)
{
    for (size_t i = 0; i < answers->list.count; i++) {
        int status = answers->items[i].status;

        if (status != PREFIXCACHE_OK && status != PREFIXCACHE_MISS)
            return command_fail_native(answers->command, status);
    }
    return EXIT_DONE;
}

static bool
add_row(json_t *rows, const struct answers *answers, size_t at)
{
    json_t *row = json_object();
    bool is_yes = answers->items[at].status == PREFIXCACHE_OK;

    if (row != NULL && output_set_bytes(row, "key", answers->list.keys[at]) &&
        json_object_set_new(row, answers->question->field,
                            json_boolean(is_yes)) == 0)
        return json_array_append_new(rows, row) == 0;
    json_decref(row);
    return false;
}

static enum exit_code
say_object(const struct answers *answers)
{
    json_t *rows = json_array(), *object;

    for (size_t i = 0; i < answers->list.count; i++)
        if (rows == NULL || !add_row(rows, answers, i)) {
            json_decref(rows);
            return command_fail_memory(answers->command);
        }
    object = json_pack("{s:o, s:I, s:I}", "keys", rows,
                       answers->question->total, (json_int_t)answers->yes_count,
                       "asked", (json_int_t)answers->list.count);
    return output_json(object) ? EXIT_DONE
                               : command_fail_memory(answers->command);
}

static enum exit_code
say(struct answers *answers)
{
    const struct question *question = answers->question;
    enum exit_code code = check(answers);

    if (code != EXIT_DONE)
        return code;
    for (size_t i = 0; i < answers->list.count; i++) {
        bool is_yes = answers->items[i].status == PREFIXCACHE_OK;

        answers->yes_count += is_yes;
        if (answers->command->is_json)
            continue;
        output_name(answers->list.keys[i]);
        printf("  %s\n", is_yes ? question->yes : question->no);
    }
    return answers->command->is_json ? say_object(answers) : EXIT_DONE;
}

static enum exit_code
ask_exists(struct command *command, const struct question *question,
           unsigned lease_ms)
{
    struct answers answers = {.command = command, .question = question};
    enum exit_code code = read_keys(&answers);

    if (code != EXIT_DONE)
        return code;
    (void)prefixcache_exists(command->cache, answers.items, answers.list.count,
                             lease_ms);
    code = say(&answers);
    if (code == EXIT_DONE && answers.yes_count < answers.list.count)
        code = EXIT_MISSING;
    drop(&answers);
    return code;
}

enum exit_code
verb_exists_native(struct command *command)
{
    static const struct question question = {"exists", "found", "yes", "no"};

    return ask_exists(command, &question, 0);
}

enum exit_code
verb_lease(struct command *command)
{
    static const struct question question = {"leased", "leased", "leased",
                                             "not leased"};
    unsigned lease_ms = 0;

    if (!command_option_time(command, "lease", &lease_ms))
        return EXIT_USAGE;
    return ask_exists(command, &question, lease_ms);
}

enum exit_code
verb_del_native(struct command *command)
{
    static const struct question question = {"deleted", "deleted", "deleted",
                                             "was not there"};
    struct answers answers = {.command = command, .question = &question};
    enum exit_code code = read_keys(&answers);

    if (code != EXIT_DONE)
        return code;
    (void)prefixcache_drop(command->cache, answers.items, answers.list.count);
    code = say(&answers);
    drop(&answers);
    return code;
}

static void
print_match(const struct prefixcache_match *match, size_t asked,
            const char *unit)
{
    char size[32];

    quantity_write_size(match->bytes, size, sizeof size);
    printf("%" PRIu32 " of %zu %s, %s", match->matched, asked, unit, size);
    if (match->load_us >= 0 && match->matched > 0)
        printf(", to be had in %.3f ms", (double)match->load_us / 1e3);
    if (match->lease_ms > 0)
        printf(", leased for %u ms", match->lease_ms);
    putchar('\n');
    if (match->matched == 0)
        return;
    printf("  %-8s %8s %8s %12s\n", "tier", "matched", "unbroken", "bytes");
    for (unsigned i = 0; i < match->tier_count; i++)
        printf("  %-8s %8" PRIu32 " %8" PRIu32 " %12" PRIu64 "\n",
               match->tiers[i].name, match->tiers[i].matched,
               match->tiers[i].unbroken, match->tiers[i].bytes);
}

static bool
print_match_object(const struct prefixcache_match *match, size_t asked)
{
    json_t *tiers = json_array(), *object;

    for (unsigned i = 0; tiers != NULL && i < match->tier_count; i++) {
        const struct prefixcache_tier *tier = &match->tiers[i];

        json_array_append_new(
            tiers, json_pack("{s:s, s:I, s:I, s:I}", "tier", tier->name,
                             "matched", (json_int_t)tier->matched, "unbroken",
                             (json_int_t)tier->unbroken, "bytes",
                             (json_int_t)tier->bytes));
    }
    object = json_pack("{s:I, s:I, s:I, s:I, s:o}", "matched",
                       (json_int_t)match->matched, "asked", (json_int_t)asked,
                       "bytes", (json_int_t)match->bytes, "lease_ms",
                       (json_int_t)match->lease_ms, "tiers", tiers);
    if (object != NULL)
        json_object_set_new(object, "load_us",
                            match->load_us < 0 ? json_null()
                                               : json_integer(match->load_us));
    return output_json(object);
}

/* A shard that does not answer has none of its keys, which is no answer to
 * somebody who asks by hand.  Where keys of some ranks are interleaved, what is
 * matched are blocks of so many keys. */
static enum exit_code
ask_prefix(struct answers *answers,
           const struct prefixcache_prefix_options *options)
{
    const struct command *command = answers->command;
    struct prefixcache_match match = {.size = sizeof match};
    uint64_t lost = command_lost(command->cache);
    unsigned ranks = options->ranks == 0 ? 1 : options->ranks;
    size_t asked = answers->list.count / ranks;
    int status = prefixcache_prefix(command->cache, answers->items,
                                    answers->list.count, options, &match);

    if (status != PREFIXCACHE_OK && status != PREFIXCACHE_MISS)
        return command_fail_native(command, status);
    if (command_lost(command->cache) != lost)
        return command_fail_native(command, PREFIXCACHE_GONE);
    if (!command->is_json)
        print_match(&match, asked, ranks == 1 ? "keys" : "blocks");
    else if (!print_match_object(&match, asked))
        return command_fail_memory(command);
    return match.matched == asked ? EXIT_DONE : EXIT_MISSING;
}

enum exit_code
verb_prefix(struct command *command)
{
    struct prefixcache_prefix_options options = {.size = sizeof options};
    struct answers answers = {.command = command};
    enum exit_code code;

    options.promote = command_option(command, "promote") != NULL;
    if (!command_option_time(command, "lease", &options.lease_ms) ||
        !command_option_count(command, "ranks", &options.ranks))
        return EXIT_USAGE;
    code = read_keys(&answers);
    if (code != EXIT_DONE)
        return code;
    code = ask_prefix(&answers, &options);
    drop(&answers);
    return code;
}
