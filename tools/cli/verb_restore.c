/* SPDX-License-Identifier: Apache-2.0 */
/* restore: the values of a dump to a server. */
#include "base/clock.h"
#include "tools/cli/dump_position.h"
#include "tools/cli/dump_reader.h"
#include "tools/cli/holdings.h"
#include "tools/cli/putter.h"
#include "tools/cli/walker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct restore {
    const char *path;
    struct haul haul;
    struct spaces spaces;
    struct putter putter;
    struct dump_reader reader;
    struct dump_position position;
    struct holdings there; /* where it matters */
    bool keeps;            /* what is there is left alone */
    uint64_t done_until;   /* by one that was stopped: as with `keeps` */
    bool is_whole;         /* the dump has its end, and all before it */
    bool is_over;
};

/* A put is over: all before it are, too. */
static void
told(void *arg, const struct parcel *parcel)
{
    struct restore *restore = arg;

    if (!dump_position_note(&restore->position, parcel->mark))
        command_complain(restore->haul.command,
                         "cannot write %s.position (%s): if this is stopped, "
                         "it begins anew",
                         restore->path, strerror(errno));
}

static void
complain_of_record(struct restore *restore)
{
    restore->haul.failed++;
    command_complain(restore->haul.command,
                     "%s, record at byte %" PRIu64 ": %s", restore->path,
                     restore->reader.record_at, restore->reader.why);
}

/* What reading came to: goes on behind damage, ends where nothing is left. */
static enum exit_code
look_on(struct restore *restore, enum status status)
{
    struct dump_reader *reader = &restore->reader;

    if (status == STATUS_CORRUPT) {
        complain_of_record(restore);
        status = dump_reader_find(reader);
    }
    if (status == STATUS_OK)
        return EXIT_DONE;
    restore->is_over = true;
    if (status != STATUS_IO)
        return EXIT_DONE;
    command_complain(restore->haul.command, "%s: %s", restore->path,
                     reader->why);
    return EXIT_USAGE;
}

static bool
is_wanted(const struct restore *restore)
{
    const struct dump_record *record = &restore->reader.record;

    return (restore->spaces.only < 0 ||
            record->space == (unsigned)restore->spaces.only) &&
           walker_matches(restore->haul.match, record->names, record->key_size);
}

/* A put would refuse it, or make it last for ever. */
static bool
is_expired(const struct dump_record *record)
{
    return record->expiry_unix_ms != 0 &&
           record->expiry_unix_ms <= clock_unix_ms();
}

static bool
is_there(const struct restore *restore)
{
    const struct dump_record *record = &restore->reader.record;
    struct holdings_key key = {.bytes = record->names,
                               .size = record->key_size,
                               .kind = record->kind,
                               .space = record->space};

    return holdings_has(&restore->there, &key);
}

static void
fill(struct parcel *parcel, const struct dump_reader *reader)
{
    const struct dump_record *record = &reader->record;
    struct prefixcache_item *item = &parcel->item;
    uint64_t now = clock_unix_ms();

    flight_set_key(parcel, record->names, record->key_size);
    item->kind = record->kind;
    item->form = record->form;
    item->meta_size = record->meta_size;
    memcpy(item->meta, record->names + record->key_size, record->meta_size);
    if (record->expiry_unix_ms != 0)
        item->lifetime_ms =
            record->expiry_unix_ms > now ? record->expiry_unix_ms - now : 1;
    parcel->space = record->space;
    parcel->mark = reader->offset;
}

static enum exit_code
put(struct restore *restore)
{
    struct dump_reader *reader = &restore->reader;
    struct parcel *parcel;
    enum exit_code code =
        putter_begin(&restore->putter, reader->record.body_size, &parcel);
    enum status status;

    if (code != EXIT_DONE)
        return code;
    status = dump_reader_body(reader, parcel->item.body);
    if (status != STATUS_OK) {
        putter_cancel(&restore->putter);
        if (status != STATUS_CORRUPT)
            return look_on(restore, status);
        complain_of_record(restore);
        return EXIT_DONE;
    }
    fill(parcel, reader);
    return putter_send(&restore->putter, parcel);
}

static enum exit_code
see_to_record(struct restore *restore)
{
    struct dump_reader *reader = &restore->reader;
    bool may_be_there =
        restore->keeps || reader->record_at < restore->done_until;

    restore->is_whole =
        reader->record.is_end && reader->record.body_size == reader->records;
    if (reader->record.is_end)
        return EXIT_DONE;
    if (is_wanted(restore) && !is_expired(&reader->record) &&
        (!may_be_there || !is_there(restore)))
        return put(restore);
    if (is_expired(&reader->record))
        restore->haul.gone++;
    else
        restore->haul.skipped++;
    haul_show(&restore->haul);
    return look_on(restore, dump_reader_skip(reader));
}

/* The end, at the end of a file, says how many records there are. */
static uint64_t
total_of(const struct dump_reader *reader)
{
    uint8_t head[DUMP_HEAD_SIZE];
    struct dump_record record;

    if (!reader->is_file || reader->size < 2 * sizeof head ||
        pread(reader->fd, head, sizeof head,
              (off_t)(reader->size - sizeof head)) != sizeof head ||
        dump_record_read(head, &record) != STATUS_OK || !record.is_end ||
        record.identity != reader->head.identity)
        return 0;
    return record.body_size;
}

static enum exit_code
copy(struct restore *restore)
{
    enum exit_code code = EXIT_DONE;

    haul_expect(&restore->haul, total_of(&restore->reader));
    while (code == EXIT_DONE && !restore->is_over) {
        enum status status = dump_reader_next(&restore->reader);

        code = status == STATUS_OK ? see_to_record(restore)
                                   : look_on(restore, status);
    }
    return code == EXIT_DONE ? putter_finish(&restore->putter) : code;
}

static enum exit_code
say(struct restore *restore)
{
    enum exit_code code;

    if (!restore->is_whole)
        command_complain(restore->haul.command,
                         "%s is not whole: it was not finished, or has lost "
                         "records",
                         restore->path);
    code = haul_end(&restore->haul, "restored",
                    json_pack("{s:s, s:b}", "file", restore->path, "is_whole",
                              restore->is_whole));
    return code == EXIT_DONE && !restore->is_whole ? EXIT_MISSING : code;
}

/* Only what stands in a file can be gone on with. */
static enum exit_code
open_position(struct restore *restore)
{
    const struct command *command = restore->haul.command;
    char *about;
    bool done;

    if (restore->keeps || !restore->reader.is_file)
        return EXIT_DONE;
    if (asprintf(&about, "dump %016" PRIx64 "\nto %s\nkeys %s",
                 restore->reader.head.identity, command->url_text,
                 restore->haul.match != NULL ? restore->haul.match : "all") < 0)
        return command_fail_memory(command);
    done = dump_position_open(&restore->position, restore->path, about,
                              &restore->done_until);
    free(about);
    if (!done)
        return command_fail_memory(command);
    if (restore->done_until > 0)
        command_complain(command,
                         "going on at byte %" PRIu64 " of %s; of what is "
                         "before only what is missing is put",
                         restore->done_until, restore->path);
    return EXIT_DONE;
}

static enum exit_code
run(struct restore *restore)
{
    enum exit_code code = open_position(restore);

    if (code == EXIT_DONE && (restore->keeps || restore->done_until > 0))
        code = holdings_read(&restore->there, &restore->spaces);
    if (code == EXIT_DONE)
        code = putter_open(&restore->putter, FLIGHT_BYTES);
    if (code != EXIT_DONE)
        return code;
    code = copy(restore);
    putter_close(&restore->putter);
    if (code != EXIT_DONE)
        return code;
    dump_position_remove(&restore->position);
    return say(restore);
}

static enum exit_code
open_and_run(struct restore *restore, const struct command *command)
{
    enum exit_code code;

    if (dump_reader_open(&restore->reader, restore->path) != STATUS_OK) {
        command_complain(command, "%s %s", restore->path, restore->reader.why);
        return EXIT_USAGE;
    }
    code = spaces_open(&restore->spaces, command, command->url_text,
                       PREFIXCACHE_CHECKSUM);
    if (code == EXIT_DONE) {
        code = run(restore);
        spaces_close(&restore->spaces);
    }
    holdings_drop(&restore->there);
    dump_position_close(&restore->position);
    dump_reader_close(&restore->reader);
    return code;
}

enum exit_code
verb_restore(struct command *command)
{
    struct restore *restore = calloc(1, sizeof *restore);
    enum exit_code code = EXIT_USAGE;

    if (restore == NULL)
        return command_fail_memory(command);
    restore->path = command->argv[0];
    restore->keeps = command_option(command, "keep") != NULL;
    restore->putter = (struct putter){.haul = &restore->haul,
                                      .spaces = &restore->spaces,
                                      .arg = restore,
                                      .told = told};
    if (haul_start(&restore->haul, command))
        code = open_and_run(restore, command);
    free(restore);
    return code;
}
