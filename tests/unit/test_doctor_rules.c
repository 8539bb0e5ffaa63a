/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule speaks when it should, and holds its peace one step before. */
#include "tools/cli/doctor_report.h"
#include "tools/cli/doctor_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct doctor_case *all;
static struct doctor_findings *findings;

static void
open_case(void)
{
    all = calloc(1, sizeof *all);
    findings = calloc(1, sizeof *findings);
}

static void
close_case(void)
{
    for (unsigned i = 0; i < all->count; i++)
        top_sample_drop(&all->shards[i].sample);
    free(all);
    free(findings);
}

/* A server that says this. */
static void
add_server(const char *info)
{
    struct doctor_case_shard *shard = &all->shards[all->count++];

    snprintf(shard->name, sizeof shard->name, "s%u:7654", all->count);
    shard->sample.is_up = true;
    cr_assert_eq(facts_read(info, &shard->sample.facts), STATUS_OK);
    top_models_add(&all->models, NULL, &shard->sample);
}

/* So many keys by a pattern that takes a number. */
static void
add_keys(unsigned count, const char *pattern, int kind)
{
    struct prefixcache_entry *entry = calloc(1, sizeof *entry);

    for (unsigned i = 0; i < count; i++) {
        const char *mark = strchr(pattern, '#');
        int size = (int)(mark - pattern);

        snprintf((char *)entry->key, sizeof entry->key, "%.*s%04x%s", size,
                 pattern, i, mark + 1);
        entry->key_size = strlen((char *)entry->key);
        entry->body_size = 1000;
        entry->kind = kind;
        doctor_census_add(&all->census, entry, false);
    }
    free(entry);
}

static const struct doctor_finding *
find(const char *rule)
{
    memset(findings, 0, sizeof *findings);
    doctor_case_judge(all, findings);
    for (unsigned i = 0; i < findings->count; i++)
        if (strcmp(findings->all[i].rule, rule) == 0)
            return &findings->all[i];
    return NULL;
}

static void
replace_server(const char *info)
{
    for (unsigned i = 0; i < all->count; i++)
        top_sample_drop(&all->shards[i].sample);
    all->count = 0;
    all->models.count = 0;
    add_server(info);
}

/* The rule is silent of the first and speaks of the second. */
static void
expect(const char *rule, const char *silent, const char *loud)
{
    const struct doctor_finding *finding;

    replace_server(silent);
    cr_assert_null(find(rule), "%s of %s", rule, silent);
    replace_server(loud);
    finding = find(rule);
    cr_assert_not_null(finding, "%s of %s", rule, loud);
    cr_assert_gt(strlen(finding->what), 20);
    cr_assert_gt(strlen(finding->todo), 10);
    cr_assert_gt(finding->figure_count, 0);
}

#define MODEL(number, queries, hits, puts, name)                               \
    "prefix_model_" #number ":namespace=0,queries=" #queries ",hits=" #hits    \
    ",puts=" #puts ",model=" name "\n"
#define HEALTHY                                                                \
    "prefix_queries:100\nprefix_hits:80\nputs_stored:100\nentries:"            \
    "100\n" MODEL(0, 100, 80, 100, "m")
#define UNFOUND                                                                \
    "prefix_queries:100\nprefix_hits:0\nputs_stored:100\nentries:100\n" MODEL( \
        0, 100, 0, 100, "m")

TestSuite(doctor_rules, .init = open_case, .fini = close_case);

Test(doctor_rules, of_a_healthy_server_there_is_nothing_to_say)
{
    add_server(HEALTHY "dram_size:1000\nnvme_size:1\nnvme_readable:1\n"
                       "nvme_writable:1\n");
    add_keys(50, "m@1@0@#@h", PREFIXCACHE_OBJECT);
    find("");
    cr_assert_eq(findings->count, 0, "%s", findings->all[0].what);
}

Test(doctor_rules, a_server_that_is_gone)
{
    add_server(HEALTHY);
    cr_assert_null(find("server-gone"));
    all->shards[all->count++] =
        (struct doctor_case_shard){.name = "gone:7654", .why = "gone"};
    cr_assert_not_null(strstr(find("server-gone")->what, "gone:7654"));
}

Test(doctor_rules, keys_that_were_not_listed)
{
    add_server(HEALTHY);
    cr_assert_null(find("keys-unseen"));
    all->shards[0].walk_why = "late";
    cr_assert_not_null(strstr(find("keys-unseen")->what, "s1:7654"));
}

Test(doctor_rules, traffic_that_is_missing)
{
    expect("no-traffic", "lookup_keys:1\n", "entries:0\n");
    expect("never-asked", "puts_stored:15\n", "puts_stored:16\n");
    expect("never-asked", "puts_stored:16\nlookup_keys:1\n",
           "puts_stored:10\nputs_busy:6\n");
    expect("never-written", "prefix_queries:16\nentries:1\n",
           "prefix_queries:16\nentries:0\n");
}

Test(doctor_rules, one_model_in_two_namespaces)
{
    expect("other-namespace", MODEL(0, 30, 0, 20, "m"),
           "prefix_model_0:namespace=0,queries=0,hits=0,puts=20,model=m\n"
           "prefix_model_1:namespace=1,queries=30,hits=0,puts=0,model=m\n");
    cr_assert_null(find("other-model"));
}

Test(doctor_rules, one_model_under_two_names)
{
    expect("other-model",
           MODEL(0, 0, 0, 20, "/models/m") MODEL(1, 30, 20, 0, "hub/m"),
           MODEL(0, 0, 0, 20, "/models/m") MODEL(1, 30, 0, 0, "hub/m"));
}

Test(doctor_rules, keys_that_are_written_and_never_read)
{
    expect("never-read", HEALTHY, UNFOUND);
    /* They have gone: that is another matter. */
    expect("never-read", UNFOUND "evictions:50\n", UNFOUND "evictions:5\n");
}

Test(doctor_rules, values_that_are_put_again_and_again)
{
    expect("computed-again", HEALTHY "puts_same:20\n",
           HEALTHY "puts_same:40\n");
}

Test(doctor_rules, connections_that_are_closed)
{
    expect("too-many-connections", HEALTHY, HEALTHY "closed_limit:1\n");
    expect("foreign-protocol", HEALTHY "closed_foreign:3\n",
           HEALTHY "closed_foreign:10\nclosed_broken:6\n");
}

Test(doctor_rules, puts_that_are_not_kept)
{
    expect("too-big", HEALTHY, HEALTHY "puts_too_big:1\n");
    expect("dropped", HEALTHY "puts_busy:3\n",
           HEALTHY "puts_busy:10\nputs_no_space:10\n");
    expect("cut-off", HEALTHY "puts_cut:3\n",
           HEALTHY "puts_cut:10\nputs_slow:10\n");
    expect("expired", HEALTHY "expirations:5\n", HEALTHY "expirations:20\n");
    expect("flushed", HEALTHY "prefix_puts:120\n", HEALTHY "prefix_puts:160\n");
    expect("flushed", HEALTHY "prefix_puts:160\nevictions:60\n",
           HEALTHY "prefix_puts:160\nevictions:10\n");
    expect("deleted", HEALTHY "drops:20\n", HEALTHY "drops:30\n");
}

Test(doctor_rules, too_many_that_are_too_big_are_worse_than_one)
{
    replace_server(HEALTHY "puts_too_big:1\n");
    cr_assert_eq(find("too-big")->severity, DOCTOR_WARN);
    replace_server(HEALTHY "puts_too_big:20\n");
    cr_assert_eq(find("too-big")->severity, DOCTOR_BAD);
}

#define CURVE(twice, fourfold)                                                 \
    "hit_ratio_dram_50:0.1\nhit_ratio_dram_100:0.2\nhit_ratio_dram_200:" twice \
    "\nhit_ratio_dram_400:" fourfold "\n"

Test(doctor_rules, evictions_that_come_too_early)
{
    expect("evicted-early", HEALTHY "evictions:50\n" CURVE("0.2000", "0.2100"),
           HEALTHY "evictions:50\n" CURVE("0.3000", "0.5000"));
    cr_assert_not_null(strstr(find("evicted-early")->todo, "30.0 %"));
    cr_assert_not_null(strstr(find("evicted-early")->todo, "50.0 %"));
    /* Without an estimate it takes a hit rate that is low. */
    expect("evicted-early", HEALTHY "evictions:50\n", UNFOUND "evictions:50\n");
    /* What a lower tier takes is not lost. */
    expect("evicted-early",
           UNFOUND "evictions:50\nnvme_size:1\nnvme_reclaimed:0\n",
           UNFOUND "evictions:50\nnvme_size:1\nnvme_reclaimed:30\n");
}

Test(doctor_rules, an_index_that_is_full_and_leases_that_are_refused)
{
    expect("index-full", HEALTHY, HEALTHY "evictions_index:16\n");
    expect("leases-refused", HEALTHY "exists_hits:90\nexists_unleased:5\n",
           HEALTHY "exists_hits:90\nexists_unleased:20\n");
}

#define NVME(readable, writable)                                               \
    HEALTHY "nvme_size:9\nnvme_readable:" readable "\nnvme_writable:" writable \
            "\n"

Test(doctor_rules, tiers_that_are_out_of_service_or_sick)
{
    expect("tier-out", NVME("1", "1"), NVME("0", "0"));
    cr_assert_not_null(strstr(find("tier-out")->what, "out of service"));
    expect("tier-out", NVME("1", "1"), NVME("1", "0"));
    cr_assert_not_null(strstr(find("tier-out")->what, "not written to"));
    expect("tier-out", HEALTHY,
           HEALTHY "spill_size:9\nspill_readable:0\nspill_writable:0\n"
                   "spill_state:broken\n");
    cr_assert_not_null(strstr(find("tier-out")->what, "broken"));
    expect("tier-reads", NVME("1", "1") "nvme_reads_late:3\n",
           NVME("1", "1") "nvme_reads_good:90\nnvme_reads_late:4\n");
    expect("tier-writes",
           NVME("1", "1") "nvme_writes_put:900\nnvme_writes_skipped:20\n",
           NVME("1", "1") "nvme_writes_put:100\nnvme_writes_skipped:20\n");
}

/* Speaks only while little is found. */
static void
expect_of_names(const char *rule, const char *first, const char *second)
{
    replace_server(UNFOUND MODEL(1, 0, 0, 0, "vllm"));
    memset(&all->census, 0, sizeof all->census);
    add_keys(20, first, PREFIXCACHE_OBJECT);
    cr_assert_null(find(rule), "%s of one", rule);
    add_keys(7, second, PREFIXCACHE_OBJECT);
    cr_assert_null(find(rule), "%s of few", rule);
    add_keys(20, second, PREFIXCACHE_OBJECT);
    cr_assert_not_null(find(rule), "%s", rule);
    cr_assert_eq(find(rule)->severity, DOCTOR_BAD);
    replace_server(HEALTHY);
    cr_assert_null(find(rule), "%s of a healthy server", rule);
}

#define LONG_HASH                                                              \
    "00112233445566778899aabbccddeeff00112233445566778899aabbccdd#"

Test(doctor_rules, names_that_are_spelled_in_two_ways)
{
    expect_of_names("hash-shapes", "m@1@0@#@h", "m@1@0@" LONG_HASH "@h");
    cr_assert_null(find("key-layouts"));
    expect_of_names("worker-counts", "m@1@0@#@h", "m@2@0@#@h");
    expect_of_names("dtypes", "m@1@0@#@bfloat16", "m@1@0@#@fp8");
    expect_of_names("key-layouts", "m@1@0@#@h", "vllm@m@1@0@#");
    expect_of_names("key-layouts", "m@1@0@#@h", "m@00000000@0@" LONG_HASH);
}

Test(doctor_rules, hashes_that_are_seeded_at_random)
{
    add_server(UNFOUND);
    add_keys(30, "m@1@0@#@h", PREFIXCACHE_OBJECT);
    cr_assert_null(find("hash-seed"));
    add_keys(30, "m@1@0@-#@h", PREFIXCACHE_OBJECT);
    cr_assert_not_null(find("hash-seed"));
    replace_server(HEALTHY);
    cr_assert_null(find("hash-seed"));
}

Test(doctor_rules, ranks_that_do_not_write)
{
    add_server(UNFOUND);
    add_keys(20, "m@2@0@#@h", PREFIXCACHE_OBJECT);
    cr_assert_not_null(find("ranks-missing"));
    add_keys(20, "m@2@1@#@h", PREFIXCACHE_OBJECT);
    cr_assert_null(find("ranks-missing"));
}

Test(doctor_rules, halves_without_their_other_half)
{
    add_server(HEALTHY);
    all->values.objects = 100;
    all->values.halves = 15;
    cr_assert_null(find("halves"));
    all->values.halves = 16;
    cr_assert_not_null(find("halves"));
}

Test(doctor_rules, keys_on_the_wrong_server)
{
    add_server(HEALTHY);
    all->census.keys = 100;
    all->census.misplaced = 50;
    cr_assert_null(find("misplaced"));
    add_server(HEALTHY);
    cr_assert_not_null(find("misplaced"));
    all->census.misplaced = 4;
    cr_assert_null(find("misplaced"));
}

static void
add_value(struct doctor_values *values, const char *key, uint64_t checksum)
{
    static struct prefixcache_entry entry;

    entry.key_size = strlen(key);
    memcpy(entry.key, key, entry.key_size);
    entry.body_size = 1000;
    cr_assert(doctor_values_wants(values, &entry));
    cr_assert(doctor_values_add(values, &entry, checksum));
}

Test(doctor_rules, equal_values_under_different_hashes)
{
    struct doctor_values *values;

    add_server(HEALTHY);
    cr_assert_eq(doctor_values_open(8, &values), STATUS_OK);
    add_value(values, "m@1@0@a1@h", 1);
    add_value(values, "m@1@0@a2@h", 2);
    add_value(values, "m@1@1@a1@h", 1); /* another rank */
    add_value(values, "n@1@0@b1@h", 1); /* another model */
    doctor_values_compare(values, &all->values);
    cr_assert_eq(all->values.read, 4);
    cr_assert_eq(all->values.alike, 0);
    cr_assert_null(find("same-values"));
    add_value(values, "m@1@0@b1@h", 1);
    add_value(values, "m@1@0@b2@h", 2);
    doctor_values_compare(values, &all->values);
    cr_assert_eq(all->values.alike, 4);
    cr_assert_not_null(find("same-values"));
    cr_assert_neq(strcmp(all->values.example[0], all->values.example[1]), 0);
    doctor_values_close(&values);
}

Test(doctor_rules, the_worst_comes_first)
{
    add_server(UNFOUND "closed_limit:1\nputs_too_big:1\n");
    find("");
    cr_assert_gt(findings->count, 2);
    for (unsigned i = 1; i < findings->count; i++)
        cr_assert_geq(findings->all[i - 1].severity, findings->all[i].severity);
    cr_assert_str_eq(findings->all[0].rule, "never-read");
}

Test(doctor_rules, more_findings_than_there_is_room_for_do_no_harm)
{
    for (unsigned i = 0; i < DOCTOR_FINDINGS_MAX + 5; i++)
        doctor_finding_say(doctor_findings_new(findings, "r", DOCTOR_NOTE),
                           "%u", i);
    cr_assert_eq(findings->count, DOCTOR_FINDINGS_MAX);
}

static char *
printed(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    find("");
    doctor_report_print(all, findings, to);
    fclose(to);
    return text;
}

Test(doctor_rules, a_report_harms_no_terminal_and_breaks_its_lines)
{
    char *text;

    add_server("prefix_queries:100\nputs_stored:100\nentries:100\n" MODEL(
        0, 100, 0, 100, "m\033[31m\xc2\x9b/a") CURVE("0.3", "0.4"));
    text = printed();
    cr_assert_null(strchr(text, '\033'));
    cr_assert_null(strstr(text, "\xc2\x9b"));
    cr_assert_not_null(strstr(text, "bad  never-read: m?[31m?/a: of"), "%s",
                       text);
    cr_assert_not_null(strstr(text, "20.0 % at 1 x, 30.0 % at 2 x"), "%s",
                       text);
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        cr_assert(strlen(line) <= 80, "%s", line);
    }
    free(text);
}

Test(doctor_rules, a_report_for_programs_has_rule_severity_and_figures)
{
    json_t *report, *finding;

    add_server(HEALTHY "puts_too_big:3\n");
    find("");
    report = doctor_report_json(all, findings);
    cr_assert_not_null(report);
    cr_assert_eq(json_integer_value(json_object_get(report, "hits")), 80);
    finding = json_array_get(json_object_get(report, "findings"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(finding, "rule")),
                     "too-big");
    cr_assert_str_eq(json_string_value(json_object_get(finding, "severity")),
                     "warn");
    cr_assert_float_eq(
        json_real_value(json_object_get(json_object_get(finding, "figures"),
                                        "puts_too_big")),
        3, 1e-9);
    json_decref(report);
}
