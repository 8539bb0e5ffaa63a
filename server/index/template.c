/* SPDX-License-Identifier: Apache-2.0 */
/* Templates are short and read anew for each key: nothing is compiled. */
#include "server/index/template.h"

#include "proto/cursor.h"

#include <inttypes.h>
#include <stdio.h>

#define WIDTH_MAX  32u
#define NUMBER_MAX 40u

enum field {
    FIELD_MODEL,
    FIELD_TENANT,
    FIELD_SALT,
    FIELD_HASH,
    FIELD_RANK,
    FIELD_RANKS,
    FIELD_NONE
};

static const char *const field_names[] = {"model", "tenant", "salt",
                                          "hash",  "rank",   "ranks"};

struct placeholder {
    enum field field;
    bool is_hex, is_zero_filled;
    unsigned width;
};

static enum field
field_of(const char *name, size_t size)
{
    unsigned i = 0;

    while (i < FIELD_NONE && (strlen(field_names[i]) != size ||
                              memcmp(field_names[i], name, size) != 0))
        i++;
    return (enum field)i;
}

static bool
is_number(enum field field)
{
    return field == FIELD_HASH || field == FIELD_RANK || field == FIELD_RANKS;
}

static const char *
read_format(const char *at, struct placeholder *out)
{
    out->is_zero_filled = *at == '0';
    for (; *at >= '0' && *at <= '9' && out->width <= WIDTH_MAX; at++)
        out->width = out->width * 10 + (unsigned)(*at - '0');
    if (out->width > WIDTH_MAX)
        return NULL;
    out->is_hex = *at == 'x';
    if (*at == 'x' || *at == 'd')
        at++;
    return at;
}

/* What stands behind the placeholder that begins with this brace; NULL and *why
 * where it is none. */
static const char *
read_placeholder(const char *at, struct placeholder *out, const char **why)
{
    size_t size = strcspn(++at, ":}");

    memset(out, 0, sizeof(*out));
    out->field = field_of(at, size);
    at += size;
    *why = "a placeholder that is none of {model}, {tenant}, {salt}, {hash}, "
           "{rank}, {ranks}";
    if (out->field == FIELD_NONE)
        return NULL;
    *why = "a format that is not such as :x, :d or :08x, or one of a text";
    if (*at == ':')
        at = is_number(out->field) ? read_format(at + 1, out) : NULL;
    return at != NULL && *at == '}' ? at + 1 : NULL;
}

const char *
template_check(const char *text)
{
    struct placeholder placeholder;
    const char *why = NULL, *at = text;
    bool has_hash = false;

    while (at != NULL && *at != '\0') {
        if (at[0] == '{' && at[1] != '{') {
            at = read_placeholder(at, &placeholder, &why);
            has_hash = has_hash || placeholder.field == FIELD_HASH;
        } else if (*at == '{' || *at == '}') {
            why = "a lone brace";
            at = at[1] == at[0] ? at + 2 : NULL;
        } else {
            at++;
        }
    }
    if (at == NULL)
        return why;
    return has_hash ? NULL : "no {hash}";
}

static void
put_number(struct cursor *out, const struct placeholder *placeholder,
           bool is_negative, uint64_t magnitude)
{
    char digits[NUMBER_MAX];
    size_t size = (size_t)snprintf(
        digits, sizeof(digits), placeholder->is_hex ? "%" PRIx64 : "%" PRIu64,
        magnitude);
    size_t whole = size + is_negative;

    for (size_t i = whole;
         !placeholder->is_zero_filled && i < placeholder->width; i++)
        (void)cursor_put(out, " ", 1);
    if (is_negative)
        (void)cursor_put(out, "-", 1);
    for (size_t i = whole;
         placeholder->is_zero_filled && i < placeholder->width; i++)
        (void)cursor_put(out, "0", 1);
    (void)cursor_put(out, digits, size);
}

static void
put_field(struct cursor *out, const struct placeholder *placeholder,
          const struct template_values *values)
{
    const struct template_hash *hash = values->hash;
    const struct bytes *text = NULL;

    switch (placeholder->field) {
    case FIELD_MODEL:
        text = &values->model;
        break;
    case FIELD_TENANT:
        text = &values->tenant;
        break;
    case FIELD_SALT:
        text = &values->salt;
        break;
    case FIELD_HASH:
        if (hash->text.at == NULL)
            put_number(out, placeholder, hash->is_negative, hash->magnitude);
        else
            text = &hash->text;
        break;
    case FIELD_RANK:
        put_number(out, placeholder, false, values->rank);
        break;
    case FIELD_RANKS:
        put_number(out, placeholder, false, values->ranks);
        break;
    case FIELD_NONE:
        break;
    }
    if (text != NULL && text->size != 0)
        (void)cursor_put(out, text->at, text->size);
}

size_t
template_spell(const char *text, const struct template_values *values,
               uint8_t *into, size_t room)
{
    struct cursor out = {into, into + room, 0};
    struct placeholder placeholder;
    const char *why, *at = text;

    while (at != NULL && *at != '\0') {
        if (at[0] == '{' && at[1] != '{') {
            at = read_placeholder(at, &placeholder, &why);
            put_field(&out, &placeholder, values);
        } else {
            (void)cursor_put(&out, at, 1);
            at += *at == '{' || *at == '}' ? 2 : 1;
        }
    }
    return out.short_by != 0 ? 0 : (size_t)(out.at - into);
}
