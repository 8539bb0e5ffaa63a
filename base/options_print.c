/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values spelled again, as a source would spell them: for --print-config,
 * whose output options_read_yaml() takes, and for messages.
 */
#include "base/option_table.h"

#include <inttypes.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first; the one that divides exactly is taken. */
static const struct unit size_units[] = {{"TiB", 1ull << 40},
                                         {"GiB", 1ull << 30},
                                         {"MiB", 1ull << 20},
                                         {"KiB", 1ull << 10},
                                         {"", 1}};
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static void
format_units(uint64_t number, const struct unit *unit, char *into, size_t room)
{
    if (number == 0) {
        snprintf(into, room, "0");
        return;
    }
    while (number % unit->factor != 0)
        unit++;
    snprintf(into, room, "%" PRIu64 "%s", number / unit->factor, unit->name);
}

void
option_format_size(uint64_t bytes, char *into, size_t room)
{
    format_units(bytes, size_units, into, room);
}

static void
format_choice(const char *words, uint64_t index, char *into, size_t room)
{
    for (; index > 0; index--) {
        words += strcspn(words, ",");
        words += *words == ',';
    }
    snprintf(into, room, "%.*s", (int)strcspn(words, ","), words);
}

void
option_format(const struct options *options, enum option_id id, char *into,
              size_t room)
{
    const struct option_row *row = &option_rows[id];

    if (option_may_be_auto(row) && option_number_of(options, id) == 0) {
        snprintf(into, room, "auto");
        return;
    }
    switch (row->type) {
    case OPTION_SIZE:
    case OPTION_SHARE:
        option_format_size(option_number_of(options, id), into, room);
        break;
    case OPTION_COUNT:
        snprintf(into, room, "%" PRIu64, option_number_of(options, id));
        break;
    case OPTION_MS:
        format_units(option_number_of(options, id), time_units, into, room);
        break;
    case OPTION_CHOICE:
        format_choice(row->words, option_number_of(options, id), into, room);
        break;
    case OPTION_BOOL:
        snprintf(into, room, "%s",
                 option_flag_of(options, id) ? "true" : "false");
        break;
    case OPTION_ADDRESS:
    case OPTION_ENDPOINT:
    case OPTION_PATH:
    case OPTION_TEXT:
        snprintf(into, room, "%s", option_text_of(options, id));
        break;
    }
}

static bool
is_text(enum option_type type)
{
    return type == OPTION_ADDRESS || type == OPTION_ENDPOINT ||
           type == OPTION_PATH || type == OPTION_TEXT;
}

/* Quoted where a bare word could be read as something else. */
static void
print_value(const struct options *options, enum option_id id, FILE *stream)
{
    enum option_type type = option_rows[id].type;
    char text[OPTION_TEXT_MAX];

    option_format(options, id, text, sizeof(text));
    if (!is_text(type)) {
        fputs(text, stream);
        return;
    }
    putc('"', stream);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            putc('\\', stream);
        putc(*at, stream);
    }
    putc('"', stream);
}

/* A source holds a file's name, which may hold anything, even a line end. */
static void
print_comment(const char *source, FILE *stream)
{
    fputs("  # ", stream);
    for (; *source != '\0'; source++)
        putc((unsigned char)*source < 0x20 || *source == 0x7f ? '?' : *source,
             stream);
    putc('\n', stream);
}

void
options_print(const struct options *options, FILE *stream)
{
    const char *section = "";

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_row *row = &option_rows[id];

        if (strcmp(section, row->section) != 0) {
            section = row->section;
            fprintf(stream, "%s:\n", section);
        }
        fprintf(stream, "  %s: ", row->key);
        print_value(options, (enum option_id)id, stream);
        print_comment(options->source[id], stream);
    }
}
