#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libprefixcache and servers whose answers do not fit what was asked."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as wire  # noqa: E402
from library_test import LibraryTest, value  # noqa: E402
from native_server import NativeServer  # noqa: E402

CHECKSUM_OF_HELLO = 0x9555E8555C62DCFD


class Answers(LibraryTest):
    """Those that do not fit what was asked."""

    def check(self, get_one, status="MISS", ends=False):
        """get_one(peer, request, index, key) is in the server's place, once."""
        class Once(NativeServer):
            is_used = False

            def get_one(self, peer, request, index, key):
                if self.is_used or key == b"sane":
                    super().get_one(peer, request, index, key)
                else:
                    self.is_used = True
                    get_one(peer, request, index, key)
        client = self.start(Once)
        self.server.values[b"a"] = value(1, 5000)
        got = client.get("a", 1, 5000)
        self.assertEqual(got.status, status)
        self.assertTrue(got.is_right)
        self.assert_in_time(got)
        self.assert_serves(client)
        self.assert_connections(1 + ends)
        return got

    def test_an_id_that_was_never_sent_ends_the_connection(self):
        def answer(peer, request, index, key):
            peer.send(wire.frame(wire.encode(wire.REPLY, {
                "id": request.head["id"] + (1 << 32)}), b"", b"x" * 5000))
        self.check(answer, ends=True)

    def test_an_id_of_no_slot_ends_the_connection(self):
        def answer(peer, request, index, key):
            peer.send(wire.frame(wire.encode(wire.REPLY, {"id": 77}), b"",
                                 b"x" * 5000))
        self.check(answer, ends=True)

    def test_an_index_behind_the_keys_ends_the_connection(self):
        self.check(lambda peer, request, index, key:
                   peer.reply(request, index=1, body=b"x" * 5000), ends=True)

    def test_what_is_no_frame_ends_the_connection(self):
        self.check(lambda peer, request, index, key:
                   peer.send(b"+OK\r\n" * 100), ends=True)

    def test_a_head_that_is_no_message_ends_the_connection(self):
        self.check(lambda peer, request, index, key:
                   peer.send(wire.frame(b"\xff" * 40)), ends=True)

    def test_a_list_over_the_limit_ends_the_connection(self):
        self.check(lambda peer, request, index, key:
                   peer.send(wire.prefix(4, (4 << 20) + 1, 0)), ends=True)

    def test_a_body_that_is_cut_is_a_miss(self):
        def answer(peer, request, index, key):
            peer.send(peer.spell(request, body=b"x" * 5000)[:-100])
            peer.close()
        self.check(answer, ends=True)

    def test_a_value_over_the_room_is_skipped_and_its_size_told(self):
        got = self.check(lambda peer, request, index, key:
                         peer.reply(request, body=b"x" * 3_000_000), "TOO_BIG")
        self.assertEqual(got.size, 3_000_000)

    def test_an_unknown_code_is_a_miss(self):
        self.check(lambda peer, request, index, key:
                   peer.reply(request, 99, body=b"x" * 300))

    def test_a_list_that_is_not_a_code_a_key_ends_the_connection(self):
        class Short(NativeServer):
            def exists(self, peer, request):
                peer.reply(request, listed=b"\0")
        client = self.start(Short)
        self.assertEqual(client.exists("a", "b"), ["GONE", "GONE"])
        self.assert_serves(client)
        self.assert_connections(2)

    def test_a_key_that_is_answered_twice_ends_the_connection(self):
        class Twice(NativeServer):
            def get(self, peer, request):
                if request.keys == [b"sane"]:
                    super().get(peer, request)
                    return
                for _ in request.keys:
                    peer.reply(request, index=0, body=value(5, 100))
        client = self.start(Twice)
        ok_count, _, wrong_count = client.batch("gets", "k", 2, 5, 100)
        self.assertEqual((ok_count, wrong_count), (1, 0))
        self.assert_serves(client)
        self.assert_connections(2)

    def test_a_put_is_refused_before_its_body_was_read(self):
        class Refusing(NativeServer):
            def refuse(self, peer, request, size):
                peer.reply(request, wire.TOO_BIG)
                return True
        client = self.start(Refusing, put_ms=20000)
        self.assertEqual(client.put("a", 1, 30_000_000), "TOO_BIG")
        self.assert_serves(client)
        self.assert_connections(1)

    def test_unsupported_is_a_bad_request_of_all_its_keys(self):
        class Old(NativeServer):
            def get(self, peer, request):
                if request.keys == [b"sane"]:
                    super().get(peer, request)
                else:
                    peer.reply(request, wire.UNSUPPORTED)
        client = self.start(Old)
        self.assertEqual(client.batch("gets", "k", 3, 5, 100)[0], 0)
        self.assertEqual(client.get("k1", 1, 10).status, "BAD_REQUEST")
        self.assert_serves(client)

    def test_answers_may_overtake_each_other(self):
        class Reversing(NativeServer):
            def get(self, peer, request):
                peer.held.append(request)
                if len(peer.held) < 4:
                    return
                for held in reversed(peer.held):
                    for index in reversed(range(len(held.keys))):
                        self.get_one(peer, held, index, held.keys[index])
                peer.held = []
        # 60 keys on one connection are four requests of at most 16.
        client = self.start(Reversing, get_ms=20000)
        for i in range(60):
            self.server.values[b"k%d" % i] = value(5 + i, 70_000)
        ok_count, _, wrong_count = client.batch("gets", "k", 60, 5, 70_000)
        self.assertEqual((ok_count, wrong_count), (60, 0))


class Checksums(LibraryTest):
    """The server's value is always that of PROTOCOLS 3.8."""

    def start_with(self, **fields):
        class Summing(NativeServer):
            def get_one(self, peer, request, index, key):
                peer.reply(request, index=index, body=b"hello", **fields)
        return self.start(Summing, flags=1)

    def test_bytes_that_are_those_of_their_checksum_are_had(self):
        client = self.start_with(checksum=CHECKSUM_OF_HELLO)
        got = client.get("a", 1, 100)
        self.assertEqual((got.status, got.size), ("OK", 5))
        self.assertEqual(client.shard().corrupt, 0)

    def test_bytes_that_are_not_those_of_their_checksum_are_a_miss(self):
        client = self.start_with(checksum=CHECKSUM_OF_HELLO ^ 1)
        self.assert_missed(client.get("a", 1, 100))
        self.assertEqual(client.shard().corrupt, 1)
        self.assertEqual(client.batch("submit-gets", "k", 3, 5, 100)[0], 0)
        self.assertEqual(client.shard().corrupt, 4)

    def test_a_checksum_that_was_asked_for_and_is_not_there_is_a_miss(self):
        client = self.start_with()
        self.assert_missed(client.get("a", 1, 100))
        self.assertEqual(client.shard().corrupt, 1)

if __name__ == "__main__":
    unittest.main()
