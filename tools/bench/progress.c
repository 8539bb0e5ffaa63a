/* SPDX-License-Identifier: Apache-2.0 */
/* Draws; what it draws is counted elsewhere. */
#include "tools/bench/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH   30u
#define BAR_NS      (NS_PER_SECOND / 5)
#define PLAIN_NS    (10 * NS_PER_SECOND)
#define LINE_FORMAT "%" PRIu64 "/%" PRIu64 " %s, %.0f/s, %.2f GB/s, %s left"

void
progress_start(struct progress *progress, uint64_t total)
{
    *progress = (struct progress){.total = total,
                                  .unit = "requests",
                                  .start_ns = clock_now_ns(),
                                  .is_terminal = isatty(STDERR_FILENO)};
    progress->shown_ns = progress->start_ns;
}

static void
write_left(char *into, size_t room, uint64_t done, uint64_t total,
           double seconds)
{
    if (done == 0) {
        snprintf(into, room, "?");
        return;
    }
    double left = seconds / (double)done * (double)(total - done);
    if (left < 60)
        snprintf(into, room, "%.0f s", left);
    else
        snprintf(into, room, "%.0f min %02.0f s", (double)(int)(left / 60),
                 left - (double)((int)(left / 60) * 60));
}

static void
draw_bar(uint64_t done, uint64_t total)
{
    char bar[BAR_WIDTH + 1];
    unsigned full = total == 0 ? 0 : (unsigned)(done * BAR_WIDTH / total);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] ", bar);
}

void
progress_show(struct progress *progress, uint64_t done, uint64_t bytes)
{
    uint64_t now = clock_now_ns();
    if (now - progress->shown_ns < (progress->is_terminal ? BAR_NS : PLAIN_NS))
        return;
    progress->shown_ns = now;
    double seconds = (double)(now - progress->start_ns) / 1e9;
    char left[32];
    write_left(left, sizeof left, done, progress->total, seconds);
    if (progress->is_terminal)
        draw_bar(done, progress->total);
    fprintf(stderr, LINE_FORMAT, done, progress->total, progress->unit,
            (double)done / seconds, (double)bytes / 1e9 / seconds, left);
    fputs(progress->is_terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
}

void
progress_end(struct progress *progress)
{
    if (progress->is_terminal)
        fputs("\r\033[K", stderr);
}
