/* SPDX-License-Identifier: Apache-2.0 */
/* Slots, by the examples of the Redis cluster specification and what
 * redis-server 7.0 answers to CLUSTER KEYSLOT. */
#include "proto/slot.h"

#include <criterion/criterion.h>
#include <string.h>

static unsigned
slot(const char *key)
{
    return slot_of(key, strlen(key));
}

Test(slot, is_the_crc_modulo_16384)
{
    cr_assert_eq(slot("123456789"), 0x31c3);
    cr_assert_eq(slot("foo"), 12182);
    cr_assert_eq(slot("bar"), 5061);
    cr_assert_eq(slot("hello"), 866);
    cr_assert_eq(slot(""), 0);
    cr_assert_eq(slot_of("\0\r\n{\xff", 5), 13332);
}

Test(slot, of_a_tag_is_that_of_what_stands_in_its_braces)
{
    cr_assert_eq(slot("{user1000}.following"), slot("user1000"));
    cr_assert_eq(slot("{user1000}.followers"), 3443);
    cr_assert_eq(slot("foo{bar}{zap}"), slot("bar"));
    cr_assert_eq(slot("foo{{bar}}zap"), slot("{bar"));
    cr_assert_eq(slot("foo{{bar}}zap"), 4015);
    cr_assert_eq(slot("{m@1@0@ff}:metadata"), slot("m@1@0@ff"));
}

Test(slot, of_an_empty_or_open_tag_is_that_of_the_whole_key)
{
    cr_assert_eq(slot("foo{}{bar}"), 8363);
    cr_assert_eq(slot("{"), 4092);
    cr_assert_eq(slot("{}"), 15257);
    cr_assert_eq(slot("foo}bar{"), 11073);
    cr_assert_neq(slot("foo{bar"), slot("bar"));
}
