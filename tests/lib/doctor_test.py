# SPDX-License-Identifier: Apache-2.0
"""Tests of prefixcache-cli doctor: engines that spell names as LMCache does, and
what is found in the servers they have used."""
import hashlib
import json
import subprocess

from server import program
from server_test import ServerTest

CLI = program("PREFIXCACHE_CLI")
DONE, FINDINGS, USAGE, CONNECTION, _ = range(5)
MANY = 40
NOBODY = "127.0.0.1:1"  # where no server listens


def digest(number, digits):
    return hashlib.sha256(b"%d" % number).hexdigest()[:digits]


def spell(number, model="m", workers=1, rank=0, digits=64, sign="",
          dtype="bfloat16"):
    return f"{model}@{workers}@{rank}@{sign}{digest(number, digits)}@{dtype}"


def names(count=MANY, start=0, **parts):
    return [spell(number, **parts) for number in range(start, start + count)]


class DoctorTest(ServerTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()
        self.urls = [f"127.0.0.1:{self.server.data_port}"]

    def start_another(self):
        """A shard of its own; gives its client."""
        first = self.server
        self.serve()
        self.urls.append(f"127.0.0.1:{self.server.data_port}")
        client, self.server = self.connect(), first
        return client

    def put(self, keys, value=None, client=None, **terms):
        for key in keys:
            body = value or key.encode() * 8
            words = [word for term in terms.items() for word in term]
            self.assertEqual((client or self.client).command(
                "SET", key, body, *words), b"+OK")

    def ask(self, keys, found, client=None):
        for key in keys:
            self.assertEqual((client or self.client).command("EXISTS", key),
                             b":1" if found else b":0", key)

    def get(self, keys, client=None):
        for key in keys:
            self.assertIsNotNone((client or self.client).command("GET", key))

    def call(self, *arguments, code=None, url=None):
        result = subprocess.run(
            [CLI, "--url", url or "prefixcache://" + ",".join(self.urls),
             "doctor", *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=60, check=False, text=True)
        if code is not None:
            self.assertEqual(result.returncode, code,
                             (result.stdout, result.stderr))
        return result

    def diagnose(self, *arguments, url=None):
        """{rule: finding}; the exit status agrees with it."""
        result = self.call("-o", "json", *arguments, url=url)
        self.report = json.loads(result.stdout)
        found = {finding["rule"]: finding
                 for finding in self.report["findings"]}
        self.assertEqual(result.returncode, FINDINGS if found else DONE,
                         (result.stdout, result.stderr))
        for finding in found.values():
            self.assertIn(finding["severity"], ("note", "warn", "bad"))
            self.assertGreater(len(finding["what"]), 20)
            self.assertGreater(len(finding["do"]), 10)
            self.assertTrue(finding["figures"])
        return found

    def assert_finds(self, rule, *words, arguments=(), figures=None):
        found = self.diagnose(*arguments)
        self.assertIn(rule, found)
        for word in words:
            self.assertIn(word, found[rule]["what"])
        for name, value in (figures or {}).items():
            self.assertEqual(found[rule]["figures"][name], value, name)
        return found

    def assert_silent(self, *arguments):
        self.assertEqual(self.diagnose(*arguments), {})

    def use(self, **parts):
        """What a healthy engine does: most of what it asks for is here."""
        self.put(names(**parts))
        self.ask(names(**parts), True)
        self.get(names(**parts))
        self.ask(names(start=1000, count=MANY // 4, **parts), False)
