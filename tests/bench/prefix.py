#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long prefix lookups take, on a server that holds very many small chunks:
over RESP alone, beside a writer at a steady pace, beside one that writes as fast
as it can, and over HTTP; and how many names a second the index itself looks up.

    PREFIXCACHED=build/prefixcached PREFIXCACHE_BENCH=build/prefixcache-bench \\
        tests/bench/prefix.py [--entries N] [--keys N] [--seconds S] [--rounds N]

The HTTP client is Python's, whose own time is in its figures.  Exit status 1
where a bar was missed.
"""
import argparse
import http.client
import json
import os
import random
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
from server import Server  # noqa: E402  (peers knows the way)

WRITER = "200M"
# Microseconds at most, p99; beside the writer that is paced.
BAR_P99 = 1000
BAR_PROBES = 1_000_000
ENTRY_BYTES = 1024  # of DRAM and of the index, generously


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def lookup(server, arguments, *more):
    found = peers.bench(
        ["lookup", server.url(), "--entries", str(arguments.entries), "--keys",
         str(arguments.keys), "--seconds", str(arguments.seconds), *more],
        arguments.seconds)
    return found["lookup"], found["written_gb_per_s"]


def name_of(number):
    """As prefixcache-bench names its values of 256 bytes."""
    return f"prefixcache-bench@1@0@{256 << 32 | number:016x}@u8"


def over_http(server, arguments):
    """p50 and p99 of POST /v1/prefix, one question after the other."""
    client = http.client.HTTPConnection("127.0.0.1", server.http_port)
    took, until = [], time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        first = random.randrange(arguments.entries - arguments.keys)
        body = json.dumps({"keys": [name_of(first + i) for i in
                                    range(arguments.keys)]})
        start = time.perf_counter_ns()
        client.request("POST", "/v1/prefix", body)
        answer = client.getresponse().read()
        took.append((time.perf_counter_ns() - start) / 1000)
        if json.loads(answer) != {"matched": arguments.keys}:
            raise peers.Failed(f"POST /v1/prefix: {answer[:200]!r}")
    client.close()
    took.sort()
    return {"p50_us": took[len(took) // 2],
            "p99_us": took[int(len(took) * 0.99)]}, 0


def middle(rows, name):
    return statistics.median(row[0][name] for row in rows)


def main():
    arguments = parse_arguments()
    options = {"dram.size": (256 << 20) + arguments.entries * ENTRY_BYTES,
               "limits.index_memory": (64 << 20) +
               arguments.entries * ENTRY_BYTES}
    ways = {
        "RESP": lambda server: lookup(server, arguments, "--no-fill"),
        "RESP, with tiers": lambda server: lookup(
            server, arguments, "--no-fill", "--with-tiers"),
        f"RESP, {WRITER}B/s written": lambda server: lookup(
            server, arguments, "--no-fill", "--write", WRITER),
        "RESP, saturated": lambda server: lookup(
            server, arguments, "--no-fill", "--write", "max"),
        "HTTP": lambda server: over_http(server, arguments),
    }
    found = {way: [] for way in ways}
    probes = []
    with Server(**options) as server:
        lookup(server, argparse.Namespace(**{**vars(arguments),
                                             "seconds": 0.1}))
        for _ in range(arguments.rounds):
            for way, measure in ways.items():
                found[way].append(measure(server))
    for _ in range(arguments.rounds):
        probes.append(peers.bench(
            ["lookup", "--entries", str(arguments.entries), "--seconds",
             str(arguments.seconds)], arguments.seconds)["here_per_second"])
    print(f"lookups of {arguments.keys} of {arguments.entries} keys, medians "
          f"of {arguments.rounds} rounds")
    print(f"{'':24}{'p50 us':>10}{'p99 us':>10}{'written GB/s':>14}")
    for way, rows in found.items():
        print(f"{way:24}{middle(rows, 'p50_us'):10.0f}"
              f"{middle(rows, 'p99_us'):10.0f}"
              f"{statistics.median(row[1] for row in rows):14.2f}")
    print(f"index itself: {statistics.median(probes) / 1e6:.2f} million probes "
          f"a second by one thread")
    missed = []
    paced = middle(found[f"RESP, {WRITER}B/s written"], "p99_us")
    if paced > BAR_P99:
        missed.append(f"p99 beside the writer is {paced:.0f} us, not at most "
                      f"{BAR_P99}")
    if statistics.median(probes) < BAR_PROBES:
        missed.append(f"fewer than {BAR_PROBES} probes a second")
    for line in missed:
        print("MISSED:", line)
    sys.exit(1 if missed else 0)


main()
