#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What shells offer behind prefixcache-cli is what --help says there is: its
commands, and the options of each."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import program  # noqa: E402  (after the path to it)

CLI = program("PREFIXCACHE_CLI")
SOURCE = os.environ.get("PREFIXCACHE_SOURCE", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FOLDER = os.path.join(SOURCE, "tools", "cli", "completion")
COMMON = {"--url", "--output", "--timeout", "--help", "--usage", "--version"}

# The words of the line are arguments of the shell; the last one is completed.
BASH = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_prefixcache_cli
printf '%s\n' "${COMPREPLY[@]}"
"""


def help_text():
    return subprocess.run([CLI, "--help"], stdout=subprocess.PIPE, check=True,
                          env=dict(os.environ, ARGP_HELP_FMT="rmargin=1000"),
                          text=True).stdout


def read_help():
    """({command: its options}, {option of a command: does it take text?})"""
    text = help_text()
    commands = {name: set() for name in
                re.findall(r"^  ([a-z]+) ", text.split("\nCommands:\n")[1]
                           .split("\n\n")[0], re.MULTILINE)}
    options = {}
    for name, argument, users in re.findall(
            r"^ +--([a-z]+)(=[A-Z]+)? +([a-z, ]+): ",
            text.split("Of single commands:")[1], re.MULTILINE):
        options["--" + name] = bool(argument)
        for user in users.split(", "):
            commands[user].add("--" + name)
    return commands, options


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.commands, cls.options = read_help()

    def complete(self, *words):
        path = os.path.join(FOLDER, "prefixcache-cli")
        result = subprocess.run(
            ["bash", "--norc", "-c", BASH, "bash", path, "prefixcache-cli",
             *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=os.environ.get("PREFIXCACHE_TMP"), text=True, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return set(result.stdout.split())

    def test_help_has_commands_and_their_options(self):
        self.assertIn("top", self.commands)
        self.assertEqual(self.commands["doctor"], {"--walk", "--compare"})
        self.assertEqual(self.commands["ping"], set())
        self.assertTrue(self.options["--walk"])
        self.assertFalse(self.options["--long"])

    def test_bash_offers_every_command(self):
        self.assertEqual(self.complete(""), set(self.commands))
        self.assertEqual(self.complete("do"), {"doctor"})
        self.assertEqual(self.complete("-o", "json", "sta"), {"stat"})

    def test_bash_offers_each_commands_options(self):
        self.assertEqual(self.complete("--"), COMMON)
        for command, options in self.commands.items():
            self.assertEqual(self.complete(command, "--"), COMMON | options,
                             command)

    def test_bash_takes_an_options_text_for_no_command(self):
        # As bash breaks words: at "=" and ":".
        url = ["--url", "=", "redis", ":", "//h", ":", "7654"]
        self.assertEqual(self.complete(*url, "top", "--i"), {"--interval"})
        url = ["-u", "redis", "://h", ":", "7654"]
        self.assertEqual(self.complete(*url, "top", "--i"), {"--interval"})
        for option, has_text in self.options.items():
            if has_text:
                self.assertEqual(self.complete(option, "5", "top", "--i"),
                                 {"--interval"}, option)

    def test_bash_offers_formats_schemes_and_files(self):
        self.assertEqual(self.complete("-o", ""), {"table", "json"})
        self.assertEqual(self.complete("--output", "=", "j"), {"json"})
        self.assertIn("redis", " ".join(self.complete("--url", "re")))
        folder = os.environ.get("PREFIXCACHE_TMP", os.getcwd())
        os.mkdir(os.path.join(folder, "folder.d"))
        with open(os.path.join(folder, "folder.f"), "w", encoding="ascii"):
            pass
        self.assertEqual(self.complete("dump", "folder"),
                         {"folder.d", "folder.f"})
        self.assertEqual(self.complete("put", "--from", "folder"),
                         {"folder.d"})
        self.assertEqual(self.complete("exists", "folder"), set())

    def zsh(self):
        with open(os.path.join(FOLDER, "_prefixcache-cli"),
                  encoding="utf-8") as file:
            return file.read()

    def test_zsh_is_given_every_command(self):
        listed = self.zsh().split("verbs=(")[1].split("\n)")[0]
        self.assertEqual(set(re.findall(r"^ +'([a-z]+):", listed,
                                        re.MULTILINE)), set(self.commands))

    def test_zsh_is_given_each_commands_options(self):
        text = self.zsh()
        named = dict(re.findall(r"^local (\w+)='--(\w+)", text, re.MULTILINE))
        cases = text.split("case $verb in")[1]
        found = {command: set() for command in self.commands}
        for names, case in re.findall(r"^    ([a-z |]+)\)\n(.*?);;", cases,
                                      re.MULTILINE | re.DOTALL):
            options = {"--" + name for name in re.findall(r"'--(\w+)", case)}
            options |= {"--" + option for word, option in named.items()
                        if f"${word}" in case.split()}
            for name in names.split(" | "):
                found[name] = options
        self.assertEqual(found, self.commands)

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_can_read_it(self):
        result = subprocess.run(
            ["zsh", "-n", os.path.join(FOLDER, "_prefixcache-cli")],
            stderr=subprocess.PIPE, check=False, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
