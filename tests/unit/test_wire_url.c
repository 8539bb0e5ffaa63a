/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's URL may look like, and what is said about one that does not. */
#include "client/wire.h"

#include <criterion/criterion.h>
#include <string.h>

static struct wire_url
parsed(const char *text)
{
    struct wire_url url;
    char why[200] = "";
    enum status status = wire_url_parse(text, &url, why, sizeof why);

    cr_assert(status == STATUS_OK, "%s: %s", text, why);
    return url;
}

static void
is_refused(const char *text, const char *because)
{
    struct wire_url url;
    struct wire_url before;
    char why[200] = "";

    memset(&url, 0x5a, sizeof url);
    before = url;
    cr_assert(wire_url_parse(text, &url, why, sizeof why) == STATUS_BAD_REQUEST,
              "%s was taken", text);
    cr_assert(strstr(why, because) != NULL, "%s: \"%s\" does not say \"%s\"",
              text, why, because);
    cr_assert(memcmp(&url, &before, sizeof url) == 0,
              "%s: output was written although it was refused", text);
}

Test(wire_url, each_scheme_names_its_wire_and_default_port)
{
    static const struct {
        const char *text;
        enum wire_kind kind;
        const char *port;
    } rows[] = {
        {"lm://cache", WIRE_LM, "7654"},
        {"redis://cache", WIRE_RESP, "7654"},
        {"resp://cache", WIRE_RESP, "7654"},
        {"memcached://cache", WIRE_MEMCACHED, "11211"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire_url url = parsed(rows[i].text);

        cr_assert(url.kind == rows[i].kind);
        cr_assert_str_eq(url.host, "cache");
        cr_assert_str_eq(url.port, rows[i].port);
        cr_assert(!url.is_unix);
        cr_assert(url.space == 0);
    }
}

Test(wire_url, port_and_namespace_are_read)
{
    struct wire_url url = parsed("redis://10.0.0.1:6379/65535");

    cr_assert_str_eq(url.host, "10.0.0.1");
    cr_assert_str_eq(url.port, "6379");
    cr_assert(url.space == 65535);
}

Test(wire_url, a_slash_alone_is_no_namespace)
{
    cr_assert(parsed("lm://h:1/").kind == WIRE_LM);
    cr_assert(parsed("redis://h:65535/").space == 0);
}

Test(wire_url, an_ipv6_address_stands_in_brackets)
{
    struct wire_url url = parsed("lm://[::1]:7000");

    cr_assert_str_eq(url.host, "::1");
    cr_assert_str_eq(url.port, "7000");
    cr_assert_str_eq(parsed("redis://[fe80::1]/2").host, "fe80::1");
}

Test(wire_url, a_unix_socket_is_a_path)
{
    struct wire_url url = parsed("lm+unix:///run/prefix cache/s");

    cr_assert(url.kind == WIRE_LM);
    cr_assert(url.is_unix);
    cr_assert_str_eq(url.host, "/run/prefix cache/s");
    cr_assert(parsed("redis+unix:///s").kind == WIRE_RESP);
    cr_assert(parsed("memcached+unix:///s").kind == WIRE_MEMCACHED);
}

Test(wire_url, a_host_may_have_255_bytes)
{
    char text[300] = "lm://";

    memset(text + 5, 'h', 255);
    strcpy(text + 260, ":1");
    cr_assert(strlen(parsed(text).host) == 255);
    memset(text + 5, 'h', 256);
    strcpy(text + 261, ":1");
    is_refused(text, "longer than 255");
}

Test(wire_url, what_is_wrong_is_said)
{
    is_refused("", "no scheme");
    is_refused("localhost:7654", "no scheme");
    is_refused("://h", "unknown scheme");
    is_refused("http://h", "unknown scheme \"http\"");
    is_refused("redi://h", "unknown scheme");
    is_refused("LM://h", "unknown scheme");
    is_refused("lm+tcp://h", "unknown scheme \"lm+tcp\"");
    is_refused("lm+unixx:///s", "unknown scheme");
    is_refused("lm://", "host is missing");
    is_refused("lm://:7654", "host is missing");
    is_refused("lm://[]:1", "host is missing");
    is_refused("lm://[::1", "no \"]\"");
    is_refused("lm://[::1]7", "where a port was expected");
    is_refused("lm://h:", "port \"\"");
    is_refused("lm://h:0", "port \"0\"");
    is_refused("lm://h:65536", "port \"65536\"");
    is_refused("lm://h:99999999999999999999", "from 1 to 65535");
    is_refused("lm://h:+1", "port \"+1\"");
    is_refused("lm://h:76x", "port \"76x\"");
    is_refused("lm://h/1", "only redis:// has");
    is_refused("redis://h/x", "namespace \"x\"");
    is_refused("redis://h/65536", "namespace \"65536\"");
    is_refused("redis://h/-1", "namespace \"-1\"");
    is_refused("redis://h/1/2", "namespace");
    is_refused("redis://me:secret@h", "user or password");
    is_refused("lm+unix://relative", "does not start with");
}

Test(wire_url, a_short_why_is_cut_not_overrun)
{
    struct wire_url url;
    char why[8];

    memset(why, 'x', sizeof why);
    cr_assert(wire_url_parse("http://h", &url, why, sizeof why) ==
              STATUS_BAD_REQUEST);
    cr_assert(strlen(why) == sizeof why - 1);
}
