/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What options mean together: values that follow from others, combinations that
 * can not work, and the memory that sizes are held against.
 */
#include "base/memory_limit.h"
#include "base/option_table.h"
#include "tests/unit/options_checks.h"

#include <stdlib.h>
#include <sys/stat.h>

TestSuite(options_finish, .init = begin);

Test(options_finish, auto_values_follow_from_the_others)
{
    takes("dram.size=100MiB");
    takes("limits.value=4MiB");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.limits_workers >= 1);
    cr_expect(options.limits_index_memory == (4ull << 20) + (24ull << 20));
    cr_expect(options.limits_inflight == (100ull << 20) / 8);
    cr_expect_str_eq(options.source[OPTION_ID_limits_inflight], "derived");
    cr_expect_str_eq(options.source[OPTION_ID_limits_workers], "derived");
    cr_expect(options.log_format == 0);
    cr_expect_str_eq(options.source[OPTION_ID_log_format], "default");
}

Test(options_finish, what_is_on_its_way_to_a_spill_is_a_share_of_dram)
{
    takes("dram.size=800MiB");
    takes("limits.value=4MiB");
    takes("spill.path=/tmp");
    takes("spill.size=1GiB");
    takes("spill.read_wait=3s");
    takes("spill.probe=10s");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.spill_inflight == 100ull << 20);
    cr_expect(options.limits_index_memory ==
              (32ull << 20) + (24ull << 20) + (4ull << 20));
    cr_expect(options.spill_read_wait == 3000);
    cr_expect(options.spill_probe == 10000);
    options_init(&options);
    takes("dram.size=1500MiB");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.spill_inflight == 128ull << 20);
}

Test(options_finish, inflight_takes_one_value_but_never_over_half)
{
    takes("dram.size=100MiB");
    takes("limits.value=20MiB");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.limits_inflight == 20ull << 20);
    options_init(&options);
    takes("dram.size=100MiB");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.limits_inflight == 50ull << 20);
}

Test(options_finish, a_given_value_is_not_derived)
{
    takes("limits.workers=3");
    takes("limits.inflight=64KiB");
    takes("limits.index_memory=256KiB");
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    cr_expect(options.limits_workers == 3);
    cr_expect(options.limits_inflight == 65536);
    cr_expect(options.limits_index_memory == 262144);
    cr_expect_str_eq(options.source[OPTION_ID_limits_workers], "--set");
}

static void
finish_refuses(const char *pair, const char *what, const char *expected)
{
    options_init(&options);
    takes(pair);
    cr_assert(options_finish(&options, &problem) == STATUS_BAD_REQUEST,
              "taken: %s", pair);
    says("--set: ", what, expected);
}

Test(options_finish, sizes_that_can_not_fit_say_both_figures)
{
    char figure[32];

    option_format_size(memory_limit(), figure, sizeof(figure));
    finish_refuses("dram.size=64TiB",
                   "dram.size: 64TiB is more than the "
                   "memory this process may use",
                   figure);
    finish_refuses("limits.index_memory=4TiB", "limits.index_memory: 4TiB",
                   figure);
    finish_refuses("limits.inflight=2GiB",
                   "limits.inflight: 2GiB is more than dram.size",
                   "1GiB; expected at most that");
    finish_refuses("limits.head=32MiB",
                   "limits.head: 32MiB is more than limits.head_memory",
                   "16MiB; expected at most that");
}

Test(options_finish, a_socket_path_longer_than_a_socket_takes_is_refused)
{
    char pair[256];

    snprintf(pair, sizeof(pair), "listen.unix=/%0106d", 0);
    takes(pair);
    cr_assert(options_finish(&options, &problem) == STATUS_OK);
    snprintf(pair, sizeof(pair), "listen.unix=/%0107d", 0);
    finish_refuses(pair, "listen.unix: a path of 108 bytes is too long",
                   "expected at most 107");
}

Test(options_finish, a_bind_beyond_loopback_needs_insecure)
{
    static const char *const wide[] = {
        "listen.data=0.0.0.0:7654", "listen.data=[::]:7654",
        "listen.data=10.0.0.1:0",   "listen.data=cache.example:7654",
        "listen.data=128.0.0.1:1",  "listen.data=[::ffff:127.0.0.1]:1"};
    static const char *const narrow[] = {
        "listen.data=127.0.0.1:0", "listen.data=127.255.255.254:1",
        "listen.data=[::1]:7654", "listen.data=LocalHost:7654"};

    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        finish_refuses(wide[i], "listen.data: ",
                       "expected a loopback address such as 127.0.0.1");
        says("listen.data: ", "security.insecure: true", "authentication");
        takes("security.insecure=true");
        cr_expect(options_finish(&options, &problem) == STATUS_OK);
    }
    for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++) {
        options_init(&options);
        takes(narrow[i]);
        cr_expect(options_finish(&options, &problem) == STATUS_OK, "%s",
                  problem.text);
    }
    finish_refuses("listen.http=0.0.0.0:7655",
                   "listen.http: ", "security.insecure: true");
}

/* A tree of cgroup files in a directory of its own. */
static char tree[64];

static void
write_file(const char *name, const char *text)
{
    char path[256];
    FILE *stream;

    snprintf(path, sizeof(path), "%s/%s", tree, name);
    for (char *at = path + strlen(tree) + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    stream = fopen(path, "w");
    cr_assert(stream != NULL);
    fputs(text, stream);
    fclose(stream);
}

static uint64_t
limit_with(const char *membership)
{
    char path[128];

    write_file("membership", membership);
    snprintf(path, sizeof(path), "%s/membership", tree);
    return memory_limit_of_cgroup(path, tree);
}

Test(options_finish, memory_is_the_least_limit_of_the_groups_above)
{
    char command[96];

    snprintf(tree, sizeof(tree), "/tmp/prefixcache-cgroup-XXXXXX");
    cr_assert(mkdtemp(tree) != NULL);
    cr_expect(limit_with("0::/pod/box\n") == UINT64_MAX);
    write_file("pod/box/memory.max", "max\n");
    cr_expect(limit_with("0::/pod/box\n") == UINT64_MAX);
    write_file("pod/memory.max", "5000\n");
    cr_expect(limit_with("0::/pod/box\n") == 5000);
    write_file("pod/box/memory.max", "4000\n");
    cr_expect(limit_with("0::/pod/box\n") == 4000);
    write_file("memory.max", "3000\n");
    cr_expect(limit_with("0::/\n") == 3000);
    cr_expect(limit_with("0::/not/there\n") == 3000);
    write_file("memory/pod/memory.limit_in_bytes", "2000\n");
    cr_expect(limit_with("4:memory:/pod/box\n") == 2000);
    cr_expect(limit_with("4:cpu,memory:/pod\n0::/pod\n") == 2000);
    cr_expect(limit_with("4:memory2:/pod\n5:cpu:/pod\n") == UINT64_MAX);
    cr_expect(limit_with("nonsense\n\n:\n") == UINT64_MAX);
    cr_expect(memory_limit_of_cgroup("/not/there", tree) == UINT64_MAX);
    snprintf(command, sizeof(command), "rm -rf '%s'", tree);
    cr_expect(system(command) == 0);
}
