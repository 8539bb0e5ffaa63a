#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The native wire, request by request: what is put and got, under what
conditions, and by which of the other wires."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as native  # noqa: E402
from lm_client import KV_SHAPE, metadata  # noqa: E402
from native_test import NativeTest, value  # noqa: E402
from native_wire import (BAD_REQUEST, BUSY, CORRUPT, IF_ABSENT,  # noqa: E402
                         IF_PRESENT, MISS, OBJECT, OK, PLAIN, UNMET)
from raw_client import encode  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402

SIZES = (0, 1, 100, 2047, 4096, 4097, 70_000, MIB, 3 * MIB + 7)
XXH3_OF_NOTHING = 0x2D06800538D394C2
NAMES = {"plain": PLAIN, "object": OBJECT}
LONG_MS = 1_000_000


class Values(NativeTest):
    def test_each_size_is_got_as_it_was_put(self):
        for size in SIZES:
            self.assertEqual(self.client.put(f"k{size}", value(size)), OK)
        for size in SIZES:
            reply = self.assert_is(f"k{size}", value(size))
            self.assertEqual(reply["kind"], PLAIN)
            self.assertEqual(reply["tier"], "dram")
            self.assertEqual(reply["lifetime_ms"], 0)
        self.assert_miss("none")
        info = self.watch.info()
        self.assertEqual(info["native_put"], len(SIZES))
        self.assertEqual(info["native_get"], len(SIZES) + 1)
        self.assertEqual(info["get_hits"], len(SIZES))
        self.assertEqual(info["get_misses"], 1)
        self.assertEqual(info["get_bytes"], sum(SIZES))
        self.assertEqual(info["puts_stored"], len(SIZES))

    def test_each_key_of_a_get_has_a_reply_of_its_own(self):
        for size in SIZES:
            self.client.put(f"k{size}", value(size))
        keys = [f"k{size}" for size in SIZES] * 20 + ["none"]
        answers = self.client.get_all(keys)
        for size, answer in zip(SIZES * 20, answers):
            self.assertTrue(answer.body == value(size), size)
        self.assertEqual(answers[-1].reply["code"], MISS)

    def test_many_small_values_are_got_by_one_request(self):
        for index in range(64):
            self.client.put(f"k{index}", b"v%d" % index)
        keys = [f"k{index % 80}" for index in range(8192)]
        for index, answer in enumerate(self.client.get_all(keys)):
            expected = b"v%d" % (index % 80) if index % 80 < 64 else b""
            self.assertEqual(answer.body, expected)

    def test_checksums_are_those_of_the_bytes(self):
        self.client.put("empty", b"")
        reply = self.assert_is("empty", b"", wants_checksum=True)
        self.assertEqual(reply["checksum"], XXH3_OF_NOTHING)
        for size in SIZES:
            self.client.put("k", value(size))
            good = self.client.get("k", wants_checksum=True).reply["checksum"]
            self.assertEqual(self.client.put("other", value(size),
                                             checksum=good), OK)
            self.assert_is("other", value(size))
            self.assertIsNone(self.client.get("other").reply["checksum"])

    def test_bytes_that_changed_on_their_way_are_not_stored(self):
        for number, size in enumerate(SIZES):
            self.client.put("k", b"older")
            self.assertEqual(self.client.put("k", value(size), checksum=1),
                             CORRUPT)
            self.assert_miss("k")
            self.assertEqual(self.watch["puts_corrupt"], number + 1)
        # That would have replaced nothing.
        self.client.put("k", b"older")
        self.assertEqual(self.client.put("k", b"x", checksum=1,
                                         condition=IF_ABSENT), CORRUPT)
        self.assert_is("k", b"older")

    def test_a_quiet_put_answers_only_when_it_fails(self):
        self.client.send(native.PUT, ["a"], b"1", is_quiet=True)
        self.client.send(native.PUT, ["b"], b"2", is_quiet=True)
        bad = self.client.send(native.PUT, ["c"], b"3", is_quiet=True,
                               checksum=1)
        unmet = self.client.send(native.PUT, ["a"], b"4", is_quiet=True,
                                 condition=IF_ABSENT)
        for id_, code in ((bad, CORRUPT), (unmet, UNMET)):
            reply = self.client.receive().reply
            self.assertEqual((reply["id"], reply["code"]), (id_, code))
        self.assert_is("a", b"1")
        self.assert_is("b", b"2")

    def test_requests_sent_together_are_done_in_their_order(self):
        large = value(2 * MIB)
        requests = [(native.PUT, ["k"], b"1"), (native.GET, ["k"], b""),
                    (native.PUT, ["k"], large), (native.GET, ["k"], b""),
                    (native.DROP, ["k"], b""), (native.GET, ["k"], b""),
                    (native.PUT, ["k"], b"3"), (native.EXISTS, ["k"], b"")]
        spelled = [self.client.spell(*request) for request in requests]
        self.client.send_raw(b"".join(bytes_ for _, bytes_ in spelled))
        answers = [self.client.receive() for _ in requests]
        self.assertEqual([answer.reply["id"] for answer in answers],
                         [id_ for id_, _ in spelled])
        self.assertEqual([answer.reply["code"] for answer in answers],
                         [OK, OK, OK, OK, OK, MISS, OK, OK])
        self.assertEqual(answers[1].body, b"1")
        self.assertTrue(answers[3].body == large)

    def test_a_frame_may_come_byte_by_byte(self):
        _, put = self.client.spell(native.PUT, ["k"], b"value")
        _, get = self.client.spell(native.GET, ["k"])
        for byte in put + get:
            self.client.send_raw(bytes([byte]))
        self.assertEqual(self.client.receive().reply["code"], OK)
        self.assertEqual(self.client.receive().body, b"value")

    def test_ids_are_said_again_whatever_they_are(self):
        for id_ in (0, 1, (1 << 64) - 1):
            self.assert_code(OK, native.HELLO, id=id_)


class Terms(NativeTest):
    def test_conditions_look_at_what_is_there(self):
        for name, kind in NAMES.items():
            self.assertEqual(self.client.put(name, b"1", kind=kind,
                                             condition=IF_PRESENT), UNMET)
            self.assert_miss(name)
            self.assertEqual(self.client.put(name, b"2", kind=kind,
                                             condition=IF_ABSENT), OK)
            self.assertEqual(self.client.put(name, b"3", kind=kind,
                                             condition=IF_ABSENT), UNMET)
            self.assert_is(name, b"2")
            self.assertEqual(self.client.put(name, b"4", kind=kind,
                                             condition=IF_PRESENT), OK)
            self.assert_is(name, b"4")
        self.assertEqual(self.watch["puts_unmet"], 4)

    def test_conditions_see_the_other_kind(self):
        self.client.put("k", b"1", kind=OBJECT)
        self.assertEqual(self.client.put("k", b"2", condition=IF_ABSENT),
                         UNMET)
        self.assertEqual(self.client.put("k", b"3", condition=IF_PRESENT), OK)
        self.assert_is("k", b"3", kind=PLAIN)
        self.assert_miss("k", kind=OBJECT)

    def test_what_a_plain_value_replaced_does_not_outlive_it(self):
        for form in range(4):
            self.client.put("k", b"older", kind=OBJECT, form=form)
            self.assertEqual(self.client.put("k", b"x", condition=IF_ABSENT),
                             UNMET)
            self.assertEqual(self.client.put("k", b"new", lifetime_ms=100), OK)
            until(lambda: self.client.value("k") != b"new", "its end")
            self.assert_miss("k")
            self.assert_miss("k", kind=OBJECT)

    def test_a_lifetime_ends(self):
        self.client.put("long", b"v", lifetime_ms=LONG_MS)
        left = self.assert_is("long", b"v")["lifetime_ms"]
        self.assertTrue(0 < left <= LONG_MS, left)
        self.client.put("short", b"v", lifetime_ms=100)
        until(lambda: self.client.value("short") is None, "its end")
        self.assert_is("long", b"v")
        self.assert_code(BAD_REQUEST, native.PUT, ["k"], b"v",
                         lifetime_ms=1 << 63)
        self.assert_miss("k")

    def test_an_object_keeps_what_it_was_put_with(self):
        for form in range(4):
            for meta in (b"", b"m", bytes(128)):
                self.client.put("k", b"v", kind=OBJECT, meta=meta, form=form)
                reply = self.assert_is("k", b"v")
                self.assertEqual((reply["kind"], reply["meta"], reply["form"]),
                                 (OBJECT, meta, form))
        self.assert_code(BAD_REQUEST, native.PUT, ["k"], b"w", kind=OBJECT,
                         form=4)
        self.assert_code(BAD_REQUEST, native.PUT, ["k"], b"w", kind=PLAIN,
                         meta=b"m")
        self.assert_code(BAD_REQUEST, native.PUT, ["k"], b"w", kind=OBJECT,
                         meta=bytes(129))
        self.assert_is("k", b"v")

    def test_one_kind_takes_the_place_of_the_other(self):
        self.client.put("k", b"1")
        self.client.put("k", b"2", kind=OBJECT)
        self.assert_is("k", b"2")
        self.assert_miss("k", kind=PLAIN)
        self.client.put("k", b"3", kind=PLAIN)
        self.assert_is("k", b"3")
        self.assert_miss("k", kind=OBJECT)

    def test_namespaces_are_apart(self):
        for space in (0, 1, 255):
            self.client.put("k", b"%d" % space, space=space)
        for space in (0, 1, 255):
            self.assert_is("k", b"%d" % space, space=space)
        self.assert_miss("k", space=2)
        self.assertEqual(self.client.drop(["k"], space=1), [OK])
        self.assert_miss("k", space=1)
        self.assert_is("k", b"0")
        self.assert_code(BAD_REQUEST, native.GET, ["k"], space=256)


class OtherWires(NativeTest):
    def setUp(self):
        super().setUp()
        self.resp = self.connect()

    def ask(self, reply, *command):
        self.assertEqual(self.resp.command(*command), reply, command[:2])

    def test_what_resp_sets_is_plain(self):
        for size in SIZES:
            self.ask(b"+OK", "SET", "k", value(size))
            self.assertEqual(self.assert_is("k", value(size))["kind"], PLAIN)
            self.assert_miss("k", kind=OBJECT)
            self.assertEqual(self.client.put("n", value(size)), OK)
            self.ask(value(size), "GET", "n")
        self.ask(b"+OK", "PSETEX", "k", LONG_MS, b"v")
        self.assertGreater(self.assert_is("k", b"v")["lifetime_ms"], 0)
        self.client.put("n", b"v", lifetime_ms=LONG_MS)
        self.assertGreater(int(self.resp.command("PTTL", "n")[1:]), 0)

    def test_what_lm_puts_is_an_object(self):
        lm = self.lm()
        for size in SIZES:
            lm.put("k", value(size))
            self.assertTrue(lm.exists("k"))
            reply = self.assert_is("k", value(size))
            self.assertEqual((reply["kind"], reply["meta"]),
                             (OBJECT, metadata(size, KV_SHAPE)))
            meta = metadata(size, KV_SHAPE)
            self.client.put("n", value(size), kind=OBJECT, meta=meta)
            self.assertTrue(lm.value("n") == value(size))
        # Its length is not what the metadata says.
        self.client.put("n", b"12", kind=OBJECT, meta=metadata(1, KV_SHAPE))
        self.assertIsNone(lm.value("n"))
        self.assertFalse(lm.exists("n"))

    def test_the_two_halves_of_redis_are_one_object(self):
        meta = metadata(5, KV_SHAPE)
        names = (("{}kv_bytes", "{}metadata"), ("{}:kv_bytes", "{}:metadata"),
                 ("{{{}}}:kv_bytes", "{{{}}}:metadata"))
        for form, (half, other) in enumerate(names, 1):
            self.ask(b"+OK", "SET", half.format("r"), b"bytes")
            self.ask(b"+OK", "SET", other.format("r"), meta)
            reply = self.assert_is("r", b"bytes")
            self.assertEqual((reply["kind"], reply["form"], reply["meta"]),
                             (OBJECT, form, meta))
            self.client.put("n", b"bytes", kind=OBJECT, meta=meta, form=form)
            self.ask(b"bytes", "GET", half.format("n"))
            self.ask(meta, "GET", other.format("n"))

    def test_the_last_put_counts_by_whichever_wire(self):
        lm = self.lm()
        lm.put("k", b"lm")
        self.assertTrue(lm.exists("k"))
        self.client.put("k", b"native")
        self.ask(b"native", "GET", "k")
        self.assertFalse(lm.exists("k"))
        lm.put("k", b"lm")
        self.assertTrue(lm.exists("k"))
        self.assert_is("k", b"lm")
        self.ask(b"+OK", "SET", "k", b"resp")
        self.assert_is("k", b"resp")
        self.assert_miss("k", kind=OBJECT)

    def test_a_plain_value_hides_what_resp_had_under_that_name(self):
        self.ask(b"+OK", "SET", "okv_bytes", b"half")
        self.ask(b"+OK", "SET", "ometadata", metadata(4, KV_SHAPE))
        self.client.put("ometadata", b"plain")
        self.ask(b"plain", "GET", "ometadata")
        self.client.put("okv_bytes", b"plain")
        self.ask(b"plain", "GET", "okv_bytes")
        self.assert_miss("o")


class Keys(NativeTest):
    options = {"lease_ms": "1h"}

    def test_exists_says_a_code_for_each_key(self):
        self.client.put("a", b"1")
        self.client.put("b", b"2", kind=OBJECT)
        self.assertEqual(self.client.exists(["a", "none", "b", "a"]),
                         [OK, MISS, OK, OK])
        self.assertEqual(self.client.exists(["a", "b"], kind=OBJECT),
                         [MISS, OK])
        self.assertEqual(self.client.exists([]), [])
        info = self.watch.info()
        self.assertEqual(info["native_exists"], 3)
        self.assertEqual((info["exists_hits"], info["exists_misses"]), (4, 2))

    def test_lists_of_any_length_are_answered(self):
        for index in range(0, 8192, 3):
            self.client.send(native.PUT, [f"k{index}"], b"v", is_quiet=True)
        keys = [f"k{index}" for index in range(8192)]
        expected = [MISS if index % 3 else OK for index in range(8192)]
        self.assertEqual(self.client.exists(keys), expected)
        self.assertEqual(self.client.drop(keys), expected)
        self.assertEqual(self.watch["drops"], len(range(0, 8192, 3)))
        self.assertEqual(self.client.exists(keys), [MISS] * 8192)

    def test_what_exists_promised_may_not_be_leased(self):
        self.serve(dram_size="16MiB", lease_ms="1h", limits_value="2MiB")
        self.client = self.native()
        keys = [f"k{index}" for index in range(7)]
        for key in keys:
            self.client.put(key, value(MIB))
        codes = self.client.exists(keys)
        self.assertEqual(codes[:3], [OK] * 3)
        self.assertEqual(codes[-1], BUSY)
        self.assertEqual(self.watch["exists_unleased"], codes.count(BUSY))

    def test_a_lease_is_as_long_as_was_asked_for(self):
        self.client.put("k", b"v", lifetime_ms=200)
        answer = self.client.request(native.EXISTS, ["k"], lease_ms=400)
        self.assertEqual(answer.reply["lease_ms"], 400)
        self.assertEqual(self.watch["leased_bytes"], 1)
        until(lambda: self.client.value("k") is None, "the end of its lease")
        self.client.put("k", b"v", lifetime_ms=100)
        answer = self.client.request(native.EXISTS, ["k"])
        self.assertEqual((*answer.list, answer.reply["lease_ms"]),
                         (OK, 3_600_000))
        until(lambda: self.client.get("k").reply["lifetime_ms"] == 1,
              "its end")
        self.assert_is("k", b"v")

    def test_where_there_are_no_leases_none_is_told_of(self):
        self.serve(lease_ms=0)
        self.client = self.native()
        self.client.put("k", b"v")
        for lease_ms in (0, 5000):
            answer = self.client.request(native.EXISTS, ["k"],
                                         lease_ms=lease_ms)
            self.assertEqual((*answer.list, answer.reply["lease_ms"]), (OK, 0))
        reply, states = self.client.prefix(["k"], lease_ms=5000,
                                           wants_states=True)
        self.assertEqual((reply["matched"], reply["lease_ms"], states),
                         (1, 0, b"\1"))

    def test_an_exists_and_its_gets_are_one_query(self):
        self.client.put("m@k", b"v")
        self.client.exists(["m@k", "m@none"])
        for _ in range(3):
            self.assert_is("m@k", b"v")
        self.assert_miss("m@other")
        self.client.put("other", b"v", space=3)
        self.assert_is("other", b"v", space=3)
        lines = self.client.stats().list.decode().split("\r\n")
        for space, model, counts in ((0, "m", "queries=3,hits=1,puts=1"),
                                     (3, "other", "queries=1,hits=1,puts=1")):
            self.assertTrue(
                any(f"namespace={space},{counts}," in line and
                    line.endswith(f"model={model}") for line in lines), lines)

    def test_drop_takes_all_that_a_key_may_mean(self):
        self.client.put("a", b"1")
        self.client.put("b", b"2", kind=OBJECT)
        self.client.put("c", b"3")
        self.assertEqual(self.client.drop(["b"], kind=PLAIN), [MISS])
        self.assertEqual(self.client.drop(["a", "none", "b"]), [OK, MISS, OK])
        self.assertEqual(self.client.drop(["a"]), [MISS])
        self.assert_miss("a", "b")
        self.assert_is("c", b"3")

    def test_prefix_counts_to_the_first_that_is_missing(self):
        for key in "abd":
            self.client.put(key, value(1000))
        self.client.put("o", b"v", kind=OBJECT, meta=metadata(1, KV_SHAPE))
        reply, listed = self.client.prefix(["a", "o", "b", "c", "d"])
        self.assertEqual((reply["matched"], reply["bytes"], listed),
                         (3, 2001, b""))
        self.assertEqual(reply["lease_ms"], 0)
        tier, = reply["tiers"]
        self.assertEqual((tier["name"], tier["matched"], tier["unbroken"],
                          tier["bytes"]), ("dram", 3, 3, 2001))
        self.assertEqual(self.watch["leased_bytes"], 0)
        self.assertEqual(self.client.prefix([])[0]["matched"], 0)
        info = self.watch.info()
        self.assertEqual(info["lookups_native"], 2)
        self.assertEqual(info["lookup_matched"], 3)

    def test_prefix_tells_the_state_of_each_key(self):
        for key in "abd":
            self.client.put(key, value(1000))
        keys = ["a", "b", "c", "d"]
        self.assertEqual(self.client.prefix(keys, wants_states=True)[1],
                         bytes([1, 1, 0, 1]))
        reply, listed = self.client.prefix(keys, wants_states=True,
                                           lease_ms=5000)
        self.assertEqual(listed, bytes([0x81, 0x81, 0, 1]))
        self.assertEqual(reply["lease_ms"], 5000)
        self.assertEqual(self.watch["leased_bytes"], 2000)

    def test_prefix_goes_over_thousands_of_keys(self):
        keys = [f"k{index}" for index in range(8192)]
        for key in keys:
            self.client.send(native.PUT, [key], b"v", is_quiet=True)
        self.assertEqual(self.client.prefix(keys)[0]["matched"], 8192)
        self.client.drop(["k5000"])
        reply, listed = self.client.prefix(keys, wants_states=True)
        self.assertEqual(reply["matched"], 5000)
        self.assertEqual(listed, b"\1" * 5000 + b"\0" + b"\1" * 3191)

    def test_prefix_takes_keys_of_several_ranks(self):
        for key in ("a0", "a1", "b0"):
            self.client.put(key, b"v")
        keys = ["a0", "a1", "b0", "b1"]
        self.assertEqual(self.client.prefix(keys, ranks=2)[0]["matched"], 1)
        self.assert_code(BAD_REQUEST, native.PREFIX, keys, ranks=3)
        self.assert_code(BAD_REQUEST, native.PREFIX, keys, ranks=1 << 20)


class Itself(NativeTest):
    def test_hello_says_who_is_there(self):
        hello = self.client.hello()
        self.assertRegex(hello["server"], r"^prefixcached \d+\.\d+")
        self.assertEqual((hello["version"], hello["key_max"],
                          hello["keys_max"]), (1, 4096, 8192))
        self.assertEqual(hello["value_max"], 32 * MIB)
        self.assertTrue(0 < hello["list_max"] < MIB)
        self.assertEqual(self.client.hello()["instance"], hello["instance"])
        self.serve()
        self.assertNotEqual(self.native().hello()["instance"],
                            hello["instance"])

    def test_stats_are_those_of_info(self):
        text = self.client.stats().list.decode()
        for name in ("uptime_in_seconds", "dram_used", "native_other"):
            self.assertIn(f"\r\n{name}:", text)

    def test_walk_finds_all_there_is(self):
        self.client.put("plain", b"12")
        self.client.put("object", b"123", kind=OBJECT, form=2, space=7)
        self.assertEqual(
            sorted(self.client.walk()),
            [native.Entry(b"object", 7, OBJECT, 2, 1, 3),
             native.Entry(b"plain", 0, PLAIN, 0, 1, 2)])
        keys = {b"k%d" % index for index in range(5000)}
        for key in keys:
            self.client.send(native.PUT, [key], b"v", is_quiet=True)
        found = {entry.key for entry in self.client.walk(least=100)}
        self.assertEqual(found, keys | {b"plain", b"object"})

    def test_walk_looks_at_so_many_even_where_it_finds_none(self):
        resp, meta = self.connect(), metadata(5, KV_SHAPE)
        resp.send(*(encode("SET", f"{index}metadata", meta)
                    for index in range(20_000)))
        for _ in range(20_000):
            self.assertEqual(resp.reply(), b"+OK")
        reply = self.client.expect(OK, native.WALK).reply
        self.assertEqual(reply["matched"], 0)
        self.assertNotEqual(reply["cursor"], 0)
        self.assertEqual(self.client.walk(), [])


if __name__ == "__main__":
    unittest.main()
