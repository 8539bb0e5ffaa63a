/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from a YAML file: a mapping of sections to mappings of keys to
 * scalars, read event by event so that every problem can name its line and
 * column.  What a scalar means is left to option_set(); YAML's own types,
 * tags and anchors mean nothing here.
 */
#include "base/option_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FILE_SIZE_MAX (1u << 20)
#define NAME_SIZE     64u

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one looked at; deleted by the next */
    struct options *options;
    struct option_problem *problem;
    const char *name; /* of the file */
    const unsigned char *text;
    size_t size;
    /* Lines things were first given on, 0: not yet; a section's is kept with
     * its first option. */
    size_t option_line[OPTION_ID_COUNT], section_line[OPTION_ID_COUNT];
};

/* "FILE:LINE:COLUMN", counted from 1 as editors do. */
struct position {
    char text[OPTION_TEXT_MAX + 48];
};

static struct position
position_of(const struct reader *reader, const yaml_mark_t *mark)
{
    struct position position;

    snprintf(position.text, sizeof(position.text), "%.255s:%zu:%zu",
             reader->name, mark->line + 1, mark->column + 1);
    return position;
}

static enum status
complain_here(const struct reader *reader, const char *words)
{
    struct position here = position_of(reader, &reader->event.start_mark);

    return option_complain(reader->problem, here.text, "%s", words);
}

/* Where libyaml's reader stopped: it gives an offset of bytes, not a mark. */
static yaml_mark_t
mark_of_offset(const struct reader *reader, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset && i < reader->size; i++) {
        mark.column++;
        if (reader->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static enum status
complain_bad(const struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    yaml_mark_t mark = parser->error == YAML_READER_ERROR
                           ? mark_of_offset(reader, parser->problem_offset)
                           : parser->problem_mark;
    struct position where = position_of(reader, &mark);

    return option_complain(
        reader->problem, where.text,
        "bad YAML: %s; expected sections and below each, indented, "
        "key: value",
        parser->problem != NULL ? parser->problem : "out of memory");
}

static enum status
advance(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event) == 0)
        return complain_bad(reader);
    if (reader->event.type == YAML_ALIAS_EVENT)
        return complain_here(reader, "an alias (*) is not taken here; expected "
                                     "the value itself");
    return STATUS_OK;
}

/* The scalar looked at, if it is one and holds no zero byte; else NULL. */
static const char *
scalar_text(const struct reader *reader)
{
    const char *text = (const char *)reader->event.data.scalar.value;

    if (reader->event.type != YAML_SCALAR_EVENT ||
        strlen(text) != reader->event.data.scalar.length)
        return NULL;
    return text;
}

/* Nothing after the colon, or YAML's words for that. */
static bool
is_null(const struct reader *reader)
{
    const char *text = scalar_text(reader);

    return text != NULL &&
           reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 ||
            strcmp(text, "null") == 0);
}

static enum status
read_name(const struct reader *reader, char name[NAME_SIZE])
{
    const char *text = scalar_text(reader);

    if (text == NULL)
        return complain_here(reader, "not a name; expected the name of a "
                                     "section or of a key");
    snprintf(name, NAME_SIZE, "%.63s", text);
    return STATUS_OK;
}

static enum status
note_line(const struct reader *reader, size_t *line, const char *name)
{
    struct position here = position_of(reader, &reader->event.start_mark);

    if (*line != 0)
        return option_complain(reader->problem, here.text,
                               "%s is given twice, first on line %zu; expected "
                               "once",
                               name, *line);
    *line = reader->event.start_mark.line + 1;
    return STATUS_OK;
}

static enum status
read_value(struct reader *reader, const char *section, const char *key)
{
    enum status status = advance(reader);
    struct position here;
    char source[OPTION_TEXT_MAX + 24];
    struct option_input input = {section, key, NULL, source, here.text};

    if (status != STATUS_OK)
        return status;
    here = position_of(reader, &reader->event.start_mark);
    input.text = scalar_text(reader);
    if (input.text == NULL || is_null(reader))
        return option_complain(
            reader->problem, here.text, "%s.%s: %s; expected one plain value",
            section, key, is_null(reader) ? "no value" : "not a plain value");
    snprintf(source, sizeof(source), "%.255s:%zu", reader->name,
             reader->event.start_mark.line + 1);
    return option_set(reader->options, &input, reader->problem);
}

static enum status
read_option(struct reader *reader, const char *section)
{
    char key[NAME_SIZE], name[2 * NAME_SIZE];
    struct position here = position_of(reader, &reader->event.start_mark);
    enum status status = read_name(reader, key);
    enum option_id id;

    if (status != STATUS_OK)
        return status;
    if (!option_find(section, key, &id)) {
        id = option_nearest(section, key);
        return option_complain(reader->problem, here.text,
                               "unknown key \"%s\" in section %s; the nearest "
                               "known one is \"%s.%s\"",
                               key, section, option_section(id),
                               option_key(id));
    }
    snprintf(name, sizeof(name), "%s.%s", section, key);
    status = note_line(reader, &reader->option_line[id], name);
    return status != STATUS_OK ? status : read_value(reader, section, key);
}

static enum status
read_section(struct reader *reader)
{
    char section[NAME_SIZE];
    struct position here = position_of(reader, &reader->event.start_mark);
    enum status status = read_name(reader, section);
    enum option_id first;

    if (status != STATUS_OK)
        return status;
    if (!option_find_section(section, &first))
        return option_complain(
            reader->problem, here.text,
            "unknown section \"%s\"; the nearest known one is \"%s\"", section,
            option_section(option_nearest_section(section)));
    status = note_line(reader, &reader->section_line[first], section);
    if (status == STATUS_OK)
        status = advance(reader);
    /* A section whose every line is commented out. */
    if (status != STATUS_OK || is_null(reader))
        return status;
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return complain_here(reader, "not a mapping; expected the keys of the "
                                     "section, each \"key: value\"");
    while ((status = advance(reader)) == STATUS_OK &&
           reader->event.type != YAML_MAPPING_END_EVENT) {
        status = read_option(reader, section);
        if (status != STATUS_OK)
            return status;
    }
    return status;
}

static enum status
read_document(struct reader *reader)
{
    enum status status = advance(reader);

    if (status != STATUS_OK || is_null(reader))
        return status;
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return complain_here(reader, "not a mapping; expected sections, each "
                                     "\"section:\" and its keys below");
    while ((status = advance(reader)) == STATUS_OK &&
           reader->event.type != YAML_MAPPING_END_EVENT) {
        status = read_section(reader);
        if (status != STATUS_OK)
            return status;
    }
    return status;
}

static enum status
read_stream(struct reader *reader)
{
    bool has_document = false;
    enum status status = advance(reader); /* the stream's start */

    while (status == STATUS_OK) {
        status = advance(reader);
        if (status != STATUS_OK || reader->event.type == YAML_STREAM_END_EVENT)
            break;
        if (reader->event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (has_document)
            return complain_here(reader, "a second document; expected one");
        has_document = true;
        status = read_document(reader);
    }
    return status;
}

enum status
options_read_yaml(struct options *options, const void *text, size_t size,
                  const char *name, struct option_problem *problem)
{
    struct reader reader = {.options = options,
                            .problem = problem,
                            .name = name,
                            .text = text,
                            .size = size};
    enum status status;

    if (yaml_parser_initialize(&reader.parser) == 0)
        return option_complain(problem, name, "out of memory");
    yaml_parser_set_input_string(&reader.parser, text, size);
    status = read_stream(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return status;
}

static enum status
read_stdio(struct options *options, FILE *stream, const char *path,
           struct option_problem *problem)
{
    char *text = malloc(FILE_SIZE_MAX + 1);
    enum status status;
    size_t size;

    if (text == NULL)
        return option_complain(problem, path, "out of memory");
    errno = 0;
    size = fread(text, 1, FILE_SIZE_MAX + 1, stream);
    if (ferror(stream))
        status = option_complain(problem, path,
                                 "can not be read: %s; expected a YAML file",
                                 strerror(errno));
    else if (size > FILE_SIZE_MAX)
        status =
            option_complain(problem, path, "too large; expected at most 1MiB");
    else
        status = options_read_yaml(options, text, size, path, problem);
    free(text);
    return status;
}

enum status
options_read_file(struct options *options, const char *path,
                  struct option_problem *problem)
{
    FILE *stream = fopen(path, "re");
    enum status status;

    if (stream == NULL)
        return option_complain(problem, path,
                               "can not be opened: %s; expected a YAML file",
                               strerror(errno));
    status = read_stdio(options, stream, path, problem);
    fclose(stream);
    return status;
}
