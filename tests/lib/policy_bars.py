# SPDX-License-Identifier: Apache-2.0
"""What the policies must reach on traces, and whether they do: all of it by
`prefixcache-bench simulate`, which runs the server's own policy code."""
import collections
import json
import os
import subprocess

# What `adaptive` may be below the better of the other two.
BEHIND_MOST = 0.005
# What the estimate for another size of a tier may be off.
OFF_MOST = 0.02
WRITES = ("all", "evicted")

# options: of `generate`.  capacities: blocks in one tier.  tiers: of DRAM,
# NVMe and spill.
Shape = collections.namedtuple("Shape", "name options capacities tiers")


def generated(name, seed, options, capacities, tiers):
    return Shape(name, ["--seed", seed, *options.split()], capacities, tiers)


SHAPES = (
    # Long new prompts that hardly anybody sends again.
    generated("scans", 11,
              "--sessions 3000 --turns 1.15 --systems 40 --system-blocks 6 "
              "--turn-blocks 12 --zipf 0.4", (500, 2000, 5000),
              (500, 2000, 5000)),
    # A few long system prompts, short questions.
    generated("hot prompts", 12,
              "--sessions 400 --turns 2 --systems 8 --system-blocks 40 "
              "--turn-blocks 2 --zipf 1.1", (500, 2000, 5000),
              (300, 500, 1500)),
    # Agents: deep conversations, a turn longer with every request.
    generated("agents", 13,
              "--sessions 150 --turns 40 --systems 4 --system-blocks 12 "
              "--turn-blocks 3 --output-tokens 500 --zipf 0.5 "
              "--blocks-max 256", (2000, 5000, 10000), (500, 2000, 4000)),
    generated("chats", 14, "--sessions 600", (500, 2000, 5000),
              (500, 2000, 5000)),
    generated("many prompts", 104,
              "--sessions 5000 --turns 1 --systems 500 --system-blocks 10 "
              "--turn-blocks 4 --zipf 0.6", (300, 1000, 4000),
              (300, 1500, 3000)),
)
# The trace of conversations that was recorded, where it is at hand.
RECORDED = Shape("conversations", None, (1000, 5000, 10000, 30000, 50000),
                 (2000, 8000, 20000))
# Of its three tiers, which have room for 30,000: hit ratio by what is written.
RECORDED_TIERS = {"all": 0.3150, "evicted": 0.3257}
# DRAM, and NVMe with room for 30,000: LRU in one tier of as many.
RECORDED_TWO = ((2000, 30000, 0), 0.3257)

# values: texts by name.
Line = collections.namedtuple("Line", "what values bar passed")


class Simulator:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=600, check=True).stdout

    def generate(self, shape, requests):
        path = os.path.join(self.directory,
                            shape.name.replace(" ", "_") + ".jsonl")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.run("generate", "--requests", requests,
                                *shape.options))
        return path

    def simulate(self, path, *arguments):
        return json.loads(self.run("simulate", path, "-o", "json",
                                   *arguments))["results"]

    def tiers(self, path, tiers, write, *arguments):
        options = []
        for name, blocks in zip(("--dram", "--nvme", "--spill"), tiers):
            options += [name, blocks] if blocks else []
        return self.simulate(path, *options, "--write", write, *arguments)


def judge_one_tier(simulator, path, shape):
    """`adaptive` beside the better of LRU and S3-FIFO, at each capacity."""
    rows = simulator.simulate(path, "--capacity",
                              ",".join(map(str, shape.capacities)))
    for capacity in shape.capacities:
        values = {row["policy"]: row["hit_ratio"] for row in rows
                  if row["capacity"] == capacity}
        bar = max(values["lru"], values["s3fifo"]) - BEHIND_MOST
        yield Line(f"{capacity} blocks",
                   {name: f"{value:.4f}" for name, value in values.items()},
                   f"{bar:.4f}", values["adaptive"] >= bar)


def shown(row):
    values = {"hit ratio": f"{row['hit_ratio']:.4f}"}
    for tier in ("dram", "nvme", "spill"):
        values[tier] = f"{row[tier]['hit_ratio']:.4f}"
    for tier in ("nvme", "spill"):
        written = row[tier]["writes"] / row["blocks"]
        values[f"{tier} writes"] = f"{written:.2f}"
    return values


def judge_tiers(simulator, path, shape):
    """Three tiers are worth no less than one LRU of three quarters of their
    places."""
    places = sum(shape.tiers) * 3 // 4
    one, = simulator.simulate(path, "--capacity", places, "--policy", "lru")
    for write in WRITES:
        row, = simulator.tiers(path, shape.tiers, write, "--policy",
                               "adaptive")
        bar = one["hit_ratio"] - BEHIND_MOST
        yield Line(f"tiers, write {write}", shown(row), f"{bar:.4f}",
                   row["hit_ratio"] >= bar)


def judge_recorded_tiers(simulator, path):
    for write, bar in RECORDED_TIERS.items():
        for row in simulator.tiers(path, RECORDED.tiers, write):
            if row["policy"] == "adaptive":
                yield Line(f"three tiers, write {write}", shown(row),
                           f"{bar:.4f}", row["hit_ratio"] >= bar)
    tiers, bar = RECORDED_TWO
    for row in simulator.tiers(path, tiers, "all"):
        yield Line(f"two tiers, {row['policy']}", shown(row), f"{bar:.4f}",
                   row["hit_ratio"] >= bar)


def judge_curve(simulator, path, options, what, off_most):
    """What is estimated for tiers of other sizes beside what is."""
    for row in simulator.simulate(path, "--curve", "--policy", "adaptive",
                                  *options):
        tiers = {}
        for size in row["curve"]:
            tiers.setdefault(size["tier"], []).append(size)
        for tier, sizes in tiers.items():
            off = max(abs(size["estimated"] - size["hit_ratio"])
                      for size in sizes)
            yield Line(f"{what}, other {tier}",
                       {f"{size['percent']}%":
                        f"{size['estimated']:.4f}/{size['hit_ratio']:.4f}"
                        for size in sizes},
                       f"{off_most}", off <= off_most)


def judge_curves(simulator, path, shape, off_most=OFF_MOST):
    for capacity in shape.capacities[1:-1]:
        yield from judge_curve(simulator, path, ["--capacity", capacity],
                               f"{capacity} blocks", off_most)
    for write in WRITES:
        options = ["--write", write]
        for name, blocks in zip(("--dram", "--nvme", "--spill"), shape.tiers):
            options += [name, blocks]
        yield from judge_curve(simulator, path, options,
                               f"tiers, write {write}", off_most)


def judge(simulator, path, shape):
    yield from judge_one_tier(simulator, path, shape)
    if shape is RECORDED:
        yield from judge_recorded_tiers(simulator, path)
    else:
        yield from judge_tiers(simulator, path, shape)
    yield from judge_curves(simulator, path, shape)


def show(line):
    values = "  ".join(f"{name} {text}" for name, text in line.values.items())
    return (f"  {line.what:30} {values}  bar {line.bar}"
            + ("" if line.passed else "  FAILED"))
