/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the two names of one LMCache object apart from others.  That a name
 * looks like one half does not make it one: pairing is the server's.
 */
#include "proto/object_name.h"

#include "proto/int32.h"

#include <assert.h>
#include <string.h>

#define GROUP_SIZE  20u /* five integers more for each further KV group */
#define FORMAT_MOST 15
#define DTYPE_MOST  15

static const char *
half_text(enum name_half half)
{
    switch (half) {
    case HALF_BYTES:
        return "kv_bytes";
    case HALF_METADATA:
        return "metadata";
    }
    return "";
}

static bool
ends_in(const struct bytes *name, const char *text)
{
    size_t size = strlen(text);
    return name->size >= size &&
           memcmp(name->at + name->size - size, text, size) == 0;
}

/* The longest of the three suffixes wins: what stands before ":metadata" is a
 * whole name in one spelling and has a stray colon in the other. */
bool
object_name_split(const void *name, size_t size, struct object_name *out)
{
    struct bytes stem = {name, size};
    if (ends_in(&stem, half_text(HALF_BYTES)))
        out->half = HALF_BYTES;
    else if (ends_in(&stem, half_text(HALF_METADATA)))
        out->half = HALF_METADATA;
    else
        return false;
    stem.size -= strlen(half_text(out->half));

    out->form = FORM_SUFFIX;
    if (ends_in(&stem, ":")) {
        out->form = FORM_COLON;
        stem.size--;
        if (stem.size >= 2 && stem.at[0] == '{' && ends_in(&stem, "}")) {
            out->form = FORM_BRACES;
            stem.at++;
            stem.size -= 2;
        }
    }
    out->stem = stem;
    return stem.size > 0;
}

static size_t
append(uint8_t *into, size_t at, const void *bytes, size_t size)
{
    memcpy(into + at, bytes, size);
    return at + size;
}

size_t
object_name_join(const struct object_name *name, void *into, size_t room)
{
    static const char *const before[FORM_COUNT] = {
        [FORM_LM] = "",
        [FORM_SUFFIX] = "",
        [FORM_COLON] = "",
        [FORM_BRACES] = "{",
    };
    static const char *const behind[FORM_COUNT] = {
        [FORM_LM] = "",
        [FORM_SUFFIX] = "",
        [FORM_COLON] = ":",
        [FORM_BRACES] = "}:",
    };
    assert(name->form < FORM_COUNT && name->stem.size > 0);
    const char *first = before[name->form];
    const char *middle = behind[name->form];
    const char *last = name->form == FORM_LM ? "" : half_text(name->half);
    size_t size = strlen(first) + name->stem.size;
    size += strlen(middle) + strlen(last);
    if (size > room)
        return 0;
    size_t at = append(into, 0, first, strlen(first));
    at = append(into, at, name->stem.at, name->stem.size);
    at = append(into, at, middle, strlen(middle));
    return append(into, at, last, strlen(last));
}

bool
object_metadata_is_plausible(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    if (size < CHUNK_META_LM || size > CHUNK_META_MAX ||
        (size - CHUNK_META_LM) % GROUP_SIZE != 0)
        return false;
    int32_t len = int32_read(at);
    int32_t format = int32_read(at + 4);
    int32_t dtype = int32_read(at + 8);
    return len >= 0 && format >= 0 && format <= FORMAT_MOST && dtype >= 0 &&
           dtype <= DTYPE_MOST;
}
