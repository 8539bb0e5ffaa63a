/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration file and as a --set: never a crash, a refusal
 * always has a text, and what was taken is printed in a form that is taken
 * again and means the same.
 */
#include "base/option_table.h"
#include "base/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_TAKEN 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct options *one, const struct options *other)
{
    char first[OPTION_TEXT_MAX], second[OPTION_TEXT_MAX];

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        option_format(one, (enum option_id)id, first, sizeof(first));
        option_format(other, (enum option_id)id, second, sizeof(second));
        assert(strcmp(first, second) == 0);
    }
}

/* Bytes that are not UTF-8 come in by --set, where they may name a file, but
 * YAML has no way to spell them. */
static bool
is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

static void
check_printed(const struct options *options)
{
    static struct options again;
    struct option_problem problem;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert(stream != NULL);
    options_print(options, stream);
    fclose(stream);
    if (is_ascii(text, size)) {
        options_init(&again);
        assert(options_read_yaml(&again, text, size, "printed", &problem) ==
               STATUS_OK);
        check_same(options, &again);
    }
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    struct option_problem problem = {""};
    char *pair;

    if (size > SIZE_MAX_TAKEN)
        return 0;
    pair = malloc(size + 1);
    if (pair == NULL)
        return 0;
    if (size > 0)
        memcpy(pair, data, size);
    pair[size] = '\0';
    options_init(&options);
    if (options_read_yaml(&options, data, size, "fuzz", &problem) != STATUS_OK)
        assert(strncmp(problem.text, "fuzz:", 5) == 0);
    if (option_set_pair(&options, pair, "--set", &problem) != STATUS_OK)
        assert(strncmp(problem.text, "--set: ", 7) == 0);
    check_printed(&options);
    if (options_finish(&options, &problem) != STATUS_OK)
        assert(problem.text[0] != '\0');
    check_printed(&options);
    free(pair);
    return 0;
}
