/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/doctor_shape.h"

#include <ctype.h>
#include <string.h>

#define FIELDS_MAX     6u
#define SHORT_DIGITS   16u
#define DECIMAL_DIGITS 20u
#define MIDDLE_DIGITS  32u
#define RANK_DIGITS    8u /* of a multi-process name */
#define NUMBER_DIGITS  6u /* of a rank or a number of workers */

struct fields {
    struct bytes at[FIELDS_MAX];
    unsigned count; /* what is behind the last is not looked at */
};

static void
split(struct bytes key, struct fields *out)
{
    out->count = 0;
    while (out->count < FIELDS_MAX) {
        const uint8_t *end = memchr(key.at, '@', key.size);
        size_t size = end == NULL ? key.size : (size_t)(end - key.at);

        out->at[out->count++] = (struct bytes){key.at, size};
        if (end == NULL)
            return;
        key.at += size + 1;
        key.size -= size + 1;
    }
}

static bool
is_all(struct bytes text, int is_it(int))
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_it(text.at[i]))
            return false;
    return text.size > 0;
}

static bool
is_number(struct bytes text)
{
    return text.size <= NUMBER_DIGITS && is_all(text, isdigit);
}

static uint32_t
number_of(struct bytes text, uint32_t base)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.size; i++) {
        int c = tolower(text.at[i]);

        number =
            number * base + (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return number;
}

static void
read_hash(struct bytes text, struct doctor_shape *out)
{
    out->hash_text = text;
    if (text.size > 1 && text.at[0] == '-') {
        out->is_negative = true;
        text.at++;
        text.size--;
    }
    if (!is_all(text, isxdigit))
        out->hash = DOCTOR_HASH_OTHER;
    else if (text.size <= SHORT_DIGITS)
        out->hash = DOCTOR_HASH_SHORT;
    else if (text.size <= DECIMAL_DIGITS && is_all(text, isdigit))
        out->hash = DOCTOR_HASH_DECIMAL;
    else if (text.size <= MIDDLE_DIGITS)
        out->hash = DOCTOR_HASH_MIDDLE;
    else
        out->hash = DOCTOR_HASH_LONG;
}

static void
read_current(const struct fields *fields, unsigned first,
             struct doctor_shape *out)
{
    out->model = fields->at[first];
    out->workers = number_of(fields->at[first + 1], 10);
    out->rank = number_of(fields->at[first + 2], 10);
    read_hash(fields->at[first + 3], out);
}

static bool
has_numbers(const struct fields *fields, unsigned first)
{
    return fields->count > first + 2 && is_number(fields->at[first + 1]) &&
           is_number(fields->at[first + 2]);
}

static bool
is_of_processes(const struct fields *fields)
{
    return fields->count > 3 && fields->at[1].size == RANK_DIGITS &&
           is_all(fields->at[1], isxdigit) && is_all(fields->at[2], isxdigit);
}

void
doctor_shape_read(struct bytes key, struct doctor_shape *out)
{
    struct fields fields;

    split(key, &fields);
    *out = (struct doctor_shape){.label = fields.at[0], .model = fields.at[0]};
    if (has_numbers(&fields, 0) && fields.count > 3) {
        out->layout = DOCTOR_LAYOUT_CURRENT;
        read_current(&fields, 0, out);
        if (fields.count > 4)
            out->dtype = fields.at[4];
    } else if (is_of_processes(&fields)) {
        out->layout = DOCTOR_LAYOUT_PROCESSES;
        out->rank = number_of(fields.at[1], 16);
        read_hash(fields.at[3], out);
    } else if (has_numbers(&fields, 1) && fields.count > 4) {
        out->layout = DOCTOR_LAYOUT_OLDER;
        read_current(&fields, 1, out);
    }
}

const char *
doctor_shape_hash_name(enum doctor_hash hash)
{
    static const char *const names[DOCTOR_HASHES] = {
        [DOCTOR_HASH_OTHER] = "no number",
        [DOCTOR_HASH_SHORT] = "64-bit hexadecimal",
        [DOCTOR_HASH_DECIMAL] = "64-bit decimal",
        [DOCTOR_HASH_MIDDLE] = "128-bit hexadecimal",
        [DOCTOR_HASH_LONG] = "256-bit hexadecimal",
    };

    return names[hash];
}

const char *
doctor_shape_layout_name(enum doctor_layout layout)
{
    static const char *const names[DOCTOR_LAYOUTS] = {
        [DOCTOR_LAYOUT_OTHER] = "names of no known layout",
        [DOCTOR_LAYOUT_CURRENT] = "model@workers@rank@hash@dtype",
        [DOCTOR_LAYOUT_OLDER] = "format@model@workers@rank@hash",
        [DOCTOR_LAYOUT_PROCESSES] = "model@rank@group@hash",
    };

    return names[layout];
}
