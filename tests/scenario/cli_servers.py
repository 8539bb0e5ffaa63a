#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli with more than one server: warm, which copies from another,
and URLs of some shards; and verify, with a device below."""
import json
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import native_wire as wire  # noqa: E402  (after the path to it)
from cli_test import (CONNECTION, DONE, MISSING, CliTest,  # noqa: E402
                      Hoard, noise)
from native_server import NativeServer  # noqa: E402
from nvme_test import NvmeTest, body  # noqa: E402
from server_test import MIB  # noqa: E402
from watch import until  # noqa: E402


class Warm(CliTest):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.start_server(), self.start_server()

    def test_all_is_copied_as_it_is(self):
        hoard = Hoard(self)
        hoard.put(self.source)
        answer = self.ask(DONE, self.target, "warm",
                          self.source.url("prefixcache"))
        self.assertEqual((answer["values"], answer["skipped"]),
                         (len(hoard), 0))
        hoard.assert_on(self.target)

    def test_what_is_there_is_skipped(self):
        client = self.redis(self.source)
        for number in range(2000):
            client.set(f"k{number}", noise(number, 100))
        there = self.redis(self.target)
        there.set("k7", "another")
        there.set("k9", "another")
        url = self.source.url("redis")
        answer = self.ask(DONE, self.target, "warm", url)
        self.assertEqual((answer["values"], answer["skipped"]), (1998, 2))
        self.assertEqual(there.get("k7"), b"another")
        self.assertEqual(there.dbsize(), 2000)
        answer = self.ask(DONE, self.target, "warm", url)
        self.assertEqual((answer["values"], answer["skipped"]), (0, 2000))
        self.run_cli(DONE, self.target, "warm", url, "--all", "--match", "k7")
        self.assertEqual(there.get("k7"), noise(7, 100))
        self.assertEqual(there.get("k9"), b"another")

    def test_a_pattern_and_a_namespace_choose(self):
        for space in 0, 2:
            self.redis(self.source, space).mset({"a1": "1", "b1": "1"})
        answer = self.ask(DONE, self.target, "warm",
                          self.source.url("prefixcache") + "/2", "--match",
                          "a*", "--jobs", "3")
        self.assertEqual(answer["values"], 1)
        self.assertEqual(self.redis(self.target, 2).get("a1"), b"1")
        self.assertEqual(self.redis(self.target, 0).dbsize(), 0)

    def test_the_other_server_is_named_when_it_is_gone(self):
        self.source.kill()
        url = self.source.url("prefixcache")
        result = self.run_cli(CONNECTION, self.target, "warm", url)
        self.assert_says(result, url, "does not answer")

    def test_either_may_die_half_way(self):
        client = self.redis(self.source)
        for number in range(64):
            client.set(f"k{number}", noise(number, MIB // 4))
        for victim in self.target, self.source:
            self.redis(self.target).flushall()
            process = self.start(self.target, "warm",
                                 self.source.url("prefixcache"), "--rate",
                                 "8MiB")
            until(lambda: self.redis(self.target).dbsize() > 8, "it copies")
            victim.kill()
            self.assertEqual(process.wait(60), CONNECTION)
            if victim is self.target:
                self.target.start()


class Verify(NvmeTest, CliTest):
    engine = "auto"

    def setUp(self):
        CliTest.setUp(self)
        NvmeTest.setUp(self)

    def test_a_server_that_is_well_passes(self):
        Hoard(self).put(self.start_server())
        server = self.serve()
        client = self.connect()
        self.put_many(client, 40, 70_000)
        self.await_written()
        answer = self.ask(DONE, server, "verify")
        self.assertEqual((answer["values"], answer["failed"],
                          answer["damaged_on_device"]), (40, 0, 0))
        self.assertEqual(answer["bytes"], 40 * 70_000)

    def test_damage_on_a_device_is_told(self):
        self.serve()
        self.put_many(self.connect(), 40, 70_000)
        self.await_written()
        with self.look() as image:
            at = bytes(image).find(body("k7", 70_000)[:64])
        # Behind the back of a server that has nothing in DRAM.
        server = self.serve_again()
        with open(self.device, "r+b") as device:
            device.seek(at + 100)
            device.write(b"damage")
            device.flush()
            os.fsync(device.fileno())
        result = self.run_cli(MISSING, server, "verify", "-o", "json")
        answer = json.loads(result.stdout)
        self.assertEqual((answer["values"], answer["damaged_on_device"]),
                         (39, 1))
        self.assert_says(result, "damaged on a device")
        self.run_cli(DONE, server, "verify")


class Odd(NativeServer):
    """Values that are all "hello", listed by WALK; the value of "bad" comes
    with another's checksum, "gone" is missed, and the first puts find it
    busy."""
    XXH3_OF_HELLO = 0x9555e8555c62dcfd

    def __init__(self, *keys):
        super().__init__()
        self.values = {key: b"hello" for key in keys}
        self.busy = 3

    def perform(self, peer, request):
        if request.head["verb"] != wire.WALK:
            super().perform(peer, request)
            return
        listed = b"".join(
            struct.pack("<4BIH", 0, 1, 0, 1, 5, len(key)) + key
            for key in self.values)
        peer.reply(request, listed=listed, matched=len(self.values), cursor=0)

    def get_one(self, peer, request, index, key):
        if key == b"gone":
            peer.reply(request, wire.MISS, index=index)
        else:
            peer.reply(request, index=index, kind=wire.PLAIN, tier="dram",
                       checksum=self.XXH3_OF_HELLO ^ (key == b"bad"),
                       body=b"hello")

    def put(self, peer, request):
        self.busy -= 1
        if self.busy >= 0:
            peer.reply(request, wire.BUSY)
        else:
            super().put(peer, request)


class OddServers(CliTest):
    def serve_odd(self, *keys):
        odd = Odd(*keys)
        self.addCleanup(odd.close)
        return odd

    def test_bytes_that_change_on_their_way_are_found(self):
        odd = self.serve_odd(b"a", b"bad", b"c")
        result = self.run_cli(MISSING, odd.url(), "verify", "-o", "json")
        answer = json.loads(result.stdout)
        self.assertEqual((answer["values"], answer["failed"]), (2, 1))
        self.assertGreaterEqual(answer["damaged_on_the_way"], 1)
        self.assert_says(result, "bad is said to be there",
                         "did not match their checksum")
        good = self.serve_odd(b"a", b"c")
        self.assertEqual(self.ask(DONE, good.url(), "verify")["values"], 2)

    def test_what_goes_while_it_is_dumped_is_no_failure(self):
        path = self.path("odd.dump")
        odd = self.serve_odd(b"a", b"gone", b"c")
        answer = self.ask(DONE, odd.url(), "dump", path)
        self.assertEqual((answer["values"], answer["gone"]), (2, 1))
        self.assertEqual(self.ask(DONE, None, "verify", path)["values"], 2)

    def test_a_busy_server_is_asked_again(self):
        source, odd = self.start_server(), self.serve_odd()
        self.redis(source).mset({f"k{i}": "value" for i in range(20)})
        answer = self.ask(DONE, odd.url(), "warm", source.url("prefixcache"))
        self.assertEqual((answer["values"], answer["failed"]), (20, 0))
        self.assertEqual(len(odd.values), 20)
        self.assertLess(odd.busy, -19)


class Shards(CliTest):
    def setUp(self):
        super().setUp()
        self.shards = [self.start_server() for _ in range(3)]
        self.url = "prefixcache://" + ",".join(
            f"127.0.0.1:{shard.data_port}" for shard in self.shards)
        self.files = self.path("files")

    def fill(self):
        os.mkdir(self.files)
        for number in range(120):
            with open(os.path.join(self.files, f"k{number}"), "wb") as file:
                file.write(noise(number, 5000))
        self.run_cli(DONE, self.url, "put", "--from", self.files)

    def sizes(self):
        return [self.redis(shard).dbsize() for shard in self.shards]

    def test_keys_are_spread_and_found_again(self):
        self.fill()
        self.assertEqual(sum(self.sizes()), 120)
        self.assertGreater(min(self.sizes()), 10)
        keys = [f"k{number}" for number in range(120)]
        answer = self.ask(DONE, self.url, "prefix", *keys)
        self.assertEqual((answer["matched"], answer["bytes"]), (120, 600_000))
        listed = self.run_cli(DONE, self.url, "ls").stdout.decode().split()
        self.assertEqual(sorted(listed), sorted(keys))
        self.assertEqual(self.ask(DONE, self.url, "verify")["values"], 120)

    def test_a_dump_of_some_shards_is_restored_on_one(self):
        self.fill()
        path, one = self.path("all.dump"), self.start_server()
        self.assertEqual(self.ask(DONE, self.url, "dump", path)["values"], 120)
        self.run_cli(DONE, one, "restore", path)
        client = self.redis(one)
        for number in range(120):
            self.assertEqual(client.get(f"k{number}"), noise(number, 5000))
        for shard in self.shards:
            self.redis(shard).flushall()
        self.assertEqual(self.ask(DONE, self.url, "warm",
                                  one.url("lm"))["values"], 120)
        self.assertEqual(sum(self.sizes()), 120)

    def test_each_shard_is_told_of(self):
        lines = self.run_cli(DONE, self.url, "ping").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        stats = [json.loads(line) for line in self.run_cli(
            DONE, self.url, "stat", "-o", "json").stdout.splitlines()]
        self.assertEqual([stat["server"]["process_id"] for stat in stats],
                         [shard.pid for shard in self.shards])
        self.assertEqual([stat["shard"] for stat in stats], [
            f"127.0.0.1:{shard.data_port}" for shard in self.shards])

    def test_a_shard_that_is_gone_is_not_taken_for_empty(self):
        self.fill()
        self.shards[1].kill()
        gone = f"127.0.0.1:{self.shards[1].data_port}"
        result = self.run_cli(CONNECTION, self.url, "ping")
        self.assertEqual(len(result.stdout.splitlines()), 2)
        self.assert_says(result, gone)
        keys = [f"k{number}" for number in range(120)]
        for verb in (["get", "--to", self.files], ["exists"], ["prefix"]):
            result = self.run_cli(CONNECTION, self.url, *verb, *keys)
            self.assert_says(result, "does not answer")
        for verb in (["dump", self.path("part.dump")], ["verify"], ["ls"],
                     ["stat"]):
            self.run_cli(CONNECTION, self.url, *verb)


if __name__ == "__main__":
    unittest.main()
