/* SPDX-License-Identifier: Apache-2.0 */
/* A line chart as one SVG file that needs nothing else: axes, grid, legend;
 * readable on light and on dark backgrounds. */
#ifndef TOOLS_BENCH_PLOT_H
#define TOOLS_BENCH_PLOT_H

#include "proto/status.h"

#include <stddef.h>
#include <stdio.h>

#define PLOT_SERIES_MAX 4u

struct plot_point {
    double x, y; /* x not falling, both from 0 on */
};

struct plot_series {
    const char *name;
    const struct plot_point *points;
    unsigned count;
};

struct plot {
    const char *title, *x_label, *y_label;
    struct plot_series series[PLOT_SERIES_MAX];
    unsigned series_count;
};

/* IO and a sentence in why[room] if the file can not be written. */
enum status plot_write(const char *path, const struct plot *, char *why,
                       size_t room) MUST_USE;
void plot_draw(FILE *, const struct plot *);

#endif
