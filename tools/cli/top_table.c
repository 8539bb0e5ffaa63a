/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/top_table.h"

#define NAME_WIDTH_MAX 40u

/* A wide terminal's name column grows by what is left over. */
static unsigned
name_width(const struct top_table *table)
{
    unsigned used = 0, least = table->columns[0].width;

    for (size_t i = 1; i < table->count; i++)
        if (table->columns[i].from <= table->width)
            used += table->columns[i].width + 1;
    if (used + least >= table->width)
        return least;
    return table->width - used < NAME_WIDTH_MAX ? table->width - used
                                                : NAME_WIDTH_MAX;
}

void
top_table_head(const struct top_table *table, FILE *to)
{
    fprintf(to, "%-*s", (int)name_width(table), table->columns[0].title);
    for (size_t i = 1; i < table->count; i++)
        if (table->columns[i].from <= table->width)
            fprintf(to, " %*s", (int)table->columns[i].width,
                    table->columns[i].title);
    fputc('\n', to);
}

void
top_table_row(const struct top_table *table, const char *name, const void *row,
              FILE *to)
{
    unsigned width = name_width(table);
    char text[NAME_WIDTH_MAX + 1];

    top_text_name(text, width + 1, name);
    fprintf(to, "%-*s", (int)width, text);
    for (size_t i = 1; i < table->count; i++) {
        const struct top_table_column *column = &table->columns[i];

        if (column->from > table->width)
            continue;
        column->write(row, text);
        fprintf(to, " %*s", (int)column->width, text);
    }
    fputc('\n', to);
}
