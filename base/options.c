/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options and option_set(), the one door every source goes
 * through.  What a text means is option_value.c's; where texts come from is
 * options_yaml.c's and options_environment.c's; what values mean together is
 * options_finish.c's.
 */
#include "base/option_table.h"

#include <stdarg.h>
#include <string.h>

#define NAME_MAX_SIZE 64u

const struct option_row option_rows[OPTION_ID_COUNT] = {
#define OPTION(section, key, type, fallback, least, most, words, reload, help) \
    {#section, #key,   OPTION_##type,                                          \
     fallback, least,  most,                                                   \
     words,    reload, offsetof(struct options, section##_##key)},
#include "base/options.def"
#undef OPTION
};

bool
option_may_be_auto(const struct option_row *row)
{
    return row->type != OPTION_CHOICE && strcmp(row->fallback, "auto") == 0;
}

uint64_t *
option_number(struct options *options, enum option_id id)
{
    return (uint64_t *)(void *)((char *)options + option_rows[id].offset);
}

uint64_t
option_number_of(const struct options *options, enum option_id id)
{
    uint64_t number;

    memcpy(&number, (const char *)options + option_rows[id].offset,
           sizeof(number));
    return number;
}

bool
option_flag_of(const struct options *options, enum option_id id)
{
    bool flag;

    memcpy(&flag, (const char *)options + option_rows[id].offset, sizeof(flag));
    return flag;
}

const char *
option_text_of(const struct options *options, enum option_id id)
{
    return (const char *)options + option_rows[id].offset;
}

enum status
option_complain(struct option_problem *problem, const char *where,
                const char *format, ...)
{
    int used =
        snprintf(problem->text, sizeof(problem->text), "%.300s: ", where);
    va_list words;

    va_start(words, format);
    vsnprintf(problem->text + used, sizeof(problem->text) - (size_t)used,
              format, words);
    va_end(words);
    /* Values and file names are anybody's; a terminal must survive them. */
    for (char *at = problem->text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return STATUS_BAD_REQUEST;
}

static unsigned
least_of(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

unsigned
option_distance(const char *one, const char *other)
{
    unsigned row[NAME_MAX_SIZE];
    size_t width = strnlen(other, NAME_MAX_SIZE - 1);
    size_t height = strnlen(one, NAME_MAX_SIZE - 1);

    for (size_t x = 0; x <= width; x++)
        row[x] = (unsigned)x;
    for (size_t y = 1; y <= height; y++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)y;
        for (size_t x = 1; x <= width; x++) {
            unsigned above = row[x];

            row[x] = least_of(above + 1, row[x - 1] + 1,
                              diagonal + (one[y - 1] != other[x - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

bool
option_find(const char *section, const char *key, enum option_id *id_out)
{
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        if (strcmp(option_rows[id].section, section) == 0 &&
            strcmp(option_rows[id].key, key) == 0) {
            *id_out = (enum option_id)id;
            return true;
        }
    }
    return false;
}

bool
option_find_section(const char *section, enum option_id *id_out)
{
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        if (strcmp(option_rows[id].section, section) == 0) {
            *id_out = (enum option_id)id;
            return true;
        }
    }
    return false;
}

enum option_id
option_nearest(const char *section, const char *key)
{
    enum option_id nearest = 0;
    unsigned least = UINT32_MAX;

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        /* The right key in the wrong section is the likelier slip, so that
         * edits of the key weigh more. */
        unsigned distance = 3 * option_distance(key, option_rows[id].key) +
                            option_distance(section, option_rows[id].section);

        if (distance < least) {
            least = distance;
            nearest = (enum option_id)id;
        }
    }
    return nearest;
}

enum option_id
option_nearest_section(const char *section)
{
    enum option_id nearest = 0;
    unsigned least = UINT32_MAX;

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        unsigned distance = option_distance(section, option_rows[id].section);

        if (distance < least) {
            least = distance;
            nearest = (enum option_id)id;
        }
    }
    return nearest;
}

/* Of a field of the struct. */
static size_t
size_of(enum option_type type)
{
    switch (type) {
    case OPTION_SIZE:
    case OPTION_SHARE:
    case OPTION_COUNT:
    case OPTION_MS:
    case OPTION_CHOICE:
        return sizeof(uint64_t);
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_ADDRESS:
    case OPTION_ENDPOINT:
    case OPTION_PATH:
    case OPTION_TEXT:
        break;
    }
    return OPTION_TEXT_MAX;
}

static void
store(struct options *options, enum option_id id,
      const struct option_value *value, const char *source)
{
    enum option_type type = option_rows[id].type;
    const void *from = &value->number;

    if (type == OPTION_BOOL)
        from = &value->flag;
    else if (size_of(type) == OPTION_TEXT_MAX)
        from = value->text;
    memcpy((char *)options + option_rows[id].offset, from, size_of(type));
    snprintf(options->source[id], sizeof(options->source[id]), "%.279s",
             source);
}

void
option_copy(struct options *options, const struct options *from,
            enum option_id id)
{
    size_t offset = option_rows[id].offset;

    memcpy((char *)options + offset, (const char *)from + offset,
           size_of(option_rows[id].type));
    memcpy(options->source[id], from->source[id], sizeof(from->source[id]));
}

enum status
option_set(struct options *options, const struct option_input *input,
           struct option_problem *problem)
{
    struct option_value value;
    char expected[256];
    const char *wrong;
    enum option_id id;

    if (!option_find(input->section, input->key, &id)) {
        id = option_nearest(input->section, input->key);
        return option_complain(
            problem, input->where,
            "unknown option \"%.60s.%.60s\"; the nearest known one is "
            "\"%s.%s\"",
            input->section, input->key, option_rows[id].section,
            option_rows[id].key);
    }
    wrong = option_parse(&option_rows[id], input->text, &value);
    if (wrong != NULL) {
        option_expectation(&option_rows[id], expected, sizeof(expected));
        return option_complain(
            problem, input->where, "%s.%s: \"%.80s\" is %s; expected %s",
            input->section, input->key, input->text, wrong, expected);
    }
    store(options, id, &value, input->source);
    return STATUS_OK;
}

enum status
option_set_pair(struct options *options, const char *pair, const char *source,
                struct option_problem *problem)
{
    const char *equals = strchr(pair, '=');
    size_t size = equals == NULL ? 0 : (size_t)(equals - pair);
    const char *dot = size == 0 ? NULL : memchr(pair, '.', size);
    char section[NAME_MAX_SIZE], key[NAME_MAX_SIZE];
    struct option_input input = {section, key, NULL, source, source};

    if (dot == NULL)
        return option_complain(problem, source,
                               "\"%.80s\" is no setting; expected "
                               "section.key=value, such as dram.size=4GiB",
                               pair);
    snprintf(section, sizeof(section), "%.*s",
             (int)(dot - pair < 63 ? dot - pair : 63), pair);
    snprintf(key, sizeof(key), "%.*s",
             (int)(equals - dot < 64 ? equals - dot - 1 : 63), dot + 1);
    input.text = equals + 1;
    return option_set(options, &input, problem);
}

void
options_init(struct options *options)
{
    memset(options, 0, sizeof(*options));
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        struct option_value value;

        /* The unit test proves every fallback valid; option_parse() fills a
         * zero value otherwise. */
        (void)option_parse(&option_rows[id], option_rows[id].fallback, &value);
        store(options, (enum option_id)id, &value, "default");
    }
}

const char *
option_section(enum option_id id)
{
    return option_rows[id].section;
}

const char *
option_key(enum option_id id)
{
    return option_rows[id].key;
}

bool
option_may_reload(enum option_id id)
{
    return option_rows[id].may_reload;
}
