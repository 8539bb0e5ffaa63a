/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from the environment: PREFIXCACHE_<SECTION>_<KEY>.  A variable that
 * begins like one of ours and is none is an error; other PREFIXCACHE_ names
 * (of our tools, and those that Kubernetes sets for a Service of that name)
 * are left alone.
 */
#include "base/option_table.h"

#include <ctype.h>
#include <string.h>

#define PREFIX      "PREFIXCACHE_"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)

struct variable {
    char text[128];
};

static struct variable
variable_of(const struct option_row *row)
{
    struct variable name;

    snprintf(name.text, sizeof(name.text), PREFIX "%s_%s", row->section,
             row->key);
    for (char *at = name.text; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    return name;
}

static bool
begins_like_ours(const char *name)
{
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        struct variable ours = variable_of(&option_rows[id]);
        size_t size = PREFIX_SIZE + strlen(option_rows[id].section) + 1;

        if (strncmp(name, ours.text, size) == 0)
            return true;
    }
    return false;
}

static enum status
complain_unknown(const char *name, struct option_problem *problem)
{
    struct variable nearest = {""};
    unsigned least = UINT32_MAX;

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        struct variable ours = variable_of(&option_rows[id]);
        unsigned distance = option_distance(name, ours.text);

        if (distance < least) {
            least = distance;
            nearest = ours;
        }
    }
    return option_complain(problem, "environment",
                           "unknown variable %.100s; the nearest known one is "
                           "%s",
                           name, nearest.text);
}

static enum status
take_variable(struct options *options, const char *variable,
              struct option_problem *problem)
{
    size_t size = strcspn(variable, "=");
    char name[128], source[160];

    if (variable[size] != '=' || strncmp(variable, PREFIX, PREFIX_SIZE) != 0)
        return STATUS_OK;
    snprintf(name, sizeof(name), "%.*s", (int)(size < 127 ? size : 127),
             variable);
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_row *row = &option_rows[id];
        struct variable ours = variable_of(row);
        struct option_input input = {row->section, row->key,
                                     variable + size + 1, source, source};

        if (strcmp(ours.text, name) != 0)
            continue;
        snprintf(source, sizeof(source), "environment %s", name);
        return option_set(options, &input, problem);
    }
    return begins_like_ours(name) ? complain_unknown(name, problem) : STATUS_OK;
}

enum status
options_read_environment(struct options *options, char **environment,
                         struct option_problem *problem)
{
    for (; *environment != NULL; environment++) {
        enum status status = take_variable(options, *environment, problem);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
