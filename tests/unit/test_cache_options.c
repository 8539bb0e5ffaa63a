/* SPDX-License-Identifier: Apache-2.0 */
/* Where the options of a cache come from: the URL, the caller, the defaults. */
#include "client/cache_options.h"

#include <criterion/criterion.h>
#include <string.h>

/* What a caller that is newer than the library passes. */
struct newer_options {
    struct prefixcache_options known;
    uint64_t unknown;
};

static struct prefixcache_options
finished(struct prefixcache_options options,
         const struct prefixcache_options *given)
{
    char why[PREFIXCACHE_WHY_SIZE] = "";

    cr_assert(cache_options_finish(&options, given, why, sizeof why) ==
                  STATUS_OK,
              "%s", why);
    cr_assert(options.size == sizeof options);
    return options;
}

static void
must_be_refused(const struct prefixcache_options *given, const char *because)
{
    struct prefixcache_options options = {0};
    char why[PREFIXCACHE_WHY_SIZE] = "";

    cr_assert(cache_options_finish(&options, given, why, sizeof why) ==
              STATUS_BAD_REQUEST);
    cr_assert(strstr(why, because) != NULL, "\"%s\" does not say \"%s\"", why,
              because);
}

/* The numbers that prefixcache.h has in brackets. */
Test(cache_options, that_nobody_sets_have_their_defaults)
{
    struct prefixcache_options options =
        finished((struct prefixcache_options){0}, NULL);

    cr_assert(options.connect_ms == 1000);
    cr_assert(options.lookup_ms == 100);
    cr_assert(options.get_ms == 2000);
    cr_assert(options.put_ms == 5000);
    cr_assert(options.connections == 2);
    cr_assert(options.threads == 1);
    cr_assert(options.space == 0);
    cr_assert(options.retry_ms == 1000);
    cr_assert(options.failures == 3);
    cr_assert(options.queue_bytes == 256u << 20);
    cr_assert(options.flags == 0);
}

Test(cache_options, of_the_url_go_before_the_caller_and_those_before_defaults)
{
    const struct prefixcache_options given = {.size = sizeof given,
                                              .get_ms = 7,
                                              .put_ms = 8,
                                              .flags = PREFIXCACHE_CHECKSUM};
    struct prefixcache_options options =
        finished((struct prefixcache_options){.get_ms = 5}, &given);

    cr_assert(options.get_ms == 5);
    cr_assert(options.put_ms == 8);
    cr_assert(options.lookup_ms == 100);
    cr_assert(options.flags == PREFIXCACHE_CHECKSUM);
}

Test(cache_options, of_an_older_caller_are_as_many_as_it_says)
{
    const struct prefixcache_options given = {
        .size = offsetof(struct prefixcache_options, put_ms),
        .get_ms = 7,
        .put_ms = 8};
    struct prefixcache_options options =
        finished((struct prefixcache_options){0}, &given);

    cr_assert(options.get_ms == 7);
    cr_assert(options.put_ms == 5000);
}

Test(cache_options, of_a_newer_caller_are_refused_when_they_are_not_known_here)
{
    struct newer_options given = {.known = {.size = sizeof given, .get_ms = 7}};

    cr_assert(finished((struct prefixcache_options){0}, &given.known).get_ms ==
              7);
    given.unknown = 1;
    must_be_refused(&given.known, "it is older than its caller");
}

Test(cache_options, that_can_not_be_are_refused_by_name)
{
    const size_t size = sizeof(struct prefixcache_options);
    struct prefixcache_options given = {.get_ms = 1};

    must_be_refused(&given, "options.size is 0, expected sizeof");
    given.size = SIZE_MAX;
    must_be_refused(&given, "options.size is");
    given = (struct prefixcache_options){.size = size, .space = 256};
    must_be_refused(&given, "options.space is 256, expected 0 to 255");
    given = (struct prefixcache_options){.size = size, .flags = 2};
    must_be_refused(&given, "options.flags is 2, expected 0 to 1");
    given = (struct prefixcache_options){.size = size, .threads = 65};
    must_be_refused(&given, "options.threads");
    given =
        (struct prefixcache_options){.size = size, .queue_bytes = UINT64_MAX};
    must_be_refused(&given, "options.queue_bytes");
}
