/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the configuration share among themselves: the rows made
 * from options.def, the way from a text to a value, and the wording of
 * problems.  Nobody outside base/ includes this; options.h is for them.
 */
#ifndef BASE_OPTION_TABLE_H
#define BASE_OPTION_TABLE_H

#include "base/options.h"

#include <stddef.h>

struct option_row {
    const char *section, *key;
    enum option_type type;
    const char *fallback, *least, *most, *words;
    bool may_reload;
    size_t offset; /* of the field in struct options */
};
extern const struct option_row option_rows[OPTION_ID_COUNT];

/* The value is worked out by options_finish() unless somebody gives one.  Such
 * an option's 0 means "auto". */
bool option_may_be_auto(const struct option_row *);

/* A typed field of the struct, as its row says. */
uint64_t *option_number(struct options *, enum option_id);
uint64_t option_number_of(const struct options *, enum option_id);
bool option_flag_of(const struct options *, enum option_id);
const char *option_text_of(const struct options *, enum option_id);

bool option_find(const char *section, const char *key, enum option_id *id_out);
/* The first option of a section. */
bool option_find_section(const char *section, enum option_id *id_out);
/* The option, or the first of the section, whose name is the least number of
 * edits away. */
enum option_id option_nearest(const char *section, const char *key);
enum option_id option_nearest_section(const char *section);
/* Edits (insert, remove, replace one byte) between two names; only the first
 * 63 bytes of each count. */
unsigned option_distance(const char *one, const char *other);

struct option_value {
    uint64_t number;
    bool flag;
    char text[OPTION_TEXT_MAX];
};

/* NULL when the text is a value within its row's limits; else what is wrong
 * with it: "not a size", "too large". */
const char *option_parse(const struct option_row *, const char *text,
                         struct option_value *value_out);
/* What a text for this row looks like, its limits included. */
void option_expectation(const struct option_row *, char *into, size_t room);

/* Bytes as the shortest exact text: 64MiB, 65537. */
void option_format_size(uint64_t bytes, char *into, size_t room);

/* The host of an ADDRESS that option_parse() took: the brackets gone. */
void option_host(const char *address, char *into, size_t room);

/* Writes "where: ..." without control bytes and returns BAD_REQUEST. */
enum status option_complain(struct option_problem *, const char *where,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
