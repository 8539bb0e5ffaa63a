#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The program's command line: where options come from, what it says when they
are wrong, and its exit codes."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from server import program  # noqa: E402
from server_test import MIB, ServerTest  # noqa: E402

PROGRAM = program("PREFIXCACHED")


class ConfigTest(ServerTest):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def file(self, text):
        path = os.path.join(self.directory.name, "conf.yaml")
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_it(self, code, *arguments, environment=None):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("PREFIXCACHE_")}
        result = subprocess.run([PROGRAM, *arguments], capture_output=True,
                                text=True, timeout=30, check=False,
                                env=dict(clean, **(environment or {})))
        self.assertEqual(result.returncode, code, result)
        return result

    def printed(self, *arguments, **more):
        """{section.key: (value, source)}"""
        found, section = {}, None
        text = self.run_it(0, "--print-config", *arguments, **more).stdout
        for line in text.splitlines():
            if not line.startswith(" "):
                section = line.rstrip(":")
                continue
            setting, source = line.split("  # ")
            key, value = setting.strip().split(": ", 1)
            found[f"{section}.{key}"] = (value.strip('"'), source)
        return found


class Sources(ConfigTest):
    def test_later_sources_win_and_are_named(self):
        path = self.file("limits:\n  key: 100\n  value: 1MiB\n  head: 2MiB\n")
        environment = {"PREFIXCACHE_LIMITS_VALUE": "2MiB",
                       "PREFIXCACHE_LIMITS_HEAD": "3MiB"}
        found = self.printed("--config", path, "--set", "limits.head=4MiB",
                             environment=environment)
        self.assertEqual(found["limits.key"][0], "100")
        self.assertIn(path, found["limits.key"][1])
        self.assertEqual(found["limits.value"][0], "2MiB")
        self.assertIn("PREFIXCACHE_LIMITS_VALUE", found["limits.value"][1])
        self.assertEqual(found["limits.head"], ("4MiB", "--set"))
        self.assertEqual(found["lease.ms"], ("10s", "default"))
        self.assertEqual(found["limits.inflight"][1], "derived")

    def test_what_is_printed_is_a_configuration(self):
        first = self.run_it(0, "--print-config", "--set", "dram.size=64MiB",
                            "--set", "log.level=debug").stdout
        path = self.file(first)
        again = self.printed("--config", path)
        self.assertEqual(again["dram.size"][0], "64MiB")
        self.assertEqual(again["log.level"][0], "debug")
        self.run_it(0, "--config", path, "--check-config")

    def test_a_server_takes_all_of_them(self):
        path = self.file("limits:\n  value: 1MiB\n  connections: 70\n")
        self.adopt(ConfiguredServer(
            config=path, environment={"PREFIXCACHE_LIMITS_CONNECTIONS": "80"},
            limits_inflight="3MiB"))
        self.assertEqual(self.watch["maxclients"], 80)
        self.assertEqual(self.watch["inflight_size"], 3 * MIB)
        self.assertRegex(self.connect().command("SET", "k", bytes(MIB + 1)),
                         b"^-ERR")


class Complaints(ConfigTest):
    def complaint(self, *arguments, **more):
        result = self.run_it(2, *arguments, **more)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr

    def test_a_wrong_file_is_exit_2_with_its_line(self):
        for text, words in (
                ("limits:\n  valeu: 1MiB\n", [":2:3:", "valeu",
                                              "limits.value"]),
                ("limit:\n  value: 1MiB\n", [":1:1:", "limit", "limits"]),
                ("limits:\n  value: lots\n", [":2:", "limits.value", "lots"]),
                ("limits:\n  value: 9TiB\n", [":2:", "limits.value", "9TiB"]),
                ("limits:\n  value: 1MiB\n  value: 2MiB\n", [":3:", "value"]),
                ("limits: [\n", [":1:"]),
                ("just words\n", [":1:1:"])):
            path = self.file(text)
            for mode in [], ["--check-config"], ["--print-config"]:
                said = self.complaint("--config", path, *mode)
                for word in [path] + words:
                    self.assertIn(word, said, text)

    def test_a_missing_file_is_exit_2(self):
        path = os.path.join(self.directory.name, "nothing.yaml")
        said = self.complaint("--check-config", "--config", path)
        self.assertIn(path, said)
        self.assertIn("No such file", said)

    def test_wrong_settings_are_exit_2(self):
        for setting, word in (("dram.sise=1MiB", "dram.size"),
                              ("dram.size", "="), ("dram.size=", "dram.size"),
                              ("dram.size=-1", "dram.size"),
                              ("log.level=loud", "log.level"),
                              ("lease.ms=soon", "lease.ms"),
                              ("listen.data=here", "listen.data")):
            self.assertIn(word, self.complaint("--check-config", "--set",
                                               setting))

    def test_a_wrong_variable_is_exit_2(self):
        said = self.complaint("--check-config", environment={
            "PREFIXCACHE_DRAM_SIZE": "big"})
        self.assertIn("PREFIXCACHE_DRAM_SIZE", said)

    def test_a_good_configuration_is_exit_0_and_says_nothing(self):
        result = self.run_it(0, "--check-config", "--set", "dram.size=64MiB")
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_wrong_command_line_is_exit_2(self):
        for arguments in ["--frobnicate"], ["word"], ["--set"], ["--config"]:
            self.assertIn("--help", self.run_it(2, *arguments).stderr)

    def test_help_and_version_are_exit_0(self):
        self.assertIn("--check-config", self.run_it(0, "--help").stdout)
        self.assertTrue(self.run_it(0, "--version").stdout.startswith(
            "prefixcached "))


if __name__ == "__main__":
    unittest.main()
