/* SPDX-License-Identifier: Apache-2.0 */
/* A state as text: what the live view shows, and the lines where there is no
 * terminal.  ASCII.  Painting is the screen's. */
#ifndef CLI_TOP_PAGE_H
#define CLI_TOP_PAGE_H

#include "tools/cli/top_state.h"

#include <stdio.h>

struct top_page_look {
    unsigned width; /* columns, at least 40 */
    unsigned interval_ms;
    bool is_paused;
    bool is_by_load; /* shards by their requests, not as in the URL */
};

/* The first TOP_PAGE_HEAD lines are to stay when the others are scrolled. */
#define TOP_PAGE_HEAD 5u
/* Lines may be wider than the look; cut them. */
void top_page_write(const struct top_state *, const struct top_page_look *,
                    FILE *);

/* A line an interval, and the one above them that says what is what. */
void top_page_write_titles(FILE *);
void top_page_write_line(const struct top_state *, FILE *);

#endif
