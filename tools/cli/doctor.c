/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor: asks every server what it counts and which keys it has, and says why
 * so little is found.  The rules are doctor_case_judge()'s; nothing is changed
 * but by --compare, whose GETs count.
 */
#include "proto/checksum.h"
#include "tools/cli/command.h"
#include "tools/cli/doctor_report.h"
#include "tools/cli/doctor_values.h"
#include "tools/cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALK_DEFAULT 100000u
#define ENTRIES      256u /* of one step of a walk */
#define COMPARE_MOST 1000000u

struct doctor {
    const struct command *command;
    struct prefixcache *cache;
    unsigned walk_most, compare_most; /* of each server */
    unsigned space;                   /* where --compare can look */
    struct doctor_values *values;     /* NULL: nothing is compared */
    void *room;                       /* for one of them */
    size_t room_size;
    struct prefixcache_entry *entries;
    struct doctor_case all;
    struct doctor_findings findings;
};

/* False: no memory. */
static bool
ask(struct doctor *doctor, unsigned number)
{
    struct doctor_case_shard *shard = &doctor->all.shards[number];
    char *text = NULL;
    int status = prefixcache_stats(doctor->cache, number, &text);
    bool is_read = true;

    if (status == PREFIXCACHE_OK)
        is_read = facts_read(text, &shard->sample.facts) == STATUS_OK;
    else
        shard->why = prefixcache_status_name(status);
    shard->sample.is_up = status == PREFIXCACHE_OK;
    free(text);
    if (is_read && shard->sample.is_up)
        top_models_add(&doctor->all.models, NULL, &shard->sample);
    return is_read && status != PREFIXCACHE_NO_SPACE;
}

static bool
make_room(struct doctor *doctor, size_t size)
{
    if (size <= doctor->room_size)
        return true;
    free(doctor->room);
    doctor->room = malloc(size);
    doctor->room_size = doctor->room == NULL ? 0 : size;
    return doctor->room != NULL;
}

/* One that is gone meanwhile is no failure.  False: no memory. */
static bool
read_value(struct doctor *doctor, const struct prefixcache_entry *entry)
{
    struct prefixcache_item item = {.key = entry->key,
                                    .key_size = entry->key_size,
                                    .body_size = entry->body_size,
                                    .kind = entry->kind};

    if (!make_room(doctor, entry->body_size))
        return false;
    item.body = doctor->room;
    if (prefixcache_get(doctor->cache, &item, 1) != 1 ||
        item.got != entry->body_size)
        return true;
    doctor->all.values.objects += item.kind == PREFIXCACHE_OBJECT;
    doctor->all.values.halves +=
        item.kind == PREFIXCACHE_OBJECT && item.meta_size == 0;
    return doctor_values_add(doctor->values, entry,
                             checksum_of(item.body, item.got));
}

static bool
look(struct doctor *doctor, unsigned shard,
     const struct prefixcache_entry *entry, unsigned *left)
{
    bool is_misplaced =
        doctor->all.count > 1 && prefixcache_shard_of(doctor->cache, entry->key,
                                                      entry->key_size) != shard;

    doctor_census_add(&doctor->all.census, entry, is_misplaced);
    /* A GET goes where the key belongs. */
    if (*left == 0 || is_misplaced || entry->space != doctor->space ||
        !doctor_values_wants(doctor->values, entry))
        return true;
    --*left;
    return read_value(doctor, entry);
}

/* False: no memory.  What a server that does not go on has said so far
 * counts. */
static bool
walk(struct doctor *doctor, unsigned shard)
{
    unsigned left = doctor->compare_most, seen = 0;
    uint64_t cursor = 0;

    do {
        int i, count = prefixcache_walk(doctor->cache, shard, &cursor,
                                        doctor->entries, ENTRIES);

        if (count < 0) {
            doctor->all.shards[shard].walk_why =
                prefixcache_status_name(-count);
            doctor->all.census.is_cut = true;
            return count != -PREFIXCACHE_NO_SPACE;
        }
        for (i = 0; i < count && seen < doctor->walk_most; i++, seen++)
            if (!look(doctor, shard, &doctor->entries[i], &left))
                return false;
        if (i < count || (cursor != 0 && seen == doctor->walk_most))
            doctor->all.census.is_cut = true;
    } while (cursor != 0 && seen < doctor->walk_most);
    return true;
}

static bool
name_shards(struct doctor *doctor)
{
    struct prefixcache_shard *shards =
        calloc(PREFIXCACHE_SHARDS_MAX, sizeof *shards);

    if (shards == NULL)
        return false;
    doctor->all.count = (unsigned)prefixcache_shards(
        doctor->cache, shards, PREFIXCACHE_SHARDS_MAX, sizeof *shards);
    for (unsigned i = 0; i < doctor->all.count; i++)
        snprintf(doctor->all.shards[i].name, sizeof doctor->all.shards[i].name,
                 "%s", shards[i].name);
    free(shards);
    return true;
}

static bool
may_compare(struct doctor *doctor)
{
    if (doctor->compare_most > COMPARE_MOST)
        doctor->compare_most = COMPARE_MOST;
    return doctor->compare_most == 0 ||
           doctor_values_open(doctor->compare_most * doctor->all.count,
                              &doctor->values) == STATUS_OK;
}

/* False: no memory. */
static bool
gather(struct doctor *doctor)
{
    if (!name_shards(doctor) || !may_compare(doctor))
        return false;
    for (unsigned i = 0; i < doctor->all.count; i++)
        if (!ask(doctor, i))
            return false;
    top_models_sort(&doctor->all.models);
    for (unsigned i = 0; i < doctor->all.count; i++)
        if (doctor->all.shards[i].why == NULL && doctor->walk_most > 0 &&
            !walk(doctor, i))
            return false;
    if (doctor->values != NULL)
        doctor_values_compare(doctor->values, &doctor->all.values);
    return true;
}

static bool
does_any_answer(const struct doctor *doctor)
{
    for (unsigned i = 0; i < doctor->all.count; i++)
        if (doctor->all.shards[i].why == NULL)
            return true;
    return false;
}

static enum exit_code
report(struct doctor *doctor)
{
    if (!does_any_answer(doctor)) {
        command_complain(doctor->command, "%s does not answer: %s",
                         doctor->command->url_text, doctor->all.shards[0].why);
        return EXIT_CONNECTION;
    }
    doctor_case_judge(&doctor->all, &doctor->findings);
    if (!doctor->command->is_json)
        doctor_report_print(&doctor->all, &doctor->findings, stdout);
    else if (!output_json(doctor_report_json(&doctor->all, &doctor->findings)))
        return command_fail_memory(doctor->command);
    return doctor->findings.count == 0 ? EXIT_DONE : EXIT_MISSING;
}

static void
close_all(struct doctor *doctor)
{
    for (unsigned i = 0; i < doctor->all.count; i++)
        top_sample_drop(&doctor->all.shards[i].sample);
    doctor_values_close(&doctor->values);
    free(doctor->entries);
    free(doctor->room);
    free(doctor);
}

enum exit_code
verb_doctor(struct command *command)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);
    int space = command_space(command->url_text);
    enum exit_code code = EXIT_USAGE;

    if (doctor == NULL)
        return command_fail_memory(command);
    doctor->command = command;
    doctor->cache = command->cache;
    doctor->walk_most = WALK_DEFAULT;
    doctor->space = space < 0 ? 0 : (unsigned)space;
    doctor->entries = calloc(ENTRIES, sizeof *doctor->entries);
    if (command_option_count(command, "walk", &doctor->walk_most) &&
        command_option_count(command, "compare", &doctor->compare_most)) {
        if (doctor->entries != NULL && gather(doctor))
            code = report(doctor);
        else
            code = command_fail_memory(command);
    }
    close_all(doctor);
    return code;
}
