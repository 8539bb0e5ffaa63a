/* SPDX-License-Identifier: Apache-2.0 */
/* Matching with one place to come back to: behind the last star. */
#include "server/request/glob.h"

/* One bracket expression at *at; moves behind it. */
static bool
is_in_class(const uint8_t **at, const uint8_t *end, uint8_t byte)
{
    const uint8_t *p = *at + 1;
    bool is_negated = p < end && *p == '^', is_in = false;

    if (is_negated)
        p++;
    while (p < end && *p != ']') {
        uint8_t low, high;

        if (*p == '\\' && p + 1 < end)
            p++;
        low = high = *p++;
        /* "[a-]" is a range up to "]", not yet closed: so it is in Redis. */
        if (p + 1 < end && *p == '-') {
            high = p[1];
            p += 2;
        }
        if (low > high) {
            uint8_t swap = low;

            low = high;
            high = swap;
        }
        is_in = is_in || (byte >= low && byte <= high);
    }
    *at = p < end ? p + 1 : end;
    return is_in != is_negated;
}

/* Does one byte match what stands at *at?  Moves behind it. */
static bool
takes(const uint8_t **at, const uint8_t *end, uint8_t byte)
{
    const uint8_t *p = *at;
    bool is_quoted = *p == '\\' && p + 1 < end;

    if (*p == '[')
        return is_in_class(at, end, byte);
    if (is_quoted)
        p++;
    *at = p + 1;
    return *p == byte || (*p == '?' && !is_quoted);
}

bool
glob_matches(const struct bytes *pattern, const struct bytes *text)
{
    const uint8_t *p = pattern->at, *p_end = p + pattern->size;
    const uint8_t *t = text->at, *t_end = t + text->size;
    const uint8_t *star = NULL, *resume = NULL;

    while (t < t_end) {
        const uint8_t *next = p;

        if (p < p_end && *p == '*') {
            star = ++p;
            resume = t;
        } else if (p < p_end && takes(&next, p_end, *t)) {
            p = next;
            t++;
        } else if (star != NULL) {
            p = star;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}
