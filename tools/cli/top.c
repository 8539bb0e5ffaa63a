/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: asks every shard what it counts, again and again, and shows what became
 * of it in between: on a terminal as a live view, else a line or a JSON object
 * an interval.  What is shown is top_page.c's and top_json.c's.
 */
#include "tools/cli/command.h"
#include "tools/cli/output.h"
#include "tools/cli/top_json.h"
#include "tools/cli/top_page.h"
#include "tools/cli/top_screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_DEFAULT_MS 2000u
#define INTERVAL_LEAST_MS   100u
#define INTERVAL_MOST_MS    3600000u
/* A shard that does not answer must not hold up the view of the others. */
#define ANSWER_MS   1000u
#define TITLES_EACH 20u /* lines */
#define NS_PER_MS   1000000u

struct top {
    const struct command *command;
    struct prefixcache *cache;
    unsigned interval_ms;
    unsigned most; /* intervals to show; 0: no end */
    struct top_sample samples[2][PREFIXCACHE_SHARDS_MAX];
    unsigned now; /* which of the two is the later one */
    struct top_state state;
    struct top_page_look look;
    unsigned skip;
};

static uint64_t
now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* False: no memory. */
static bool
look_at(struct top *top, unsigned shard, struct top_sample *sample)
{
    uint64_t start_ns = now_ns();
    char *text = NULL;
    int status = prefixcache_stats(top->cache, shard, &text);
    bool is_read = true;

    top_sample_drop(sample);
    sample->at_ns = now_ns();
    sample->answer_ms = (double)(sample->at_ns - start_ns) / NS_PER_MS;
    if (status == PREFIXCACHE_OK) {
        is_read = facts_read(text, &sample->facts) == STATUS_OK;
        sample->is_up = is_read;
    }
    free(text);
    return is_read && status != PREFIXCACHE_NO_SPACE;
}

/* False: no memory. */
static bool
look_at_all(struct top *top)
{
    top->now = 1 - top->now;
    top->state.at = time(NULL);
    for (unsigned i = 0; i < top->state.count; i++)
        if (!look_at(top, i, &top->samples[top->now][i]))
            return false;
    return true;
}

static void
compare(struct top *top, bool has_before)
{
    top_state_read(&top->state, has_before ? top->samples[1 - top->now] : NULL,
                   top->samples[top->now]);
}

static void
sleep_until(uint64_t at_ns)
{
    struct timespec time = {.tv_sec = (time_t)(at_ns / 1000000000),
                            .tv_nsec = (long)(at_ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) ==
           EINTR)
        ;
}

static bool
print(const struct top *top, unsigned number)
{
    if (top->command->is_json) {
        if (!output_json(top_json(&top->state)))
            return false;
    } else {
        if (number % TITLES_EACH == 0)
            top_page_write_titles(stdout);
        top_page_write_line(&top->state, stdout);
    }
    return fflush(stdout) == 0;
}

/* The first line is of the first interval, not of all time before. */
static enum exit_code
run_lines(struct top *top)
{
    uint64_t next_ns = now_ns();

    if (!look_at_all(top))
        return command_fail_memory(top->command);
    for (unsigned i = 0; top->most == 0 || i < top->most; i++) {
        next_ns += (uint64_t)top->interval_ms * NS_PER_MS;
        sleep_until(next_ns);
        if (!look_at_all(top))
            return command_fail_memory(top->command);
        compare(top, true);
        if (!print(top, i)) {
            command_complain(top->command, "cannot write standard output: %s",
                             strerror(errno));
            return EXIT_USAGE;
        }
    }
    return top->state.up_count == 0 ? EXIT_CONNECTION : EXIT_DONE;
}

static bool
paint(struct top *top)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    unsigned most;

    if (to == NULL)
        return false;
    top->look.width = top_screen_width();
    top->look.interval_ms = top->interval_ms;
    top_page_write(&top->state, &top->look, to);
    if (fclose(to) != 0) {
        free(text);
        return false;
    }
    most = top_screen_paint(text, TOP_PAGE_HEAD, top->skip);
    if (top->skip > most)
        top->skip = most;
    free(text);
    return true;
}

static void
change_interval(struct top *top, bool is_slower)
{
    unsigned ms = is_slower ? top->interval_ms * 2 : top->interval_ms / 2;

    if (ms >= INTERVAL_LEAST_MS && ms <= INTERVAL_MOST_MS)
        top->interval_ms = ms;
}

/* False: that was the end. */
static bool
obey(struct top *top, enum top_screen_key key)
{
    switch (key) {
    case TOP_SCREEN_QUIT:
        return false;
    case TOP_SCREEN_PAUSE:
        top->look.is_paused = !top->look.is_paused;
        break;
    case TOP_SCREEN_SORT:
        top->look.is_by_load = !top->look.is_by_load;
        break;
    case TOP_SCREEN_SLOWER:
    case TOP_SCREEN_FASTER:
        change_interval(top, key == TOP_SCREEN_SLOWER);
        break;
    case TOP_SCREEN_UP:
        top->skip -= top->skip > 0;
        break;
    case TOP_SCREEN_DOWN: /* paint() takes back what is too much */
        top->skip++;
        break;
    case TOP_SCREEN_RESIZED:
    case TOP_SCREEN_LATE:
        break;
    }
    return true;
}

/* Keys, until the interval is over.  False: that was the end. */
static bool
await(struct top *top, uint64_t looked_ns)
{
    for (;;) {
        uint64_t next_ns = looked_ns + (uint64_t)top->interval_ms * NS_PER_MS;
        uint64_t at_ns = now_ns();
        enum top_screen_key key;

        if (at_ns >= next_ns)
            return true;
        key = top_screen_wait((unsigned)((next_ns - at_ns) / NS_PER_MS + 1));
        if (key == TOP_SCREEN_LATE)
            continue;
        if (!obey(top, key))
            return false;
        if (!paint(top))
            return true; /* and the next look tells of the memory */
    }
}

/* The first view is of all since the servers' start, so that there is one. */
static enum exit_code
run_screen(struct top *top)
{
    bool has_memory = true;

    for (unsigned i = 0; top->most == 0 || i <= top->most; i++) {
        uint64_t looked_ns = now_ns();

        if (!top->look.is_paused) {
            has_memory = look_at_all(top);
            compare(top, i > 0);
        }
        has_memory = has_memory && paint(top);
        if (!has_memory || (top->most != 0 && i == top->most) ||
            !await(top, looked_ns))
            break;
    }
    top_screen_close();
    return has_memory ? EXIT_DONE : command_fail_memory(top->command);
}

static void
name_shards(struct top *top, struct prefixcache_shard *shards)
{
    size_t count = prefixcache_shards(top->cache, shards,
                                      PREFIXCACHE_SHARDS_MAX, sizeof *shards);

    top->state.count = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        snprintf(top->state.shards[i].name, sizeof top->state.shards[i].name,
                 "%s", shards[i].name);
}

static enum exit_code
run(struct top *top)
{
    struct prefixcache_shard *shards =
        calloc(PREFIXCACHE_SHARDS_MAX, sizeof *shards);

    if (shards == NULL)
        return command_fail_memory(top->command);
    name_shards(top, shards);
    free(shards);
    if (!top->command->is_json && top_screen_open())
        return run_screen(top);
    return run_lines(top);
}

static void
close_all(struct top *top)
{
    for (unsigned i = 0; i < 2 * PREFIXCACHE_SHARDS_MAX; i++)
        top_sample_drop(&top->samples[i / PREFIXCACHE_SHARDS_MAX]
                                     [i % PREFIXCACHE_SHARDS_MAX]);
    prefixcache_close(&top->cache);
    free(top);
}

enum exit_code
verb_top(struct command *command)
{
    struct command hasty = *command;
    struct command_target target = {.url = command->url_text};
    struct top *top = calloc(1, sizeof *top);
    enum exit_code code;

    if (top == NULL)
        return command_fail_memory(command);
    top->command = command;
    top->interval_ms = INTERVAL_DEFAULT_MS;
    if (hasty.timeout_ms == 0 || hasty.timeout_ms > ANSWER_MS)
        hasty.timeout_ms = ANSWER_MS;
    code = EXIT_USAGE;
    if (command_option_time(command, "interval", &top->interval_ms) &&
        command_option_count(command, "count", &top->most)) {
        if (top->interval_ms < INTERVAL_LEAST_MS)
            top->interval_ms = INTERVAL_LEAST_MS;
        code = command_open_cache(&hasty, &target, &top->cache);
        if (code == EXIT_DONE)
            code = run(top);
    }
    close_all(top);
    return code;
}
