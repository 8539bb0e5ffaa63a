/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's index in words short enough for tests: keys and items by their
 * texts, and what a key holds as one line.  Nothing here knows a test framework.
 */
#ifndef LIB_CATALOG_KEYS_H
#define LIB_CATALOG_KEYS_H

#include "server/index/catalog.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 65536u

static inline struct bytes
text_of(const char *text)
{
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};

    return bytes;
}

static inline struct catalog_key
key_of(const char *name)
{
    struct bytes text = text_of(name);
    struct catalog_key key = {.space = 0};

    (void)catalog_key_read(0, &text, &key);
    return key;
}

static inline enum status
put_value(struct catalog *catalog, const char *name, const char *field,
          const char *value)
{
    struct catalog_key key = key_of(name);
    struct bytes its_field = text_of(field), its_value = text_of(value);
    struct catalog_edit edit;
    enum status status = catalog_edit(catalog, &key, CATALOG_HASH, &edit);
    bool is_new;

    if (status != STATUS_OK)
        return status;
    status = catalog_edit_field(&edit, &its_field, &its_value, &is_new);
    catalog_edit_end(&edit);
    return status;
}

static inline enum status
put_field(struct catalog *catalog, const char *name, const char *field)
{
    return put_value(catalog, name, field, "");
}

static inline bool
take_field(struct catalog *catalog, const char *name, const char *field)
{
    struct catalog_key key = key_of(name);
    struct bytes its_field = text_of(field);
    struct catalog_edit edit;
    bool was_there;

    if (catalog_edit(catalog, &key, CATALOG_HASH, &edit) != STATUS_OK)
        return false;
    was_there = catalog_edit_take(&edit, &its_field);
    catalog_edit_end(&edit);
    return was_there;
}

static inline enum status
put_member(struct catalog *catalog, const char *name, const char *member,
           double score)
{
    struct catalog_key key = key_of(name);
    struct bytes its_member = text_of(member);
    struct catalog_edit edit;
    enum status status = catalog_edit(catalog, &key, CATALOG_SORTED, &edit);

    if (status != STATUS_OK)
        return status;
    status = catalog_edit_member(&edit, &its_member, score);
    catalog_edit_end(&edit);
    return status;
}

/* "a b=1 c": fields, values that are not empty, members as m:score; "" where the
 * key is not there. */
static inline const char *
show(struct catalog *catalog, const char *name)
{
    static char shown[SHOWN_MAX];
    struct catalog_key key = key_of(name);
    struct catalog_look look;
    struct catalog_item item;
    size_t used = 0;

    shown[0] = '\0';
    if (!catalog_look(catalog, &key, &look))
        return shown;
    for (uint32_t i = 0; i < look.count && used < SHOWN_MAX - 1; i++) {
        catalog_look_item(&look, i, &item);
        used += (size_t)snprintf(shown + used, SHOWN_MAX - used, "%s%.*s",
                                 i == 0 ? "" : " ", (int)item.name.size,
                                 (const char *)item.name.at);
        if (look.type == CATALOG_SORTED)
            used += (size_t)snprintf(shown + used, SHOWN_MAX - used, ":%g",
                                     item.score);
        else if (item.value.size != 0)
            used += (size_t)snprintf(shown + used, SHOWN_MAX - used, "=%.*s",
                                     (int)item.value.size,
                                     (const char *)item.value.at);
    }
    catalog_look_end(&look);
    return shown;
}

static inline bool
is_shown_as(struct catalog *catalog, const char *name, const char *items)
{
    return strcmp(show(catalog, name), items) == 0;
}

static inline bool
drop_key(struct catalog *catalog, const char *name)
{
    struct catalog_key key = key_of(name);

    return catalog_drop(catalog, &key);
}

static inline struct catalog_usage
usage_of(struct catalog *catalog)
{
    struct catalog_usage usage;

    catalog_usage(catalog, &usage);
    return usage;
}

static inline void
flush_keys(struct catalog *catalog, unsigned space)
{
    uint64_t cursor = 0;

    while (catalog_flush_some(catalog, space, &cursor))
        continue;
}

#endif
