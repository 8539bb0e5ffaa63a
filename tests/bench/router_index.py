#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The llm-d router's index here and on redis-server, in turn: the time of a
look-up as the router makes it, one pipeline of HKEYS for each block of a long
prompt, half of them present, and the memory of a block.

A person runs it, on a quiet machine:

    PREFIXCACHED=build/prefixcached tests/bench/router_index.py

Both servers are filled by the router's own pipelines: for each block a ZADD of
its engine key and an HSET for each pod that holds it.  CPU is what all threads
of the server's process have used.
"""
import argparse
import glob
import os
import random
import select
import shutil
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import router  # noqa: E402
from resp_client import Redis, RespClient  # noqa: E402
from server import Server  # noqa: E402

BLOCKS_AT_ONCE = 500
SEED = 7


class Peer:
    def __init__(self, name, client, pid):
        self.name = name
        self.client = client
        self.pid = pid
        self.seconds, self.cpu_seconds = [], []

    def pipeline(self, request, replies):
        """Sends all of it while it reads until there are so many lines."""
        connection = self.client.socket
        connection.setblocking(False)
        left, lines, size = memoryview(request), 0, 0
        while lines < replies:
            readable, writable, _ = select.select(
                [connection], [connection] if left else [], [], 30)
            if readable:
                got = connection.recv(1 << 20)
                if not got:
                    raise EOFError(f"{self.name} closed the connection")
                lines += got.count(b"\n")
                size += len(got)
            if writable:
                left = left[connection.send(left):]
            if not readable and not writable:
                raise TimeoutError(f"{self.name}: {lines} of {replies} lines")
        connection.settimeout(30)
        return size

    def cpu(self):
        """Seconds its process has used so far."""
        total = 0
        for path in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            with open(path) as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def measure(self, request, replies):
        cpu, start = self.cpu(), time.perf_counter()
        self.pipeline(request, replies)
        self.seconds.append(time.perf_counter() - start)
        self.cpu_seconds.append(self.cpu() - cpu)

    def used(self):
        info = self.client.info()
        return int(info.get("router_index_used") or info["used_memory"])


def fill(peers, blocks, pods, fleet):
    for first in range(0, len(blocks), BLOCKS_AT_ONCE):
        part = blocks[first:first + BLOCKS_AT_ONCE]
        request = b"".join(
            router.pipeline(router.add([block ^ 1], [block],
                                       [router.pod((block + i) % fleet)
                                        for i in range(pods)]))
            for block in part)
        for peer in peers:
            peer.pipeline(request, len(part) * (1 + pods))


def look_up(peers, blocks, pods, arguments):
    """One prompt after another, each asked of both in turn."""
    for _ in range(arguments.rounds):
        present = random.sample(blocks, arguments.keys // 2)
        absent = [random.getrandbits(64)
                  for _ in range(arguments.keys - len(present))]
        asked = present + absent
        random.shuffle(asked)
        request = router.pipeline(router.look_up(asked))
        lines = len(asked) + len(present) * pods * 2
        for peer in random.sample(peers, len(peers)):
            peer.measure(request, lines)


def show(peers, before, arguments):
    for peer in peers:
        times = sorted(1e3 * seconds for seconds in peer.seconds)
        memory = (peer.used() - before[peer.name]) / arguments.blocks
        cpu = 1e3 * statistics.median(peer.cpu_seconds)
        print(f"{peer.name:12} {arguments.keys} HKEYS: median "
              f"{statistics.median(times):.2f} ms, p90 "
              f"{times[len(times) * 9 // 10]:.2f}, worst {times[-1]:.2f}, "
              f"CPU {cpu:.2f}; {memory:.1f} bytes a block of "
              f"{arguments.pods} pods")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--blocks", type=int, default=1000000)
    parser.add_argument("--pods", type=int, default=1, help="of each block")
    parser.add_argument("--fleet", type=int, default=200, help="pods in all")
    parser.add_argument("--keys", type=int, default=8192, help="of a look-up")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--index-size", default="1GiB")
    arguments = parser.parse_args()
    random.seed(SEED)
    redis_server = shutil.which("redis-server")
    with tempfile.TemporaryDirectory() as directory, \
            Server(**{"index.size": arguments.index_size}) as server:
        peers = [Peer("prefixcache", RespClient(server.data_port), server.pid)]
        redis = None
        try:
            if redis_server:
                redis = Redis(redis_server, directory)
                peers.append(Peer("redis-server", redis.connect(),
                                  redis.process.pid))
            before = {peer.name: peer.used() for peer in peers}
            blocks = [random.getrandbits(64) for _ in range(arguments.blocks)]
            fill(peers, blocks, arguments.pods, arguments.fleet)
            look_up(peers, blocks, arguments.pods, arguments)
            show(peers, before, arguments)
        finally:
            if redis:
                redis.stop()


if __name__ == "__main__":
    main()
