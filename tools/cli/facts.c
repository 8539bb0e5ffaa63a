/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the text of INFO.  What the names mean is left to who asks. */
#include "tools/cli/facts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 64u

static int
compare(const void *left, const void *right)
{
    const struct facts_line *a = left, *b = right;

    return strcmp(a->name, b->name);
}

static size_t
count_lines(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* False for a heading, or what has no value. */
static bool
split(char *line, struct facts_line *out)
{
    size_t size = strcspn(line, ": \r");

    if (*line == '#' || size == 0 || line[size] == '\0' || line[size] == '\r')
        return false;
    line[size] = '\0';
    out->name = line;
    out->value = line + size + 1;
    line[size + 1 + strcspn(out->value, "\r")] = '\0';
    return true;
}

enum status
facts_read(const char *text, struct facts *out)
{
    struct facts facts = {strdup(text), NULL, 0};
    char *rest = facts.text, *line;

    facts.lines = calloc(count_lines(text), sizeof *facts.lines);
    if (facts.text == NULL || facts.lines == NULL) {
        facts_drop(&facts);
        return STATUS_NO_SPACE;
    }
    while ((line = strsep(&rest, "\n")) != NULL)
        if (split(line, &facts.lines[facts.count]))
            facts.count++;
    qsort(facts.lines, facts.count, sizeof *facts.lines, compare);
    *out = facts;
    return STATUS_OK;
}

void
facts_drop(struct facts *facts)
{
    free(facts->text);
    free(facts->lines);
    *facts = (struct facts){NULL, NULL, 0};
}

const char *
facts_text(const struct facts *facts, const char *name)
{
    struct facts_line wanted = {name, NULL};
    const struct facts_line *found;

    if (facts->count == 0)
        return NULL;
    found = bsearch(&wanted, facts->lines, facts->count, sizeof *facts->lines,
                    compare);
    return found == NULL ? NULL : found->value;
}

/* strtoull would take signs, and what does not fit. */
static uint64_t
number_of(const char *text)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)*text))
        return 0;
    for (; isdigit((unsigned char)*text); text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return *text == '\0' || *text == ',' ? number : 0;
}

uint64_t
facts_number(const struct facts *facts, const char *name)
{
    const char *text = facts_text(facts, name);

    return text == NULL ? 0 : number_of(text);
}

bool
facts_fraction(const struct facts *facts, const char *name, double *out)
{
    const char *text = facts_text(facts, name);
    char *end = NULL;
    double value;

    if (text == NULL || !isdigit((unsigned char)*text))
        return false;
    value = strtod(text, &end);
    if (*end != '\0')
        return false;
    *out = value;
    return true;
}

/* Of "queries=3,hits=1,...": the one behind NAME=, before the model's name,
 * which comes last and may hold anything. */
static uint64_t
field(const char *line, const char *end, const char *name)
{
    size_t size = strlen(name);

    for (const char *at = line; at != NULL && at < end;) {
        if (strncmp(at, name, size) == 0 && at[size] == '=')
            return number_of(at + size + 1);
        at = strchr(at, ',');
        if (at != NULL)
            at++;
    }
    return 0;
}

bool
facts_model(const struct facts *facts, unsigned number, struct facts_model *out)
{
    static const char last[] = ",model=";
    char name[NAME_MAX_SIZE];
    const char *line, *end;

    snprintf(name, sizeof name, "prefix_model_%u", number);
    line = facts_text(facts, name);
    end = line == NULL ? NULL : strstr(line, last);
    if (end == NULL)
        return false;
    *out =
        (struct facts_model){.space = (unsigned)field(line, end, "namespace"),
                             .queries = field(line, end, "queries"),
                             .hits = field(line, end, "hits"),
                             .puts = field(line, end, "puts"),
                             .name = end + sizeof last - 1};
    return true;
}
