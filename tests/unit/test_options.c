/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each type of option takes at, below and above its limits, what problems
 * say, how names are found, and how values are spelled again.
 */
#include "base/memory_limit.h"
#include "base/option_table.h"
#include "tests/unit/options_checks.h"

TestSuite(options, .init = begin);

static void
refuses(const char *pair, const char *what, const char *expected)
{
    static struct options before;

    before = options;
    cr_assert(option_set_pair(&options, pair, "--set", &problem) ==
                  STATUS_BAD_REQUEST,
              "taken: %s", pair);
    says("--set: ", what, expected);
    cr_assert(memcmp(&before, &options, sizeof(options)) == 0);
}

Test(options, every_fallback_and_limit_is_valid)
{
    struct option_value value;

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_row *row = &option_rows[id];

        cr_expect(option_parse(row, row->fallback, &value) == NULL, "%s.%s",
                  row->section, row->key);
        if (row->least[0] != '\0')
            cr_expect(option_parse(row, row->least, &value) == NULL, "%s.%s",
                      row->section, row->key);
        if (row->most[0] != '\0')
            cr_expect(option_parse(row, row->most, &value) == NULL, "%s.%s",
                      row->section, row->key);
        cr_expect_str_eq(options.source[id], "default");
    }
}

Test(options, defaults_are_those_of_the_table)
{
    cr_expect_str_eq(options.listen_data, "127.0.0.1:7654");
    cr_expect_str_eq(options.listen_unix, "");
    cr_expect(options.dram_size == 1ull << 30);
    cr_expect(options.limits_put_wait == 20);
    cr_expect(options.limits_connections == 10000);
    cr_expect(options.log_level == 2);
    cr_expect(options.log_format == 0);
    cr_expect(!options.security_insecure && !options.dram_prefault);
}

Test(options, a_size_is_read_in_every_spelling)
{
    static const struct {
        const char *pair;
        uint64_t bytes;
    } rows[] = {
        {"dram.size=2097152", 2097152},      {"dram.size=2097152B", 2097152},
        {"dram.size=2000K", 2000000},        {"dram.size=2000kB", 2000000},
        {"dram.size=2048Ki", 2048 * 1024},   {"dram.size=2048KiB", 2048 * 1024},
        {"dram.size=64MiB", 64ull << 20},    {"dram.size=64Mi", 64ull << 20},
        {"dram.size=64mib", 64ull << 20},    {"dram.size=64M", 64000000},
        {"dram.size=64MB", 64000000},        {"dram.size=4Gi", 4ull << 30},
        {"dram.size=4GiB", 4ull << 30},      {"dram.size=10G", 10000000000ull},
        {"dram.size=10GB", 10000000000ull},  {"dram.size=1T", 1000000000000ull},
        {"dram.size=1TB", 1000000000000ull}, {"dram.size=1Ti", 1ull << 40},
        {"dram.size=1TiB", 1ull << 40},      {"dram.size=1MiB", 1ull << 20},
        {"dram.size=64TiB", 64ull << 40},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        takes(rows[i].pair);
        cr_expect(options.dram_size == rows[i].bytes, "%s", rows[i].pair);
    }
}

Test(options, a_size_outside_its_limits_or_no_size_is_refused)
{
    const char *expected = "expected a size";

    refuses("dram.size=1048575", "dram.size: \"1048575\" is too small",
            "from 1MiB to 64TiB");
    refuses("dram.size=65TiB", "is too large", expected);
    refuses("dram.size=70368744177665", "is too large", expected);
    refuses("dram.size=18446744073709551615", "is too large", expected);
    refuses("dram.size=18446744073709551616", "is too large", expected);
    refuses("dram.size=99999999999999999999999999", "is too large", expected);
    refuses("dram.size=18014398509481985KiB", "is too large", expected);
    refuses("dram.size=16777217TiB", "is too large", expected);
    refuses("dram.size=", "is not a size or share", expected);
    refuses("limits.value=70%", "limits.value: \"70%\" is not a size",
            expected);
    refuses("limits.value=-1", "is not a size", expected);
    refuses("limits.value=+1M", "is not a size", expected);
    refuses("limits.value= 1M", "is not a size", expected);
    refuses("limits.value=1M ", "is not a size", expected);
    refuses("limits.value=1.5MiB", "is not a size", expected);
    refuses("limits.value=12Q", "is not a size", expected);
    refuses("limits.value=0x10000", "is not a size", expected);
    refuses("limits.value=MiB", "is not a size", expected);
    refuses("limits.value=auto", "is not a size", expected);
}

Test(options, a_share_is_of_the_memory_this_process_may_use)
{
    uint64_t memory = memory_limit();

    cr_assert(memory > 1ull << 26 && memory < 1ull << 60);
    takes("dram.size=100%");
    cr_expect(options.dram_size == memory);
    takes("dram.size=50%");
    cr_expect(options.dram_size <= memory / 2 &&
              options.dram_size + 2 >= memory / 2);
    takes("dram.size=1%");
    cr_expect(options.dram_size <= memory / 100 + 1);
    refuses("dram.size=0%", "is not a size or share", "1% to 100%");
    refuses("dram.size=101%", "is not a size or share", "1% to 100%");
    refuses("dram.size=%", "is not a size or share", "1% to 100%");
    refuses("dram.size=18446744073709551617%", "is not a size or share",
            "1% to 100%");
    refuses("dram.size=70%%", "is not a size or share", "1% to 100%");
}

Test(options, a_count_is_a_whole_number_within_limits)
{
    takes("limits.workers=1");
    takes("limits.workers=1024");
    cr_expect(options.limits_workers == 1024);
    takes("limits.workers=auto");
    cr_expect(options.limits_workers == 0);
    refuses("limits.workers=0", "limits.workers: \"0\" is too small",
            "expected a whole number, from 1 to 1024, or auto");
    refuses("limits.workers=1025", "is too large", "to 1024");
    refuses("limits.workers=2K", "is not a whole number", "expected");
    refuses("limits.workers=two", "is not a whole number", "expected");
    refuses("limits.connections=auto", "is not a whole number",
            "from 1 to 1000000");
}

Test(options, a_time_is_read_in_every_unit)
{
    static const struct {
        const char *pair;
        uint64_t ms;
    } rows[] = {
        {"limits.ttl=0", 0},
        {"limits.ttl=1500", 1500},
        {"limits.ttl=20ms", 20},
        {"limits.ttl=5s", 5000},
        {"limits.ttl=2m", 120000},
        {"limits.ttl=1h", 3600000},
        {"limits.ttl=1d", 86400000},
        {"limits.ttl=366d", 31622400000ull},
        {"limits.put_wait=10s", 31622400000ull},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        takes(rows[i].pair);
        cr_expect(options.limits_ttl == rows[i].ms, "%s", rows[i].pair);
    }
    cr_expect(options.limits_put_wait == 10000);
    refuses("limits.ttl=367d", "limits.ttl: \"367d\" is too large",
            "from 0 to 366d");
    refuses("limits.put_wait=10001", "is too large", "to 10s");
    refuses("limits.header_timeout=9ms", "is too small", "from 10ms to 1h");
    refuses("limits.ttl=5 s", "is not a time", "expected a time such as");
    refuses("limits.ttl=5w", "is not a time", "expected a time such as");
    refuses("limits.ttl=213503982335d", "is too large", "366d");
}

Test(options, a_bool_is_one_of_six_words)
{
    takes("security.insecure=true");
    cr_expect(options.security_insecure);
    takes("security.insecure=no");
    cr_expect(!options.security_insecure);
    takes("security.insecure=Yes");
    cr_expect(options.security_insecure);
    takes("security.insecure=off");
    cr_expect(!options.security_insecure);
    takes("security.insecure=ON");
    cr_expect(options.security_insecure);
    takes("security.insecure=false");
    cr_expect(!options.security_insecure);
    refuses("security.insecure=1",
            "security.insecure: \"1\" is not a yes or no",
            "expected true or false");
    refuses("security.insecure=", "is not a yes or no", "true or false");
}

Test(options, a_choice_is_one_of_its_words)
{
    takes("log.level=error");
    cr_expect(options.log_level == 0);
    takes("log.level=Debug");
    cr_expect(options.log_level == 3);
    takes("log.format=json");
    cr_expect(options.log_format == 2);
    refuses("log.level=loud", "log.level: \"loud\" is not one of the words",
            "expected one of error,warn,info,debug");
    refuses("log.level=", "is not one of the words", "error,warn");
    refuses("log.level=err", "is not one of the words", "error,warn");
    refuses("log.level=error,warn", "is not one of the words", "error,warn");
}

Test(options, an_address_is_a_host_and_a_port)
{
    static const char *const good[] = {
        "127.0.0.1:0",  "localhost:65535",        "[::1]:7654",      "[::]:1",
        "0.0.0.0:7654", "cache-0.cache.svc:7654", "a_b.example:7654"};
    static const char *const bad[] = {"",
                                      "localhost",
                                      "7654",
                                      ":7654",
                                      "h:",
                                      "h:65536",
                                      "h:-1",
                                      "h:1a",
                                      "h:000000",
                                      "::1:7654",
                                      "[::1]",
                                      "[::1:7654",
                                      "[]:7654",
                                      "[h]:7654",
                                      "300.0.0.1:1",
                                      "127.1:7654",
                                      "h ost:7654",
                                      "h:7654 ",
                                      "*:7654",
                                      "[::1]x:7654",
                                      "h/x:7654",
                                      "[1.2.3.4]:7654",
                                      "\x7f"
                                      "host:1",
                                      "h:1\n"};
    char pair[128];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(pair, sizeof(pair), "listen.data=%s", good[i]);
        takes(pair);
        cr_expect_str_eq(options.listen_data, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(pair, sizeof(pair), "listen.data=%s", bad[i]);
        refuses(pair, "is not an address",
                "expected host:port or [v6]:port, port 0 to 65535");
    }
}

Test(options, a_path_is_bounded_and_holds_no_control_bytes)
{
    char pair[512];

    takes("listen.unix=/run/prefixcache/data.sock");
    cr_expect_str_eq(options.listen_unix, "/run/prefixcache/data.sock");
    takes("listen.unix=");
    cr_expect_str_eq(options.listen_unix, "");
    snprintf(pair, sizeof(pair), "listen.unix=%0255d", 0);
    takes(pair);
    cr_expect(strlen(options.listen_unix) == 255);
    snprintf(pair, sizeof(pair), "listen.unix=%0256d", 0);
    refuses(pair, "is too long", "at most 255 bytes");
    refuses("listen.unix=/a\nb", "\"/a?b\" is not a path", "expected a path");
}

Test(options, a_misspelt_name_brings_the_nearest_known_one)
{
    refuses("dram.sice=1G", "unknown option \"dram.sice\"",
            "nearest known one is \"dram.size\"");
    refuses("limits.size=1G", "unknown option \"limits.size\"",
            "\"nvme.size\"");
    refuses("lisen.data=x", "unknown option", "\"listen.data\"");
    refuses("limits.head_timeout=1s", "unknown option",
            "\"limits.header_timeout\"");
    refuses("DRAM.SIZE=1G", "unknown option \"DRAM.SIZE\"", "nearest");
    refuses("dram.=1G", "unknown option \"dram.\"", "nearest");
    refuses(".size=1G", "unknown option \".size\"", "\"dram.size\"");
}

Test(options, a_pair_without_its_signs_is_refused)
{
    refuses("dram.size", "\"dram.size\" is no setting",
            "expected section.key=value");
    refuses("dram=1G", "is no setting", "expected section.key=value");
    refuses("dram=1.5G", "is no setting", "expected section.key=value");
    refuses("=1.5G", "is no setting", "expected section.key=value");
    refuses("", "\"\" is no setting", "expected section.key=value");
}

Test(options, a_long_name_is_refused_not_cut_to_a_known_one)
{
    char pair[512];

    snprintf(pair, sizeof(pair), "%0200d.%0200d=1", 1, 2);
    refuses(pair, "unknown option", "nearest");
}

Test(options, a_value_is_spelled_as_a_source_would)
{
    static const struct {
        const char *pair, *text;
        enum option_id id;
    } rows[] = {
        {"dram.size=1024MiB", "1GiB", OPTION_ID_dram_size},
        {"dram.size=1048577", "1048577", OPTION_ID_dram_size},
        {"limits.value=1536KiB", "1536KiB", OPTION_ID_limits_value},
        {"limits.ttl=0s", "0", OPTION_ID_limits_ttl},
        {"limits.ttl=48h", "2d", OPTION_ID_limits_ttl},
        {"limits.ttl=90s", "90s", OPTION_ID_limits_ttl},
        {"limits.ttl=1001", "1001ms", OPTION_ID_limits_ttl},
        {"limits.workers=auto", "auto", OPTION_ID_limits_workers},
        {"limits.workers=7", "7", OPTION_ID_limits_workers},
        {"log.format=auto", "auto", OPTION_ID_log_format},
        {"log.format=json", "json", OPTION_ID_log_format},
        {"log.format=logfmt", "logfmt", OPTION_ID_log_format},
        {"dram.prefault=on", "true", OPTION_ID_dram_prefault},
        {"listen.http=[::1]:0", "[::1]:0", OPTION_ID_listen_http},
    };
    char text[OPTION_TEXT_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        takes(rows[i].pair);
        option_format(&options, rows[i].id, text, sizeof(text));
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(options, names_and_reload_come_from_the_table)
{
    cr_expect_str_eq(option_section(OPTION_ID_listen_unix), "listen");
    cr_expect_str_eq(option_key(OPTION_ID_listen_unix), "unix");
    cr_expect(!option_may_reload(OPTION_ID_dram_size));
    cr_expect(option_may_reload(OPTION_ID_log_level));
}

Test(options, an_address_without_a_fallback_may_be_empty)
{
    takes("cluster.announce=cache-0.example:7654");
    cr_expect_str_eq(options.cluster_announce, "cache-0.example:7654");
    takes("cluster.announce=");
    cr_expect_str_eq(options.cluster_announce, "");
    refuses("cluster.announce=cache-0.example", "not an address", "host:port");
    refuses("listen.data=", "not an address", "host:port");
}

Test(options, a_text_is_taken_as_it_is)
{
    char value[OPTION_TEXT_MAX];

    takes("index.key_template={model} \"\\@{hash}");
    cr_expect_str_eq(options.index_key_template, "{model} \"\\@{hash}");
    option_format(&options, OPTION_ID_index_key_template, value, sizeof(value));
    cr_expect_str_eq(value, options.index_key_template);
    refuses("index.key_template=a\nb", "not a text", "without control");
}

Test(options, one_of_each_type_is_copied_with_its_source)
{
    static struct options copy;
    static const enum option_id ids[] = {
        OPTION_ID_limits_key,       OPTION_ID_cluster_enabled,
        OPTION_ID_cluster_announce, OPTION_ID_index_key_template,
        OPTION_ID_log_level,        OPTION_ID_nvme_path};
    char before[OPTION_TEXT_MAX], after[OPTION_TEXT_MAX];

    takes("limits.key=100");
    takes("cluster.enabled=false");
    takes("cluster.announce=h:1");
    takes("index.key_template={hash}");
    takes("log.level=debug");
    takes("nvme.path=/x");
    takes("dram.size=2MiB");
    options_init(&copy);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        option_copy(&copy, &options, ids[i]);
        option_format(&options, ids[i], before, sizeof(before));
        option_format(&copy, ids[i], after, sizeof(after));
        cr_expect_str_eq(after, before);
        cr_expect_str_eq(copy.source[ids[i]], "--set");
    }
    cr_expect(copy.dram_size == 1ull << 30, "what was not copied is as it was");
}
