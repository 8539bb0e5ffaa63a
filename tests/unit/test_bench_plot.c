/* SPDX-License-Identifier: Apache-2.0 */
/* The picture: whole, self-contained, and safe with any name. */
#include "tools/bench/plot.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *
drawn(const struct plot *plot)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    plot_draw(file, plot);
    fclose(file);
    return text;
}

Test(plot, draws_every_series_with_axes_and_legend)
{
    static const struct plot_point points[] = {{0, 0}, {30, .2}, {59, .41}};
    struct plot plot = {.title = "ratio",
                        .x_label = "minutes",
                        .y_label = "share",
                        .series = {{"one", points, 3}, {"a<b&c", points, 2}},
                        .series_count = 2};
    char *text = drawn(&plot);

    cr_assert(strncmp(text, "<svg ", 5) == 0);
    cr_assert(strstr(text, "</svg>") != NULL);
    cr_assert(strstr(text, "class=\"line s0\"") != NULL);
    cr_assert(strstr(text, "class=\"line s1\"") != NULL);
    cr_assert(strstr(text, "a&lt;b&amp;c") != NULL);
    cr_assert(strstr(text, "minutes") && strstr(text, "share"));
    cr_assert(strstr(text, "prefers-color-scheme:dark") != NULL);
    cr_assert(strstr(text, "nan") == NULL && strstr(text, "inf") == NULL);
    free(text);
}

Test(plot, nothing_to_draw_is_an_empty_chart)
{
    static const struct plot_point zero[] = {{0, 0}};
    struct plot plot = {.title = "t",
                        .x_label = "x",
                        .y_label = "y",
                        .series = {{"s", zero, 1}},
                        .series_count = 1};
    char *text = drawn(&plot);

    cr_assert(strstr(text, "nan") == NULL && strstr(text, "inf") == NULL);
    free(text);
}

Test(plot, a_file_that_can_not_be_written_is_an_error)
{
    struct plot plot = {.title = "t", .x_label = "x", .y_label = "y"};
    char why[200];

    cr_assert(plot_write("/nonexistent/p.svg", &plot, why, sizeof why) ==
              STATUS_IO);
    cr_assert(strstr(why, "/nonexistent/p.svg") != NULL);
}
