/* SPDX-License-Identifier: Apache-2.0 */
/* dump: all values of a server to a file, which it may have begun before. */
#include "base/clock.h"
#include "tools/cli/dump_writer.h"
#include "tools/cli/getter.h"
#include "tools/cli/walker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dump {
    const char *path;
    struct haul haul;
    struct spaces spaces;
    struct walker walker;
    struct dump_writer writer;
    uint64_t records_before;
};

static bool
is_pipe(const struct dump *dump)
{
    return strcmp(dump->path, "-") == 0;
}

static bool
has_entry(const struct dump *dump, const struct prefixcache_entry *entry)
{
    struct key key =
        key_make(entry->kind == PREFIXCACHE_OBJECT ? KEY_OBJECT : KEY_PLAIN,
                 (uint16_t)entry->space, entry->key, (uint16_t)entry->key_size);

    return dump_writer_has(&dump->writer, &key);
}

static bool
next(void *arg, struct getter_key *out)
{
    struct dump *dump = arg;
    const struct prefixcache_entry *entry;

    while ((entry = walker_next(&dump->walker)) != NULL) {
        if (has_entry(dump, entry)) {
            dump->haul.skipped++;
            haul_show(&dump->haul);
            continue;
        }
        *out = getter_key_of(entry);
        return true;
    }
    return false;
}

static void
fill(struct dump_record *record, const struct parcel *parcel)
{
    const struct prefixcache_item *item = &parcel->item;

    record->key_size = (uint16_t)item->key_size;
    record->meta_size = (uint8_t)item->meta_size;
    record->kind = item->kind == PREFIXCACHE_OBJECT ? 2 : 1;
    record->space = (uint8_t)parcel->space;
    record->form = (uint8_t)item->form;
    record->body_size = item->got;
    record->expiry_unix_ms =
        item->lifetime_ms == 0 ? 0 : clock_unix_ms() + item->lifetime_ms;
    memcpy(record->names, item->key, item->key_size);
    memcpy(record->names + item->key_size, item->meta, item->meta_size);
}

static enum exit_code
fail_write(const struct dump *dump, enum status status)
{
    if (status == STATUS_NO_SPACE)
        return command_fail_memory(dump->haul.command);
    command_complain(dump->haul.command, "%s: %s", dump->path,
                     dump->writer.why);
    return EXIT_USAGE;
}

static enum exit_code
take(void *arg, struct parcel *parcel)
{
    struct dump *dump = arg;
    enum status status;

    if (parcel->item.status == PREFIXCACHE_MISS) {
        dump->haul.gone++;
        return EXIT_DONE;
    }
    if (parcel->item.status != PREFIXCACHE_OK)
        return command_fail_native(dump->haul.command, parcel->item.status);
    fill(&dump->writer.record, parcel);
    status = dump_writer_add(&dump->writer, parcel->item.body);
    if (status != STATUS_OK)
        return fail_write(dump, status);
    dump->haul.done++;
    dump->haul.bytes += parcel->item.got;
    return EXIT_DONE;
}

static enum exit_code
end_walk(const struct dump *dump)
{
    if (dump->walker.status == PREFIXCACHE_OK)
        return EXIT_DONE;
    return command_fail_native(dump->haul.command, dump->walker.status);
}

/* How much there is to do, so that the progress has an end. */
static enum exit_code
count(struct dump *dump)
{
    uint64_t total = 0;

    while (walker_next(&dump->walker) != NULL)
        total++;
    haul_expect(&dump->haul, total);
    if (end_walk(dump) != EXIT_DONE)
        return EXIT_CONNECTION;
    walker_rewind(&dump->walker);
    return EXIT_DONE;
}

static enum exit_code
copy(struct dump *dump)
{
    struct getter getter = {.haul = &dump->haul,
                            .spaces = &dump->spaces,
                            .arg = dump,
                            .next = next,
                            .take = take};
    enum exit_code code = count(dump);
    enum status status;

    if (code == EXIT_DONE)
        code = getter_run(&getter, FLIGHT_BYTES);
    if (code == EXIT_DONE)
        code = end_walk(dump);
    if (code != EXIT_DONE)
        return code;
    status = dump_writer_finish(&dump->writer);
    return status == STATUS_OK ? EXIT_DONE : fail_write(dump, status);
}

static enum exit_code
say(struct dump *dump)
{
    json_t *more = json_pack("{s:s, s:I, s:I, s:I}", "file", dump->path,
                             "in_file", (json_int_t)dump->writer.records,
                             "in_file_before", (json_int_t)dump->records_before,
                             "cut_bytes", (json_int_t)dump->writer.cut_size);

    dump->haul.is_piped = is_pipe(dump);
    return haul_end(&dump->haul, "dumped", more);
}

static enum exit_code
run(struct dump *dump)
{
    const struct command *command = dump->haul.command;
    enum exit_code code;
    enum status status = dump_writer_open(&dump->writer, dump->path);

    if (status != STATUS_OK)
        return fail_write(dump, status);
    dump->records_before = dump->writer.records;
    if (dump->records_before > 0)
        command_complain(command,
                         "%s has %" PRIu64 " values already, going on "
                         "behind them",
                         dump->path, dump->records_before);
    dump->walker = (struct walker){.cache = spaces_first(&dump->spaces),
                                   .space = dump->spaces.only,
                                   .pattern = dump->haul.match};
    code = walker_open(&dump->walker, command);
    if (code == EXIT_DONE)
        code = copy(dump);
    if (code == EXIT_DONE)
        code = say(dump);
    walker_close(&dump->walker);
    dump_writer_close(&dump->writer);
    return code;
}

enum exit_code
verb_dump(struct command *command)
{
    struct dump *dump = calloc(1, sizeof *dump);
    enum exit_code code = EXIT_USAGE;

    if (dump == NULL)
        return command_fail_memory(command);
    dump->path = command->argv[0];
    if (is_pipe(dump) && isatty(STDOUT_FILENO))
        command_complain(command, "standard output is a terminal");
    else if (haul_start(&dump->haul, command))
        code = spaces_open(&dump->spaces, command, command->url_text,
                           PREFIXCACHE_CHECKSUM);
    if (code == EXIT_DONE) {
        code = run(dump);
        spaces_close(&dump->spaces);
    }
    free(dump);
    return code;
}
