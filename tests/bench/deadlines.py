#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a shard in trouble costs, measured: three shards under load, of which one
is stopped, killed, or cut off by nftables (where there is nft, and leave to use
it), and comes back.

    deadlines.py [--seconds 10] [--get-ms 200] [--size 262144] [--json]

PREFIXCACHED and PREFIXCACHE_LIBRARY_CLIENT name the programs.  Bars: gets outlive
their deadline by at most 10 ms at p99.9; the other shards' gets are within a
quarter of what they were without trouble; the shard is asked again within 3 s of
its return; no wrong bytes.  Exit status 1 where one is missed.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from library_client import LibraryClient  # noqa: E402
from server import Server  # noqa: E402

OVER_US, RETURN_SECONDS, SHARE = 10_000, 3, 0.75
VICTIM, THREADS, KEYS = 1, 6, 300
TABLE = "prefixcache_deadlines"


def nft(*words):
    return subprocess.run(["nft", *words], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class Stopped:
    name = "stopped"

    def begin(self, server):
        os.kill(server.pid, signal.SIGSTOP)

    def end(self, server):
        os.kill(server.pid, signal.SIGCONT)


class Killed:
    name = "killed"

    def begin(self, server):
        server.kill()

    def end(self, server):
        server.options["listen.data"] = server.data_address
        server.start()


class CutOff:
    """Its packets vanish in both directions; nobody is told."""
    name = "cut off"

    def begin(self, server):
        nft("add", "table", "inet", TABLE)
        nft("add", "chain", "inet", TABLE, "input",
            "{ type filter hook input priority 0; }")
        for word in "sport", "dport":
            nft("add", "rule", "inet", TABLE, "input", "tcp", word,
                str(server.data_port), "drop")

    def end(self, server):
        nft("delete", "table", "inet", TABLE)


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.servers = [Server(**{"dram.size": "512MiB"}) for _ in range(3)]
        hosts = []
        for server in self.servers:
            server.start()
            hosts.append(server.data_address)
        self.url = (f"prefixcache://{','.join(hosts)}?"
                    f"get_ms={arguments.get_ms}&lookup_ms={arguments.get_ms}")
        self.missed = []

    def close(self):
        for server in self.servers:
            server.kill()
            server.log.close()
            os.unlink(server.log.name)

    def load(self, client):
        client.send("pinned", THREADS, int(self.arguments.seconds * 1000), KEYS,
                    self.arguments.size, self.arguments.get_ms)

    def loaded(self, client):
        return client.loaded()

    def bar(self, is_held, words):
        print(("   " if is_held else "!! ") + words, flush=True)
        if not is_held:
            self.missed.append(words)

    def fill(self, client):
        """Every key, so that a get that is answered is a hit."""
        for number in range(KEYS):
            size = self.arguments.size // 2
            size += number * 7919 % (size + 1)
            if client.put(f"load-{number}", number, size) != "OK":
                raise AssertionError("a put without trouble is not OK")

    def calm(self):
        client = LibraryClient(self.url)
        client.until_up()
        self.fill(client)
        self.load(client)
        told = self.loaded(client)
        client.close()
        return told

    def troubled(self, trouble, calm):
        client, watcher = LibraryClient(self.url), LibraryClient(self.url)
        client.until_up()
        self.fill(client)
        victim = self.servers[VICTIM]
        self.load(client)
        time.sleep(self.arguments.seconds / 4)
        trouble.begin(victim)
        try:
            told = self.loaded(client)
            watcher.until(lambda shards: not shards[VICTIM].is_up or
                          self.ask_victim(watcher))
        finally:
            trouble.end(victim)
        returned = time.monotonic()
        for one in client, watcher:
            one.until(lambda shards: shards[VICTIM].is_up and
                      not shards[VICTIM].is_open)
        took = time.monotonic() - returned
        client.close()
        watcher.close()
        self.judge(trouble, calm, told, took)
        return dict(told, back_seconds=took)

    @staticmethod
    def ask_victim(client):
        """Makes an idle client notice; false, so that it is asked again."""
        client.get("load-0", 0, 1 << 20)
        client.batch("gets", "load-", 12, 0, 1)
        return False

    def judge(self, trouble, calm, told, took):
        print(f"{trouble.name}:")
        for shard in range(3):
            gets, before = told[f"{shard}:gets"], calm[f"{shard}:gets"]
            words = (f"shard {shard}: {gets} gets, p50 "
                     f"{told[f'{shard}:p50_us']} us (calm {before}, "
                     f"{calm[f'{shard}:p50_us']} us)")
            self.bar(shard == VICTIM or gets >= SHARE * before, words)
            self.bar(told[f"{shard}:p999_over_us"] <= OVER_US,
                     f"shard {shard}: p99.9 {told[f'{shard}:p999_over_us']} us "
                     f"beyond the deadline, longest "
                     f"{told[f'{shard}:over_us']} us")
            self.bar(told[f"{shard}:wrong"] == 0,
                     f"shard {shard}: {told[f'{shard}:wrong']} wrong")
        self.bar(took <= RETURN_SECONDS, f"back after {took:.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--get-ms", type=int, default=200)
    parser.add_argument("--size", type=int, default=1 << 18)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    troubles = [Stopped(), Killed()]
    if shutil.which("nft") and nft("list", "tables"):
        troubles.append(CutOff())
    else:
        print("not cut off: nft is not here, or may not be used")
    run = Run(arguments)
    try:
        found = {"calm": run.calm()}
        for trouble in troubles:
            found[trouble.name] = run.troubled(trouble, found["calm"])
    finally:
        run.close()
    if arguments.json:
        print(json.dumps(found, indent=1))
    return 1 if run.missed else 0


if __name__ == "__main__":
    sys.exit(main())
