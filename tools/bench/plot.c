/* SPDX-License-Identifier: Apache-2.0 */
/* Draws; what is drawn is the caller's. */
#include "tools/bench/plot.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WIDTH  860.0
#define HEIGHT 420.0
#define LEFT   72.0
#define RIGHT  24.0
#define TOP    64.0
#define BOTTOM 56.0
#define TICKS  5u

struct scale {
    double x_most, y_most, x_step, y_step;
};

/* The next of 1, 2, 5, 10, 20, ... from which about TICKS steps make `most`. */
static double
step_for(double most)
{
    if (most <= 0)
        return 1;
    double rough = most / TICKS;
    double power = pow(10, floor(log10(rough)));
    double part = rough / power;
    double nice = part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10;
    return nice * power;
}

static struct scale
scale_of(const struct plot *plot)
{
    struct scale scale = {0};
    for (unsigned s = 0; s < plot->series_count; s++) {
        const struct plot_series *series = &plot->series[s];
        for (unsigned i = 0; i < series->count; i++) {
            scale.x_most = fmax(scale.x_most, series->points[i].x);
            scale.y_most = fmax(scale.y_most, series->points[i].y);
        }
    }
    scale.x_step = step_for(scale.x_most);
    scale.y_step = step_for(scale.y_most);
    if (scale.x_most <= 0)
        scale.x_most = scale.x_step;
    scale.y_most =
        fmax(ceil(scale.y_most / scale.y_step - 1e-9), 1) * scale.y_step;
    return scale;
}

static double
x_at(const struct scale *scale, double x)
{
    return LEFT + x / scale->x_most * (WIDTH - LEFT - RIGHT);
}

static double
y_at(const struct scale *scale, double y)
{
    return HEIGHT - BOTTOM - y / scale->y_most * (HEIGHT - TOP - BOTTOM);
}

static void
write_text(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

static void
draw_frame(FILE *file, const struct plot *plot)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f "
            "%.0f\" font-family=\"sans-serif\" font-size=\"13\">\n",
            WIDTH, HEIGHT);
    fputs("<style>\n"
          ".paper{fill:#ffffff}.ink{fill:#1f2328}.grid{stroke:#d0d7de}\n"
          ".s0{stroke:#0b62c4}.s1{stroke:#c2410c}.s2{stroke:#1a7f37}"
          ".s3{stroke:#8250df}.s1,.s3{stroke-dasharray:6 4}\n"
          ".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
          "@media (prefers-color-scheme:dark){\n"
          ".paper{fill:#0d1117}.ink{fill:#e6edf3}.grid{stroke:#30363d}\n"
          ".s0{stroke:#58a6ff}.s1{stroke:#ff9d5c}.s2{stroke:#56d364}"
          ".s3{stroke:#bc8cff}}\n"
          "</style>\n",
          file);
    fprintf(file,
            "<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n"
            "<text class=\"ink\" x=\"%.0f\" y=\"28\" font-size=\"17\">",
            WIDTH, HEIGHT, LEFT);
    write_text(file, plot->title);
    fprintf(file,
            "</text>\n<text class=\"ink\" x=\"%.0f\" y=\"%.0f\" "
            "text-anchor=\"middle\">",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14);
    write_text(file, plot->x_label);
    fprintf(file,
            "</text>\n<text class=\"ink\" text-anchor=\"middle\" "
            "transform=\"translate(20 %.0f) rotate(-90)\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    write_text(file, plot->y_label);
    fputs("</text>\n", file);
}

static void
draw_axes(FILE *file, const struct scale *scale)
{
    unsigned y_ticks = (unsigned)lround(scale->y_most / scale->y_step);
    unsigned x_ticks = (unsigned)floor(scale->x_most / scale->x_step + 1e-9);
    for (unsigned i = 0; i <= y_ticks; i++) {
        double value = i * scale->y_step, y = y_at(scale, value);
        fprintf(file,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                "y2=\"%.1f\"/><text class=\"ink\" x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>\n",
                LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4, value);
    }
    for (unsigned i = 0; i <= x_ticks; i++) {
        double value = i * scale->x_step, x = x_at(scale, value);
        fprintf(file,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                "y2=\"%.1f\"/><text class=\"ink\" x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\">%g</text>\n",
                x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, x,
                HEIGHT - BOTTOM + 20, value);
    }
}

static void
draw_series(FILE *file, const struct scale *scale,
            const struct plot_series *series, unsigned index)
{
    double legend_x = LEFT + index * 220.0;
    fprintf(file, "<polyline class=\"line s%u\" points=\"", index);
    for (unsigned i = 0; i < series->count; i++)
        fprintf(file, "%.1f,%.1f ", x_at(scale, series->points[i].x),
                y_at(scale, series->points[i].y));
    fprintf(file,
            "\"/>\n<line class=\"line s%u\" x1=\"%.1f\" y1=\"46\" x2=\"%.1f\" "
            "y2=\"46\"/><text class=\"ink\" x=\"%.1f\" y=\"50\">",
            index, legend_x, legend_x + 24, legend_x + 30);
    write_text(file, series->name);
    fputs("</text>\n", file);
}

void
plot_draw(FILE *file, const struct plot *plot)
{
    struct scale scale = scale_of(plot);
    draw_frame(file, plot);
    draw_axes(file, &scale);
    for (unsigned i = 0; i < plot->series_count; i++)
        draw_series(file, &scale, &plot->series[i], i);
    fputs("</svg>\n", file);
}

enum status
plot_write(const char *path, const struct plot *plot, char *why, size_t room)
{
    FILE *file = fopen(path, "we");
    if (file != NULL) {
        plot_draw(file, plot);
        int error = ferror(file);
        if (fclose(file) == 0 && error == 0)
            return STATUS_OK;
    }
    snprintf(why, room, "%s: %s", path, strerror(errno));
    return STATUS_IO;
}
