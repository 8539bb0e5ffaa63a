#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start, drain, reload, kill: what a server's clients and its supervisor see."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from raw_client import (LM_EXIST, LM_PUT, RawClient,  # noqa: E402
                        announce, encode, lm_head)
from server import Server, program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402
from watch import until  # noqa: E402

DIRECTORY = os.environ.get("PREFIXCACHE_TMP", "/tmp")


def http_get(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port,
                                            timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Killed(ServerTest):
    def test_a_killed_server_starts_again_where_it_was(self):
        path = os.path.join(DIRECTORY, "killed.sock")
        server = self.serve(listen_unix=path)
        client, at_unix = self.connect(), self.connect(path=path)
        self.assertEqual(client.command("SET", "k", "v"), b"+OK")
        self.assertEqual(at_unix.command("GET", "k"), b"v")
        server.kill()
        for gone in client, at_unix:
            self.assertEqual(gone.read_until_closed(), b"")
        self.assertTrue(os.path.exists(path))
        self.serve(listen_unix=path, listen_data=server.data_address,
                   listen_http=server.http_address)
        client, at_unix = self.connect(), self.connect(path=path)
        self.assertIsNone(client.command("GET", "k"))  # DRAM only: a miss
        self.assertEqual(client.command("SET", "k", "v"), b"+OK")
        self.assertEqual(at_unix.command("GET", "k"), b"v")
        self.assertEqual(http_get(self.server, "/readyz")[0], 200)


class UnixSocket(ServerTest):
    def test_both_wires_are_served_and_the_path_goes_with_the_server(self):
        path = os.path.join(DIRECTORY, "data.sock")
        server = self.serve(listen_unix=path)
        client, lm = self.connect(path=path), self.connect(path=path)
        lm.send(lm_head(LM_PUT, "k", MIB), bytes(MIB), lm_head(LM_EXIST, "k"))
        self.assertEqual(lm.lm_reply(), (200, b""))
        self.assertEqual(client.command("GET", "k"), bytes(MIB))
        server.stop()
        self.assertFalse(os.path.exists(path))

    def test_a_path_that_is_served_is_not_taken(self):
        path = os.path.join(DIRECTORY, "taken.sock")
        self.serve(listen_unix=path)
        with self.assertRaises(AssertionError) as refused:
            Server(listen_unix=path).start()
        self.assertIn(path, str(refused.exception))
        self.assert_serves(self.connect(path=path))

    def test_a_file_that_is_no_socket_is_left_alone(self):
        path = os.path.join(DIRECTORY, "precious")
        with open(path, "w") as file:
            file.write("precious")
        self.addCleanup(os.unlink, path)
        self.assertRaises(AssertionError, Server(listen_unix=path).start)
        with open(path) as file:
            self.assertEqual(file.read(), "precious")


class Drain(ServerTest):
    def terminate(self, number=signal.SIGTERM):
        os.kill(self.server.pid, number)
        until(lambda: http_get(self.server, "/readyz")[0] == 503, "draining")

    def test_what_is_under_way_is_finished(self):
        server = self.serve(limits_drain="30s")
        size = 24 * MIB
        value = os.urandom(1024) * (size // 1024)
        idle, putter, getter = self.connect_many(3)
        lm = self.connect()
        self.assertEqual(idle.command("SET", "got", value), b"+OK")
        getter.send(encode("GET", "got"))
        self.assertEqual(getter.read_line(), b"$%d" % size)
        putter.send(announce("put", MIB), bytes(MIB // 2))
        lm.send(lm_head(LM_PUT, "lm", MIB), bytes(MIB // 2))
        self.watch.until("inflight_used", 2 * MIB)
        self.watch.close()
        self.terminate()
        self.assertEqual(http_get(server, "/livez")[0], 200)
        self.assertEqual(idle.read_until_closed(), b"")
        self.assertRaises(OSError, self.late_comer)
        putter.send(bytes(MIB // 2), b"\r\n")
        self.assertEqual(putter.reply(), b"+OK")
        self.assertEqual(putter.read_until_closed(), b"")
        lm.send(bytes(MIB // 2))
        self.assertEqual(lm.read_until_closed(), b"")
        self.assertIn('prefixcache_puts_total{result="stored"} 3\n',
                      http_get(server, "/metrics")[1])
        self.assertEqual(getter.read(size + 2), value + b"\r\n")
        self.assertEqual(getter.read_until_closed(), b"")
        self.assertEqual(server.stop(), 0)

    def late_comer(self):
        with RawClient(self.server) as late:
            late.socket.settimeout(0.2)
            late.command("PING")

    def test_requests_that_arrived_are_answered(self):
        """Sent before the signal, even if not read before it."""
        server = self.serve()
        clients = self.connect_many(50)
        for client in clients:
            self.assert_serves(client)
        os.kill(server.pid, signal.SIGSTOP)
        for client in clients:
            client.send(encode("ECHO", "here"))
        os.kill(server.pid, signal.SIGTERM)
        os.kill(server.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(client.reply(), b"here")
            self.assertEqual(client.read_until_closed(), b"")
        self.assertEqual(server.stop(), 0)

    def test_more_signals_do_not_kill_a_server_that_ends(self):
        server = self.serve()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) * 300:
            if server.process.poll() is not None:
                break
            os.kill(server.pid, number)
        self.assertEqual(server.stop(), 0)

    def test_a_drain_ends_at_its_limit(self):
        server = self.serve(limits_drain="300ms")
        putter = self.connect().send(announce("put", MIB), bytes(MIB // 2))
        self.watch.until("inflight_used", MIB)
        os.kill(server.pid, signal.SIGTERM)
        self.assertEqual(putter.read_until_closed(), b"")
        self.assertEqual(server.stop(), 0)
        self.assertIn("drain ended", server.stderr())

    def test_an_interrupt_drains_too_and_a_second_changes_nothing(self):
        server = self.serve(limits_drain="30s")
        putter = self.connect().send(announce("put", MIB), bytes(MIB // 2))
        self.watch.until("inflight_used", MIB)
        self.terminate(signal.SIGINT)
        self.terminate()
        putter.send(bytes(MIB // 2), b"\r\n")
        self.assertEqual(putter.reply(), b"+OK")
        self.assertEqual(server.stop(), 0)


class Reload(ServerTest):
    def serve_from(self, text):
        self.path = os.path.join(DIRECTORY, "reload.yaml")
        self.write(text)
        self.addCleanup(os.unlink, self.path)
        return self.adopt(ConfiguredServer(config=self.path))

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)

    def hang_up(self, says):
        before = self.server.stderr().count(says)
        os.kill(self.server.pid, signal.SIGHUP)
        until(lambda: self.server.stderr().count(says) > before, says)

    def test_a_changed_limit_holds_and_a_bad_file_changes_nothing(self):
        self.serve_from("limits:\n  value: 1MiB\n  connections: 7\n")
        client = self.connect()
        self.assertEqual(client.command("SET", "k", bytes(MIB)), b"+OK")
        self.assertEqual(self.watch["maxclients"], 7)
        self.write("limits:\n  value: 64KiB\n  connections: 9\n")
        self.hang_up("configuration reloaded")
        self.assertRegex(client.command("SET", "k", bytes(MIB)), b"^-ERR")
        self.assertEqual(self.watch["maxclients"], 9)
        for bad in "limits:\n  valeu: 1MiB\n", "limits: [", \
                "limits:\n  value: 1MiB\n  connections: many\n":
            self.write(bad)
            self.hang_up("configuration not reloaded")
            self.assertRegex(client.command("SET", "k", bytes(MIB)), b"^-ERR")
            self.assertEqual(self.watch["maxclients"], 9)
        self.assertIn("limits.value", self.server.stderr())
        self.write("limits:\n  value: 1MiB\n")
        self.hang_up("configuration reloaded")
        self.assertEqual(client.command("SET", "k", bytes(MIB)), b"+OK")

    def test_what_needs_a_restart_keeps_its_value(self):
        self.serve_from("limits:\n  value: 1MiB\n  inflight: 4MiB\n")
        self.write("limits:\n  value: 2MiB\n  inflight: 8MiB\n")
        self.hang_up("configuration reloaded")
        self.assertEqual(self.watch["inflight_size"], 4 * MIB)
        self.assertEqual(self.connect().command("SET", "k", bytes(2 * MIB)),
                         b"+OK")


class Refused(unittest.TestCase):
    """Starts that must fail: exit 1 where the machine says no, 2 where the
    configuration is wrong, and one clear line."""
    def start(self, *arguments):
        return subprocess.run(
            [program("PREFIXCACHED"), "--set", "listen.http=127.0.0.1:0",
             *arguments], capture_output=True, text=True, timeout=30,
            check=False)

    def assert_refused(self, code, words, *arguments):
        result = self.start(*arguments)
        self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "")
        for word in words:
            self.assertIn(word, result.stderr)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            for option in "listen.data", "listen.http":
                self.assert_refused(
                    1, ["can not listen on", address, "Address already in use"],
                    "--set", "listen.data=127.0.0.1:0",
                    "--set", f"{option}={address}")

    def test_a_wider_bind_without_saying_so(self):
        for address in "0.0.0.0:0", "[::]:0":
            for option in "listen.data", "listen.http":
                self.assert_refused(2, ["security.insecure", option],
                                    "--set", "listen.data=127.0.0.1:0",
                                    "--set", f"{option}={address}")

    def test_more_memory_than_there_is(self):
        self.assert_refused(2, ["dram.size", "64TiB"], "--set",
                            "listen.data=127.0.0.1:0",
                            "--set", "dram.size=64TiB")

    def test_a_host_that_is_none(self):
        result = self.start("--set", "listen.data=no.such.host.invalid:1")
        self.assertIn(result.returncode, (1, 2))
        self.assertIn("no.such.host.invalid", result.stderr)


if __name__ == "__main__":
    unittest.main()
