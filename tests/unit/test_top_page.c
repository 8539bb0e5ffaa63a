/* SPDX-License-Identifier: Apache-2.0 */
/* What the live view and the lines look like. */
#include "tests/unit/top_samples.h"
#include "tools/cli/top_json.h"
#include "tools/cli/top_page.h"
#include "tools/cli/top_text.h"

#include <stdlib.h>
#include <string.h>

static const char info[] =
    "process_id:1\nuptime_in_seconds:100\nconnected_clients:12\n"
    "resp_get:5000\nprefix_queries:400\nprefix_hits:300\nget_hits:300\n"
    "get_misses:100\nhits_dram:200\nhits_nvme:100\nget_bytes:314572800\n"
    "put_bytes:104857600\nevictions:7\nputs_busy:1\n"
    "dram_size:1073741824\ndram_used:536870912\ndram_chunks:512\n"
    "nvme_size:17179869184\nnvme_value_bytes:1717986918\nnvme_chunks:1600\n"
    "nvme_readable:1\nnvme_writable:0\n"
    "prefix_model_0:namespace=2,queries=400,hits=300,puts=9,"
    "model=meta-llama/Llama-3.1-8B-Instruct-with-a-rather-long-name\n";

static struct top_sample before[2], after[2];
static struct top_state *state;
static char *text;

static void
open_all(void)
{
    state = calloc(1, sizeof *state);
    state->count = 2;
    strcpy(state->shards[0].name, "10.0.0.1:7654");
    strcpy(state->shards[1].name, "cache-1.cache.default.svc:7654");
    for (unsigned i = 0; i < 2; i++) {
        before[i] = top_samples_make(1, "process_id:1\n");
        after[i] = top_samples_make(3, i == 0 ? info : "process_id:1\n");
    }
}

static void
close_all(void)
{
    for (unsigned i = 0; i < 2; i++) {
        top_sample_drop(&before[i]);
        top_sample_drop(&after[i]);
    }
    free(state);
    free(text);
}

static const char *
page(unsigned width)
{
    struct top_page_look look = {.width = width, .interval_ms = 2000};
    size_t size = 0;
    FILE *to;

    free(text);
    to = open_memstream(&text, &size);
    top_state_read(state, before, after);
    top_page_write(state, &look, to);
    fclose(to);
    return text;
}

static size_t
widest(const char *lines)
{
    size_t most = 0;

    while (*lines != '\0') {
        size_t size = strcspn(lines, "\n");

        most = size > most ? size : most;
        lines += size + (lines[size] == '\n');
    }
    return most;
}

TestSuite(top_page, .init = open_all, .fini = close_all);

Test(top_page, fits_terminals_from_60_columns_on)
{
    for (unsigned width = 60; width <= 200; width++)
        cr_assert_leq(widest(page(width)), width, "%u columns:\n%s", width,
                      text);
}

Test(top_page, shows_throughput_hits_tiers_models_and_shards)
{
    page(80);
    cr_assert_not_null(strstr(text, "2 of 2 shards up  each 2 s"), "%s", text);
    cr_assert_not_null(strstr(
        text, "in 50.0MiB/s  out 150MiB/s  requests 2.50k/s  clients 12"));
    cr_assert_not_null(strstr(text, "hits 75.0% of 200/s"));
    cr_assert_not_null(strstr(text, "get misses 50/s"));
    cr_assert_not_null(strstr(text, "puts dropped 0.5/s  evicted 3.5/s"));
    cr_assert_not_null(strstr(text, "\n10.0.0.1:7654 "));
    cr_assert_not_null(strstr(text, "\ndram "));
    cr_assert_not_null(strstr(text, " 1.00GiB  512MiB  50.0 "));
    cr_assert_not_null(strstr(text, "1 out\n"));
    cr_assert_null(strstr(text, "\nspill "));
    cr_assert_not_null(strstr(text, "rather-long-name "));
}

Test(top_page, a_wide_terminal_sees_more)
{
    cr_assert_null(strstr(page(60), "NVME%"));
    cr_assert_not_null(strstr(page(120), "NVME%"));
    cr_assert_not_null(strstr(text, "cache-1.cache.default.svc:7654"));
}

Test(top_page, a_shard_that_is_gone_says_so)
{
    after[1].is_up = false;
    page(80);
    cr_assert_not_null(strstr(text, "1 of 2 shards up"));
    cr_assert_not_null(
        strstr(text, "\ncache-1.cache.default.svc:7654 does not answer\n"));
}

Test(top_page, by_load_the_busiest_shard_is_first)
{
    struct top_page_look look = {.width = 80, .is_by_load = true};
    struct top_sample kept = after[0];
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    after[0] = after[1];
    after[1] = kept;
    top_state_read(state, before, after);
    top_page_write(state, &look, to);
    fclose(to);
    cr_assert_lt(strstr(text, "cache-1.cache"), strstr(text, "10.0.0.1"));
}

Test(top_page, lines_stand_under_their_titles)
{
    size_t size = 0, first;
    FILE *to = open_memstream(&text, &size);

    top_state_read(state, before, after);
    top_page_write_titles(to);
    top_page_write_line(state, to);
    fclose(to);
    first = strcspn(text, "\n");
    cr_assert_eq(strlen(text), 2 * (first + 1), "%s", text);
    cr_assert_not_null(strstr(text, "2/2 "));
    cr_assert_not_null(strstr(text, " 75.0  50.0  25.0    0.0 "), "%s", text);
}

Test(top_page, json_has_the_same_figures)
{
    json_t *object, *shard, *model;

    top_state_read(state, before, after);
    object = top_json(state);
    cr_assert_not_null(object);
    cr_assert_eq(json_array_size(json_object_get(object, "shards")), 2);
    shard = json_array_get(json_object_get(object, "shards"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(shard, "name")),
                     "10.0.0.1:7654");
    cr_assert_float_eq(
        json_real_value(json_object_get(shard, "requests_per_second")), 2500,
        1e-6);
    cr_assert_eq(json_array_size(json_object_get(shard, "tiers")), 2);
    model = json_array_get(json_object_get(object, "models"), 0);
    cr_assert_float_eq(json_real_value(json_object_get(model, "hit_ratio")),
                       .75, 1e-9);
    cr_assert(json_is_null(json_object_get(
        json_array_get(json_object_get(object, "shards"), 1), "hit_ratio")));
    json_decref(object);
}

Test(top_text, numbers_have_at_most_five_columns)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},         {0.44, "0.4"},     {9.94, "9.9"},
                 {9.96, "10"},     {999.4, "999"},    {999.6, "1.00k"},
                 {12345, "12.3k"}, {999499, "999k"},  {999501, "1.00M"},
                 {3e9, "3.00G"},   {99960000, "100M"}};
    char out[TOP_TEXT_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        top_text_number(out, cases[i].number);
        cr_assert_str_eq(out, cases[i].text);
    }
}

Test(top_text, bytes_have_at_most_seven)
{
    char out[TOP_TEXT_SIZE];

    for (double bytes = 1; bytes < 1e18; bytes *= 1.37) {
        top_text_bytes(out, bytes);
        cr_assert_leq(strlen(out), 7, "%s", out);
    }
}

Test(top_text, names_lose_their_beginning_and_what_is_no_ascii)
{
    char out[9];

    top_text_name(out, sizeof out, "short");
    cr_assert_str_eq(out, "short");
    top_text_name(out, sizeof out, "12345678");
    cr_assert_str_eq(out, "12345678");
    top_text_name(out, sizeof out, "123456789");
    cr_assert_str_eq(out, "<3456789");
    top_text_name(out, sizeof out, "a\033[m\xc3\xa4");
    cr_assert_str_eq(out, "a?[m??");
}
