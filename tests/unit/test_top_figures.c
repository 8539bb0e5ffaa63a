/* SPDX-License-Identifier: Apache-2.0 */
/* What happened between two looks. */
#include "tests/unit/top_samples.h"

#include <stdlib.h>
#include <string.h>

static struct top_sample before, after;
static struct top_figures figures;

static void
look(unsigned seconds, const char *earlier, const char *later)
{
    before = top_samples_make(10, earlier);
    after = top_samples_make(10 + seconds, later);
    top_figures_read(&before, &after, &figures);
}

static void
close_all(void)
{
    top_sample_drop(&before);
    top_sample_drop(&after);
}

TestSuite(top_figures, .fini = close_all);

Test(top_figures, rates_are_differences_over_time)
{
    look(4, "process_id:1\nresp_get:100\nlm_get:10\nget_bytes:1000\n",
         "process_id:1\nresp_get:300\nlm_get:20\nnative_get:2\nget_bytes:5000\n"
         "connected_clients:7\n");
    cr_assert_float_eq(figures.seconds, 4, 1e-9);
    cr_assert_eq(figures.counts[TOP_REQUESTS], 212);
    cr_assert_float_eq(
        top_figures_rate(&figures, figures.counts[TOP_GET_BYTES]), 1000, 1e-9);
    cr_assert_eq(figures.connections, 7);
    cr_assert_not(figures.is_anew);
}

Test(top_figures, a_server_that_was_started_anew_counts_from_zero)
{
    look(2, "process_id:1\nuptime_in_seconds:90\nget_hits:1000\nputs_same:5\n",
         "process_id:2\nuptime_in_seconds:1\nget_hits:30\nputs_same:6\n");
    cr_assert(figures.is_anew);
    cr_assert_eq(figures.counts[TOP_GET_HITS], 30);
    cr_assert_eq(figures.counts[TOP_PUTS], 6);
}

Test(top_figures, an_equal_process_number_does_not_hide_a_restart)
{
    look(2, "process_id:1\nuptime_in_seconds:90\nget_hits:10\n",
         "process_id:1\nuptime_in_seconds:1\nget_hits:30\n");
    cr_assert(figures.is_anew);
    cr_assert_eq(figures.counts[TOP_GET_HITS], 30);
}

Test(top_figures, a_counter_that_goes_back_is_no_huge_number)
{
    look(1, "process_id:1\nget_hits:50\n", "process_id:1\nget_hits:20\n");
    cr_assert_eq(figures.counts[TOP_GET_HITS], 20);
}

Test(top_figures, without_an_earlier_look_all_since_the_start_counts)
{
    after = top_samples_make(3, "uptime_in_seconds:10\nget_hits:50\n");
    top_figures_read(NULL, &after, &figures);
    cr_assert_float_eq(top_figures_rate(&figures, figures.counts[TOP_GET_HITS]),
                       5, 1e-9);
}

Test(top_figures, a_server_that_comes_back_has_no_rates_yet)
{
    after = top_samples_make(12, "get_hits:50\nhits_dram:50\ndram_size:9\n");
    before = (struct top_sample){.is_up = false, .at_ns = 10000000000ull};
    top_figures_read(&before, &after, &figures);
    cr_assert(figures.is_up);
    cr_assert_eq(figures.counts[TOP_GET_HITS], 0);
    cr_assert_eq(figures.tiers[TOP_DRAM].hits, 0);
    cr_assert_eq(figures.tiers[TOP_DRAM].size, 9);
}

Test(top_figures, a_server_that_is_gone_has_none)
{
    before = top_samples_make(10, "get_hits:50\n");
    after = (struct top_sample){.is_up = false, .at_ns = 12000000000ull};
    top_figures_read(&before, &after, &figures);
    cr_assert_not(figures.is_up);
    cr_assert_eq(figures.counts[TOP_GET_HITS], 0);
}

Test(top_figures, tiers_are_those_that_the_server_has)
{
    look(1, "hits_nvme:1\nget_hits:1\nget_misses:0\n",
         "dram_size:1000\ndram_used:500\ndram_chunks:3\nnvme_size:9000\n"
         "nvme_value_bytes:800\nnvme_chunks:4\nnvme_readable:0\n"
         "nvme_writable:1\nhits_nvme:4\nget_hits:7\nget_misses:6\n");
    cr_assert(figures.tiers[TOP_DRAM].is_there);
    cr_assert_eq(figures.tiers[TOP_DRAM].used, 500);
    cr_assert_eq(figures.tiers[TOP_DRAM].out_count, 0);
    cr_assert(figures.tiers[TOP_NVME].is_there);
    cr_assert_eq(figures.tiers[TOP_NVME].out_count, 1);
    cr_assert_not(figures.tiers[TOP_SPILL].is_there);
    cr_assert_float_eq(top_figures_tier_ratio(&figures, TOP_NVME), .25, 1e-9);
    cr_assert_lt(figures.tiers[TOP_NVME].get_ms, 0);
}

Test(top_figures, a_get_takes_its_start_and_its_bytes)
{
    look(1, "",
         "nvme_size:1\nnvme_value_bytes:4000000\nnvme_chunks:2\n"
         "nvme_get_us:500.5\nnvme_get_bytes_per_second:1000000000\n");
    cr_assert_float_eq(figures.tiers[TOP_NVME].get_ms, 2.5005, 1e-6);
}

Test(top_figures, hit_ratios_of_nothing_are_none)
{
    look(1, "prefix_queries:5\nprefix_hits:5\n",
         "prefix_queries:5\nprefix_hits:5\n");
    cr_assert_lt(top_figures_hit_ratio(&figures), 0);
    cr_assert_lt(top_figures_tier_ratio(&figures, TOP_DRAM), 0);
}

Test(top_figures, shards_add_up)
{
    struct top_figures sum = {.is_up = false};

    look(2, "",
         "prefix_queries:8\nprefix_hits:2\nconnected_clients:1\n"
         "nvme_size:5\nnvme_readable:1\nnvme_writable:1\n");
    top_figures_add(&sum, &figures);
    close_all();
    look(2, "",
         "prefix_queries:2\nprefix_hits:2\nconnected_clients:2\n"
         "nvme_size:6\nnvme_readable:1\nnvme_writable:0\n");
    top_figures_add(&sum, &figures);
    cr_assert_float_eq(top_figures_hit_ratio(&sum), .4, 1e-9);
    cr_assert_eq(sum.connections, 3);
    cr_assert_eq(sum.tiers[TOP_NVME].size, 11);
    cr_assert_eq(sum.tiers[TOP_NVME].out_count, 1);
    cr_assert_float_eq(top_figures_rate(&sum, 10), 5, 1e-9);
}

static const struct top_model *
model_of(const struct top_models *models, unsigned space, const char *name)
{
    for (unsigned i = 0; i < models->count; i++)
        if (models->all[i].space == space &&
            strcmp(models->all[i].name, name) == 0)
            return &models->all[i];
    cr_assert_fail("no %s in %u", name, space);
    return NULL;
}

Test(top_models, are_found_by_name_whatever_their_number)
{
    struct top_models *models = calloc(1, sizeof *models);
    const struct top_model *model;

    before = top_samples_make(
        1, "prefix_model_0:namespace=0,queries=10,hits=1,puts=2,model=b\n");
    after = top_samples_make(
        2, "prefix_model_0:namespace=0,queries=3,hits=3,puts=0,model=a\n"
           "prefix_model_1:namespace=0,queries=15,hits=2,puts=2,model=b\n"
           "prefix_model_2:namespace=1,queries=1,hits=0,puts=0,model=b\n");
    top_models_add(models, &before, &after);
    cr_assert_eq(models->count, 3);
    model = model_of(models, 0, "b");
    cr_assert_eq(model->queries, 5);
    cr_assert_eq(model->hits, 1);
    cr_assert_eq(model->queries_ever, 15);
    cr_assert_eq(model_of(models, 0, "a")->queries, 3);
    cr_assert_eq(model_of(models, 1, "b")->queries, 1);
    free(models);
}

Test(top_models, of_several_shards_are_one_and_the_busiest_is_first)
{
    struct top_models *models = calloc(1, sizeof *models);
    struct top_sample other;

    before = top_samples_make(1, "");
    after = top_samples_make(
        2, "prefix_model_0:namespace=0,queries=3,hits=3,puts=0,model=a\n"
           "prefix_model_1:namespace=0,queries=2,hits=2,puts=2,model=b\n");
    other = top_samples_make(
        2, "prefix_model_0:namespace=0,queries=4,hits=0,puts=2,model=b\n");
    top_models_add(models, &before, &after);
    top_models_add(models, &before, &other);
    top_models_sort(models);
    cr_assert_eq(models->count, 2);
    cr_assert_eq(models->all[0].queries, 6);
    cr_assert_eq(models->all[0].hits, 2);
    cr_assert_eq(models->all[1].queries, 3);
    top_sample_drop(&other);
    free(models);
}
