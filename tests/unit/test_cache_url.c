/* SPDX-License-Identifier: Apache-2.0 */
/* What the URL of a cache may look like, and what is said about one that does
 * not. */
#include "client/cache_url.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct cache_url
parsed(const char *text)
{
    struct cache_url url;
    char why[PREFIXCACHE_WHY_SIZE] = "";

    memset(&url, 0x5a, sizeof url);
    cr_assert(cache_url_parse(text, &url, why, sizeof why) == STATUS_OK,
              "%s: %s", text, why);
    return url;
}

static void
must_be_refused(const char *text, const char *because)
{
    static struct cache_url url, before;
    char why[PREFIXCACHE_WHY_SIZE] = "";

    memset(&url, 0x5a, sizeof url);
    before = url;
    cr_assert(cache_url_parse(text, &url, why, sizeof why) ==
                  STATUS_BAD_REQUEST,
              "%s was taken", text);
    cr_assert(strstr(why, because) != NULL, "%s: \"%s\" does not say \"%s\"",
              text, why, because);
    cr_assert(memcmp(&url, &before, sizeof url) == 0,
              "%s: output was written although it was refused", text);
}

static void
must_be_named(const struct cache_url *url, unsigned shard, const char *expected)
{
    char name[CACHE_URL_NAME_SIZE];

    cr_assert(shard < url->count);
    cache_url_name(&url->shards[shard], name);
    cr_assert_str_eq(name, expected);
}

Test(cache_url, one_host_has_the_default_port)
{
    struct cache_url url = parsed("prefixcache://cache");

    cr_assert(url.count == 1);
    cr_assert_str_eq(url.shards[0].host, "cache");
    cr_assert_str_eq(url.shards[0].port, "7654");
    cr_assert(!url.shards[0].is_unix);
    cr_assert(!url.wants_ucx);
    cr_assert(url.space == 0);
    cr_assert(url.options.size == sizeof url.options);
    cr_assert(url.options.get_ms == 0);
}

Test(cache_url, shards_keep_their_order)
{
    struct cache_url url =
        parsed("prefixcache://b.example:1,a_1:65535,10.0.0.7,c:07654");

    cr_assert(url.count == 4);
    must_be_named(&url, 0, "b.example:1");
    must_be_named(&url, 1, "a_1:65535");
    must_be_named(&url, 2, "10.0.0.7:7654");
    must_be_named(&url, 3, "c:7654");
}

Test(cache_url, namespace_and_options_are_read)
{
    struct cache_url url =
        parsed("prefixcache://a:7654,b:7654/3?get_ms=500&connections=4"
               "&queue_bytes=1099511627776&flags=1");

    cr_assert(url.count == 2);
    cr_assert(url.space == 3);
    cr_assert(url.options.space == 3);
    cr_assert(url.options.get_ms == 500);
    cr_assert(url.options.connections == 4);
    cr_assert(url.options.queue_bytes == 1099511627776u);
    cr_assert(url.options.flags == PREFIXCACHE_CHECKSUM);
    cr_assert(url.options.put_ms == 0);
    cr_assert(parsed("prefixcache://a/?get_ms=7").options.get_ms == 7);
    cr_assert(parsed("prefixcache://a?get_ms=7").options.get_ms == 7);
    cr_assert(parsed("prefixcache://a?space=255&").space == 255);
    cr_assert(parsed("prefixcache://a/255?").space == 255);
}

Test(cache_url, every_option_has_a_name)
{
    struct prefixcache_options options =
        parsed("prefixcache://a?connect_ms=1&lookup_ms=2&get_ms=3&put_ms=4"
               "&connections=5&threads=6&space=7&retry_ms=8&failures=9"
               "&queue_bytes=10&flags=1")
            .options;

    cr_assert(options.connect_ms == 1);
    cr_assert(options.lookup_ms == 2);
    cr_assert(options.get_ms == 3);
    cr_assert(options.put_ms == 4);
    cr_assert(options.connections == 5);
    cr_assert(options.threads == 6);
    cr_assert(options.space == 7);
    cr_assert(options.retry_ms == 8);
    cr_assert(options.failures == 9);
    cr_assert(options.queue_bytes == 10);
    cr_assert(options.flags == 1);
}

/* Placement goes by names, and two clients may spell one host differently. */
Test(cache_url, one_host_has_one_name_however_it_is_spelled)
{
    struct cache_url url =
        parsed("prefixcache://Cache-0.LLM:007,[0:0::1],[FD00::A]:1,"
               "[fe80::1%eth0]:2");

    must_be_named(&url, 0, "cache-0.llm:7");
    must_be_named(&url, 1, "[::1]:7654");
    cr_assert_str_eq(url.shards[1].host, "::1");
    must_be_named(&url, 2, "[fd00::a]:1");
    must_be_named(&url, 3, "[fe80::1%eth0]:2");
}

Test(cache_url, a_unix_socket_is_a_path)
{
    struct cache_url url =
        parsed("prefixcache+unix:///run/Prefix:cache@1.sock,/b?get_ms=9");

    cr_assert(url.count == 2);
    cr_assert(url.shards[0].is_unix && url.shards[1].is_unix);
    cr_assert_str_eq(url.shards[0].host, "/run/Prefix:cache@1.sock");
    cr_assert_str_eq(url.shards[0].port, "");
    must_be_named(&url, 0, "/run/Prefix:cache@1.sock");
    must_be_named(&url, 1, "/b");
    cr_assert(url.options.get_ms == 9);
}

Test(cache_url, ucx_is_asked_for_by_the_scheme)
{
    struct cache_url url = parsed("prefixcache+ucx://a,b:1/2?threads=3");

    cr_assert(url.wants_ucx);
    cr_assert(url.count == 2);
    cr_assert(url.space == 2);
    cr_assert(url.options.threads == 3);
    must_be_named(&url, 0, "a:7654");
}

Test(cache_url, of_64_shards_is_taken_and_of_65_is_not)
{
    char text[2000] = "prefixcache://h0";
    size_t size = strlen(text);

    for (unsigned i = 1; i < PREFIXCACHE_SHARDS_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, ",h%u", i);
    cr_assert(parsed(text).count == 64);
    snprintf(text + size, sizeof text - size, ",h64");
    must_be_refused(text, "\"h64\" is one more than 64 shards");
}

Test(cache_url, without_a_scheme_of_ours_is_refused)
{
    must_be_refused("", "has no scheme, expected prefixcache://HOST");
    must_be_refused("cache:7654", "\"cache:7654\" has no scheme");
    must_be_refused("redis://cache", "unknown scheme \"redis\", expected");
    must_be_refused("prefixcache+tls://cache", "unknown scheme");
    must_be_refused("prefixcache+unix+ucx:///a", "unknown scheme");
    must_be_refused("PREFIXCACHE://cache", "unknown scheme");
}

Test(cache_url, a_host_that_can_not_be_is_refused)
{
    char text[400] = "prefixcache://";

    must_be_refused("prefixcache://", "a host is missing before \"\"");
    must_be_refused("prefixcache:///3", "a host is missing before \"/3\"");
    must_be_refused("prefixcache://a,,b", "a host is missing before \",b\"");
    must_be_refused("prefixcache://a,", "a host is missing before \"\"");
    must_be_refused("prefixcache://:7654", "before \":7654\"");
    must_be_refused("prefixcache://me:secret@a", "a user or a password");
    must_be_refused("prefixcache://a b", "the host \"a b\" has a \" \"");
    must_be_refused("prefixcache://a#b", "the host \"a#b\" has a \"#\"");
    must_be_refused("prefixcache://a\nb", "has a \"?\"");
    must_be_refused("prefixcache://::1", "\"::1\" has more than one \":\"");
    must_be_refused("prefixcache://fe80::1:7654", "stands in brackets");
    must_be_refused("prefixcache://a,b,A",
                    "shards 1 and 3 are both \"a:7654\"");
    must_be_refused("prefixcache://[::1],[0::1]:7654", "1 and 2 are both");
    memset(text + strlen(text), 'h', 256);
    must_be_refused(text, "is longer than 255 bytes");
}

Test(cache_url, brackets_hold_an_ipv6_address)
{
    must_be_refused("prefixcache://[::1", "has no \"]\"");
    must_be_refused("prefixcache://[]", "\"[]\" is not an IPv6 address");
    must_be_refused("prefixcache://[10.0.0.1]", "is not an IPv6 address");
    must_be_refused("prefixcache://[cache]:1", "is not an IPv6 address");
    must_be_refused("prefixcache://[fe80::1%]", "is not an IPv6 address");
    must_be_refused("prefixcache://[fe80::1%a/b]", "has no \"]\"");
    must_be_refused("prefixcache://[::1]7654", "\"7654\" stands behind \"]\"");
}

Test(cache_url, a_port_that_is_none_is_refused)
{
    must_be_refused("prefixcache://a:", "the port \"\" behind \"a\"");
    must_be_refused("prefixcache://a:0", "\"0\" behind \"a\" is not a number");
    must_be_refused("prefixcache://a:65536", "from 1 to 65535");
    must_be_refused("prefixcache://a:76543210", "the port \"76543210\"");
    must_be_refused("prefixcache://a:-1", "the port \"-1\"");
    must_be_refused("prefixcache://[::1]:x", "\"x\" behind \"::1\"");
}

Test(cache_url, a_path_that_is_none_is_refused)
{
    char text[200] = "prefixcache+unix:///";

    must_be_refused("prefixcache+unix://", "\"\" is not the path of a Unix");
    must_be_refused("prefixcache+unix:///", "\"/\" is not the path");
    must_be_refused("prefixcache+unix://a/b", "which starts with \"/\"");
    must_be_refused("prefixcache+unix:///a,b", "\"b\" is not the path");
    must_be_refused("prefixcache+unix:///a,/a", "shards 1 and 2 are both");
    memset(text + strlen(text), 'p', 107);
    must_be_refused(text, "has 108 bytes, and that of a Unix socket at most");
}

Test(cache_url, a_namespace_that_is_none_is_refused)
{
    must_be_refused("prefixcache://a/256", "the namespace \"256\" behind");
    must_be_refused("prefixcache://a/x", "not a number from 0 to 255");
    must_be_refused("prefixcache://a/1/", "the namespace \"1/\"");
    must_be_refused("prefixcache://a/1?space=2",
                    "space is said twice: 1 and 2");
}

Test(cache_url, an_unknown_option_is_told_the_nearest)
{
    must_be_refused("prefixcache://a?get_mss=1",
                    "there is no option \"get_mss\"; the nearest is "
                    "\"get_ms\"");
    must_be_refused("prefixcache://a?conections=1", "\"connections\"");
    must_be_refused("prefixcache://a?queue=1", "the nearest is");
    must_be_refused("prefixcache://a?size=1", "there is no option \"size\"");
    must_be_refused("prefixcache://a?&get_ms=1", "there is no option \"\"");
}

Test(cache_url, an_option_out_of_range_is_refused)
{
    must_be_refused("prefixcache://a?get_ms", "get_ms is \"\", which is no");
    must_be_refused("prefixcache://a?get_ms=", "get_ms is \"\", which is no");
    must_be_refused("prefixcache://a?get_ms=1s", "get_ms is \"1s\"");
    must_be_refused("prefixcache://a?get_ms=-1", "get_ms is \"-1\"");
    must_be_refused("prefixcache://a?get_ms=3600001", "from 0 to 3600000");
    must_be_refused("prefixcache://a?connections=65", "from 0 to 64");
    must_be_refused("prefixcache://a?queue_bytes=99999999999999999999999",
                    "from 0 to 1125899906842624");
    must_be_refused("prefixcache://a?flags=2", "from 0 to 1");
    must_be_refused("prefixcache://a?get_ms=1&get_ms=2",
                    "get_ms is said twice: 1 and 2");
}

Test(cache_url, that_is_null_is_refused)
{
    char why[PREFIXCACHE_WHY_SIZE] = "";
    struct cache_url url;

    cr_assert(cache_url_parse(NULL, &url, why, sizeof why) ==
              STATUS_BAD_REQUEST);
    cr_assert(strstr(why, "no scheme") != NULL);
}

Test(cache_url, the_sentence_stays_in_its_room)
{
    char why[9] = "12345678";
    struct cache_url url;

    cr_assert(cache_url_parse("redis://a", &url, why, 0) == STATUS_BAD_REQUEST);
    cr_assert_str_eq(why, "12345678");
    cr_assert(cache_url_parse("redis://a", &url, why, 4) == STATUS_BAD_REQUEST);
    cr_assert_str_eq(why, "unk");
    cr_assert(why[4] == '5');
}
