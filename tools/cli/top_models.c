/* SPDX-License-Identifier: Apache-2.0 */
/* Models are found by their name: their numbers differ from shard to shard. */
#include "tools/cli/top_models.h"

#include <stdlib.h>
#include <string.h>

static struct top_model *
find(struct top_models *models, unsigned space, const char *name)
{
    for (unsigned i = 0; i < models->count; i++)
        if (models->all[i].space == space &&
            strcmp(models->all[i].name, name) == 0)
            return &models->all[i];
    if (models->count == TOP_MODELS_MAX)
        return NULL;
    models->all[models->count] =
        (struct top_model){.name = name, .space = space};
    return &models->all[models->count++];
}

static bool
is_earlier(const struct top_sample *before, unsigned number,
           const struct facts_model *now, struct facts_model *then)
{
    return facts_model(&before->facts, number, then) &&
           then->space == now->space && strcmp(then->name, now->name) == 0;
}

/* It mostly has the number that it has now: one that is used for the first time
 * comes before those that were met later. */
static struct facts_model
earlier(const struct top_sample *before, unsigned number,
        const struct facts_model *now)
{
    struct facts_model then, none = {.name = now->name};

    if (before == NULL)
        return none;
    if (is_earlier(before, number, now, &then))
        return then;
    for (unsigned i = 0; facts_model(&before->facts, i, &then); i++)
        if (is_earlier(before, i, now, &then))
            return then;
    return none;
}

static uint64_t
gained(uint64_t then, uint64_t now)
{
    return now < then ? now : now - then;
}

void
top_models_add(struct top_models *models, const struct top_sample *before,
               const struct top_sample *after)
{
    struct facts_model now;

    for (unsigned i = 0; facts_model(&after->facts, i, &now); i++) {
        struct facts_model then = earlier(before, i, &now);
        struct top_model *model = find(models, now.space, now.name);

        if (model == NULL)
            continue;
        model->queries_ever += now.queries;
        model->hits_ever += now.hits;
        model->puts_ever += now.puts;
        if (before != NULL && !before->is_up)
            continue;
        model->queries += gained(then.queries, now.queries);
        model->hits += gained(then.hits, now.hits);
        model->puts += gained(then.puts, now.puts);
    }
}

static int
more(uint64_t left, uint64_t right)
{
    return (left < right) - (left > right);
}

static int
compare(const void *left, const void *right)
{
    const struct top_model *a = left, *b = right;

    if (a->queries != b->queries)
        return more(a->queries, b->queries);
    if (a->puts != b->puts)
        return more(a->puts, b->puts);
    if (a->queries_ever != b->queries_ever)
        return more(a->queries_ever, b->queries_ever);
    return strcmp(a->name, b->name);
}

void
top_models_sort(struct top_models *models)
{
    qsort(models->all, models->count, sizeof *models->all, compare);
}

double
top_models_ratio(uint64_t hits, uint64_t queries)
{
    return queries == 0 ? -1 : (double)hits / (double)queries;
}
