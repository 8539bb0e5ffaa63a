/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of PROTOCOLS, "The native wire", read out of its text: the codec
 * reads them as what they say, and spells them byte for byte.  So with the
 * frames of every field in tests/golden/native, which earlier versions wrote
 * (PREFIXCACHE_GOLDEN=FOLDER writes them anew).
 */
#include "proto/checksum.h"
#include "tests/unit/native_frames.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define EXAMPLES   "3.8 Examples\n"
#define INDENT     4u
#define HELLO_HASH 0x9555e8555c62dcfdu

#define LIST(text)                                                             \
    {                                                                          \
        (const uint8_t *)"" text, sizeof(text) - 1                             \
    }
#define TWO_KEYS LIST("\2\0a1\2\0b2")

struct request_example {
    const char *title;
    struct native_request says;
    const char *body;
};

static const struct request_example requests[] = {
    {"HELLO", {.id = 1, .verb = NATIVE_HELLO}, ""},
    {"PUT with a checksum",
     {.id = 2,
      .verb = NATIVE_PUT,
      .count = 1,
      .has_checksum = true,
      .checksum = HELLO_HASH,
      .list = LIST("\2\0a1"),
      .body_size = 5},
     "hello"},
    {"GET of two keys",
     {.id = 3,
      .verb = NATIVE_GET,
      .count = 2,
      .wants_checksum = true,
      .list = TWO_KEYS},
     ""},
    {"EXISTS of two keys",
     {.id = 4,
      .verb = NATIVE_EXISTS,
      .count = 2,
      .lease_ms = 5000,
      .list = TWO_KEYS},
     ""},
    {"PREFIX of two keys",
     {.id = 5,
      .verb = NATIVE_PREFIX,
      .count = 2,
      .wants_states = true,
      .list = TWO_KEYS},
     ""},
};

/* What the codec says of it is no verb, so that it cannot spell it. */
#define UNKNOWN_VERB "An unknown verb"

struct reply_example {
    const char *title;
    struct native_reply says;
    const char *body;
};

static const struct reply_example replies[] = {
    {"HELLO's reply",
     {.id = 1,
      .server = "prefixcached 0.1.0",
      .version = NATIVE_VERSION,
      .value_max = 64 << 20,
      .key_max = KEY_SIZE_MAX,
      .keys_max = NATIVE_KEYS_MAX,
      .list_max = 1 << 20,
      .instance = 0x1122334455667788},
     ""},
    {"PUT's reply", {.id = 2}, ""},
    {"GET's first reply, a miss of the second key",
     {.id = 3, .code = NATIVE_MISS, .index = 1},
     ""},
    {"GET's second reply, a hit of the first key",
     {.id = 3,
      .has_checksum = true,
      .checksum = HELLO_HASH,
      .kind = NATIVE_PLAIN,
      .tier = "nvme",
      .body_size = 5},
     "hello"},
    {"EXISTS' reply",
     {.id = 4, .matched = 1, .lease_ms = 5000, .list = LIST("\0\1")},
     ""},
    {"PREFIX's reply",
     {.id = 5,
      .matched = 1,
      .bytes = 5,
      .tier_count = 2,
      .tiers = {{.name = "dram"},
                {.name = "nvme",
                 .matched = 1,
                 .unbroken = 1,
                 .bytes = 5,
                 .has_get_us = true,
                 .get_us = 95}},
      .list = LIST("\2\0")},
     ""},
    {"The reply to an unknown verb", {.id = 6, .code = NATIVE_UNSUPPORTED}, ""},
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* The text from the heading on; NUL-terminated, the caller's. */
static char *
read_examples(void)
{
    const char *root = getenv("PREFIXCACHE_SOURCE");
    char path[4096], *text = calloc(1, 1 << 20);
    snprintf(path, sizeof(path), "%s/proto/PROTOCOLS",
             root != NULL ? root : ".");
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s (PREFIXCACHE_SOURCE says where it is)", path);
    cr_assert_not_null(text);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    char *found = strstr(text, "\n" EXAMPLES);
    cr_assert_not_null(found);
    memmove(text, found + 1, strlen(found + 1) + 1);
    return text;
}

/* The bytes that a line begins with; what follows them is a comment. */
static void
take_bytes(const char *line, struct frame_text *into)
{
    while (isxdigit((unsigned char)line[0]) &&
           isxdigit((unsigned char)line[1]) &&
           (line[2] == ' ' || line[2] == '\n')) {
        uint8_t byte = (uint8_t)strtoul(line, NULL, 16);
        add_bytes(into, &byte, 1);
        line += line[2] == ' ' ? 3 : 2;
    }
}

/* Takes one example from *text on: its title, and its bytes behind it. */
static bool
next_example(const char **text, char title[80], struct frame_text *into)
{
    const char *at = strstr(*text, "\n\n");
    at = at != NULL ? at + 2 : "";
    if (strncmp(at, "    ", INDENT) != 0)
        return false;
    size_t size = strcspn(at, "\n") - INDENT;
    cr_assert_lt(size, 80);
    memcpy(title, at + INDENT, size);
    title[size] = '\0';
    into->size = 0;
    at += INDENT + size;
    while (strncmp(at, "\n    ", INDENT + 1) == 0) {
        take_bytes(at + INDENT + 1, into);
        at += 1 + strcspn(at + 1, "\n");
    }
    *text = at;
    return true;
}

/* The example of that title, from the whole text. */
static struct frame_text
find_example(const char *title)
{
    char *text = read_examples(), found[80];
    const char *at = text;
    struct frame_text example;
    while (next_example(&at, found, &example)) {
        if (strcmp(found, title) == 0) {
            free(text);
            return example;
        }
    }
    cr_assert_fail("no example \"%s\"", title);
    return example;
}

/* in->at stands behind the list: nothing but the body follows. */
static void
expect_body(const struct cursor *in, const char *body)
{
    cr_assert_eq(cursor_left(in), strlen(body));
    if (*body != '\0')
        cr_assert_arr_eq(in->at, body, strlen(body));
}

static void
expect_spelling(const struct cursor *out, const uint8_t *first,
                const struct frame_text *example, const char *body)
{
    size_t size = (size_t)(out->at - first);
    cr_assert_eq(size + strlen(body), example->size);
    cr_assert_arr_eq(first, example->bytes, size);
}

Test(native_examples, each_request_is_what_it_says)
{
    for (unsigned i = 0; i < COUNT(requests); i++) {
        const struct request_example *row = &requests[i];
        struct frame_text example = find_example(row->title);
        struct cursor in = text_cursor(&example);
        struct native_request got;
        const char *why;
        cr_assert_eq(native_read_request(&in, &got, &why), PARSE_DONE, "%s",
                     row->title);
        cr_assert_null(why);
        expect_request(&got, &row->says);
        expect_body(&in, row->body);
    }
}

Test(native_examples, each_request_is_spelled_so)
{
    for (unsigned i = 0; i < COUNT(requests); i++) {
        struct frame_text example = find_example(requests[i].title);
        uint8_t into[NATIVE_FRAME_MAX + 64];
        struct cursor out = {into, into + sizeof(into), 0};
        cr_assert(native_write_request(&out, &requests[i].says));
        expect_spelling(&out, into, &example, requests[i].body);
    }
}

Test(native_examples, each_reply_is_what_it_says)
{
    for (unsigned i = 0; i < COUNT(replies); i++) {
        const struct reply_example *row = &replies[i];
        struct frame_text example = find_example(row->title);
        struct cursor in = text_cursor(&example);
        struct native_reply got;
        const char *why;
        cr_assert_eq(native_read_reply(&in, &got, &why), PARSE_DONE, "%s",
                     row->title);
        expect_reply(&got, &row->says);
        expect_body(&in, row->body);
    }
}

Test(native_examples, each_reply_is_spelled_so)
{
    for (unsigned i = 0; i < COUNT(replies); i++) {
        struct frame_text example = find_example(replies[i].title);
        uint8_t into[NATIVE_FRAME_MAX + 64];
        struct cursor out = {into, into + sizeof(into), 0};
        cr_assert(native_write_reply(&out, &replies[i].says));
        expect_spelling(&out, into, &example, replies[i].body);
    }
}

Test(native_examples, the_checksum_is_that_of_the_body)
{
    cr_assert_eq(checksum_of("hello", 5), HELLO_HASH);
}

Test(native_examples, the_unknown_verb_is_unsupported)
{
    expect_refused(find_example(UNKNOWN_VERB), 6, NULL);
}

Test(native_examples, there_are_no_others)
{
    char *text = read_examples(), title[80];
    const char *at = text;
    struct frame_text example;
    unsigned count = 0;
    while (next_example(&at, title, &example))
        count++;
    cr_assert_eq(count, COUNT(requests) + COUNT(replies) + 1);
    cr_assert_eq(strspn(at, "\n"), strlen(at), "behind them: %s", at);
    free(text);
}

static void
write_golden(const char *name, const struct frame_text *text)
{
    char path[4096];
    if (getenv("PREFIXCACHE_GOLDEN") == NULL)
        return;
    snprintf(path, sizeof(path), "%s/%s", getenv("PREFIXCACHE_GOLDEN"), name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(text->bytes, 1, text->size, file), text->size);
    fclose(file);
}

static struct frame_text
read_golden(const char *name)
{
    const char *root = getenv("PREFIXCACHE_SOURCE");
    char path[4096];
    struct frame_text text;
    snprintf(path, sizeof(path), "%s/tests/golden/native/%s",
             root != NULL ? root : ".", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    text.size = fread(text.bytes, 1, sizeof(text.bytes), file);
    fclose(file);
    return text;
}

Test(native_golden, another_version_wrote_the_same_request)
{
    struct native_request full = full_request((struct bytes)TWO_KEYS), got;
    struct frame_text text;
    struct cursor out = {text.bytes, text.bytes + sizeof(text.bytes), 0};
    const char *why;
    cr_assert(native_write_request(&out, &full));
    text.size = (size_t)(out.at - text.bytes);
    write_golden("request", &text);
    struct frame_text golden = read_golden("request");
    cr_assert_eq(golden.size, text.size);
    cr_assert_arr_eq(golden.bytes, text.bytes, text.size);
    got = read_request(&golden, &why);
    cr_assert_null(why);
    expect_request(&got, &full);
}

Test(native_golden, another_version_wrote_the_same_reply)
{
    struct native_reply full = full_reply((struct bytes)TWO_KEYS), got;
    struct frame_text text;
    struct cursor out = {text.bytes, text.bytes + sizeof(text.bytes), 0};
    const char *why;
    cr_assert(native_write_reply(&out, &full));
    text.size = (size_t)(out.at - text.bytes);
    write_golden("reply", &text);
    struct frame_text golden = read_golden("reply");
    cr_assert_eq(golden.size, text.size);
    cr_assert_arr_eq(golden.bytes, text.bytes, text.size);
    struct cursor in = text_cursor(&golden);
    cr_assert_eq(native_read_reply(&in, &got, &why), PARSE_DONE);
    expect_reply(&got, &full);
}
