/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/doctor_findings.h"

#include <stdarg.h>
#include <string.h>

#define LINE_WIDTH 78u
#define INDENT     4u

static const char *const severities[] = {"note", "warn", "bad"};

struct doctor_finding *
doctor_findings_new(struct doctor_findings *findings, const char *rule,
                    enum doctor_severity severity)
{
    struct doctor_finding *finding = &findings->all[findings->count];

    if (findings->count < DOCTOR_FINDINGS_MAX)
        findings->count++;
    memset(finding, 0, sizeof *finding);
    finding->rule = rule;
    finding->severity = severity;
    return finding;
}

void
doctor_finding_say(struct doctor_finding *finding, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    vsnprintf(finding->what, sizeof finding->what, format, words);
    va_end(words);
}

void
doctor_finding_advise(struct doctor_finding *finding, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    vsnprintf(finding->todo, sizeof finding->todo, format, words);
    va_end(words);
}

void
doctor_finding_figure(struct doctor_finding *finding, const char *name,
                      double value)
{
    struct doctor_figure *figure = &finding->figures[finding->figure_count];

    if (finding->figure_count == DOCTOR_FIGURES_MAX)
        return;
    finding->figure_count++;
    snprintf(figure->name, sizeof figure->name, "%s", name);
    figure->value = value;
}

/* By insertion: few, and those alike keep their order. */
void
doctor_findings_sort(struct doctor_findings *findings)
{
    for (unsigned i = 1; i < findings->count; i++) {
        struct doctor_finding moved = findings->all[i];
        unsigned at = i;

        for (; at > 0 && findings->all[at - 1].severity < moved.severity; at--)
            findings->all[at] = findings->all[at - 1];
        findings->all[at] = moved;
    }
}

static void
print_word(const char *word, size_t size, FILE *to)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)word[i];
        unsigned char next = i + 1 < size ? (unsigned char)word[i + 1] : 0;
        /* C1 controls (U+0080 to U+009F) steer terminals too. */
        bool is_c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;

        fputc(byte < ' ' || byte == 0x7f || is_c1 ? '?' : byte, to);
        i += is_c1;
    }
}

/* Broken between words.  `column`: how far the line is written already. */
static void
print_paragraph(const char *text, unsigned column, FILE *to)
{
    bool is_first = true;

    while (*text != '\0') {
        size_t size = strcspn(text, " ");

        if (is_first) {
            is_first = false;
        } else if (column + 1 + size > LINE_WIDTH) {
            fprintf(to, "\n%*s", (int)INDENT, "");
            column = INDENT;
        } else {
            fputc(' ', to);
            column++;
        }
        print_word(text, size, to);
        column += (unsigned)size;
        text += size;
        text += *text == ' ';
    }
    fputc('\n', to);
}

/* Most are whole numbers. */
static void
print_figures(const struct doctor_finding *finding, FILE *to)
{
    char text[DOCTOR_FIGURES_MAX * 80];
    size_t used = 0;

    for (unsigned i = 0; i < finding->figure_count; i++) {
        const struct doctor_figure *figure = &finding->figures[i];
        bool is_whole = figure->value == (double)(long long)figure->value;

        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.*f",
                                 i == 0 ? "(" : ", ", figure->name,
                                 is_whole ? 0 : 4, figure->value);
    }
    snprintf(text + used, sizeof text - used, ")");
    fprintf(to, "%*s", (int)INDENT, "");
    print_paragraph(text, INDENT, to);
}

static void
print_finding(const struct doctor_finding *finding, FILE *to)
{
    int width =
        fprintf(to, "%-4s %s: ", severities[finding->severity], finding->rule);

    print_paragraph(finding->what, (unsigned)width, to);
    width = fprintf(to, "%*sDo: ", (int)INDENT, "");
    print_paragraph(finding->todo, (unsigned)width, to);
    print_figures(finding, to);
    fputc('\n', to);
}

void
doctor_findings_print(const struct doctor_findings *findings, FILE *to)
{
    for (unsigned i = 0; i < findings->count; i++)
        print_finding(&findings->all[i], to);
}

/* A cut text may end within a character, and JSON takes none such. */
static json_t *
text_of(const char *text)
{
    size_t size = strlen(text);

    for (unsigned i = 0; i < 4 && i <= size; i++) {
        json_t *string = json_stringn(text, size - i);

        if (string != NULL)
            return string;
    }
    return json_string("");
}

static json_t *
json_of(const struct doctor_finding *finding)
{
    json_t *figures = json_object();

    for (unsigned i = 0; i < finding->figure_count; i++)
        json_object_set_new(figures, finding->figures[i].name,
                            json_real(finding->figures[i].value));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "rule", finding->rule,
                     "severity", severities[finding->severity], "what",
                     text_of(finding->what), "do", text_of(finding->todo),
                     "figures", figures);
}

json_t *
doctor_findings_json(const struct doctor_findings *findings)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < findings->count; i++)
        json_array_append_new(all, json_of(&findings->all[i]));
    return all;
}
