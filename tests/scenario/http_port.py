#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP port: what it answers, what it refuses, and that /metrics is what
Prometheus takes and holds every counter there is."""
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from raw_client import encode  # noqa: E402
from server_test import ServerTest  # noqa: E402

SOURCE = os.environ.get("PREFIXCACHE_SOURCE", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ROW = re.compile(r'^COUNTER\((\w+), "(\w+)", "((?:[^"\\]|\\.)*)", "(.*)"\)',
                 re.M)
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')


def counter_rows():
    """(name, metric, labels, help) of each row of base/counters.def."""
    with open(os.path.join(SOURCE, "base", "counters.def")) as file:
        text = re.sub(r'",\s+"', '", "', file.read())
    rows = ROW.findall(text)
    assert len(rows) == len(re.findall(r"^COUNTER\(", text, re.M))
    return [(name, metric, labels.replace('\\"', '"'), said)
            for name, metric, labels, said in rows]


class HttpPort(ServerTest):
    def setUp(self):
        self.serve()

    def ask(self, path, method="GET", body=None):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.http_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        return answer

    def samples(self):
        found = {}
        for line in self.ask("/metrics").text.splitlines():
            if not line.startswith("#"):
                metric, labels, value = SAMPLE.match(line).groups()
                self.assertNotIn((metric, labels or ""), found)
                found[metric, labels or ""] = float(value)
        return found

    def test_it_lives_and_is_ready(self):
        for path in "/livez", "/readyz", "/healthz":
            answer = self.ask(path)
            self.assertEqual((answer.status, answer.getheader("Content-Type")),
                             (200, "text/plain; charset=utf-8"))
        answer = self.ask("/livez", "HEAD")
        self.assertEqual((answer.status, answer.text), (200, ""))

    def test_what_is_not_there_is_404(self):
        for path in "/metrics/", "/v1/nothing", "/%2e%2e/etc/passwd", \
                "/..//etc/passwd", "/" + "x" * 8000, "/livezz":
            answer = self.ask(path)
            self.assertEqual(answer.status, 404, path)
            self.assertIn("/metrics", answer.text)

    def test_what_would_change_something_is_405(self):
        for path in "/livez", "/readyz", "/healthz", "/metrics":
            for method in "POST", "PUT", "DELETE":
                answer = self.ask(path, method, "x")
                self.assertEqual(
                    (answer.status, answer.getheader("Allow")),
                    (405, "GET, HEAD"), (method, path))

    def test_too_much_is_refused(self):
        with socket.create_connection(
                ("127.0.0.1", self.server.http_port), 20) as client:
            client.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Length: 2000000\r\n\r\n")
            self.assertIn(b" 413 ", client.recv(1000))
        with socket.create_connection(
                ("127.0.0.1", self.server.http_port), 20) as client:
            try:
                client.sendall(b"GET /livez HTTP/1.1\r\n" +
                               b"X: " + b"x" * 100_000 + b"\r\n\r\n")
                self.assertNotIn(b" 200 ", client.recv(1000))
            except ConnectionError:
                pass
        self.assertEqual(self.ask("/livez").status, 200)

    def test_another_protocol_is_refused(self):
        for hello in encode("SET", "k", "v"), b"\x16\x03\x01\x02\0\r\n", \
                b"\0\0\0\0\r\n\r\n":
            with socket.create_connection(
                    ("127.0.0.1", self.server.http_port), 20) as client:
                client.sendall(hello)
                client.shutdown(socket.SHUT_WR)
                said = client.recv(1000)
                self.assertTrue(said == b"" or b" 400 " in said, said)
        self.assertEqual(self.ask("/livez").status, 200)
        self.assertIsNone(self.connect().command("GET", "k"))

    def test_prometheus_takes_the_metrics(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing (Debian package prometheus)")
        answer = self.ask("/metrics")
        self.assertEqual(answer.getheader("Content-Type"),
                         "text/plain; version=0.0.4; charset=utf-8")
        result = subprocess.run(["promtool", "check", "metrics"],
                                input=answer.text, capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "", ""))

    def test_every_counter_is_a_metric(self):
        samples, text = self.samples(), self.ask("/metrics").text
        rows = counter_rows()
        self.assertGreater(len(rows), 30)
        for name, metric, labels, said in rows:
            self.assertIn((metric, labels), samples, name)
            self.assertIn(f"# HELP {metric} {said}\n", text)
            self.assertEqual(text.count(f"# TYPE {metric} counter\n"), 1)
        self.assertEqual({name for name, *_ in rows} - set(self.watch.info()),
                         set())

    def test_counters_and_gauges_move(self):
        client = self.connect()
        before = self.samples()
        client.command("SET", "k", b"12345")
        client.command("GET", "k")
        client.command("GET", "nothing")
        client.command("NONSENSE")
        after = self.samples()

        def grew(metric, labels=""):
            return after[metric, labels] - before[metric, labels]
        self.assertEqual(grew("prefixcache_requests_total",
                              'wire="resp",verb="put"'), 1)
        self.assertEqual(grew("prefixcache_requests_total",
                              'wire="resp",verb="get"'), 2)
        self.assertEqual(grew("prefixcache_gets_total", 'result="hit"'), 1)
        self.assertEqual(grew("prefixcache_gets_total", 'result="miss"'), 1)
        self.assertEqual(grew("prefixcache_puts_total", 'result="stored"'), 1)
        self.assertEqual(grew("prefixcache_put_bytes_total"), 5)
        self.assertEqual(grew("prefixcache_get_bytes_total"), 5)
        self.assertEqual(grew("prefixcache_error_replies_total",
                              'wire="resp"'), 1)
        self.assertEqual(grew("prefixcache_http_requests_total"), 1)
        self.assertEqual(grew("prefixcache_entries"), 1)
        self.assertEqual(grew("prefixcache_dram_chunks"), 1)
        self.assertEqual(after["prefixcache_ready", ""], 1)
        self.assertEqual(after["prefixcache_connections", ""], 1)


if __name__ == "__main__":
    unittest.main()
