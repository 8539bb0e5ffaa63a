#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli against a real server, and against peers that misbehave."""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import Server, program  # noqa: E402  (after the path to it)

CLI = program("PREFIXCACHE_CLI")
DONE, MISSING, USAGE, CONNECTION, REFUSED = range(5)


def cli(*arguments, url=None, stdin=b"", environment=None, stdout=None):
    command = [CLI] + (["--url", url] if url else []) + list(arguments)
    variables = dict(os.environ, **(environment or {}))
    if not environment:
        variables.pop("PREFIXCACHE_URL", None)
    return subprocess.run(command, input=stdin, stderr=subprocess.PIPE,
                          stdout=stdout or subprocess.PIPE, env=variables,
                          timeout=60, check=False)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name, content=None):
        path = os.path.join(self.directory.name, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def run_cli(self, code, *arguments, **more):
        result = cli(*arguments, **more)
        self.assertEqual(result.returncode, code,
                         (arguments, result.stdout and result.stdout[:500],
                          result.stderr))
        if code in (DONE, MISSING) and "-o" in arguments:
            return json.loads(result.stdout)
        return result

    def assert_says(self, result, *words):
        text = result.stderr.decode()
        for word in words:
            self.assertIn(word, text)


class WithServer(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(limits_value="8MiB")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        super().setUp()
        self.resp = self.server.url("redis")
        self.lm = self.server.url("lm")
        self.redis = redis.Redis("127.0.0.1", self.server.data_port)
        self.addCleanup(self.redis.close)
        self.redis.flushall()

    def test_ping_answers_on_both_wires(self):
        for url in self.resp, self.lm:
            self.assertIn(b"answered in", self.run_cli(DONE, "ping",
                                                       url=url).stdout)
            answer = self.run_cli(DONE, "ping", "-o", "json", url=url)
            self.assertTrue(answer["ok"])
            self.assertEqual(answer["url"], url)

    def test_what_was_put_is_got_byte_for_byte(self):
        for url in self.resp, self.lm:
            for size in 1, 28, 16348, 16384, 65536, 1 << 20, 5_000_001:
                body = os.urandom(size)
                self.run_cli(DONE, "put", "k", url=url, stdin=body)
                got = self.run_cli(DONE, "get", "k", url=url).stdout
                self.assertTrue(got == body, f"{size} bytes over {url}")

    def test_an_empty_value_is_a_value(self):
        self.run_cli(DONE, "put", "empty", url=self.resp)
        self.assertEqual(
            self.run_cli(DONE, "get", "empty", url=self.resp).stdout, b"")

    def test_values_come_from_files_and_go_to_files(self):
        body = os.urandom(300_000)
        source, target = self.path("in", body), self.path("out")
        answer = self.run_cli(DONE, "put", "k", source, "-o", "json",
                              url=self.lm)
        self.assertEqual(answer, {"key": "k", "stored": True,
                                  "size": len(body)})
        answer = self.run_cli(DONE, "get", "k", target, "-o", "json",
                              url=self.lm)
        self.assertEqual(answer["size"], len(body))
        self.assertEqual(answer["shape"], [0, 0, 0, 0])
        with open(target, "rb") as file:
            self.assertEqual(file.read(), body)

    def test_json_holds_the_value_where_no_file_does(self):
        self.run_cli(DONE, "put", "k", url=self.resp, stdin=b"\x00\xff")
        answer = self.run_cli(DONE, "get", "k", "-", "-o", "json",
                              url=self.resp)
        self.assertEqual(base64.b64decode(answer["value_base64"]), b"\x00\xff")

    def test_a_put_over_lm_is_got_over_redis(self):
        self.run_cli(DONE, "put", "shared", url=self.lm, stdin=b"both")
        self.assertEqual(
            self.run_cli(DONE, "get", "shared", url=self.resp).stdout, b"both")

    def test_a_missing_key_is_exit_1(self):
        for url in self.resp, self.lm:
            result = self.run_cli(MISSING, "get", "nope", url=url)
            self.assertEqual(result.stdout, b"")
            self.assert_says(result, "nope", url)
            answer = self.run_cli(MISSING, "get", "nope", "-o", "json",
                                  url=url)
            self.assertEqual(answer, {"key": "nope", "found": False})

    def test_a_miss_leaves_the_file_alone(self):
        path = self.path("precious", b"precious")
        self.run_cli(MISSING, "get", "nope", path, url=self.resp)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def test_exists_says_yes_and_no(self):
        for url in self.resp, self.lm:
            self.run_cli(DONE, "put", "here", url=url, stdin=b"x")
            result = self.run_cli(MISSING, "exists", "here", "gone", url=url)
            self.assertEqual(result.stdout, b"here  yes\ngone  no\n")
            self.run_cli(DONE, "exists", "here", "here", url=url)
            answer = self.run_cli(MISSING, "exists", "gone", "here", "-o",
                                  "json", url=url)
            self.assertEqual(answer, {
                "keys": [{"key": "gone", "exists": False},
                         {"key": "here", "exists": True}],
                "found": 1, "asked": 2})

    def test_del_deletes_whatever_the_url_says(self):
        for url in self.resp, self.lm:
            self.run_cli(DONE, "put", "k", url=url, stdin=b"x")
            result = self.run_cli(DONE, "del", "k", "gone", url=url)
            self.assertEqual(result.stdout,
                             b"k  deleted\ngone  was not there\n")
            self.run_cli(MISSING, "exists", "k", url=url)
        answer = self.run_cli(DONE, "del", "gone", "-o", "json", url=self.lm)
        self.assertEqual(answer["deleted"], 0)

    def test_ls_prints_every_key(self):
        names = {f"model@1@0@{i:04x}" for i in range(2500)}
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.set(name, b"v")
        pipe.execute()
        for url in self.resp, self.lm:
            listed = self.run_cli(DONE, "ls", url=url).stdout.decode()
            self.assertEqual(set(listed.splitlines()), names)
        answer = self.run_cli(DONE, "ls", "*@00ff", "-o", "json",
                              url=self.resp)
        self.assertEqual(answer, [{"key": "model@1@0@00ff"}])
        self.assertEqual(self.run_cli(DONE, "ls", "zzz*", "-o", "json",
                                      url=self.resp), [])

    def test_a_strange_key_harms_neither_terminal_nor_json(self):
        strange = b"\x1b[31mred\\\xff\xc2\x9b\xc3\xa4"
        self.redis.set(strange, b"v")
        self.assertEqual(
            self.run_cli(DONE, "ls", url=self.resp).stdout,
            b"\\x1b[31mred\\\\\\xff\\xc2\\x9b\xc3\xa4\n")
        answer = self.run_cli(DONE, "ls", "-o", "json", url=self.resp)
        self.assertEqual(base64.b64decode(answer[0]["key_base64"]), strange)

    def test_stat_is_what_info_says(self):
        table = self.run_cli(DONE, "stat", url=self.lm).stdout.decode()
        sections = self.run_cli(DONE, "stat", "-o", "json", url=self.resp)
        self.assertTrue(sections)
        for name, fields in sections.items():
            self.assertIn(name, table.lower())
            for field in fields:
                self.assertIn(field, table)

    def test_a_namespace_is_its_own(self):
        self.run_cli(DONE, "put", "k", url=self.resp + "/3", stdin=b"three")
        self.run_cli(MISSING, "get", "k", url=self.resp)
        self.assertEqual(
            self.run_cli(DONE, "get", "k", url=self.resp + "/3").stdout,
            b"three")

    def test_a_value_over_the_limit_is_refused(self):
        body = bytes((8 << 20) + 1)
        for url in self.resp, self.lm:
            result = self.run_cli(REFUSED, "put", "big", url=url, stdin=body)
            self.assert_says(result, "put", url)
            self.run_cli(MISSING, "exists", "big", url=url)

    def test_the_environment_names_the_server(self):
        self.run_cli(DONE, "ping", environment={"PREFIXCACHE_URL": self.lm})
        self.run_cli(DONE, "ping", url=self.lm,
                     environment={"PREFIXCACHE_URL": "lm://127.0.0.1:1"})

    def test_output_that_cannot_be_written_is_said(self):
        self.run_cli(DONE, "put", "k", url=self.resp, stdin=b"x")
        with open("/dev/full", "wb") as full:
            for verb in ("get", "k"), ("exists", "k"), ("stat",):
                result = self.run_cli(USAGE, *verb, url=self.resp, stdout=full)
                self.assert_says(result, "standard output", "No space")


class Peer:
    """Accepts one connection on a port of its own and does what it is told."""

    def __init__(self, act):
        self.act = act
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        with connection:
            try:
                self.act(self, connection)
            except OSError:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.listener.close()

    def url(self, scheme):
        return f"{scheme}://127.0.0.1:{self.port}"


def say(text):
    """Reads something, answers `text`, and closes the connection."""
    def act(_, connection):
        connection.recv(65536)
        connection.sendall(text)
    return act


def stay_silent(peer, connection):
    connection.recv(65536)
    peer.done.wait(30)


def lm_reply(code, size):
    return struct.pack("<9i", code, size, 0, 0, 0, 0, 0, 0, 0)


class WithBadPeer(CliTest):
    def fails(self, act, scheme, code, *arguments, words=(), **more):
        with Peer(act) as peer:
            result = self.run_cli(code, *arguments, url=peer.url(scheme),
                                  **more)
            self.assert_says(result, f"127.0.0.1:{peer.port}", *words)
            return result

    def test_nobody_listens(self):
        with socket.socket() as bound:  # bound, so that nobody else gets it
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            for scheme in "lm", "redis":
                result = self.run_cli(CONNECTION, "ping",
                                      url=f"{scheme}://127.0.0.1:{port}")
                self.assert_says(result, "cannot connect to",
                                 f"127.0.0.1:{port}", "refused")

    def test_no_such_unix_socket(self):
        path = self.path("nobody.sock")
        result = self.run_cli(CONNECTION, "ping", url="redis+unix://" + path)
        self.assert_says(result, path, "No such file")

    def test_a_silent_server_is_given_up(self):
        for scheme in "lm", "redis", "memcached":
            start = time.monotonic()
            self.fails(stay_silent, scheme, CONNECTION, "get", "k",
                       "--timeout", "200ms", words=["200 ms"])
            self.assertLess(time.monotonic() - start, 10)

    def test_a_server_that_reads_nothing_is_given_up(self):
        def read_nothing(peer, _):
            peer.done.wait(30)
        for scheme in "lm", "redis":
            self.fails(read_nothing, scheme, CONNECTION, "put", "k",
                       "--timeout", "0.2", stdin=bytes(48 << 20),
                       words=["being sent"])

    def test_a_server_that_dies_in_a_body(self):
        kept = self.path("kept", b"kept")
        for scheme, text in (("lm", lm_reply(200, 1 << 20) + b"half"),
                             ("redis", b"$1048576\r\nhalf"),
                             ("redis", b"$4\r\nhalf"),  # its CRLF is missing
                             ("memcached", b"VALUE k 0 9\r\nhalf")):
            result = self.fails(say(text), scheme, CONNECTION, "get", "k",
                                kept)
            self.assertEqual(result.stdout, b"")
            with open(kept, "rb") as file:
                self.assertEqual(file.read(), b"kept")

    def test_a_server_that_dies_in_a_put(self):
        for scheme in "lm", "redis":
            self.fails(say(b""), scheme, CONNECTION, "put", "k",
                       stdin=bytes(32 << 20))

    def test_a_server_that_dies_in_a_head(self):
        self.fails(say(lm_reply(200, 4)[:20]), "lm", CONNECTION, "get", "k",
                   words=["closed the connection"])
        self.fails(say(b"$10"), "redis", CONNECTION, "get", "k")

    def test_a_server_that_dies_while_listing(self):
        self.fails(say(b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n"), "redis",
                   CONNECTION, "ls")

    def test_a_body_in_small_pieces_arrives_whole(self):
        body = os.urandom(100_000)

        def dribble(_, connection):
            connection.recv(65536)
            text = lm_reply(200, len(body)) + body
            for start in range(0, len(text), 9973):
                connection.sendall(text[start:start + 9973])
        with Peer(dribble) as peer:
            result = self.run_cli(DONE, "get", "k", url=peer.url("lm"))
        self.assertEqual(result.stdout, body)

    def test_a_head_a_byte_at_a_time_is_understood(self):
        def dribble(_, connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65536)
            for byte in b"$5\r\nhello\r\n":
                connection.sendall(bytes([byte]))
        with Peer(dribble) as peer:
            result = self.run_cli(DONE, "get", "k", url=peer.url("redis"))
        self.assertEqual(result.stdout, b"hello")

    def test_an_error_reply_is_exit_4(self):
        for verb in ("get", "k"), ("put", "k"), ("exists", "k"), ("del", "k"), \
                ("ls",), ("stat",), ("ping",):
            self.fails(say(b"-ERR out of cheese\r\n"), "redis", REFUSED,
                       *verb, words=["ERR out of cheese"])
        self.fails(say(b"SERVER_ERROR out of cheese\r\n"), "memcached",
                   REFUSED, "put", "k", words=["out of cheese"])

    def test_a_server_without_that_namespace(self):
        with Peer(say(b"-ERR DB index is out of range\r\n")) as peer:
            result = self.run_cli(REFUSED, "ping", url=peer.url("redis") + "/9")
        self.assert_says(result, "DB index is out of range")

    def test_another_protocol_is_no_answer(self):
        http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        self.fails(say(http), "redis", CONNECTION, "ping",
                   words=["does not speak RESP"])
        self.fails(say(http), "lm", CONNECTION, "ping",
                   words=["does not speak lm://"])
        self.fails(say(http), "memcached", CONNECTION, "ping",
                   words=["does not speak memcached"])

    def test_an_answer_of_the_wrong_type_is_no_answer(self):
        self.fails(say(b":1\r\n"), "redis", CONNECTION, "get", "k",
                   words=["GET"])
        self.fails(say(b"+OK\r\n"), "redis", CONNECTION, "exists", "k")
        self.fails(say(b"*1\r\n$1\r\n0\r\n"), "redis", REFUSED, "ls")
        self.fails(say(b"$99999999999999\r\n"), "redis", CONNECTION, "get",
                   "k")
        self.fails(say(lm_reply(200, -1)), "lm", CONNECTION, "get", "k")

    def test_a_put_that_lm_did_not_keep_is_said(self):
        def lose(_, connection):
            left = 186 + 5 + 186
            while left > 0:
                left -= len(connection.recv(left))
            connection.sendall(lm_reply(400, 0))
        self.fails(lose, "lm", REFUSED, "put", "k", stdin=b"value",
                   words=["did not keep"])


class Usage(CliTest):
    def test_what_is_wrong_is_said_before_anybody_is_asked(self):
        for arguments, words in (
                ([], "a command is missing"),
                (["fetch"], 'unknown command "fetch"'),
                (["get"], "expected KEY [FILE]"),
                (["get", "a", "b", "c"], '"c" is one argument too many'),
                (["ping", "x"], '"x"'),
                (["--url", "http://h", "ping"], 'unknown scheme "http"'),
                (["--url", "lm://h:0", "ping"], 'port "0"'),
                (["--output", "xml", "ping"], "table or json"),
                (["--timeout", "soon", "ping"], "5s or 500ms"),
                (["--timeout", "-1", "ping"], "5s or 500ms"),
                (["--timeout", "inf", "ping"], "5s or 500ms"),
                (["--timeout", "0x10", "ping"], "5s or 500ms"),
                (["--frobnicate", "ping"], "--frobnicate"),
                (["get", ""], "at least one byte"),
                (["--url", "lm://h", "get", "k" * 151], "at most 150"),
                (["--url", "lm://h", "get", "k "], "space"),
                (["get", "k" * 4097], "at most 4096"),
                (["--url", "memcached://h", "ls"], "redis:// or lm://")):
            result = self.run_cli(USAGE, *arguments)
            self.assertEqual(result.stdout, b"")
            self.assert_says(result, "prefixcache-cli: ", words)

    def test_a_file_that_is_not_there(self):
        with Peer(stay_silent) as peer:
            result = self.run_cli(USAGE, "put", "k", self.path("nothing"),
                                  url=peer.url("redis"))
        self.assert_says(result, "cannot read", "nothing", "No such file")

    def test_help_and_version(self):
        text = self.run_cli(DONE, "--help").stdout.decode()
        for verb in "ping", "put", "get", "exists", "del", "ls", "stat":
            self.assertIn(f"\n  {verb} ", text)
        self.assertIn("Exit status", text)
        self.assertTrue(self.run_cli(DONE, "--version").stdout.startswith(
            b"prefixcache-cli "))


if __name__ == "__main__":
    unittest.main()
