/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/top_text.h"

#include <stdio.h>
#include <string.h>

/* Three digits that count; units[0] is for what is below `step`. */
static void
write_scaled(char text[TOP_TEXT_SIZE], double value, double step,
             const char *const *units)
{
    unsigned unit = 0;
    int digits;

    while (value >= 999.5 && units[unit + 1] != NULL) {
        value /= step;
        unit++;
    }
    digits = value >= 99.95 || value == 0 ? 0 : value >= 9.995 ? 1 : 2;
    if (unit == 0)
        digits = value >= 9.95 || value == (double)(long)value ? 0 : 1;
    snprintf(text, TOP_TEXT_SIZE, "%.*f%s", digits, value, units[unit]);
}

void
top_text_number(char text[TOP_TEXT_SIZE], double number)
{
    static const char *const units[] = {"", "k", "M", "G", "T", NULL};

    write_scaled(text, number, 1000, units);
}

void
top_text_bytes(char text[TOP_TEXT_SIZE], double bytes)
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                        "TiB", "PiB", NULL};

    write_scaled(text, bytes, 1024, units);
}

void
top_text_percent(char text[TOP_TEXT_SIZE], double ratio)
{
    if (ratio < 0)
        snprintf(text, TOP_TEXT_SIZE, "-");
    else
        snprintf(text, TOP_TEXT_SIZE, "%.1f", 100 * ratio);
}

void
top_text_ms(char text[TOP_TEXT_SIZE], double ms)
{
    if (ms < 0)
        snprintf(text, TOP_TEXT_SIZE, "-");
    else if (ms < 999.5)
        snprintf(text, TOP_TEXT_SIZE, "%.*f", ms < 9.995 ? 2 : 1, ms);
    else
        top_text_number(text, ms);
}

void
top_text_name(char *text, size_t room, const char *name)
{
    size_t size = strlen(name);

    if (size >= room) {
        name += size - (room - 1);
        snprintf(text, room, "<%s", name + 1);
    } else {
        snprintf(text, room, "%s", name);
    }
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}
