/* SPDX-License-Identifier: Apache-2.0 */
/* put and get over the native wire: one value as over the other wires, or many
 * from and to the files of a directory. */
#include "tools/cli/getter.h"
#include "tools/cli/key_list.h"
#include "tools/cli/output.h"
#include "tools/cli/putter.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Sizes are not known before: a first guess that fits most, in memory that is
 * only taken where it is written to. */
#define FIRST_ROOM (32u << 20)

struct many {
    const struct command *command;
    const char *directory; /* NULL: one value, and `file` */
    const char *file;
    struct haul haul;
    struct spaces spaces;
    struct key_list list;
    struct putter putter;
    size_t at;    /* of the keys, the next one to get */
    size_t found; /* or stored */
    json_t *rows;
};

static struct bytes
key_of(const struct parcel *parcel)
{
    return (struct bytes){parcel->item.key, parcel->item.key_size};
}

static enum exit_code
path_of(const struct many *many, struct bytes key, char path[PATH_MAX])
{
    if (many->directory == NULL) {
        snprintf(path, PATH_MAX, "%s", many->file);
        return EXIT_DONE;
    }
    if (key_list_path(many->directory, key, path, PATH_MAX))
        return EXIT_DONE;
    command_complain(many->command,
                     "a key of %zu bytes is too long for the name of a file",
                     key.size);
    return EXIT_USAGE;
}

/* A row of the answer in JSON: what is in `more`, and the key. */
static enum exit_code
add_row(struct many *many, struct bytes key, json_t *more)
{
    if (!many->command->is_json) {
        json_decref(more);
        return EXIT_DONE;
    }
    if (many->rows != NULL && more != NULL &&
        output_set_bytes(more, "key", key) &&
        json_array_append(many->rows, more) == 0) {
        json_decref(more);
        return EXIT_DONE;
    }
    json_decref(more);
    return command_fail_memory(many->command);
}

static bool
next(void *arg, struct getter_key *out)
{
    struct many *many = arg;
    struct bytes key;

    if (many->at == many->list.count)
        return false;
    key = many->list.keys[many->at++];
    *out = (struct getter_key){
        .key = key.at,
        .key_size = key.size,
        .space = many->spaces.only < 0 ? 0 : (unsigned)many->spaces.only,
        .size = FIRST_ROOM};
    return true;
}

static enum exit_code
note_missing(struct many *many, struct bytes key)
{
    many->haul.gone++;
    if (!many->command->is_json) {
        fflush(stdout);
        fprintf(stderr, "prefixcache-cli: %s: %s has no value under \"",
                many->command->verb->name, many->command->url_text);
        output_name_to(stderr, key);
        fputs("\"\n", stderr);
    }
    return add_row(many, key, json_pack("{s:b}", "found", 0));
}

static enum exit_code
note_found(struct many *many, const struct prefixcache_item *item)
{
    struct bytes body = {item->body, item->got};
    json_t *more = json_pack(
        "{s:b, s:I, s:s, s:s, s:I}", "found", 1, "size", (json_int_t)item->got,
        "kind", item->kind == PREFIXCACHE_OBJECT ? "object" : "plain", "tier",
        item->tier, "lifetime_ms", (json_int_t)item->lifetime_ms);

    many->found++;
    if (many->directory == NULL && strcmp(many->file, "-") == 0 &&
        (more == NULL || !output_set_value(more, body))) {
        json_decref(more);
        more = NULL;
    }
    return add_row(many, (struct bytes){item->key, item->key_size}, more);
}

static enum exit_code
take(void *arg, struct parcel *parcel)
{
    struct many *many = arg;
    const struct prefixcache_item *item = &parcel->item;
    struct bytes body = {item->body, item->got};
    char path[PATH_MAX], why[512];
    enum exit_code code;

    if (item->status == PREFIXCACHE_MISS)
        return note_missing(many, key_of(parcel));
    if (item->status != PREFIXCACHE_OK)
        return command_fail_native(many->command, item->status);
    code = path_of(many, key_of(parcel), path);
    if (code != EXIT_DONE)
        return code;
    if ((!many->command->is_json || strcmp(path, "-") != 0) &&
        value_write(path, body, why, sizeof why) != STATUS_OK) {
        command_complain(many->command, "%s", why);
        return EXIT_USAGE;
    }
    many->haul.done++;
    many->haul.bytes += item->got;
    return note_found(many, item);
}

/* One value has the answer that other wires have, many a list of them. */
static enum exit_code
say(struct many *many, const char *verbed, const char *total)
{
    json_t *object;

    if (many->directory != NULL) {
        object = json_pack("{s:O, s:I, s:I}", "keys", many->rows, total,
                           (json_int_t)many->found, "asked",
                           (json_int_t)many->list.count);
        return haul_end(&many->haul, verbed, object);
    }
    progress_end(&many->haul.progress);
    if (!many->command->is_json)
        return EXIT_DONE;
    object = json_incref(json_array_get(many->rows, 0));
    return output_json(object) ? EXIT_DONE : command_fail_memory(many->command);
}

static enum exit_code
make_directory(const struct many *many)
{
    if (many->directory == NULL || mkdir(many->directory, 0777) == 0 ||
        errno == EEXIST)
        return EXIT_DONE;
    command_complain(many->command, "cannot make %s: %s", many->directory,
                     strerror(errno));
    return EXIT_USAGE;
}

static enum exit_code
get(struct many *many)
{
    struct getter getter = {.haul = &many->haul,
                            .spaces = &many->spaces,
                            .arg = many,
                            .next = next,
                            .take = take};
    enum exit_code code = make_directory(many);

    haul_expect(&many->haul, many->list.count);
    if (code == EXIT_DONE)
        code = getter_run(&getter, FLIGHT_BYTES);
    if (code == EXIT_DONE)
        code = say(many, "got", "found");
    return code == EXIT_DONE && many->haul.gone > 0 ? EXIT_MISSING : code;
}

static void
on_stored(void *arg, const struct parcel *parcel)
{
    struct many *many = arg;
    bool is_stored = parcel->item.status == PREFIXCACHE_OK;

    many->found += is_stored;
    if (!is_stored)
        return;
    if (many->directory == NULL && !many->command->is_json) {
        output_name(key_of(parcel));
        printf(": stored %zu bytes\n", parcel->item.body_size);
    }
    (void)add_row(many, key_of(parcel),
                  json_pack("{s:b, s:I}", "stored", 1, "size",
                            (json_int_t)parcel->item.body_size));
}

static enum exit_code
put_one(struct many *many, struct bytes key, unsigned lifetime_ms)
{
    char path[PATH_MAX], why[512];
    struct value value = {NULL, 0};
    struct parcel *parcel;
    enum exit_code code = path_of(many, key, path);

    if (code != EXIT_DONE)
        return code;
    if (value_read(path, &value, why, sizeof why) != STATUS_OK) {
        command_complain(many->command, "%s", why);
        return EXIT_USAGE;
    }
    code = putter_begin(&many->putter, value.size, &parcel);
    if (code == EXIT_DONE) {
        memcpy(parcel->item.body, value.bytes, value.size);
        flight_set_key(parcel, key.at, key.size);
        parcel->item.kind = PREFIXCACHE_PLAIN;
        parcel->item.lifetime_ms = lifetime_ms;
        parcel->space = many->spaces.only < 0 ? 0 : (unsigned)many->spaces.only;
        code = putter_send(&many->putter, parcel);
    }
    value_drop(&value);
    return code;
}

static enum exit_code
put(struct many *many)
{
    unsigned lifetime_ms = 0;
    enum exit_code code;

    if (!command_option_time(many->command, "ttl", &lifetime_ms))
        return EXIT_USAGE;
    many->putter = (struct putter){.haul = &many->haul,
                                   .spaces = &many->spaces,
                                   .arg = many,
                                   .told = on_stored};
    code = putter_open(&many->putter, FLIGHT_BYTES);
    if (code != EXIT_DONE)
        return code;
    haul_expect(&many->haul, many->list.count);
    for (size_t i = 0; i < many->list.count && code == EXIT_DONE; i++)
        code = put_one(many, many->list.keys[i], lifetime_ms);
    if (code == EXIT_DONE)
        code = putter_finish(&many->putter);
    putter_close(&many->putter);
    if (code != EXIT_DONE)
        return code;
    if (many->directory == NULL && many->haul.failed > 0)
        return EXIT_REFUSED;
    return say(many, "stored", "stored");
}

/* Without a directory there is one key, and a file for it. */
static enum exit_code
read_keys(struct many *many, const char *option)
{
    const struct command *command = many->command;

    many->directory = command_option(command, option);
    many->file = command->argc > 1 ? command->argv[1] : "-";
    if (many->directory == NULL && command_option(command, "keys") != NULL) {
        command_complain(command, "--keys needs --%s as well", option);
        return EXIT_USAGE;
    }
    if (many->directory == NULL) {
        struct command one = *command;

        one.argc = 1;
        return key_list_read(&many->list, &one);
    }
    if (strcmp(option, "from") == 0 && command->argc == 0 &&
        command_option(command, "keys") == NULL)
        return key_list_read_files(&many->list, command, many->directory);
    return key_list_read(&many->list, command);
}

static enum exit_code
run(struct command *command, const char *option,
    enum exit_code (*act)(struct many *))
{
    struct many many = {.command = command, .rows = json_array()};
    enum exit_code code;

    if (many.rows == NULL)
        return command_fail_memory(command);
    code =
        haul_start(&many.haul, command) ? read_keys(&many, option) : EXIT_USAGE;
    if (code == EXIT_DONE) {
        spaces_adopt(&many.spaces, command);
        code = act(&many);
    }
    key_list_drop(&many.list);
    json_decref(many.rows);
    return code;
}

enum exit_code
verb_get_native(struct command *command)
{
    return run(command, "to", get);
}

enum exit_code
verb_put_native(struct command *command)
{
    return run(command, "from", put);
}
