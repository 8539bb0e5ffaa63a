/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys name a block of a prompt, and which block. */
#include "server/events/event_block.h"

#include <criterion/criterion.h>
#include <string.h>

#define DIGITS_64                                                              \
    "3d29b85e7dc2d3eaa9b1a4f3ecbbb70e2b239d6b8d00ea82b88b1758b00ad754"

static bool
parse(const char *text, struct event_block *out)
{
    struct key key = {.bytes = (const uint8_t *)text,
                      .size = (uint16_t)strlen(text)};

    return event_block_parse(&key, out);
}

static void
names(const char *text, const char *model, uint64_t hash)
{
    struct event_block block;

    cr_assert(parse(text, &block), "%s", text);
    cr_assert_eq(block.hash, hash, "%s: %llx", text,
                 (unsigned long long)block.hash);
    cr_assert_eq(block.model.size, strlen(model), "%s", text);
    cr_assert_arr_eq(block.model.at, model, block.model.size, "%s", text);
    cr_assert(block.is_first, "%s", text);
}

static void
is_not_first(const char *text)
{
    struct event_block block;

    cr_assert(parse(text, &block), "%s", text);
    cr_assert_not(block.is_first, "%s", text);
}

static void
names_nothing(const char *text)
{
    struct event_block block;

    cr_assert_not(parse(text, &block), "%s", text);
}

Test(event_block, is_named_by_a_key_of_lmcache)
{
    names("meta/Llama-3.1@8@0@1a2b@bfloat16", "meta/Llama-3.1", 0x1a2b);
    names("/data/models/x@1@0@00ff@half@0", "/data/models/x", 0xff);
    names("m@8@0@ff@half@0@lora%a@user%b", "m", 0xff);
    names("m@8@0@ff@half@lora%a", "m", 0xff);
}

Test(event_block, is_named_by_older_keys)
{
    names("vllm@meta/Llama-3.1@1@0@1a2b", "meta/Llama-3.1", 0x1a2b);
    names("vllm@m@8@0@ff@0", "m", 0xff);
}

Test(event_block, is_named_by_keys_of_several_processes)
{
    names("m@08000801@0@1a2b", "m", 0x1a2b);
    names("m@08000800@0@1a2b@salt", "m", 0x1a2b);
    names("m@01000100@0@-1", "m", UINT64_MAX);
}

Test(event_block, has_the_low_64_bits_of_its_hash)
{
    names("m@1@0@" DIGITS_64 "@half", "m", 0xb88b1758b00ad754);
    names("m@01000100@0@" DIGITS_64, "m", 0xb88b1758b00ad754);
    names("vllm@m@1@0@" DIGITS_64, "m", 0xb88b1758b00ad754);
    names("m@1@0@FFFFffff00000001@half", "m", 0xffffffff00000001);
}

Test(event_block, has_a_signed_hash_as_a_machine_holds_it)
{
    names("m@1@0@-1@half", "m", UINT64_MAX);
    names("m@1@0@-7fffffffffffffff@half", "m", 0x8000000000000001);
    names("m@1@0@-8000000000000000@half", "m", 0x8000000000000000);
    names("vllm@m@1@0@-ff", "m", 0xffffffffffffff01);
}

Test(event_block, is_told_of_by_the_first_of_its_keys_alone)
{
    is_not_first("m@8@1@ff@half");
    is_not_first("m@8@7@ff@half@0");
    is_not_first("m@8@0@ff@half@1");
    is_not_first("vllm@m@8@1@ff");
    is_not_first("vllm@m@8@0@ff@3");
    is_not_first("m@08010801@0@ff");
    is_not_first("m@08000800@1@ff");
}

Test(event_block, is_not_named_by_other_keys)
{
    static const char *const others[] = {"",
                                         "@",
                                         "@@@@",
                                         "@@@@@@@@@@@@",
                                         "k",
                                         "m@1@0@ff",
                                         "m@x@0@ff@half",
                                         "m@1@x@ff@half",
                                         "m@1@0@xyz@half",
                                         "m@1@0@@half",
                                         "m@1@0@-@half",
                                         "m@1@0@--1@half",
                                         "m@1@@ff@half",
                                         "m@@0@ff@half",
                                         "m@8@0@f f@half",
                                         "a@b@c@d@e@f@g@h@i@j",
                                         "m@0800080@0@ff",
                                         "m@0800080g@0@ff",
                                         "m@08000800@@ff",
                                         "m@08000800@0@",
                                         "vllm@m@1@0@xyz",
                                         "vllm@m@1@0@ff@0@x",
                                         "m@-1@0@ff@half"};

    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
        names_nothing(others[i]);
}
