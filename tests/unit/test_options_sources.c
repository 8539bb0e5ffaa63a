/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where options come from: YAML text, files, the environment, --set; which one
 * wins; where problems are said to be; and that what is printed is a source.
 */
#include "tests/unit/options_checks.h"

#include <stdlib.h>
#include <unistd.h>

TestSuite(options_sources, .init = begin);

static enum status
read_text(const char *text)
{
    return options_read_yaml(&options, text, strlen(text), "a.yaml", &problem);
}

static void
refuses_yaml(const char *text, const char *where, const char *what,
             const char *expected)
{
    options_init(&options);
    cr_assert(read_text(text) == STATUS_BAD_REQUEST, "taken: %s", text);
    cr_assert(strncmp(problem.text, where, strlen(where)) == 0, "not %s: %s",
              where, problem.text);
    says(where, what, expected);
}

Test(options_sources, later_sources_win_and_are_remembered)
{
    char data[] = "PREFIXCACHE_LISTEN_DATA=127.0.0.1:2";
    char size[] = "PREFIXCACHE_DRAM_SIZE=6MiB";
    char *environment[] = {data, size, NULL};

    cr_assert(read_text("dram:\n  size: 5MiB\nlisten:\n\n  data: '[::1]:1'\n"
                        "lease:\n  ms: 1s\n") == STATUS_OK,
              "%s", problem.text);
    cr_expect_str_eq(options.source[OPTION_ID_listen_data], "a.yaml:5");
    cr_assert(options_read_environment(&options, environment, &problem) ==
              STATUS_OK);
    takes("dram.size=7MiB");
    cr_expect(options.dram_size == 7ull << 20);
    cr_expect_str_eq(options.source[OPTION_ID_dram_size], "--set");
    cr_expect_str_eq(options.listen_data, "127.0.0.1:2");
    cr_expect_str_eq(options.source[OPTION_ID_listen_data],
                     "environment PREFIXCACHE_LISTEN_DATA");
    cr_expect(options.lease_ms == 1000);
    cr_expect_str_eq(options.source[OPTION_ID_lease_ms], "a.yaml:7");
    cr_expect_str_eq(options.source[OPTION_ID_listen_http], "default");
}

Test(options_sources, variables_that_are_not_ours_are_left_alone)
{
    char tmp[] = "PREFIXCACHE_TMP=/x", cli[] = "PREFIXCACHE_CLI=/y";
    char bench[] = "PREFIXCACHE_BENCH=/z", bare[] = "PREFIXCACHE_=1";
    char service[] = "PREFIXCACHE_SERVICE_HOST=10.0.0.1";
    char port[] = "PREFIXCACHE_PORT_7654_TCP=tcp://10.0.0.1:7654";
    char other[] = "DRAM_SIZE=1", no_value[] = "PREFIXCACHE_DRAM_SIZE";
    char *environment[] = {tmp,  cli,   bench,    bare, service,
                           port, other, no_value, NULL};

    cr_assert(options_read_environment(&options, environment, &problem) ==
                  STATUS_OK,
              "%s", problem.text);
    cr_expect(options.dram_size == 1ull << 30);
}

Test(options_sources, a_variable_like_ours_that_is_none_is_refused)
{
    char unknown[] = "PREFIXCACHE_DRAM_SICE=1G";
    char bad[] = "PREFIXCACHE_LOG_LEVEL=loud";
    char *one[] = {unknown, NULL}, *two[] = {bad, NULL};

    cr_assert(options_read_environment(&options, one, &problem) ==
              STATUS_BAD_REQUEST);
    says("environment: ", "unknown variable PREFIXCACHE_DRAM_SICE",
         "nearest known one is PREFIXCACHE_DRAM_SIZE");
    cr_assert(options_read_environment(&options, two, &problem) ==
              STATUS_BAD_REQUEST);
    says("environment PREFIXCACHE_LOG_LEVEL: ", "log.level: \"loud\"",
         "expected one of error");
}

Test(options_sources, yaml_without_anything_in_it_is_taken)
{
    cr_expect(read_text("") == STATUS_OK);
    cr_expect(read_text("# nothing\n") == STATUS_OK);
    cr_expect(read_text("---\n") == STATUS_OK);
    cr_expect(read_text("{}\n") == STATUS_OK);
    cr_expect(read_text("dram:\n#  size: 1G\nlog: {level: warn}\n") ==
              STATUS_OK);
    cr_expect(options.log_level == 1);
}

Test(options_sources, yaml_problems_name_line_and_column)
{
    refuses_yaml("dram:\n  size: 12Q\n",
                 "a.yaml:2:9: ", "dram.size: \"12Q\" is not a size or share",
                 "expected");
    refuses_yaml("dram:\n  sice: 1G\n",
                 "a.yaml:2:3: ", "unknown key \"sice\" in section dram",
                 "\"dram.size\"");
    refuses_yaml("log: {}\ndrum:\n  size: 1G\n",
                 "a.yaml:2:1: ", "unknown section \"drum\"", "\"dram\"");
    refuses_yaml("dram:\n  size: 1G\n  size: 2G\n",
                 "a.yaml:3:3: ", "dram.size is given twice, first on line 2",
                 "expected once");
    refuses_yaml("dram:\n  size: 1G\nlog: {}\ndram: {}\n",
                 "a.yaml:4:1: ", "dram is given twice, first on line 1",
                 "expected once");
    refuses_yaml("dram:\n  size: [1G]\n",
                 "a.yaml:2:9: ", "dram.size: not a plain value",
                 "expected one plain value");
    refuses_yaml("dram:\n  size: {a: b}\n", "a.yaml:2:9: ", "not a plain value",
                 "expected one plain value");
    refuses_yaml("dram:\n  size:\n", "a.yaml:2:8: ", "dram.size: no value",
                 "expected one plain value");
    refuses_yaml("listen:\n  unix: null\n",
                 "a.yaml:2:9: ", "listen.unix: no value", "expected");
    refuses_yaml("listen:\n  unix: \"a\\0b\"\n",
                 "a.yaml:2:9: ", "not a plain value", "expected");
    refuses_yaml("dram: 1G\n", "a.yaml:1:7: ", "not a mapping",
                 "expected the keys of the section");
    refuses_yaml("- dram\n", "a.yaml:1:1: ", "not a mapping",
                 "expected sections");
    refuses_yaml("dram\n", "a.yaml:1:1: ", "not a mapping", "expected");
    refuses_yaml("[a]: 1\n", "a.yaml:1:1: ", "not a name",
                 "expected the name of a section");
    refuses_yaml("dram:\n  ? {a: b}\n  : 1\n", "a.yaml:2:5: ", "not a name",
                 "expected");
    refuses_yaml("dram:\n  size: &a 1G\nlimits:\n  value: *a\n",
                 "a.yaml:4:10: ", "an alias (*)", "expected the value itself");
    refuses_yaml("dram: {}\n---\nlog: {}\n",
                 "a.yaml:2:1: ", "a second document", "expected one");
}

Test(options_sources, broken_yaml_is_told_where_it_breaks)
{
    refuses_yaml("dram:\n  size: 1G: 2\n", "a.yaml:2:", "bad YAML: mapping",
                 "expected sections");
    refuses_yaml("dram:\n\tsize: 1G\n",
                 "a.yaml:2:1: ", "bad YAML: ", "expected");
    refuses_yaml("dram: {size: 1G\n", "a.yaml:2:1: ", "bad YAML: ", "expected");
    refuses_yaml("dram:\n  size: \"1G\n", "a.yaml:", "bad YAML: ", "expected");
    refuses_yaml("log:\n  level: \xff\n",
                 "a.yaml:2:", "bad YAML: ", "expected");
}

Test(options_sources, a_file_that_can_not_be_read_is_named)
{
    char path[] = "/tmp/prefixcache-options-XXXXXX";
    int fd = mkstemp(path);
    static char big[(1u << 20) + 2];

    cr_assert(fd >= 0);
    cr_assert(write(fd, "lease:\n  ms: 3s\n", 16) == 16);
    cr_assert(options_read_file(&options, path, &problem) == STATUS_OK);
    cr_expect(options.lease_ms == 3000);
    cr_expect(strncmp(options.source[OPTION_ID_lease_ms], path, strlen(path)) ==
              0);
    memset(big, '\n', sizeof(big));
    cr_assert(write(fd, big, sizeof(big)) == (ssize_t)sizeof(big));
    cr_assert(options_read_file(&options, path, &problem) ==
              STATUS_BAD_REQUEST);
    says(path, "too large", "expected at most 1MiB");
    close(fd);
    unlink(path);
    cr_assert(options_read_file(&options, path, &problem) ==
              STATUS_BAD_REQUEST);
    says(path, "can not be opened: No such file", "expected a YAML file");
    cr_assert(options_read_file(&options, "/tmp", &problem) ==
              STATUS_BAD_REQUEST);
    says("/tmp: ", "can not be read: Is a directory", "expected a YAML file");
}

static void
expect_same(const struct options *one, const struct options *other)
{
    char first[OPTION_TEXT_MAX], second[OPTION_TEXT_MAX];

    for (unsigned id = 0; id < OPTION_ID_COUNT; id++) {
        option_format(one, (enum option_id)id, first, sizeof(first));
        option_format(other, (enum option_id)id, second, sizeof(second));
        cr_expect_str_eq(first, second);
    }
}

static void
expect_round_trip(void)
{
    static struct options again;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    options_print(&options, stream);
    fclose(stream);
    options_init(&again);
    cr_assert(options_read_yaml(&again, text, size, "printed", &problem) ==
                  STATUS_OK,
              "%s\n%s", problem.text, text);
    expect_same(&options, &again);
    free(text);
}

Test(options_sources, what_is_printed_is_read_again)
{
    expect_round_trip();
    takes("listen.unix=/a \"b\" \\ # c: d");
    takes("dram.size=65537K");
    takes("limits.ttl=90s");
    takes("limits.put_wait=1234ms");
    takes("security.insecure=true");
    snprintf(options.source[OPTION_ID_dram_size], 64, "odd\nname: x:3");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    expect_round_trip();
}
