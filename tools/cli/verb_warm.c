/* SPDX-License-Identifier: Apache-2.0 */
/* warm: what another server has and this one has not. */
#include "tools/cli/getter.h"
#include "tools/cli/holdings.h"
#include "tools/cli/putter.h"
#include "tools/cli/walker.h"

#include <stdlib.h>

struct warm {
    struct haul haul;
    struct spaces from, to;
    struct holdings there; /* what is not copied */
    struct walker walker;
    struct putter putter;
};

static bool
is_there(const struct warm *warm, const struct prefixcache_entry *entry)
{
    struct holdings_key key = {.bytes = entry->key,
                               .size = entry->key_size,
                               .kind = entry->kind,
                               .space = entry->space};

    return holdings_has(&warm->there, &key);
}

static bool
next(void *arg, struct getter_key *out)
{
    struct warm *warm = arg;
    const struct prefixcache_entry *entry;

    while ((entry = walker_next(&warm->walker)) != NULL) {
        if (is_there(warm, entry)) {
            warm->haul.skipped++;
            haul_show(&warm->haul);
            continue;
        }
        *out = getter_key_of(entry);
        return true;
    }
    return false;
}

static enum exit_code
take(void *arg, struct parcel *parcel)
{
    struct warm *warm = arg;
    struct parcel *out;
    enum exit_code code;

    if (parcel->item.status == PREFIXCACHE_MISS) {
        warm->haul.gone++;
        return EXIT_DONE;
    }
    if (parcel->item.status != PREFIXCACHE_OK) {
        command_complain(warm->haul.command, "%s answered: %s", warm->from.url,
                         prefixcache_status_name(parcel->item.status));
        return EXIT_REFUSED;
    }
    code = putter_begin(&warm->putter, 0, &out);
    if (code != EXIT_DONE)
        return code;
    flight_hand_over(parcel, out);
    out->item.body_size = out->item.got;
    return putter_send(&warm->putter, out);
}

static enum exit_code
end_walk(const struct warm *warm)
{
    if (warm->walker.status == PREFIXCACHE_OK)
        return EXIT_DONE;
    command_complain(warm->haul.command, "%s does not answer: %s",
                     warm->from.url,
                     prefixcache_status_name(warm->walker.status));
    return EXIT_CONNECTION;
}

static enum exit_code
copy(struct warm *warm)
{
    struct getter getter = {.haul = &warm->haul,
                            .spaces = &warm->from,
                            .arg = warm,
                            .next = next,
                            .take = take};
    uint64_t total = 0;
    enum exit_code code;

    while (walker_next(&warm->walker) != NULL)
        total++;
    code = end_walk(warm);
    walker_rewind(&warm->walker);
    haul_expect(&warm->haul, total);
    if (code == EXIT_DONE)
        code = getter_run(&getter, FLIGHT_BYTES / 2);
    if (code == EXIT_DONE)
        code = end_walk(warm);
    if (code == EXIT_DONE)
        code = putter_finish(&warm->putter);
    return code;
}

static enum exit_code
run(struct warm *warm)
{
    const struct command *command = warm->haul.command;
    enum exit_code code = putter_open(&warm->putter, FLIGHT_BYTES / 2);

    if (code != EXIT_DONE)
        return code;
    warm->walker = (struct walker){.cache = spaces_first(&warm->from),
                                   .space = warm->from.only,
                                   .pattern = warm->haul.match};
    code = walker_open(&warm->walker, command);
    if (code == EXIT_DONE && command_option(command, "all") == NULL)
        code = holdings_read(&warm->there, &warm->to);
    if (code == EXIT_DONE)
        code = copy(warm);
    if (code == EXIT_DONE)
        code = haul_end(&warm->haul, "copied",
                        json_pack("{s:s, s:s}", "from", warm->from.url, "to",
                                  warm->to.url));
    holdings_drop(&warm->there);
    walker_close(&warm->walker);
    putter_close(&warm->putter);
    return code;
}

static enum exit_code
open_both(struct warm *warm, const struct command *command)
{
    enum exit_code code = spaces_open(&warm->to, command, command->url_text,
                                      PREFIXCACHE_CHECKSUM);

    if (code != EXIT_DONE)
        return code;
    code = spaces_open(&warm->from, command, command->argv[0],
                       PREFIXCACHE_CHECKSUM);
    if (code != EXIT_DONE)
        spaces_close(&warm->to);
    return code;
}

enum exit_code
verb_warm(struct command *command)
{
    struct warm *warm = calloc(1, sizeof *warm);
    enum exit_code code = EXIT_USAGE;

    if (warm == NULL)
        return command_fail_memory(command);
    warm->putter.haul = &warm->haul;
    warm->putter.spaces = &warm->to;
    if (haul_start(&warm->haul, command))
        code = open_both(warm, command);
    if (code == EXIT_DONE) {
        code = run(warm);
        spaces_close(&warm->from);
        spaces_close(&warm->to);
    }
    free(warm);
    return code;
}
