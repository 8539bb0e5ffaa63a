#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""prefixcache-cli top: as lines, as JSON, and on a terminal."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from server import Server, program  # noqa: E402
from server_test import ServerTest  # noqa: E402

CLI = program("PREFIXCACHE_CLI")
DONE, _, USAGE, CONNECTION, _ = range(5)
SECONDS = 30
SEQUENCE = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
FULL_SCREEN, NORMAL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
CLEAR = b"\x1b[H\x1b[2J"
LINE = re.compile(r"^(\d+)/(\d+) +\d\d:\d\d:\d\d( +\S+){10}$")


def has_screen():
    """Whether this build has ncurses; without it there are lines."""
    linked = subprocess.run(["ldd", CLI], stdout=subprocess.PIPE, check=False)
    return b"ncurses" in linked.stdout


class TopTest(ServerTest):
    def start(self, **options):
        self.serve(**options)
        self.client = self.connect()
        self.urls = [f"127.0.0.1:{self.server.data_port}"]

    def command(self, *arguments):
        return [CLI, "--url", "prefixcache://" + ",".join(self.urls), "top",
                *arguments]

    def call(self, *arguments, code=DONE):
        result = subprocess.run(self.command(*arguments), text=True,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                timeout=SECONDS, check=False)
        self.assertEqual(result.returncode, code,
                         (result.stdout, result.stderr))
        return result

    def follow(self, *arguments):
        """Runs until the test is over; its objects come by self.next()."""
        process = subprocess.Popen(self.command("-o", "json", *arguments),
                                   stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.process = process

    def next(self):
        return json.loads(self.process.stdout.readline())

    def next_that(self, is_so):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            state = self.next()
            if is_so(state):
                return state
        raise AssertionError(f"not within {SECONDS} s: {state}")


class Lines(TopTest):
    def test_each_interval_is_a_line_under_its_title(self):
        self.start()
        lines = self.call("--interval", "100ms", "--count",
                          "22").stdout.splitlines()
        titles = [number for number, line in enumerate(lines)
                  if line.startswith("UP ")]
        self.assertEqual(titles, [0, 21])
        self.assertEqual(len(lines), 24)
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})
        for number, line in enumerate(lines):
            if number not in titles:
                self.assertRegex(line, LINE)
                self.assertEqual(line.split()[0], "1/1")

    def test_a_line_comes_when_its_interval_is_over(self):
        self.start()
        start = time.monotonic()
        self.call("--interval", "200ms", "--count", "3")
        self.assertGreaterEqual(time.monotonic() - start, 0.6)

    def test_a_shard_that_is_gone_is_counted(self):
        self.start()
        self.urls.append("127.0.0.1:1")
        lines = self.call("--interval", "100ms", "--count",
                          "2").stdout.splitlines()
        self.assertEqual(lines[-1].split()[0], "1/2")

    def test_no_server_at_all_is_exit_3(self):
        self.urls = ["127.0.0.1:1"]
        lines = self.call("--interval", "100ms", "--count", "2",
                          code=CONNECTION).stdout.splitlines()
        self.assertEqual(lines[-1].split()[0], "0/1")

    def test_what_is_wrong_with_the_command_line_is_said(self):
        self.urls = ["127.0.0.1:1"]
        for arguments in (("--interval", "soon"), ("--count", "-1"),
                          ("--walk", "3"), ("argument",)):
            result = self.call(*arguments, code=USAGE)
            self.assertEqual(result.stdout, "")
            self.assertTrue(result.stderr)

    def test_output_that_cannot_be_written_ends_it(self):
        self.start()
        with open("/dev/full", "wb") as full:
            result = subprocess.run(
                self.command("--interval", "100ms"), stdout=full,
                stderr=subprocess.PIPE, timeout=SECONDS, check=False)
        self.assertEqual(result.returncode, USAGE)
        self.assertIn(b"standard output", result.stderr)


class Json(TopTest):
    def test_all_that_happens_is_in_one_interval(self):
        self.start()
        self.follow("--interval", "200ms")
        self.next()
        for number in range(50):
            key = f"m@1@0@{number}@h"
            self.client.command("SET", key, bytes(1000))
            self.client.command("EXISTS", key)
            self.client.command("GET", key)
        for number in range(50):
            self.client.command("EXISTS", f"m@1@0@{number}@none")
        sums = dict.fromkeys(("puts", "queries", "get_bytes", "put_bytes"), 0)

        def is_all(state):
            for name in sums:
                sums[name] += (state["total"][f"{name}_per_second"] *
                               state["seconds"])
            return round(sums["queries"]) >= 100
        state = self.next_that(is_all)
        self.assertEqual({name: round(total) for name, total in sums.items()},
                         {"puts": 50, "queries": 100, "get_bytes": 50_000,
                          "put_bytes": 50_000})
        self.assertEqual([(model["model"], model["queries"], model["hits"],
                           model["puts"]) for model in state["models"]],
                         [("m", 100, 50, 50)])
        self.assertEqual(state["shards"][0]["name"], self.urls[0])

    def test_tiers_have_size_use_and_hits(self):
        self.start(dram_size="64MiB")
        self.client.command("SET", "m@a", bytes(1 << 20))
        self.follow("--interval", "200ms")
        self.next()
        for _ in range(10):
            self.client.command("GET", "m@a")
            self.client.command("GET", "m@none")
        state = self.next_that(lambda state: state["total"]["tiers"][0]
                               ["hits_per_second"] > 0)
        tier, = state["shards"][0]["tiers"]
        self.assertEqual((tier["tier"], tier["size_bytes"], tier["values"],
                          tier["out_of_service"]), ("dram", 64 << 20, 1, 0))
        self.assertGreater(tier["used_bytes"], 1 << 20)
        self.assertGreater(tier["hit_ratio"], 0)
        self.assertLess(tier["hit_ratio"], 1)

    def test_how_long_a_get_takes_is_told(self):
        self.start()
        self.client.command("SET", "m@a", bytes(1 << 20))
        for _ in range(100):
            self.client.command("GET", "m@a")
        self.watch.until("dram_get_bytes_per_second", 1)
        state = json.loads(self.call("-o", "json", "--interval", "100ms",
                                     "--count", "1").stdout)
        self.assertGreater(state["total"]["tiers"][0]["get_ms"], 0)

    def test_without_requests_there_is_no_hit_ratio(self):
        self.start()
        state = json.loads(self.call("-o", "json", "--interval", "100ms",
                                     "--count", "1").stdout)
        self.assertIsNone(state["total"]["hit_ratio"])
        self.assertEqual(state["shards_up"], 1)

    def test_a_server_that_is_started_anew_counts_anew(self):
        self.start()
        for number in range(1000):
            self.client.command("GET", f"m@{number}")
        self.follow("--interval", "100ms")
        before = self.next()
        address = self.server.data_address
        self.client.close()
        self.watch.close()
        self.server.stop()
        self.next_that(lambda state: state["shards_up"] == 0)
        self.adopt(Server(**{"listen.data": address, "limits.workers": 2}))
        state = self.next_that(lambda state: state["shards_up"] == 1)
        for state in state, self.next():
            for name, value in state["total"].items():
                if name.endswith("_per_second"):
                    self.assertGreaterEqual(value, 0, name)
                    self.assertLess(value, 900, name)
        self.assertEqual(before["shards"][0]["name"],
                         state["shards"][0]["name"])
        self.assertEqual(state["models"], [])

    def test_a_shard_that_is_gone_is_down_and_the_other_one_is_not(self):
        self.start()
        first = self.server
        self.serve()
        self.urls.append(f"127.0.0.1:{self.server.data_port}")
        self.follow("--interval", "100ms")
        self.assertEqual([shard["up"] for shard in self.next()["shards"]],
                         [True, True])
        first.stop()
        state = self.next_that(lambda state: state["shards_up"] == 1)
        self.assertEqual([shard["up"] for shard in state["shards"]],
                         [False, True])


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command, rows=24, columns=80, kind="xterm"):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env=dict(os.environ, TERM=kind),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.output = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys)

    def read(self, seconds):
        """False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has it open any more
            return False
        self.output += got
        return bool(got)

    def await_text(self, *words, behind=b""):
        """In what is painted from here on, without its escape sequences;
        `behind` is what has to come first."""
        deadline, start = time.monotonic() + SECONDS, len(self.output)
        while True:
            painted = self.output[start:]
            if behind:
                painted = painted.partition(behind)[2]
            text = SEQUENCE.sub(b" ", painted).decode(errors="replace")
            if all(word in text for word in words):
                return text
            if time.monotonic() > deadline or not self.read(1):
                raise AssertionError(f"{words} in {text!r}")

    def press_and_look(self, keys, *words):
        """At all of the screen that comes of it."""
        self.press(keys + b"\x0c")
        return self.await_text(*words, behind=CLEAR)

    def await_end(self):
        while self.read(1):
            if self.process.poll() is not None and not select.select(
                    [self.master], [], [], 0)[0]:
                break
        return self.process.wait(SECONDS)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@unittest.skipUnless(has_screen(), "built without ncurses")
class Screen(TopTest):
    def open(self, *arguments, **more):
        terminal = Terminal(self.command(*arguments), **more)
        self.addCleanup(terminal.close)
        return terminal

    def test_it_fills_the_screen_and_gives_it_back(self):
        self.start()
        self.client.command("SET", "llama@a", b"x")
        terminal = self.open("--interval", "200ms")
        text = terminal.await_text("shards up", "SHARD", "REQ/S", "TIER",
                                   "dram", "MODEL", "llama", "q quit")
        self.assertIn(self.urls[0], text)
        self.assertIn(FULL_SCREEN, terminal.output)
        self.assertNotIn(NORMAL_SCREEN, terminal.output)
        terminal.press(b"q")
        self.assertEqual(terminal.await_end(), DONE)
        self.assertIn(NORMAL_SCREEN, terminal.output)

    def test_an_interrupt_ends_it_well(self):
        self.start()
        for key in b"\x03", b"Q":
            terminal = self.open("--interval", "1h")
            terminal.await_text("q quit")
            terminal.press(key)
            self.assertEqual(terminal.await_end(), DONE)
            self.assertIn(NORMAL_SCREEN, terminal.output)

    def test_it_ends_after_so_many_intervals(self):
        self.start()
        terminal = self.open("--interval", "100ms", "--count", "2")
        self.assertEqual(terminal.await_end(), DONE)

    def test_keys_pause_and_change_the_interval(self):
        self.start()
        terminal = self.open("--interval", "400ms")
        terminal.await_text("each 0.4 s")
        terminal.press(b" ")
        terminal.await_text("PAUSED")
        terminal.press_and_look(b" ", "each 0.4 s")
        terminal.press_and_look(b"+", "each 0.8 s")
        terminal.press_and_look(b"--", "each 0.2 s")

    def test_shards_can_be_sorted_by_load(self):
        self.start()
        self.urls.insert(0, "127.0.0.1:1")
        terminal = self.open("--interval", "1h")
        text = terminal.await_text("does not answer", self.urls[1], "q quit")
        self.assertLess(text.index(self.urls[0] + " "),
                        text.index(self.urls[1] + " "))
        text = terminal.press_and_look(b"s", "does not answer", "q quit")
        self.assertGreater(text.index(self.urls[0] + " "),
                           text.index(self.urls[1] + " "))

    def test_a_new_size_is_painted_at_once(self):
        self.start()
        terminal = self.open("--interval", "1h", columns=60)
        self.assertNotIn("NVME%", terminal.await_text("q quit"))
        terminal.resize(30, 120)
        terminal.await_text("NVME%", "q quit")
        terminal.resize(3, 15)
        terminal.await_text("prefixcache")
        terminal.resize(24, 60)
        self.assertNotIn("NVME%", terminal.await_text("SHARD", "q quit"))
        terminal.press(b"q")
        self.assertEqual(terminal.await_end(), DONE)

    def test_what_does_not_fit_is_scrolled_to(self):
        self.start()
        for number in range(30):
            self.client.command("SET", f"model{number:02}@a", b"x")
        terminal = self.open("--interval", "1h", rows=12)
        text = terminal.await_text("SHARD", "q quit")
        self.assertNotIn("model29", text)
        terminal.press_and_look(b"j" * 60, "shards up", "model29", "q quit")
        text = terminal.press_and_look(b"k" * 60, "SHARD", "TIER", "q quit")
        self.assertNotIn("model29", text)

    def test_a_strange_model_harms_no_terminal(self):
        self.start()
        self.client.command("SET", "mod\u00e8le@a".encode(), b"x")
        terminal = self.open("--interval", "1h")
        terminal.await_text("mod??le", "q quit")

    def test_a_terminal_that_can_not_be_painted_on_has_lines(self):
        self.start()
        for kind in "dumb", "no-such-terminal", "":
            terminal = self.open("--interval", "100ms", "--count", "1",
                                 kind=kind)
            self.assertEqual(terminal.await_end(), DONE)
            self.assertIn(b"UP ", terminal.output)
            self.assertNotIn(b"\x1b", terminal.output)


if __name__ == "__main__":
    unittest.main()
