#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""KV events as a reader in another language sees them: what is stored and
removed, how it is written, and what can be asked for again."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from event_reader import zmq  # noqa: E402
from event_test import ANY, EventsTest  # noqa: E402
from lm_client import V1, LmClient, metadata  # noqa: E402
from raw_client import encode  # noqa: E402
from resp_client import RespClient  # noqa: E402
from server import Server, program  # noqa: E402
from server_test import ServerTest  # noqa: E402
from watch import until  # noqa: E402


class ObjectForm(EventsTest):
    def test_what_comes_and_goes_is_told_in_order(self):
        reader = self.start()
        before = time.time() * 1000
        self.put("a")
        self.put("b")
        self.put("a", 200)
        self.ask(b":1", "DEL", "a")
        self.put("a")
        self.assertEqual(
            [(e["event_type"], e["object_key"])
             for e in self.events_of(reader, 4)],
            [("stored", "a"), ("stored", "b"), ("removed", "a"),
             ("stored", "a")])
        message = reader.messages[-1]
        self.assertEqual(message.events[-1], {
            "event_type": "stored", "object_key": "a", "tenant_id": "default",
            "group_id": None, "medium": "cpu", "kind": "value"})
        self.assertEqual((message.topic, message.rank), (b"", 0))
        self.assertLess(before - 1, message.when)
        self.assertLess(message.when, time.time() * 1000 + 1)
        self.assertEqual(self.watch["events_published"], 4)

    def test_a_namespace_is_a_tenant(self):
        reader = self.start()
        self.ask(b"+OK", "SELECT", 3)
        self.put("a")
        self.put("b")
        self.ask(b"+OK", "FLUSHDB")
        events = self.events_of(reader, 5)
        self.assertEqual([e["tenant_id"] for e in events], ["3"] * 5)
        self.assertEqual([e["event_type"] for e in events],
                         ["stored"] * 2 + ["cleared"] + ["removed"] * 2)
        self.assertIsNone(events[2]["object_key"])

    def test_an_object_is_told_of_once_whoever_wrote_it(self):
        reader = self.start()
        with LmClient(self.server.data_port, V1) as client:
            client.put("k@1@0@ff@half", b"y" * 50)
            self.assertTrue(client.exists("k@1@0@ff@half"))
        self.ask(b"+OK", "SET", "omitted" + "metadata", metadata(10))
        self.ask(b"+OK", "SET", "omitted" + "kv_bytes", b"z" * 10)
        self.assertEqual(
            [(e["event_type"], e["kind"], e["object_key"])
             for e in self.events_of(reader, 2)],
            [("stored", "object", "k@1@0@ff@half"),
             ("stored", "object", "omitted")])

    def test_a_name_that_is_no_text_is_left_out_and_counted(self):
        reader = self.start()
        self.put(b"\xff\xfe")
        self.put("text")
        self.assertEqual(self.events_of(reader, 1)[0]["object_key"], "text")
        self.watch.until_equal("events_unnamed", 1)

    def test_what_expires_is_removed(self):
        reader = self.start(lease_ms=0)
        self.ask(b"+OK", "SET", "k", "v", "PX", 50)
        self.assertEqual([e["event_type"] for e in self.events_of(reader, 2)],
                         ["stored", "removed"])

    def test_a_flush_of_all_clears_all(self):
        reader = self.start()
        for i in range(50):
            self.put(f"k{i}")
        self.ask(b"+OK", "FLUSHALL")
        events = self.events_of(reader, 101)
        self.assertEqual(events[50]["event_type"], "cleared")
        self.assertEqual(events[50]["tenant_id"], "")
        self.assertEqual({e["object_key"] for e in events[51:]},
                         {f"k{i}" for i in range(50)})

    def test_silence_is_told_too(self):
        reader = self.start()
        first, second = reader.hear(10), reader.hear(10)
        self.assertEqual((first.events, second.events), ([], []))
        self.assertEqual(second.number, first.number + 1)
        self.assertEqual(self.watch["events_published"], 0)
        self.assertGreater(self.watch["event_messages"], 2)


class Replay(EventsTest):
    def test_one_that_comes_late_is_told_of_all_there_is(self):
        self.start()
        for i in range(1000):
            self.put(f"k{i}")
        self.ask(b":1", "DEL", "k7")
        late = self.read()
        self.assertEqual(late.keys(), set())
        self.assert_agrees(late)
        self.assertEqual(late.listings, 1)
        self.put("after")
        self.assert_agrees(late)
        self.assertEqual(late.listings, 1)
        self.assertEqual(self.watch["event_replays_listed"], 1)

    def test_what_was_missed_is_repeated_byte_for_byte(self):
        reader = self.start()
        for i in range(20):
            self.put(f"k{i}")
            self.events_of(reader, 1)
        heard = [m for m in reader.messages if m.events]
        start = heard[5].number
        replies = reader.ask(start)
        self.assertEqual([m.number for m in replies],
                         list(range(start, replies[-1].number + 1)))
        wanted = {m.number: m.payload for m in reader.messages}
        for reply in replies:
            if reply.number in wanted:
                self.assertEqual(reply.payload, wanted[reply.number])
        self.assertGreaterEqual(replies[-1].number, heard[-1].number)
        self.assertEqual(self.watch["event_replays_kept"], 1)
        self.assertEqual(self.watch["event_replays_listed"], 0)

    def test_what_is_kept_no_longer_is_answered_with_a_listing(self):
        reader = self.start(**{"events.keep": "256KiB"})
        first = reader.messages[0].number
        long = "n" * 900
        for i in range(600):
            self.put(f"{long}{i}")
        until(lambda: self.watch["events_oldest"] > first + 1, "forgotten")
        replies = reader.ask(first + 1)
        self.assertEqual(replies[0].events[0]["event_type"], "cleared")
        self.assertLessEqual(self.watch["events_kept_bytes"], 256 << 10)
        for reply in replies:
            reader.apply(reply)
        self.assert_agrees(reader)

    def test_a_request_of_two_frames_is_one_too(self):
        reader = self.start()
        self.put("k")
        asking = reader.context.socket(zmq.DEALER)
        self.addCleanup(asking.close, 0)
        asking.connect(reader.replay)
        asking.send((0).to_bytes(8, "big"))
        self.assertTrue(asking.poll(20_000))
        self.assertEqual(len(asking.recv_multipart()), 3)

    def test_what_is_no_request_is_refused_and_counted(self):
        reader = self.start()
        asking = reader.context.socket(zmq.DEALER)
        self.addCleanup(asking.close, 0)
        asking.connect(reader.replay)
        bad = ([b""], [b"", b"1234567"], [b"x", b"12345678"],
               [b"", b"12345678", b""], [b"x"] * 50, [b"", b"123456789"])
        for frames in bad:
            asking.send_multipart(frames)
        self.watch.until_equal("event_replays_refused", len(bad))
        self.assertEqual(asking.poll(0), 0)
        asking.send_multipart([b"", (0).to_bytes(8, "big")])
        self.assertTrue(asking.poll(20_000))

    def test_a_reader_who_does_not_read_holds_up_nobody(self):
        self.start(**{"dram.size": "64MiB", "limits.index_memory": "64MiB"})
        with RespClient(self.server.data_port) as client:
            long = "n" * 1000
            for start in range(0, 12_000, 1000):
                client.socket.sendall(b"".join(
                    encode("SET", f"{long}{i}", "v")
                    for i in range(start, start + 1000)))
                client.expect(b"+OK\r\n" * 1000)
        context = zmq.Context()
        self.addCleanup(context.destroy, linger=0)
        stuck = []
        for _ in range(3):
            asking = context.socket(zmq.DEALER)
            asking.setsockopt(zmq.RCVHWM, 1)
            asking.setsockopt(zmq.RCVBUF, 4096)
            asking.connect(self.watch["events_replay"])
            asking.send_multipart([b"", (0).to_bytes(8, "big")])
            stuck.append(asking)
        self.watch.until_equal("event_replays_listed", 3)
        reader = self.read()
        self.assert_agrees(reader)
        for asking in stuck:
            asking.close(linger=0)
        self.watch.until_equal("event_replays_cut", 3)


class VllmForm(EventsTest):
    def start(self, **options):
        return super().start(**dict({"events.form": "vllm"}, **options))

    def hear_events(self, reader):
        while True:
            message = reader.hear()
            if message.events:
                return message

    def test_a_block_is_told_of_by_its_hash(self):
        reader = self.start(**{"events.pod": "10.1.2.3:7654",
                               "index.chunk_tokens": 512,
                               "events.medium": "CPU"})
        self.put("meta/Llama@8@0@ff@half")
        stored = self.hear_events(reader)
        self.ask(b":1", "DEL", "meta/Llama@8@0@ff@half")
        removed = self.hear_events(reader)
        self.assertEqual(stored.topic, b"kv@10.1.2.3:7654@meta/Llama")
        self.assertEqual(stored.events, [["BlockStored", [255], None, [], 512,
                                          None, "CPU", None]])
        self.assertEqual(removed.events, [["BlockRemoved", [255], "CPU"]])
        self.assertIsNone(stored.rank)
        self.assertIsInstance(stored.when, float)
        self.assertAlmostEqual(stored.when, time.time(), delta=60)
        # Nine bytes, although one would do.
        self.assertIn(b"\xcf" + bytes(7) + b"\xff", stored.payload)

    def test_a_hash_is_its_low_64_bits(self):
        reader = self.start()
        digits = "3d29b85e7dc2d3eaa9b1a4f3ecbbb70e2b239d6b8d00ea82b88b1758" \
                 "b00ad754"
        names = ("m@1@0@-1@half", f"m@1@0@{digits}@half",
                 "vllm@m@1@0@-7fffffffffffffff", "m@01000100@0@abc@salt")
        for name in names:
            self.put(name)
        wanted = {("m", (1 << 64) - 1), ("m", 0xb88b1758b00ad754),
                  ("m", 0x8000000000000001), ("m", 0xabc)}
        reader.until(lambda: reader.keys() == wanted)
        self.assertEqual(self.watch["events_unnamed"], 0)

    def test_the_topic_names_the_address_of_the_server(self):
        reader = self.start()
        pod = self.server.data_address
        self.assertEqual(reader.messages[0].topic, f"kv@{pod}@".encode())
        self.put("m@1@0@1@half")
        self.assertEqual(self.hear_events(reader).topic,
                         f"kv@{pod}@m".encode())

    def test_every_model_has_a_topic_or_one_has_all(self):
        reader = self.start()
        self.put("one@1@0@1@half")
        self.put("two@1@0@2@half")
        wanted = {("one", 1), ("two", 2)}
        reader.until(lambda: reader.keys() == wanted)
        late = self.read()
        late.until(lambda: late.keys() == wanted)
        self.server.stop()
        reader = self.start(**{"events.model": "mine"})
        self.put("one@1@0@1@half")
        self.put("two@1@0@2@half")
        reader.until(lambda: reader.keys() == {("mine", 1), ("mine", 2)})
        self.assertTrue(all(m.topic.endswith(b"@mine")
                            for m in reader.messages))

    def test_one_key_speaks_for_a_block(self):
        reader = self.start()
        for rank in range(8):
            self.put(f"m@8@{rank}@ff@half")
        self.put("no block")
        reader.until(lambda: reader.keys() == {("m", 255)})
        self.ask(b":1", "DEL", "m@8@3@ff@half")
        self.watch.until_equal("events_unnamed", 9)
        self.assertEqual(reader.keys(), {("m", 255)})
        self.ask(b":1", "DEL", "m@8@0@ff@half")
        reader.until(lambda: reader.keys() == set())

    def test_a_late_one_and_a_flush(self):
        self.start()
        for i in range(100):
            self.put(f"m@1@0@{i:x}@half")
        late = self.read()
        late.until(lambda: late.keys() == {("m", i) for i in range(100)})
        self.ask(b"+OK", "FLUSHALL")
        late.until(lambda: late.keys() == set())
        self.assertIn(["AllBlocksCleared"],
                      [e for m in late.messages for e in m.events])


class Settings(ServerTest):
    def refused(self, *options):
        command = [program("PREFIXCACHED"), "--check-config"]
        for option in options:
            command += ["--set", option]
        result = subprocess.run(command, capture_output=True, text=True,
                                timeout=60, check=False)
        return result.returncode, result.stderr

    def test_there_are_none_unless_asked_for(self):
        self.serve()
        self.assertEqual(self.watch["events_enabled"], 0)
        tasks = f"/proc/{self.server.pid}/task"
        names = set()
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as file:
                names.add(file.read().strip())
        self.assertNotIn("events", names)

    def test_others_hosts_are_for_the_insecure(self):
        for endpoint in "tcp://*:5557", "tcp://0.0.0.0:5557", "tcp://[::]:1":
            for name in "listen", "replay":
                options = (f"events.listen={ANY}", f"events.{name}={endpoint}")
                code, said = self.refused(*options)
                self.assertEqual(code, 2, said)
                self.assertIn(f"events.{name}", said)
                code, said = self.refused(*options, "security.insecure=true")
                self.assertEqual((code, said), (0, ""))

    def test_there_is_nothing_to_repeat_of_what_is_not_published(self):
        code, said = self.refused(f"events.replay={ANY}")
        self.assertEqual(code, 2)
        self.assertIn("expected events.listen", said)

    def test_an_endpoint_is_spelled_as_one(self):
        for endpoint in "127.0.0.1:5557", "tcp://127.0.0.1", "inproc://x", \
                "tcp://127.0.0.1:70000", "tcp://:1", "ipc://", "udp://x:1":
            code, said = self.refused(f"events.listen={endpoint}")
            self.assertEqual(code, 2, endpoint)
            self.assertIn("expected tcp://host:port", said)

    def test_localhost_and_ipv6_are_bound(self):
        for host in "localhost", "[::1]":
            server = self.serve(**{"events.listen": f"tcp://{host}:0"})
            if host == "localhost":
                self.assertRegex(self.watch["events_listen"],
                                 r"^tcp://127\.0\.0\.1:\d+$")
            self.assertEqual(self.watch["events_replay"], "")
            server.stop()

    def test_an_endpoint_that_is_taken_ends_the_start(self):
        self.serve(**{"events.listen": ANY})
        other = Server(**{"events.listen": self.watch["events_listen"]})
        self.addCleanup(os.unlink, other.log.name)
        self.addCleanup(other.log.close)
        with self.assertRaisesRegex(AssertionError, "Address already in use"):
            other.start()


if __name__ == "__main__":
    unittest.main()
