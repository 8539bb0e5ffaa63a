/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns, of which a narrow terminal sees fewer. */
#ifndef CLI_TOP_TABLE_H
#define CLI_TOP_TABLE_H

#include "tools/cli/top_text.h"

#include <stdio.h>

/* The first one of a table is a name, to the left; the others are to the
 * right. */
struct top_table_column {
    const char *title;
    unsigned width;
    unsigned from; /* columns of a terminal that it is worth showing on */
    void (*write)(const void *row, char text[TOP_TEXT_SIZE]);
};

struct top_table {
    const struct top_table_column *columns;
    size_t count;
    unsigned width; /* of the terminal */
};

/* A line each, with its end. */
void top_table_head(const struct top_table *, FILE *);
/* name: of any size, for the first column, whose write() is not called. */
void top_table_row(const struct top_table *, const char *name, const void *row,
                   FILE *);

#endif
