/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps puts under way, and tries again what the server was too busy for. */
#include "tools/cli/putter.h"

#include "tools/cli/output.h"

#include <stdio.h>
#include <time.h>

#define BUSY_TRIES 100u
#define BUSY_MS    20u

enum exit_code
putter_open(struct putter *putter, uint64_t bytes)
{
    if (flight_open(&putter->flight, putter->haul->jobs, bytes))
        return EXIT_DONE;
    return command_fail_memory(putter->haul->command);
}

void
putter_close(struct putter *putter)
{
    flight_close(&putter->flight);
}

/* A busy server has more room when it has sent or stored something. */
static void
try_again(struct putter *putter, struct parcel *parcel)
{
    struct timespec pause = {.tv_nsec = BUSY_MS * 1000000l};

    for (unsigned i = 0;
         i < BUSY_TRIES && parcel->item.status == PREFIXCACHE_BUSY; i++) {
        nanosleep(&pause, NULL);
        (void)flight_submit(parcel, parcel->cache, PREFIXCACHE_PUT);
        (void)flight_oldest(&putter->flight);
    }
}

static void
refuse(struct putter *putter, const struct parcel *parcel)
{
    const struct command *command = putter->haul->command;

    putter->haul->failed++;
    fflush(stdout);
    fprintf(stderr, "prefixcache-cli: %s: ", command->verb->name);
    output_name_to(stderr,
                   (struct bytes){parcel->item.key, parcel->item.key_size});
    fprintf(stderr, ": %s\n", prefixcache_status_name(parcel->item.status));
}

static enum exit_code
finish_oldest(struct putter *putter)
{
    struct parcel *parcel = flight_oldest(&putter->flight);
    int status;

    if (parcel->item.status == PREFIXCACHE_BUSY)
        try_again(putter, parcel);
    status = parcel->item.status;
    if (status == PREFIXCACHE_LATE || status == PREFIXCACHE_GONE) {
        command_complain(putter->haul->command, "%s does not answer: %s",
                         putter->spaces->url, prefixcache_status_name(status));
        return EXIT_CONNECTION;
    }
    if (status == PREFIXCACHE_OK) {
        putter->haul->done++;
        putter->haul->bytes += parcel->item.body_size;
    } else {
        refuse(putter, parcel);
    }
    if (putter->told != NULL)
        putter->told(putter->arg, parcel);
    flight_end(&putter->flight);
    haul_show(putter->haul);
    return EXIT_DONE;
}

enum exit_code
putter_begin(struct putter *putter, uint64_t size, struct parcel **parcel_out)
{
    enum exit_code code = EXIT_DONE;
    struct parcel *parcel;

    haul_pace(putter->haul, size);
    while (code == EXIT_DONE && (flight_has_come(&putter->flight) ||
                                 !flight_has_room(&putter->flight, size)))
        code = finish_oldest(putter);
    if (code != EXIT_DONE)
        return code;
    parcel = flight_begin(&putter->flight, size);
    if (parcel == NULL)
        return command_fail_memory(putter->haul->command);
    *parcel_out = parcel;
    return EXIT_DONE;
}

enum exit_code
putter_send(struct putter *putter, struct parcel *parcel)
{
    struct prefixcache *cache = spaces_cache(putter->spaces, parcel->space);

    if (cache == NULL)
        return EXIT_USAGE;
    (void)flight_submit(parcel, cache, PREFIXCACHE_PUT);
    return EXIT_DONE;
}

void
putter_cancel(struct putter *putter)
{
    flight_cancel(&putter->flight);
}

enum exit_code
putter_finish(struct putter *putter)
{
    enum exit_code code = EXIT_DONE;

    while (code == EXIT_DONE && flight_oldest(&putter->flight) != NULL)
        code = finish_oldest(putter);
    return code;
}
