/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from the command line, from lines, and from names of files. */
#include "tools/cli/key_list.h"

#include "proto/key.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
digit(uint8_t letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* The byte of two hexadecimal digits, or -1. */
static int
read_byte(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 2 || digit(at[0]) < 0 || digit(at[1]) < 0)
        return -1;
    return digit(at[0]) * 16 + digit(at[1]);
}

/* In place: what it stands for is never longer. */
static struct bytes
read_line(uint8_t *line, size_t size)
{
    uint8_t *to = line, *at = line, *end = line + size;

    while (at < end) {
        bool is_mark = *at == '\\' && end - at >= 2;
        int byte = is_mark && at[1] == 'x' ? read_byte(at + 2, end) : -1;

        if (byte >= 0) {
            *to++ = (uint8_t)byte;
            at += 4;
        } else if (is_mark && at[1] == '\\') {
            *to++ = '\\';
            at += 2;
        } else {
            *to++ = *at++;
        }
    }
    return (struct bytes){line, (size_t)(to - line)};
}

static bool
add(struct key_list *list, struct bytes key)
{
    /* Room doubles: it is full whenever the count is a power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count == 0 ? 1 : list->count * 2;
        struct bytes *keys = realloc(list->keys, room * sizeof *keys);

        if (keys == NULL)
            return false;
        list->keys = keys;
    }
    list->keys[list->count++] = key;
    return true;
}

static enum exit_code
check(const struct command *command, const struct key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->keys[i].size == 0 || list->keys[i].size > KEY_SIZE_MAX) {
            command_complain(command,
                             "key %zu is %zu bytes long; 1 to %u are allowed",
                             i + 1, list->keys[i].size, KEY_SIZE_MAX);
            return EXIT_USAGE;
        }
    if (list->count > 0)
        return EXIT_DONE;
    command_complain(command, "no key is named");
    return EXIT_USAGE;
}

static enum exit_code
read_lines(struct key_list *list, const struct command *command,
           const char *path)
{
    char why[512];
    uint8_t *at, *end;

    if (value_read(path, &list->text, why, sizeof why) != STATUS_OK) {
        command_complain(command, "%s", why);
        return EXIT_USAGE;
    }
    at = list->text.bytes;
    end = at + list->text.size;
    while (at < end) {
        uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end != NULL ? line_end : end) - at);

        if (size > 0 && !add(list, read_line(at, size)))
            return command_fail_memory(command);
        at += size + 1;
    }
    return EXIT_DONE;
}

enum exit_code
key_list_read(struct key_list *list, const struct command *command)
{
    const char *path = command_option(command, "keys");
    enum exit_code code = EXIT_DONE;

    *list = (struct key_list){.keys = NULL};
    for (int i = 0; i < command->argc && code == EXIT_DONE; i++)
        if (!add(list, wire_text(command->argv[i])))
            code = command_fail_memory(command);
    if (code == EXIT_DONE && path != NULL)
        code = read_lines(list, command, path);
    if (code == EXIT_DONE)
        code = check(command, list);
    if (code != EXIT_DONE)
        key_list_drop(list);
    return code;
}

static bool
is_plain(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("@._-=:,+~", byte) != NULL);
}

bool
key_list_path(const char *directory, struct bytes key, char *into, size_t room)
{
    size_t size = strlen(directory), start;

    if (size + 2 >= room)
        return false;
    memcpy(into, directory, size);
    into[size++] = '/';
    start = size;
    for (size_t i = 0; i < key.size; i++) {
        uint8_t byte = key.at[i];

        if (size + 4 > room || size - start + 3 > NAME_MAX)
            return false;
        if (is_plain(byte) && (byte != '.' || i > 0))
            into[size++] = (char)byte;
        else
            size += (size_t)snprintf(into + size, 4, "%%%02X", byte);
    }
    into[size] = '\0';
    return true;
}

/* A name's key in into[NAME_MAX]; its size, or 0 where key_list_path() makes no
 * such name. */
static size_t
read_name(const char *name, uint8_t *into)
{
    const uint8_t *at = (const uint8_t *)name, *end = at + strlen(name);
    size_t size = 0;

    if (*at == '.')
        return 0;
    while (at < end) {
        int byte = *at == '%' ? read_byte(at + 1, end) : *at;

        if (byte < 0 || (*at != '%' && !is_plain(*at)))
            return 0;
        at += *at == '%' ? 3 : 1;
        into[size++] = (uint8_t)byte;
    }
    return size;
}

/* Allocated by itself; key_list_drop() frees it.  at is NULL: no memory. */
static struct bytes
copy_of(const uint8_t *key, size_t size)
{
    uint8_t *copy = malloc(size);

    if (copy != NULL)
        memcpy(copy, key, size);
    return (struct bytes){copy, size};
}

static enum exit_code
add_file(struct key_list *list, const struct command *command, const char *name)
{
    uint8_t bytes[NAME_MAX + 1];
    size_t size = strlen(name) <= NAME_MAX ? read_name(name, bytes) : 0;
    struct bytes key;

    if (size == 0)
        return EXIT_DONE;
    key = copy_of(bytes, size);
    if (key.at != NULL && add(list, key))
        return EXIT_DONE;
    free((void *)(uintptr_t)key.at);
    return command_fail_memory(command);
}

enum exit_code
key_list_read_files(struct key_list *list, const struct command *command,
                    const char *directory)
{
    DIR *files = opendir(directory);
    enum exit_code code = EXIT_DONE;
    struct dirent *file;

    *list = (struct key_list){.has_copies = true};
    if (files == NULL) {
        command_complain(command, "cannot read %s: %s", directory,
                         strerror(errno));
        return EXIT_USAGE;
    }
    while (code == EXIT_DONE && (file = readdir(files)) != NULL)
        code = add_file(list, command, file->d_name);
    closedir(files);
    if (code == EXIT_DONE)
        code = check(command, list);
    if (code != EXIT_DONE)
        key_list_drop(list);
    return code;
}

void
key_list_drop(struct key_list *list)
{
    for (size_t i = 0; list->has_copies && i < list->count; i++)
        free((void *)(uintptr_t)list->keys[i].at);
    free(list->keys);
    value_drop(&list->text);
    *list = (struct key_list){.keys = NULL};
}

struct prefixcache_item *
key_list_items(const struct key_list *list)
{
    struct prefixcache_item *items = calloc(list->count, sizeof *items);

    for (size_t i = 0; items != NULL && i < list->count; i++) {
        items[i].key = list->keys[i].at;
        items[i].key_size = list->keys[i].size;
    }
    return items;
}
