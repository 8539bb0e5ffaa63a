# SPDX-License-Identifier: Apache-2.0
"""The spill beside the disk itself: GETs of values that live only there beside a
raw reader.  And what GETs from DRAM and NVMe lose while the mover carries values
down as fast as it can.
"""
import os
import signal
import sys
import threading
import time

import bars
import nvme
import peers

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from configured_server import ConfiguredServer  # noqa: E402
from watch import Watch  # noqa: E402

MIB, GIB = 1 << 20, 1 << 30
SIZE = MIB
GET_CONNECTIONS = 4
DRAM = 256 * MIB

# Of what is compared with and without the mover: the tiers, what is asked for
# from each, and what pushes.
MOVER_DRAM, MOVER_NVME, MOVER_SPILL = 512 * MIB, 4 * GIB, 4 * GIB
IN_DRAM, IN_NVME = 64 * MIB, 768 * MIB
PUSH_RATE, PUSH_CONNECTIONS = 400 * MIB, 2
DRAM_KEYS, PUSH_KEYS = 1 << 24, 1 << 25  # numbers of their first keys
LEAD_SECONDS = 1  # of who pushes, before something is measured
SHARE_LEAST = 0.9  # of the hits, that came from the tier that is measured
OFF, ON = "mover off", "mover on"


class OursOnSpill(nvme.OursInDram):
    """A spill right below DRAM; values come from it."""

    def __init__(self, workers, directory, size):
        super().__init__(workers)
        self.name = "ours-spill"
        self.options.update({
            "dram.policy": "lru", "spill.path": os.path.join(directory, "spill"),
            "spill.size": size, "limits.value": "4MiB"})

    def measure(self, cell, seconds, more=()):
        found = super().measure(cell, seconds, ["--tier", "spill", *more])
        found["share"] = found["spill"]["share"]
        return found


def gets(run, make_cell, workers):
    values = run.arguments.nvme_set
    size = (values + DRAM) * 5 // 4 + GIB
    with nvme.scratch(run, size + values) as directory:
        if directory is None:
            return
        ours = OursOnSpill(workers, directory, size)
        disk = nvme.Disk(directory, values)
        try:
            ours.start(DRAM)
            cell = make_cell("get", SIZE, GET_CONNECTIONS, values // SIZE)
            samples = run.rounds(cell, [disk, ours], "spill-get")
            run.verdicts += bars.judge_spill_get(
                cell._replace(mode="spill-get"), samples)
        finally:
            ours.stop()


class Pushed(peers.Running):
    """All three tiers, below which the mover can be stopped."""

    def __init__(self, workers, directory):
        super().__init__("ours")
        self.config = os.path.join(directory, "conf.yaml")
        self.write_config(True)
        self.server = ConfiguredServer(config=self.config, **{
            "limits.workers": workers, "limits.value": "4MiB",
            "dram.size": MOVER_DRAM, "dram.prefault": "true",
            "dram.policy": "lru", "nvme.path": directory,
            "nvme.size": MOVER_NVME, "spill.size": MOVER_SPILL,
            "spill.path": os.path.join(directory, "spill")})
        self.next_key, self.nvme_key = PUSH_KEYS, 0

    def start(self):
        self.server.start()
        self.url, self.pid = self.server.url("lm"), self.server.pid
        self.watch = Watch(self.server)

    def stop(self):
        if self.pid:
            self.watch.close()
            self.server.stop()

    def write_config(self, is_on):
        most = 0 if is_on else 1  # 0: no limit
        with open(self.config, "w", encoding="utf-8") as file:
            for tier in "nvme", "spill":
                file.write(f"{tier}:\n  write_max: {most}\n")

    def switch(self, is_on):
        """The mover has its whole budget, or as good as none."""
        before = self.server.stderr().count("configuration reloaded")
        self.write_config(is_on)
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + 10
        while self.server.stderr().count("configuration reloaded") == before:
            if time.monotonic() > deadline:
                raise peers.Failed("the configuration was not reloaded")
            time.sleep(0.01)

    def load(self, *arguments, seconds):
        return peers.bench(
            ["load", self.url, "--size", str(SIZE), "--seconds", str(seconds),
             *map(str, arguments)], seconds)

    def fill_up(self):
        """Until both lower tiers are full, and give back all the time."""
        self.push((MOVER_NVME + MOVER_SPILL) * 1.2 / PUSH_RATE)

    def fill_nvme(self):
        """Values that were never put; those of the last time have sunk."""
        self.nvme_key += IN_NVME // SIZE * 2
        self.load("--tier", "nvme", "--fill", "--keys", IN_NVME // SIZE,
                  "--first-key", self.nvme_key, seconds=1)

    def push(self, seconds):
        """New values, as fast as they are to come."""
        first = self.next_key
        self.next_key += int(seconds * PUSH_RATE) // SIZE * 2 + 1
        return self.load("--mode", "put", "--connections", PUSH_CONNECTIONS,
                         "--keys", self.next_key - first, "--first-key", first,
                         "--rate", PUSH_RATE, seconds=seconds)

    def get_from(self, tier, seconds):
        """p99 and the like, and the share of the hits that this tier had."""
        keys, first, fill = {
            "dram": (IN_DRAM // SIZE, DRAM_KEYS, "--fill"),
            "nvme": (IN_NVME // SIZE, self.nvme_key, "--no-fill")}[tier]
        before = self.watch.info()
        found = self.load(fill, "--connections", GET_CONNECTIONS, "--keys",
                          keys, "--first-key", first, seconds=seconds)
        after = self.watch.info()
        more = {name: after[name] - before[name] for name in
                ("hits_dram", "hits_nvme", "hits_spill", "spill_written_bytes",
                 "spill_reclaimed")}
        hits = sum(more[f"hits_{each}"] for each in ("dram", "nvme", "spill"))
        sample = {"gb_per_s": found["gb_per_s"], "misses": found["misses"],
                  "share": more[f"hits_{tier}"] /
                  max(1, hits + found["misses"]),
                  "sunk_bytes": more["spill_written_bytes"],
                  "reclaimed": more["spill_reclaimed"]}
        sample.update({name: found["latency"]["get"][name]
                       for name in ("p50_us", "p99_us", "p999_us")})
        return sample


def push_beside(run, server, seconds):
    """A thread; what it could not do is among the failures."""
    def work():
        try:
            server.push(seconds)
        except peers.Failed as failure:
            run.failures.append(str(failure))
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def mover_round(run, server, state):
    """{tier: sample}, while values are pushed down, or only in."""
    seconds, found = run.arguments.seconds, {}
    server.switch(True)
    server.fill_nvme()
    server.switch(state == ON)
    pusher = push_beside(run, server, LEAD_SECONDS + 2 * (seconds + 2))
    time.sleep(LEAD_SECONDS)
    try:
        for tier in "dram", "nvme":
            found[tier] = server.get_from(tier, seconds)
            if found[tier]["share"] < SHARE_LEAST:
                run.failures.append(f"only {found[tier]['share']:.2f} of what "
                                    f"was got came from {tier}, {state}")
    finally:
        pusher.join()
    return found


def mover(run, make_cell, workers):
    with nvme.scratch(run, MOVER_NVME + MOVER_SPILL + GIB) as directory:
        if directory is None:
            return
        server = Pushed(workers, directory)
        cells = {"dram": make_cell("get", SIZE, GET_CONNECTIONS,
                                   IN_DRAM // SIZE),
                 "nvme": make_cell("get", SIZE, GET_CONNECTIONS,
                                   IN_NVME // SIZE)}
        samples = {tier: {OFF: [], ON: []} for tier in cells}
        try:
            server.start()
            server.fill_up()
            for turn in range(run.arguments.rounds):
                if run.is_late():
                    break
                for state in (OFF, ON)[::-1 if turn % 2 else 1]:
                    found = mover_round(run, server, state)
                    for tier, sample in found.items():
                        samples[tier][state].append(sample)
        except peers.Failed as failure:
            run.failures.append(str(failure))
        finally:
            server.stop()
        for tier, cell in cells.items():
            run.results[(f"mover-{tier}", cell)] = samples[tier]
            run.say_samples(f"mover-{tier}", cell, samples[tier])
            run.verdicts += bars.judge_mover(
                cell._replace(mode=f"m-{tier}"), samples[tier][OFF],
                samples[tier][ON])
