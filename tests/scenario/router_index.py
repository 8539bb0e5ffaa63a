#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The llm-d router's block index kept here: its own sequences of commands, with
the replies of a real redis-server, byte for byte; beside chunks and apart from
them; within its memory, and over a restart."""
import os
import random
import shutil
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import router  # noqa: E402
from lm_client import LmClient  # noqa: E402
from resp_client import Redis, bulk  # noqa: E402
from router_script import LINES, LISTS, Chance  # noqa: E402
from router_test import RouterTest  # noqa: E402
from server_test import SANITIZED  # noqa: E402
from watch import Watch, until  # noqa: E402

REDIS_SERVER = shutil.which("redis-server")
GOLDEN = [8703025237158681905, 14853297508287041162, 8638620124452145514]
THIRD_SHA1 = "0123456789abcdef0123456789abcdef01234567"
NO_SCRIPT = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"
MIB = 1 << 20


@unittest.skipIf(REDIS_SERVER is None, "there is no redis-server")
class AsRedis(RouterTest):
    def setUp(self):
        self.serve()
        self.real = Redis(REDIS_SERVER, self.directory())
        self.addCleanup(self.real.stop)

    def both(self, resp, commands):
        """The same replies from both, whole pipelines at a time."""
        ours, theirs = self.pairs[resp]
        got, wanted = self.replies(ours, commands), self.replies(theirs,
                                                                 commands)
        for command, mine, its in zip(commands, got, wanted):
            self.assertEqual(mine, its, command)
        return got

    def connect_both(self):
        self.pairs = {}
        for resp in 2, 3:
            theirs = self.real.connect()
            self.addCleanup(theirs.close)
            if resp == 3:
                theirs.call("HELLO", 3)
            self.pairs[resp] = self.connect(resp), theirs
        for script in router.SHA1:
            self.pairs[2][1].call("SCRIPT", "LOAD", script)

    def empty(self):
        self.pairs[2][0].ask(b"+OK\r\n", "FLUSHALL", "INDEX")
        self.pairs[2][1].ask(b"+OK\r\n", "FLUSHALL")

    def test_the_routers_sequences_get_the_replies_of_redis(self):
        self.connect_both()
        self.assertEqual(router.block_keys(list(range(1, 49))), GOLDEN)
        pods = [router.pod(1), router.pod(2, "cpu"), router.pod(1, "cpu")]
        for resp in 2, 3:
            self.empty()
            self.both(resp, [["PING"]] + router.add([11, 12, 13], GOLDEN,
                                                    pods[:1]))
            self.assertEqual(
                self.both(resp, router.look_up(GOLDEN + [77]))[0],
                b"*1\r\n" + bulk(pods[0].encode()))
            # Speculative: no engine keys; one engine key of several blocks;
            # several of one.
            self.both(resp, router.add([], [101, 102], pods[1:2]))
            self.both(resp, router.add([21], GOLDEN, pods[2:]))
            self.both(resp, router.add([31, 32], [101], pods[:1]))
            self.both(resp, [["ZRANGE", router.engine_key(key), 0, 0, "REV"]
                             for key in (11, 21, 31, 32, 99)])
            self.both(resp, [["ZRANGE", router.engine_key(21), 0, -1]])
            self.both(resp, router.evict(21, GOLDEN, pods[2:]))
            self.both(resp, router.evict(11, GOLDEN[:1], pods[:1]))
            self.both(resp, [["EXISTS", GOLDEN[0], router.engine_key(11)]])
            self.both(resp, router.evict(99, [], pods[:1])[-1:])
            self.both(resp, router.evict(31, [101], pods[:2]))
            self.both(resp, [["TYPE", GOLDEN[1]], ["TYPE", "engine:12"],
                             ["TYPE", "engine:31"], ["DBSIZE"],
                             ["DEL", GOLDEN[1], "engine:12", 5],
                             ["HLEN", GOLDEN[1]], ["DBSIZE"]])

    def test_fields_of_many_pods_are_those_of_redis(self):
        """A redis-server lists long fields in no order."""
        self.connect_both()
        for resp in 2, 3:
            self.empty()
            fields = [router.pod(number) for number in range(500)]
            self.both(resp, router.add([1], GOLDEN, fields))
            ours, theirs = self.pairs[resp]
            for key in GOLDEN:
                mine, its = ours.value("HKEYS", key), theirs.value("HKEYS", key)
                self.assertEqual(mine, [field.encode() for field in fields])
                self.assertEqual(sorted(mine), sorted(its))
            self.both(resp, [["HDEL", GOLDEN[0]] + fields[100:],
                             ["HLEN", GOLDEN[0]], ["HLEN", GOLDEN[1]],
                             ["HDEL", GOLDEN[0]] + fields,
                             ["EXISTS", GOLDEN[0]]])

    def test_a_script_nobody_knows_is_sent_as_text(self):
        ours = self.connect()
        ours.ask(NO_SCRIPT, "EVALSHA", THIRD_SHA1, 1, "k")
        ours.ask(NO_SCRIPT, "EVALSHA", "abc", 1, "k")
        theirs = self.real.connect()
        self.addCleanup(theirs.close)
        self.assertEqual(theirs.call("EVALSHA", THIRD_SHA1, 1, "k"), NO_SCRIPT)
        # A fresh redis-server says so of all; go-redis then sends the text.
        for script, sha1 in router.SHA1.items():
            theirs.ask(NO_SCRIPT, "EVALSHA", sha1, 1, "k")
        for client in ours, theirs:
            for script, sha1 in router.SHA1.items():
                client.ask(b":1\r\n", "HSET", "7", "f", "")
                client.ask(b":1\r\n", "EVAL", script, 1, "k")
                client.ask(b":1\r\n", "EVALSHA", sha1.upper(), 1, "k")
                client.ask(b":1\r\n", "EVAL", script, 2, "k", "l")
                client.ask(b":1\r\n", "DEL", "7")
                client.ask(b"*1\r\n:1\r\n", "SCRIPT", "EXISTS", sha1)
                client.ask(bulk(sha1.encode()), "SCRIPT", "LOAD", script)
        self.assertIn(b"-ERR only the two scripts",
                      ours.call("EVAL", "return 1", 0))
        self.assertIn(b"-ERR only the two scripts",
                      ours.call("SCRIPT", "LOAD", "return 1"))
        ours.ask(b":0\r\n", "EXISTS", "k")

    def test_right_and_wrong_commands_get_the_replies_of_redis(self):
        self.connect_both()
        commands = [line.split(" ") for line in LINES.strip().split("\n")]
        for resp in 2, 3:
            self.empty()
            self.both(resp, commands + LISTS)

    def test_commands_by_chance_get_the_replies_of_redis(self):
        self.connect_both()
        for seed in range(6):
            resp = 2 + seed % 2
            self.empty()
            chance = Chance(seed)
            for _ in range(12):
                self.both(resp, [chance.next() for _ in range(250)])

    def test_scan_lists_the_keys_of_redis(self):
        self.connect_both()
        self.empty()
        names = [router.engine_key(i) for i in range(300)]
        self.both(2, [["HSET", i, "f", ""] for i in range(700)] +
                  [["ZADD", name, 0, 1] for name in names] +
                  [["HSET", "matrix:kv:block:m@" + name, "pod", "1"]
                   for name in names])
        ours, theirs = self.pairs[2]
        for options in ([], ["MATCH", "*"], ["MATCH", "engine:*"],
                        ["TYPE", "hash"], ["TYPE", "zset"], ["TYPE", "list"],
                        ["TYPE", "string"], ["TYPE", "ZSET"],
                        ["MATCH", "*1*", "TYPE", "hash"], ["MATCH", "1?"]):
            for count in 1, 1024:
                mine = ours.scan(*options, count=count)
                its = theirs.scan(*options, count=count)
                self.assertEqual(sorted(mine), sorted(set(its)), options)
        self.assertEqual(ours.value("DBSIZE"), theirs.value("DBSIZE"))


class BesideChunks(RouterTest):
    def setUp(self):
        self.serve()

    def test_a_chunk_and_a_key_of_one_name_do_not_meet(self):
        client = self.client
        client.ask(b"+OK\r\n", "SET", "7", "chunk")
        client.ask(b"*0\r\n", "HKEYS", "7")
        client.ask(b"*0\r\n", "ZRANGE", "7", 0, -1)
        client.ask(b":0\r\n", "HLEN", "7")
        client.ask(b":1\r\n", "HSET", "7", "field", "")
        client.ask(b":1\r\n", "ZADD", "8", 1, "m")
        client.ask(b"$-1\r\n", "GET", "8")
        client.ask(b":0\r\n", "STRLEN", "8")
        client.ask(bulk(b"chunk"), "GET", "7")
        client.ask(b"+string\r\n", "TYPE", "7")
        client.ask(b"+zset\r\n", "TYPE", "8")
        client.ask(b":2\r\n", "EXISTS", "7", "8")
        client.ask(b":3\r\n", "DBSIZE")
        self.assertEqual(sorted(client.scan()), [b"7", b"7", b"8"])
        client.ask(b"+OK\r\n", "SET", "8", "chunk")
        client.ask(b"*1\r\n" + bulk(b"m"), "ZRANGE", "8", 0, -1)
        client.ask(b":2\r\n", "DEL", "7", "8")
        client.ask(b":0\r\n", "EXISTS", "7", "8")
        client.ask(b"*0\r\n", "HKEYS", "7")
        client.ask(b"+none\r\n", "TYPE", "7")

    def test_an_lm_object_is_no_key_of_the_index(self):
        lm = LmClient(self.server.data_port)
        self.addCleanup(lm.close)
        lm.put("17", b"x" * 100)
        self.client.ask(b"*0\r\n", "HKEYS", "17")
        self.client.ask(b":1\r\n", "HSET", "18", "f", "")
        self.assertFalse(lm.exists("18"))
        self.assertTrue(lm.exists("17"))

    def test_a_flush_of_chunks_spares_the_index_and_the_other_way_round(self):
        client = self.client
        for space in 0, 5:
            client.ask(b"+OK\r\n", "SELECT", space)
            client.ask(b"+OK\r\n", "SET", "chunk", "v")
            client.ask(b":1\r\n", "HSET", "7", f"in {space}", "")
        client.ask(b"+OK\r\n", "FLUSHALL")
        for space in 0, 5:
            client.ask(b"+OK\r\n", "SELECT", space)
            client.ask(b"*1\r\n" + bulk(b"in %d" % space), "HKEYS", "7")
            client.ask(b":1\r\n", "DBSIZE")
            client.ask(b"+OK\r\n", "SET", "chunk", "v")
        client.ask(b"+OK\r\n", "FLUSHDB")
        client.ask(b":1\r\n", "DBSIZE")
        client.ask(b"+OK\r\n", "FLUSHDB", "INDEX")
        client.ask(b":0\r\n", "DBSIZE")
        client.ask(b"+OK\r\n", "SELECT", 0)
        client.ask(b":2\r\n", "DBSIZE")
        client.ask(b"+OK\r\n", "FLUSHALL", "index")
        client.ask(b":1\r\n", "DBSIZE")
        client.ask(bulk(b"v"), "GET", "chunk")
        for wrong in (["INDEX", "SYNC"], ["INDEXES"]):
            client.ask(b"-ERR syntax error\r\n", "FLUSHALL", *wrong)

    def test_scan_lists_the_index_first_and_ends_without_chunks(self):
        client = self.client
        for number in range(2000):
            client.send("SET", f"chunk {number}", "v")
        for number in range(100):
            client.send("HSET", number, "f", "")
        for _ in range(2100):
            client.reply()
        names = client.scan("MATCH", "*", count=1024)
        self.assertEqual(set(names[:100]),
                         {b"%d" % number for number in range(100)})
        self.assertEqual(len(names), 2100)
        self.assertEqual(len(client.scan("TYPE", "hash")), 100)
        self.assertEqual(len(client.scan("TYPE", "string")), 2000)
        # A namespace of its own: nothing to wade through.
        client.ask(b"+OK\r\n", "SELECT", 3)
        client.ask(b":1\r\n", "HSET", "7", "f", "")
        self.assertEqual(client.value("SCAN", 0, "COUNT", 1024),
                         [b"0", [b"7"]])
        for cursor in (1 << 61, 1 << 62, (1 << 62) + (1 << 40) + 7,
                       (1 << 62) + (1 << 47), 3 << 61, (1 << 63) - 1):
            self.assertEqual(len(client.value("SCAN", cursor)), 2)

    def test_a_key_of_the_index_has_no_lifetime(self):
        self.client.ask(b":1\r\n", "HSET", "7", "f", "")
        self.client.ask(b":-1\r\n", "TTL", "7")
        self.client.ask(b":0\r\n", "EXPIRE", "7", 100)
        self.client.ask(b":-1\r\n", "PTTL", "7")
        self.client.ask(b":-2\r\n", "TTL", "8")
        self.assertGreater(self.client.value("MEMORY", "USAGE", "7"), 20)
        self.client.ask(b"$-1\r\n", "MEMORY", "USAGE", "8")

    def test_look_ups_changes_and_evictions_are_counted(self):
        before = self.client.info()
        for command in (["HSET", "7", "f", "v"], ["HKEYS", "7"], ["HKEYS", "8"],
                        ["HGETALL", "7"], ["HGET", "7", "f"],
                        ["ZADD", "engine:1", 0, 7]):
            self.client.call(*command)
        after = self.client.info()
        gained = {name: int(after[name]) - int(before[name])
                  for name in ("index_hits", "index_misses", "resp_index",
                               "index_evictions", "router_index_hashes",
                               "router_index_sets", "router_index_items")}
        self.assertEqual(gained, {
            "index_hits": 3, "index_misses": 1, "resp_index": 6,
            "index_evictions": 0, "router_index_hashes": 1,
            "router_index_sets": 1, "router_index_items": 2})
        text = urllib.request.urlopen(
            f"http://127.0.0.1:{self.server.http_port}/metrics",
            timeout=20).read().decode()
        for line in ('prefixcache_router_index_lookups_total{result="hit"} 3',
                     "prefixcache_router_index_hashes 1",
                     "prefixcache_router_index_sets 1",
                     f"prefixcache_router_index_size_bytes {256 * MIB}"):
            self.assertIn(line + "\n", text)
        self.assertIn("db0:keys=2", self.client.value("INFO", "keyspace")
                      .decode())

    def test_a_prompt_of_thousands_of_blocks_is_one_pipeline(self):
        chance = random.Random(5)
        keys = [chance.getrandbits(64) for _ in range(8192)]
        for first in range(0, 8192, 512):
            self.replies(self.client,
                         router.add([], keys[first:first + 256],
                                    [router.pod(first % 7), router.pod(9)]))
        client = self.connect(3)
        client.socket.sendall(router.pipeline(router.look_up(keys)))
        for number, key in enumerate(keys):
            if number % 512 >= 256:
                client.expect(b"*0\r\n")
            else:
                client.expect(b"*2\r\n" +
                              bulk(router.pod(number // 512 * 512 % 7)
                                   .encode()) +
                              bulk(router.pod(9).encode()))

    def test_pipelines_of_everything_are_answered_in_order(self):
        """HKEYS that follow each other are answered together; what stands
        between them keeps its place."""
        commands, wanted = [], b""
        for number in range(300):
            commands += [["HSET", number, "f", ""], ["HKEYS", number],
                         ["HKEYS", "none"], ["PING"], ["HKEYS", "k" * 5000],
                         ["HKEYS"], ["SET", number, "v"], ["HKEYS", number]]
            one = b"*1\r\n" + bulk(b"f")
            wanted += (b":1\r\n" + one + b"*0\r\n+PONG\r\n*0\r\n-ERR wrong "
                       b"number of arguments for 'hkeys' command\r\n+OK\r\n" +
                       one)
        self.client.socket.sendall(router.pipeline(commands))
        self.client.expect(wanted)


class Limits(RouterTest):
    def add_blocks(self, first, count, pods=1, client=None):
        client = client or self.client
        for start in range(first, first + count, 500):
            keys = [router.fnv(b"%d" % number)
                    for number in range(start, min(start + 500,
                                                   first + count))]
            replies = self.replies(client, router.add(
                [key ^ 1 for key in keys], keys,
                [router.pod(start // 500 % 50 + i) for i in range(pods)]))
            for reply in replies:
                self.assertIn(reply, (b":0\r\n", b":1\r\n"))

    def test_a_full_index_stays_within_its_memory_and_serves_on(self):
        self.serve(**{"index.size": "2MiB"})
        self.client.ask(b"+OK\r\n", "SET", "chunk", "v")
        blocks = 20000 if SANITIZED else 100000
        for first in range(0, blocks, 10000):
            self.add_blocks(first, 10000, 2)
            self.assertLessEqual(self.number("router_index_used"), 2 * MIB)
        info = self.client.info()
        if not SANITIZED:
            self.assertGreater(int(info["router_index_used"]), 1.7 * MIB)
            self.assertGreater(int(info["index_evictions"]), 100000)
            self.assertGreater(int(info["router_index_hashes"]), 15000)
        last = router.fnv(b"%d" % (blocks - 1))
        self.assertEqual(self.client.value("HLEN", last), 2)
        self.client.ask(bulk(b"v"), "GET", "chunk")
        for key in range(100):
            self.client.ask(b"*0\r\n", "HKEYS", key)

    @unittest.skipIf(SANITIZED, "a sanitizer takes memory of its own")
    def test_the_process_grows_by_no_more_than_the_index_may_have(self):
        server = self.serve(**{"index.size": "8MiB"})
        self.add_blocks(0, 1000, 2)
        watch = Watch(server)
        self.addCleanup(watch.close)
        before = watch.resident()
        self.add_blocks(1000, 120000, 2)
        self.assertGreater(self.number("index_evictions"), 10000)
        self.assertGreater(watch.resident() - before, 6 * MIB)
        self.assertLess(watch.resident() - before, 10 * MIB)

    def test_blocks_that_are_asked_for_stay(self):
        self.serve(**{"index.size": "2MiB"})
        self.add_blocks(0, 1000)
        asked = [router.fnv(b"%d" % number) for number in range(200)]
        for first in range(1000, 61000, 2000):
            self.add_blocks(first, 2000)
            replies = self.replies(self.client, router.look_up(asked))
        self.assertGreater(sum(reply != b"*0\r\n" for reply in replies), 190)
        others = [router.fnv(b"%d" % number) for number in range(500, 1000)]
        replies = self.replies(self.client, router.look_up(others))
        self.assertGreater(sum(reply == b"*0\r\n" for reply in replies), 450)

    def test_what_is_too_much_for_a_key_is_an_error_and_no_more(self):
        self.serve(**{"index.size": "1MiB"})
        client = self.client
        self.assertIn(b"-ERR a key of the index holds at most 262144 bytes",
                      client.call("HSET", "k", "f" * 4001, ""))
        self.assertIn(b"-ERR a key", client.call("HSET", "k" * 4001, "f", ""))
        self.assertIn(b"-ERR a key", client.call("ZADD", "k", 1, "m" * 4001))
        reply, fields = b":1\r\n", 0
        while reply == b":1\r\n" and fields < 1000:
            reply = client.call("HSET", "k", f"{fields}" + "x" * 1000, "")
            fields += 1
        self.assertIn(b"-ERR a key of the index", reply)
        self.assertGreater(fields, 200)
        self.assertEqual(client.value("HLEN", "k"), fields - 1)
        self.assertEqual(len(client.value("HKEYS", "k")), fields - 1)

    def test_a_long_reply_comes_whole(self):
        self.serve()
        fields = [f"{number}" + "x" * 90 for number in range(10000)]
        for first in range(0, 10000, 1000):
            self.client.ask(b":1000\r\n", "HSET", "k", *[
                text for field in fields[first:first + 1000]
                for text in (field, "")])
        self.assertEqual(self.client.value("HKEYS", "k"),
                         [field.encode() for field in fields])
        self.assertEqual(len(self.client.value("HGETALL", "k")), 20000)


class Restart(RouterTest):
    """tests/unit/test_saver.c holds what a file can be like."""

    def fill(self):
        self.replies(self.client, router.add([1, 2, 3], GOLDEN,
                                             [router.pod(1), router.pod(2)]))
        self.client.ask(b"+OK\r\n", "SELECT", 4)
        self.client.ask(b":1\r\n", "HSET", "matrix:kv:block:m@1", "pod", "17")
        self.client.ask(b"+OK\r\n", "SELECT", 0)

    def check(self):
        two = (b"*2\r\n" + bulk(router.pod(1).encode()) +
               bulk(router.pod(2).encode()))
        client = self.connect()
        client.socket.sendall(router.pipeline(router.look_up(GOLDEN)))
        client.expect(3 * two)
        client.ask(b"*1\r\n" + bulk(str(GOLDEN[0]).encode()), "ZRANGE",
                   "engine:1", 0, -1)
        client.ask(b"+OK\r\n", "SELECT", 4)
        client.ask(b"*2\r\n" + bulk(b"pod") + bulk(b"17"), "HGETALL",
                   "matrix:kv:block:m@1")

    def test_the_index_outlives_a_stop(self):
        directory = self.directory()
        options = {"index.path": directory}
        self.serve(**options).stop()
        self.serve(**options)
        self.fill()
        self.server.stop()
        self.assertTrue(os.path.exists(directory + "/prefixcache.index"))
        self.serve(**options)
        self.check()
        self.assertEqual(self.number("router_index_file_keys"), 7)

    def test_a_killed_server_has_what_was_written_last(self):
        path = os.path.join(self.directory(), "my index")
        options = {"index.path": path, "index.save": "20ms"}
        self.serve(**options)
        self.fill()
        until(lambda: self.number("router_index_file_keys") == 7,
              lambda: self.client.info())
        self.assertGreater(self.number("router_index_saves"), 0)
        self.server.kill()
        self.serve(**options)
        self.check()

    def test_without_a_path_the_index_is_beside_the_chunks(self):
        directory = self.directory()
        options = {"nvme.path": directory, "nvme.size": "64MiB"}
        self.serve(**options)
        self.fill()
        self.client.ask(b"+OK\r\n", "SET", "chunk", "v")
        self.server.stop()
        self.serve(**options)
        self.check()
        self.assertEqual(sorted(os.listdir(directory)),
                         ["prefixcache.index", "prefixcache.nvme"])

    def test_a_file_that_is_no_index_is_put_aside_and_said(self):
        directory = self.directory()
        path = directory + "/prefixcache.index"
        with open(path, "wb") as file:
            file.write(b"PCINDEX\n\2\0\0\0" + bytes(100))
        self.serve(**{"index.path": directory})
        self.assertIn("index refused", self.server.stderr())
        self.assertIn("a later version has written it", self.server.stderr())
        self.assertEqual(os.listdir(directory), ["prefixcache.index.refused"])
        self.fill()
        self.server.stop()
        self.serve(**{"index.path": directory})
        self.check()


if __name__ == "__main__":
    unittest.main()
