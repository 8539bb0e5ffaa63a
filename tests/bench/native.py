# SPDX-License-Identifier: Apache-2.0
"""The native wire beside the others: GETs and PUTs of one connection that has
many on their way, and of many connections; and a prompt's keys looked up by one
request beside an EXIST for each over lm://.

Over the other wires a connection has one request on its way, and so has the
ceiling's.
"""
import bars
import peers

MIB = 1 << 20
SIZES = (MIB, 4 * MIB)
SHAPES = ((1, 8), (8, 1))  # connections, and requests on their way over each
NAMES = ("ceiling1", "ceiling2", "ours", "ours-resp", "ours-native")

LOOKUP_KEYS, LOOKUP_ENTRIES = 100, 100_000
LOOKUP_SIZE = 256  # of each value, as prefixcache-bench has them
LOOKUP_MEMORY = 2 << 30  # all of it may be leased, which is a quarter at most
WAYS = (
    # what it is called, the URL's scheme, what is asked
    ("lm EXIST each", "lm", "exists"),
    ("native PREFIX", "prefixcache", "prefix"),
    ("native EXISTS", "prefixcache", "exists"),
    ("RESP PREFIX.MATCH", "redis", "prefix"),
    ("RESP EXISTS", "redis", "exists"),
)


def bodies(run, make_cell, workers):
    members = [peer for peer in peers.all_peers(workers) if peer.name in NAMES]
    total = run.arguments.set_bytes * len(SIZES)
    run.estimate(len(SIZES) * len(SHAPES) * 2 * len(members))
    try:
        run.start(members, total * 3 // 2 + (512 << 20))
        for size in SIZES:
            keys = max(1, run.arguments.set_bytes // size)
            for connections, in_flight in SHAPES:
                for mode in ("get", "put"):
                    if run.is_late():
                        return
                    cell = make_cell(mode, size, connections, keys, in_flight)
                    samples = run.rounds(cell, members, f"native-{mode}")
                    run.verdicts += bars.judge_native(cell, samples)
    finally:
        for peer in members:
            peer.stop()


class Way:
    """One way to look keys up on a server that others ask as well."""

    def __init__(self, server, way):
        self.name, scheme, self.verb = way
        self.server, self.kind = server, scheme == "lm"
        self.url = server.url.replace("lm://", f"{scheme}://")

    def measure(self, cell, seconds):
        arguments = ["lookup", self.url, "--ask", self.verb, "--keys",
                     str(cell.keys), "--entries", str(LOOKUP_ENTRIES),
                     "--connections", str(cell.connections), "--seconds",
                     str(seconds)]
        # A name is one thing: what lm:// puts the others overwrite.
        if self.server.filled_as == self.kind:
            arguments.append("--no-fill")
        self.server.filled_as = self.kind
        found = peers.bench(arguments, seconds)
        return {"latency": {cell.mode: found["lookup"]}}


def lookups(run, make_cell, workers):
    cell = make_cell("lookup", LOOKUP_SIZE, 1, LOOKUP_KEYS)
    server = peers.Ours(workers)
    try:
        server.start(LOOKUP_MEMORY)
        server.filled_as = None
        ways = [Way(server, way) for way in WAYS]
        samples = run.rounds(cell, ways)
    finally:
        server.stop()
    run.verdicts += bars.judge_lookup(cell, samples)
