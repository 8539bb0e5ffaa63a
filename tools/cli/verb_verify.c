/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: reads everything.  Of a dump file each record is compared with its
 * checksums.  Of a server each value is compared with the checksum that comes
 * with it (libprefixcache does that), and what is said to be there has to be had.
 */
#include "tools/cli/dump_reader.h"
#include "tools/cli/facts.h"
#include "tools/cli/getter.h"
#include "tools/cli/output.h"
#include "tools/cli/walker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify {
    const char *path; /* of a dump */
    struct haul haul;
    struct spaces spaces;
    struct walker walker;
    struct dump_reader reader;
    bool is_whole;    /* the dump has its end, and all before it */
    uint64_t damaged; /* reads of lower tiers that the servers have counted */
    uint64_t corrupt; /* values that did not match their checksum here */
};

static void
complain_of(struct verify *verify, const struct prefixcache_item *item)
{
    verify->haul.failed++;
    fflush(stdout);
    fputs("prefixcache-cli: verify: ", stderr);
    output_name_to(stderr, (struct bytes){item->key, item->key_size});
    fputs(" is said to be there, but its value cannot be had\n", stderr);
}

static bool
next(void *arg, struct getter_key *out)
{
    struct verify *verify = arg;
    const struct prefixcache_entry *entry = walker_next(&verify->walker);

    if (entry == NULL)
        return false;
    *out = getter_key_of(entry);
    return true;
}

/* A lookup, as it changes nothing; EXISTS would lease. */
static bool
is_there(const struct parcel *parcel)
{
    struct prefixcache_match match = {.size = sizeof match};

    return prefixcache_prefix(parcel->cache, &parcel->item, 1, NULL, &match) ==
               PREFIXCACHE_OK &&
           match.matched == 1;
}

/* What was missed may have been evicted meanwhile: it counts only where it is
 * there and missed again. */
static bool
is_lost(struct parcel *parcel)
{
    if (!is_there(parcel))
        return false;
    (void)prefixcache_get(parcel->cache, &parcel->item, 1);
    return parcel->item.status == PREFIXCACHE_MISS && is_there(parcel);
}

static enum exit_code
take(void *arg, struct parcel *parcel)
{
    struct verify *verify = arg;

    if (parcel->item.status == PREFIXCACHE_MISS && is_lost(parcel)) {
        complain_of(verify, &parcel->item);
        return EXIT_DONE;
    }
    if (parcel->item.status == PREFIXCACHE_OK) {
        verify->haul.done++;
        verify->haul.bytes += parcel->item.got;
        return EXIT_DONE;
    }
    if (parcel->item.status != PREFIXCACHE_MISS)
        return command_fail_native(verify->haul.command, parcel->item.status);
    verify->haul.gone++;
    return EXIT_DONE;
}

static enum exit_code
end_walk(const struct verify *verify)
{
    if (verify->walker.status == PREFIXCACHE_OK)
        return EXIT_DONE;
    return command_fail_native(verify->haul.command, verify->walker.status);
}

/* Damage that a server finds is a miss to us; but it counts it. */
static uint64_t
damaged_reads(struct verify *verify)
{
    struct prefixcache *cache = spaces_first(&verify->spaces);
    size_t count = prefixcache_shards(cache, NULL, 0, 0);
    uint64_t damaged = 0;

    for (size_t i = 0; i < count; i++) {
        struct facts facts = {.text = NULL};
        char *text = NULL;

        if (prefixcache_stats(cache, i, &text) == PREFIXCACHE_OK &&
            facts_read(text, &facts) == STATUS_OK)
            damaged += facts_number(&facts, "nvme_reads_corrupt") +
                       facts_number(&facts, "spill_reads_corrupt");
        facts_drop(&facts);
        free(text);
    }
    return damaged;
}

static enum exit_code
read_all(struct verify *verify)
{
    struct getter getter = {.haul = &verify->haul,
                            .spaces = &verify->spaces,
                            .arg = verify,
                            .next = next,
                            .take = take};
    uint64_t before = damaged_reads(verify), total = 0;
    enum exit_code code;

    while (walker_next(&verify->walker) != NULL)
        total++;
    code = end_walk(verify);
    walker_rewind(&verify->walker);
    haul_expect(&verify->haul, total);
    if (code == EXIT_DONE)
        code = getter_run(&getter, FLIGHT_BYTES);
    if (code == EXIT_DONE)
        code = end_walk(verify);
    verify->damaged = damaged_reads(verify) - before;
    verify->corrupt = spaces_corrupt(&verify->spaces);
    return code;
}

static enum exit_code
say_server(struct verify *verify)
{
    enum exit_code code;

    if (verify->damaged > 0)
        command_complain(verify->haul.command,
                         "the server found %" PRIu64 " values damaged on a "
                         "device, and forgot them",
                         verify->damaged);
    if (verify->corrupt > 0)
        command_complain(verify->haul.command,
                         "%" PRIu64 " values did not match their checksum "
                         "when they came",
                         verify->corrupt);
    code =
        haul_end(&verify->haul, "verified",
                 json_pack("{s:s, s:I, s:I}", "url", verify->spaces.url,
                           "damaged_on_device", (json_int_t)verify->damaged,
                           "damaged_on_the_way", (json_int_t)verify->corrupt));
    if (code == EXIT_DONE && (verify->damaged > 0 || verify->corrupt > 0))
        return EXIT_MISSING;
    return code;
}

static enum exit_code
verify_server(struct verify *verify, const struct command *command)
{
    enum exit_code code = spaces_open(&verify->spaces, command,
                                      command->url_text, PREFIXCACHE_CHECKSUM);

    if (code != EXIT_DONE)
        return code;
    verify->walker = (struct walker){.cache = spaces_first(&verify->spaces),
                                     .space = verify->spaces.only,
                                     .pattern = verify->haul.match};
    code = walker_open(&verify->walker, command);
    if (code == EXIT_DONE)
        code = read_all(verify);
    if (code == EXIT_DONE)
        code = say_server(verify);
    walker_close(&verify->walker);
    spaces_close(&verify->spaces);
    return code;
}

static void
complain_of_record(struct verify *verify, bool has_key)
{
    struct dump_reader *reader = &verify->reader;

    verify->haul.failed++;
    fflush(stdout);
    fprintf(stderr, "prefixcache-cli: verify: %s, record at byte %" PRIu64,
            verify->path, reader->record_at);
    if (has_key) {
        fputs(", ", stderr);
        output_name_to(stderr, (struct bytes){reader->record.names,
                                              reader->record.key_size});
    }
    fprintf(stderr, ": %s\n", reader->why);
}

static enum status
check_body(struct verify *verify)
{
    struct dump_reader *reader = &verify->reader;
    void *body = malloc(reader->record.body_size + 1);
    enum status status = STATUS_NO_SPACE;

    if (body != NULL)
        status = dump_reader_body(reader, body);
    free(body);
    if (status == STATUS_CORRUPT) {
        complain_of_record(verify, true);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        verify->haul.done++;
        verify->haul.bytes += reader->record.body_size;
    }
    return status;
}

static enum status
check_record(struct verify *verify)
{
    struct dump_reader *reader = &verify->reader;
    enum status status = dump_reader_next(reader);

    if (status == STATUS_CORRUPT) {
        complain_of_record(verify, false);
        return dump_reader_find(reader);
    }
    if (status != STATUS_OK)
        return status;
    verify->is_whole =
        reader->record.is_end && reader->record.body_size == reader->records;
    if (reader->record.is_end)
        return STATUS_OK;
    status = walker_matches(verify->haul.match, reader->record.names,
                            reader->record.key_size)
                 ? check_body(verify)
                 : dump_reader_skip(reader);
    haul_pace(&verify->haul, reader->record.body_size);
    haul_show(&verify->haul);
    return status;
}

static enum exit_code
say_file(struct verify *verify)
{
    enum exit_code code;

    if (!verify->is_whole)
        command_complain(verify->haul.command,
                         "%s is not whole: it was not finished, or has lost "
                         "records",
                         verify->path);
    code = haul_end(&verify->haul, "verified",
                    json_pack("{s:s, s:b}", "file", verify->path, "is_whole",
                              verify->is_whole));
    return code == EXIT_DONE && !verify->is_whole ? EXIT_MISSING : code;
}

static enum exit_code
verify_file(struct verify *verify, const struct command *command)
{
    enum status status = dump_reader_open(&verify->reader, verify->path);

    if (status != STATUS_OK) {
        command_complain(command, "%s %s", verify->path, verify->reader.why);
        return EXIT_USAGE;
    }
    haul_expect(&verify->haul, 0);
    while (status == STATUS_OK)
        status = check_record(verify);
    dump_reader_close(&verify->reader);
    if (status == STATUS_NO_SPACE)
        return command_fail_memory(command);
    if (status == STATUS_IO) {
        command_complain(command, "%s: %s", verify->path, verify->reader.why);
        return EXIT_USAGE;
    }
    return say_file(verify);
}

enum exit_code
verb_verify(struct command *command)
{
    struct verify *verify = calloc(1, sizeof *verify);
    enum exit_code code = EXIT_USAGE;

    if (verify == NULL)
        return command_fail_memory(command);
    verify->path = command->argc > 0 ? command->argv[0] : NULL;
    if (haul_start(&verify->haul, command))
        code = verify->path != NULL ? verify_file(verify, command)
                                    : verify_server(verify, command);
    free(verify);
    return code;
}
