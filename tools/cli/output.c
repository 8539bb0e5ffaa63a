/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing names and JSON.  Which fields an answer has is the verbs' own
 * business.
 */
#include "tools/cli/output.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_NAME_MAX 64u

/* Bytes of the UTF-8 character at at[left], or 0 where there is none: overlong
 * forms, surrogates and numbers past U+10FFFF are none. */
static size_t
character_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = first & (size == 1 ? 0x7fu : 0xffu >> (size + 1));
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return size;
}

static bool
is_text(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size;) {
        size_t size = character_size(bytes.at + i, bytes.size - i);

        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

/* C1 controls (U+0080 to U+009F) steer terminals too. */
static bool
is_control(const uint8_t *at, size_t size)
{
    return (size == 1 && (*at < 0x20 || *at == 0x7f)) ||
           (size == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

void
output_name_to(FILE *to, struct bytes name)
{
    for (size_t i = 0; i < name.size;) {
        const uint8_t *at = name.at + i;
        size_t size = character_size(at, name.size - i);

        if (size == 1 && *at == '\\') {
            fputs("\\\\", to);
        } else if (size != 0 && !is_control(at, size)) {
            fwrite(at, 1, size, to);
        } else {
            size = 1;
            fprintf(to, "\\x%02x", *at);
        }
        i += size;
    }
}

void
output_name(struct bytes name)
{
    output_name_to(stdout, name);
}

static char *
base64(struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((bytes.size + 2) / 3 * 4 + 1), *to = text;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.at[i] << 16;

        if (left > 1)
            group |= (uint32_t)bytes.at[i + 1] << 8;
        if (left > 2)
            group |= bytes.at[i + 2];
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    *to = '\0';
    return text;
}

static bool
set_base64(json_t *object, const char *name, struct bytes bytes)
{
    char *text = base64(bytes);
    bool done = text != NULL &&
                json_object_set_new(object, name, json_string(text)) == 0;

    free(text);
    return done;
}

bool
output_set_bytes(json_t *object, const char *name, struct bytes bytes)
{
    char field[FIELD_NAME_MAX];

    if (is_text(bytes))
        return json_object_set_new(
                   object, name,
                   json_stringn((const char *)bytes.at, bytes.size)) == 0;
    snprintf(field, sizeof field, "%s_base64", name);
    return set_base64(object, field, bytes);
}

bool
output_set_value(json_t *object, struct bytes value)
{
    return set_base64(object, "value_base64", value);
}

bool
output_json(json_t *object)
{
    bool done = object != NULL &&
                json_dumpf(object, stdout, JSON_REAL_PRECISION(6)) == 0 &&
                putchar('\n') != EOF;

    json_decref(object);
    return done;
}
