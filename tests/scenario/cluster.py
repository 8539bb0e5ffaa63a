#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A cluster of one: what CLUSTER says, and that clients of clusters connect, put
and get.  ioredis is tried where node finds it (npm install ioredis, and its
node_modules in NODE_PATH)."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from resp_client import RespClient, RespError, bulk, value_of  # noqa: E402
from server_test import ServerTest  # noqa: E402

try:
    import redis
except ImportError:
    redis = None

NODE_SECONDS = 60
IOREDIS = """
const Redis = require('ioredis');
const cluster = new Redis.Cluster([{host: '127.0.0.1', port: +process.argv[1]}],
    {redisOptions: {maxRetriesPerRequest: 1}, clusterRetryStrategy: () => null});
cluster.on('error', (error) => { console.error(error); process.exit(1); });
(async () => {
  const value = Buffer.alloc(1 << 20, 'v');
  for (const key of ['foo', 'bar', '{m@1}:kv_bytes', 'm@1@0@ff@half']) {
    if (await cluster.set(key, value) !== 'OK') throw new Error('set ' + key);
    if (!value.equals(await cluster.getBuffer(key)))
      throw new Error('get ' + key);
    if (await cluster.exists(key) !== 1) throw new Error('exists ' + key);
  }
  if (await cluster.get('nothing') !== null) throw new Error('a miss');
  const matched = await cluster.call('PREFIX.MATCH', 'foo', 'bar', 'nothing');
  if (matched !== 2) throw new Error('matched ' + matched);
  if (await cluster.del('foo') !== 1) throw new Error('del');
  console.log('nodes', cluster.nodes().length);
  await cluster.quit();
})().catch((error) => { console.error(error); process.exit(1); });
"""


class ClusterTest(ServerTest):
    def start(self, **options):
        self.serve(**options)
        return self.connect_resp()

    def connect_resp(self, where=None, dialect=2):
        client = RespClient(where or self.server.data_port)
        self.addCleanup(client.close)
        if dialect == 3:
            client.call("HELLO", 3)
        return client


class WordsTest(ClusterTest):
    def test_all_slots_are_here(self):
        client = self.start()
        port = self.server.data_port
        node = client.value("CLUSTER", "MYID")
        self.assertRegex(node, b"^[0-9a-f]{40}$")
        where = b"$9\r\n127.0.0.1\r\n:%d\r\n" % port
        client.ask(b"*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n" + where + bulk(node) +
                   b"*0\r\n", "CLUSTER", "SLOTS")
        client.ask(bulk(b"%s 127.0.0.1:%d@0 myself,master - 0 0 1 connected "
                        b"0-16383\n" % (node, port)), "CLUSTER", "NODES")
        fields = [b"id", node, b"port", port, b"ip", b"127.0.0.1", b"endpoint",
                  b"127.0.0.1", b"role", b"master", b"replication-offset", 0,
                  b"health", b"online"]
        self.assertEqual(client.value("CLUSTER", "SHARDS"),
                         [[b"slots", [0, 16383], b"nodes", [fields]]])
        three = self.connect_resp(dialect=3)
        self.assertEqual(three.value("CLUSTER", "SHARDS"),
                         [{b"slots": [0, 16383],
                           b"nodes": [dict(zip(fields[::2], fields[1::2]))]}])
        three.ask(b"*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n" + where + bulk(node) +
                  b"%0\r\n", "cluster", "slots")
        info = client.value("CLUSTER", "INFO").decode()
        for line in ("cluster_state:ok", "cluster_slots_assigned:16384",
                     "cluster_slots_ok:16384", "cluster_known_nodes:1"):
            self.assertIn(line + "\r\n", info)
        self.assertEqual(three.call("CLUSTER", "INFO")[:1], b"=")

    def test_slots_of_keys_are_those_of_redis(self):
        client = self.start()
        for key, slot in (("foo", 12182), ("bar", 5061), ("123456789", 12739),
                          ("{user1000}.following", 3443), ("foo{}{bar}", 8363),
                          ("foo{{bar}}zap", 4015), ("foo{bar}{zap}", 5061),
                          ("", 0)):
            client.ask(b":%d\r\n" % slot, "CLUSTER", "KEYSLOT", key)

    def test_wrong_words_are_errors_as_in_redis(self):
        client = self.start()
        for words, error in (
                ([], "ERR wrong number of arguments for 'cluster' command"),
                (["SLOTS", "x"], "ERR wrong number of arguments for "
                 "'cluster|slots' command"),
                (["KEYSLOT"], "ERR wrong number of arguments for "
                 "'cluster|keyslot' command"),
                (["KEYSLOT", "a", "b"], "ERR wrong number of arguments for "
                 "'cluster|keyslot' command"),
                (["MEET", "x"], "ERR unknown subcommand 'MEET'. Try CLUSTER "
                 "HELP.")):
            found = client.value("CLUSTER", *words)
            self.assertIsInstance(found, RespError)
            self.assertEqual(str(found), error)
        self.assert_serves()

    def test_a_node_is_the_same_for_all_who_ask_and_another_for_another(self):
        client = self.start()
        node = client.value("CLUSTER", "MYID")
        self.assertEqual(self.connect_resp().value("CLUSTER", "MYID"), node)
        self.assertNotEqual(self.start().value("CLUSTER", "MYID"), node)

    def test_the_address_is_that_of_the_connection_or_what_is_announced(self):
        path = os.path.join(os.environ.get("PREFIXCACHE_TMP", "/tmp"),
                            f"cluster.{os.getpid()}")
        self.start(**{"listen.unix": path})
        slots = self.connect_resp(path).value("CLUSTER", "SLOTS")
        self.assertEqual(slots[0][2][:2],
                         [b"127.0.0.1", self.server.data_port])
        client = self.start(**{"cluster.announce": "cache-0.example:1234"})
        self.assertEqual(client.value("CLUSTER", "SLOTS")[0][2][:2],
                         [b"cache-0.example", 1234])
        self.assertIn(b" cache-0.example:1234@0 ",
                      client.value("CLUSTER", "NODES"))
        client = self.start(**{"cluster.announce": "[2001:db8::1]:7654"})
        self.assertEqual(client.value("CLUSTER", "SLOTS")[0][2][:2],
                         [b"2001:db8::1", 7654])

    def test_both_stacks_name_the_address_that_was_called(self):
        try:
            self.serve(**{"listen.data": "[::]:0", "security.insecure": "true"})
        except AssertionError:
            self.skipTest("no IPv6 here")
        client = self.connect_resp()  # over IPv4
        self.assertEqual(client.value("CLUSTER", "SLOTS")[0][2][0],
                         b"127.0.0.1")

    def test_it_may_be_no_cluster(self):
        client = self.start(**{"cluster.enabled": "false"})
        for word in "SLOTS", "KEYSLOT", "INFO", "MYID", "nonsense":
            client.ask(b"-ERR This instance has cluster support disabled\r\n",
                       "CLUSTER", word)
        self.assertIn(b"cluster_enabled:0", client.value("INFO", "cluster"))
        client.ask(b"+OK\r\n", "READONLY")

    def test_plain_clients_see_a_server_of_its_own(self):
        client = self.start()
        info = client.value("INFO").decode()
        self.assertIn("cluster_enabled:1\r\n", info)
        self.assertIn("redis_mode:standalone\r\n", info)
        self.assertEqual(client.value("HELLO", 2)[8:10],
                         [b"mode", b"standalone"])
        client.ask(b"+OK\r\n", "SELECT", 5)
        client.ask(b"+OK\r\n", "MSET", "foo", 1, "bar", 2)
        client.ask(b":2\r\n", "EXISTS", "foo", "bar")

    def test_command_says_where_the_keys_are(self):
        client = self.start()
        for words in (["prefix.match"], ["PREFIX.MATCH"]):
            row = value_of(client.call("COMMAND", "INFO", *words))[0]
            self.assertEqual((row[0], row[1], row[3:6]),
                             (b"prefix.match", -2, [1, 1, 1]))
        row = client.value("COMMAND", "INFO", "cluster")[0]
        self.assertEqual(row[3:6], [0, 0, 0])


@unittest.skipIf(redis is None or not hasattr(redis, "RedisCluster"),
                 "python3-redis is not installed")
class RedisPyTest(ClusterTest):
    def test_it_connects_puts_and_gets(self):
        self.start()
        client = redis.RedisCluster("127.0.0.1", self.server.data_port)
        self.addCleanup(client.close)
        self.assertEqual(len(client.get_nodes()), 1)
        for key in "foo", "bar", "{m@1}:kv_bytes", "m@1@0@ff@half":
            value = os.urandom(100000)
            self.assertTrue(client.set(key, value))
            self.assertEqual(client.get(key), value)
            self.assertEqual(client.exists(key), 1)
        self.assertIsNone(client.get("nothing"))
        self.assertEqual(client.mget_nonatomic("foo", "nothing")[1], None)
        self.assertEqual(client.execute_command("PREFIX.MATCH", "foo"), 1)
        self.assertEqual(client.execute_command(
            "PREFIX.MATCH", "foo", "bar", "nothing",
            target_nodes=redis.RedisCluster.RANDOM), 2)
        self.assertEqual(client.delete("foo", "bar"), 2)
        self.assertEqual(client.dbsize(), 2)
        self.assertEqual(client.cluster_keyslot("foo"), 12182)
        self.assertEqual(client.cluster_info()["cluster_state"], "ok")

    def test_it_does_not_connect_where_there_is_no_cluster(self):
        self.start(**{"cluster.enabled": "false"})
        with self.assertRaisesRegex(redis.exceptions.RedisClusterException,
                                    "Cluster mode is not enabled"):
            redis.RedisCluster("127.0.0.1", self.server.data_port)


class IoRedisTest(ClusterTest):
    def setUp(self):
        self.node = shutil.which("node")
        if self.node is None:
            self.skipTest("node is not installed")
        found = subprocess.run(
            [self.node, "-e", "require.resolve('ioredis')"], check=False,
            capture_output=True, timeout=NODE_SECONDS)
        if found.returncode != 0:
            self.skipTest("node finds no ioredis; NODE_PATH says where")

    def test_it_connects_puts_and_gets(self):
        self.start()
        result = subprocess.run(
            [self.node, "-e", IOREDIS, str(self.server.data_port)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=NODE_SECONDS, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(re.fullmatch(r"nodes 1\n", result.stdout))


if __name__ == "__main__":
    unittest.main()
