/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle after the other: start, verify, load, kill.  What is right and what
 * wrong is model.c's.
 */
#include "tests/crash/console.h"
#include "tests/crash/device.h"
#include "tests/crash/server.h"
#include "tests/crash/user.h"

#include "base/clock.h"
#include "tools/bench/random.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOAD_LEAST_MS  100u
#define LOAD_MOST_MS   500u
#define CALM_MS        2200u
#define SAMPLE_NS      (10 * (long)NS_PER_MS)
#define START_MOST_MS  40u
#define START_LIMIT_NS (5 * NS_PER_SECOND)
#define START_ENTRIES  100000u
/* Written after the last look at the figures, at most: what the server may have
 * taken and not counted yet. */
#define UNSEEN_BYTES (32u << 20)
/* Segments that hold no values that must be there: the active one, those made
 * ready and being made, the one being given back, and one more. */
#define SEGMENTS_SPARE 6u
/* The same of the spill's groups: some are not filled, some given back, and some
 * are room for what is around values.  What it has taken and not counted, or in
 * a table of which no head tells, is SERVER_SINKING at most. */
#define GROUPS       16u
#define GROUPS_SPARE 6u
/* SABOTAGE_ROLLBACK, SABOTAGE_WIPE; later, where values have to sink first. */
#define SAVE_CYCLE    3u
#define RESTORE_CYCLE 9u
#define SPILL_CYCLES  6u

struct cycles {
    struct run *run;
    struct server server;
    struct console console;
    uint64_t random;
    uint64_t lost_at_start; /* bytes of the log */
    uint64_t base_position; /* of the log, when the present life began */
};

static void
pause_ns(long ns)
{
    const struct timespec pause = {.tv_nsec = ns};

    nanosleep(&pause, NULL);
}

static bool
is_turn(const struct cycles *cycles, unsigned every)
{
    return cycles->run->cycle % every == every - 1;
}

static const char *
choose_engine(struct cycles *cycles)
{
    const char *engine = cycles->run->settings.engine;

    if (strcmp(engine, "mixed") != 0)
        return engine;
    return random_below(&cycles->random, 2) == 0 ? "uring" : "threads";
}

/* --- Start. --- */

/* What a test of this test does to what is judged. */
static enum status
sabotage(const struct run *run)
{
    const char *directory = run->settings.directory;
    bool has_spill = run->settings.has_spill;
    unsigned cycle = run->cycle - (has_spill ? SPILL_CYCLES : 0);

    if (run->settings.sabotage == SABOTAGE_ROLLBACK) {
        if (cycle == SAVE_CYCLE)
            return has_spill
                       ? device_copy_tree(directory, "spill", "spill.saved")
                       : device_copy(directory, "device", "saved");
        if (cycle == RESTORE_CYCLE)
            return has_spill
                       ? device_copy_tree(directory, "spill.saved", "spill")
                       : device_copy(directory, "saved", "device");
    }
    if (run->settings.sabotage == SABOTAGE_WIPE && cycle == RESTORE_CYCLE)
        return has_spill ? device_wipe_tree(directory, "spill")
                         : device_wipe(directory, "device");
    return STATUS_OK;
}

static enum status
keep_image(const struct run *run)
{
    const char *directory = run->settings.directory;
    enum status status;

    if (!run->settings.keeps_image || run->cycle == 0)
        return STATUS_OK;
    status = device_copy(directory, "device", "image");
    if (status == STATUS_OK && run->settings.has_spill)
        status = device_copy_tree(directory, "spill", "spill.image");
    return status;
}

static bool
fail_start(struct cycles *cycles, const char *what)
{
    cycles->run->failed_starts++;
    run_complain(cycles->run, "START FAILED: %s; see server.log", what);
    server_kill(&cycles->server);
    return false;
}

/* One that does not come to its end. */
static bool
kill_start(struct cycles *cycles)
{
    struct run *run = cycles->run;

    if (server_start(&cycles->server, &run->settings, choose_engine(cycles)) !=
        STATUS_OK)
        return fail_start(cycles, "it can not be run");
    pause_ns((long)(random_below(&cycles->random, START_MOST_MS * NS_PER_MS)));
    server_kill(&cycles->server);
    run->start_kills++;
    return true;
}

static void
take_port(struct cycles *cycles)
{
    struct wire_url url = {.host = "127.0.0.1"};

    memcpy(url.port, cycles->server.port, sizeof(url.port));
    url.kind = WIRE_LM;
    cycles->run->lm = url;
    url.kind = WIRE_RESP;
    cycles->run->redis = url;
}

static void
judge_start(struct cycles *cycles, uint64_t ns)
{
    struct run *run = cycles->run;
    uint64_t entries = console_figure(&cycles->console, "entries");
    double share = (double)entries / START_ENTRIES;
    double limit_ns = (double)START_LIMIT_NS * (share < 1 ? 1 : share);

    run->starts.ns[run->starts.count++] = ns;
    if (run->settings.is_slow || (double)ns <= limit_ns)
        return;
    run->slow_starts++;
    run_complain(run, "SLOW START: %.2f s for %llu entries", (double)ns / 1e9,
                 (unsigned long long)entries);
}

/* Bytes of the newest values that must fit: a segment is full when the next
 * value has no room in it. */
static uint64_t
nvme_window(struct cycles *cycles)
{
    uint64_t count = console_figure(&cycles->console, "nvme_segments");
    uint64_t size = console_figure(&cycles->console, "nvme_segment_size");

    cycles->lost_at_start = size;
    if (count <= SEGMENTS_SPARE || size <= VALUE_MOST)
        return 0;
    return (count - SEGMENTS_SPARE) * (size - VALUE_MOST);
}

/* The same of groups. */
static uint64_t
spill_window(struct cycles *cycles)
{
    uint64_t size = console_figure(&cycles->console, "spill_size") / GROUPS;

    cycles->lost_at_start = 0;
    return size <= VALUE_MOST ? 0
                              : (GROUPS - GROUPS_SPARE) * (size - VALUE_MOST);
}

static bool
start(struct cycles *cycles)
{
    struct run *run = cycles->run;
    struct server *server = &cycles->server;

    if (sabotage(run) != STATUS_OK || keep_image(run) != STATUS_OK)
        exit(2);
    if (is_turn(cycles, run->settings.start_kill_every) && !kill_start(cycles))
        return false;
    if (server_start(server, &run->settings, choose_engine(cycles)) !=
        STATUS_OK)
        return fail_start(cycles, "it can not be run");
    switch (server_wait(server)) {
    case STATUS_OK:
        break;
    case STATUS_LATE:
        return fail_start(cycles, "not ready in a minute");
    default:
        return fail_start(cycles, "it ended before it was ready");
    }
    atomic_store(&run->is_killed, false);
    take_port(cycles);
    if (console_open(&cycles->console, &run->redis) != STATUS_OK ||
        console_read(&cycles->console, "all") != STATUS_OK)
        return fail_start(cycles, cycles->console.why);
    judge_start(cycles, server->ready_ns - server->started_ns);
    if (run->settings.has_spill &&
        console_figure(&cycles->console, "spill_writable") == 0)
        return fail_start(cycles, "without its spill");
    run->life.window =
        run->settings.has_spill ? spill_window(cycles) : nvme_window(cycles);
    return true;
}

/* --- Users. --- */

static void
let_users(struct run *run, void *(*work)(void *))
{
    for (unsigned i = 0; i < run->settings.users; i++)
        if (pthread_create(&run->users[i].thread, NULL, work, &run->users[i]) !=
            0)
            abort();
}

static void
join_users(struct run *run)
{
    for (unsigned i = 0; i < run->settings.users; i++) {
        struct user *user = &run->users[i];

        pthread_join(user->thread, NULL);
        tally_add(&run->tally, &user->tally);
        memset(&user->tally, 0, sizeof(user->tally));
        if (user->slowest_ns > run->slowest_ns)
            run->slowest_ns = user->slowest_ns;
    }
}

static void
on_name(void *arg, struct bytes name)
{
    struct run *run = arg;
    uint32_t number = value_number(name);
    struct key *key = number == VALUE_NO_KEY ? NULL : user_key(run, number);

    if (key != NULL)
        key->is_listed = true;
    else
        run_complain(run, "a name that was never put: %.*s", (int)name.size,
                     (const char *)name.at);
}

static void
begin_life(struct cycles *cycles)
{
    struct life *life = &cycles->run->life;

    cycles->base_position = life->end_position + cycles->lost_at_start;
    life->killed_ns = 0;
    atomic_store(&life->position, cycles->base_position);
    atomic_store(&life->flush_begun_ns, 0);
    atomic_store(&life->flush_done_ns, 0);
}

static bool
verify(struct cycles *cycles)
{
    struct run *run = cycles->run;

    if (console_scan(&cycles->console, on_name, run) != STATUS_OK) {
        run_complain(run, "SCAN failed: %s", cycles->console.why);
        return false;
    }
    let_users(run, user_verify);
    join_users(run);
    begin_life(cycles);
    return atomic_load(&run->complaints) == 0;
}

/* --- Load. --- */

static bool
sample(struct cycles *cycles)
{
    bool has_spill = cycles->run->settings.has_spill;

    if (console_read(&cycles->console, has_spill ? "spill" : "nvme") !=
        STATUS_OK) {
        run_complain(cycles->run, "INFO failed: %s", cycles->console.why);
        return false;
    }
    atomic_store(
        &cycles->run->life.position,
        cycles->base_position +
            console_figure(&cycles->console, has_spill ? "spill_written_bytes"
                                                       : "nvme_written_bytes"));
    return true;
}

static bool
go_on(struct cycles *cycles, uint64_t ms)
{
    uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS;

    while (clock_now_ns() < end_ns) {
        uint64_t left_ns = end_ns - clock_now_ns();

        pause_ns(left_ns < (uint64_t)SAMPLE_NS ? (long)left_ns : SAMPLE_NS);
        if (!sample(cycles))
            return false;
    }
    return true;
}

/* Half of them just before the end. */
static bool
flush(struct cycles *cycles)
{
    struct run *run = cycles->run;

    atomic_store(&run->life.flush_begun_ns, clock_now_ns());
    if (console_flush(&cycles->console) != STATUS_OK) {
        run_complain(run, "FLUSHALL failed: %s", cycles->console.why);
        return false;
    }
    atomic_store(&run->life.flush_done_ns, clock_now_ns());
    run->flushes++;
    return random_below(&cycles->random, 2) == 0 || go_on(cycles, 100);
}

static bool
load(struct cycles *cycles)
{
    struct run *run = cycles->run;
    uint64_t ms =
        LOAD_LEAST_MS +
        random_below(&cycles->random, LOAD_MOST_MS - LOAD_LEAST_MS + 1);
    bool is_well = go_on(cycles, ms);

    if (is_well && is_turn(cycles, run->settings.flush_every))
        is_well = flush(cycles);
    if (is_well && is_turn(cycles, run->settings.calm_every)) {
        atomic_store(&run->is_calm, true);
        is_well = go_on(cycles, CALM_MS);
    }
    return is_well;
}

/* --- End. --- */

static void
take_figures(struct cycles *cycles)
{
    struct run *run = cycles->run;
    const struct console *console = &cycles->console;

    if (console_read(&cycles->console, "all") != STATUS_OK)
        return;
    run->reclaimed += console_figure(console, "nvme_reclaimed");
    run->kept += console_figure(console, "nvme_writes_kept");
    run->skipped += console_figure(console, "nvme_writes_skipped");
    run->written_bytes += console_figure(console, "nvme_written_bytes");
    run->sunk_bytes += console_figure(console, "spill_written_bytes");
    run->spill_reclaimed += console_figure(console, "spill_reclaimed");
    run->spill_kept += console_figure(console, "spill_writes_kept");
    run->spill_skipped += console_figure(console, "spill_writes_skipped");
}

static void
kill_server(struct cycles *cycles)
{
    struct run *run = cycles->run;
    struct life *life = &run->life;

    atomic_store(&run->is_killed, true);
    life->killed_ns = clock_now_ns();
    server_kill(&cycles->server);
    join_users(run);
    console_close(&cycles->console);
    atomic_store(&run->is_calm, false);
    life->end_position =
        atomic_load(&life->position) +
        (run->settings.has_spill ? SERVER_SINKING : UNSEEN_BYTES);
    run->kills++;
}

static bool
do_cycle(struct cycles *cycles)
{
    struct run *run = cycles->run;
    bool is_well;

    if (!start(cycles) || !verify(cycles))
        return false;
    let_users(run, user_load);
    is_well = load(cycles);
    take_figures(cycles);
    kill_server(cycles);
    return is_well && atomic_load(&run->complaints) == 0;
}

/* The last look, and an end that was asked for. */
static void
finish(struct cycles *cycles)
{
    struct run *run = cycles->run;
    int status;

    if (!start(cycles) || !verify(cycles))
        return;
    console_close(&cycles->console);
    status = server_stop(&cycles->server);
    if (status != 0)
        run_complain(run, "exit status %d after SIGTERM", status);
}

void
run_cycles(struct run *run)
{
    struct cycles cycles = {.run = run,
                            .random = random_mix(run->settings.seed)};
    bool is_well = true;

    for (; run->cycle < run->settings.cycles && is_well; run->cycle++) {
        is_well = do_cycle(&cycles);
        if (run->cycle % run->settings.say_every == run->settings.say_every - 1)
            report_progress(run);
    }
    if (is_well)
        finish(&cycles);
    console_close(&cycles.console);
    server_kill(&cycles.server);
}
