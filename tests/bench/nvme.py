# SPDX-License-Identifier: Apache-2.0
"""The NVMe tier beside the disk itself: GETs of values that live only there
beside a raw reader, PUTs beside a raw writer and beside a server without it.

The raw reader and writer have a scratch file in the directory of the server's
device, as many bytes of it, transfers of the same size, one after the other as
the server's, and as many bytes in flight as nvme.inflight allows.
"""
import contextlib
import os
import shutil
import tempfile

import bars
import peers

MIB, GIB = 1 << 20, 1 << 30
SIZES = (MIB, 4 * MIB)
CONNECTIONS = 8
INFLIGHT = 8 * MIB
DRAM_FOR_GETS, DRAM_FOR_PUTS = 256 * MIB, GIB
DEVICE_FOR_PUTS = 8 * GIB
PACE = 0.8  # of what the disk takes
# Of one run of PUTs: more than it will come to.
KEYS_OF_A_RUN = 1 << 19


class Disk:
    """The disk without a server."""

    def __init__(self, directory, file_size):
        self.name = "raw"
        self.path = os.path.join(directory, "raw")
        self.file_size = file_size

    def measure(self, cell, seconds):
        mode = "write" if cell.mode == "put" else "read"
        found = peers.bench(
            ["disk", self.path, "--mode", mode, "--sequential", "--fill",
             "--file-size", str(self.file_size), "--size", str(cell.size),
             "--inflight", str(INFLIGHT), "--seconds", str(seconds)], seconds)
        found["latency"] = {cell.mode: found["latency"][mode]}
        found["server_cpu_s_per_gb"] = found["cpu_s_per_gb"]
        return found


class OursInDram(peers.Ours):
    """Its memory is there from the start: what the first touch of a page costs
    is not what is asked here."""

    def __init__(self, workers):
        super().__init__(workers)
        self.options["dram.prefault"] = "true"


class OursOnDisk(OursInDram):
    """With a device in that directory; values come from it."""

    def __init__(self, workers, directory, device_size):
        super().__init__(workers)
        self.name = "ours-nvme"
        # Who walks round and round more than DRAM holds finds nothing there.
        self.options.update({"dram.policy": "lru", "nvme.path": directory,
                             "nvme.size": device_size,
                             "nvme.inflight": INFLIGHT})

    def measure(self, cell, seconds, more=()):
        found = super().measure(cell, seconds, ["--tier", "nvme", *more])
        found.update(found.pop("nvme"))
        return found


class Putting:
    """PUTs of keys that were never put, to a server others put to as well."""

    first_key = 0

    def __init__(self, name, server):
        self.name = name
        self.server = server
        self.rate = []

    def measure(self, cell, seconds):
        first = Putting.first_key
        Putting.first_key += KEYS_OF_A_RUN
        return self.server.measure(
            cell, seconds, ["--first-key", str(first)] + self.rate)


@contextlib.contextmanager
def scratch(run, needed):
    """A directory for that many bytes; None where there is no room."""
    parent = os.path.abspath(run.arguments.scratch)
    free = shutil.disk_usage(parent).free
    if free < needed:
        run.failures.append(f"{parent}: {free >> 20} MiB free, not "
                            f"{needed >> 20}: nothing of nvme was measured")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-nvme.",
                                     dir=parent) as directory:
        yield directory


def gets(run, make_cell, workers):
    """A device has room for the values of all sizes, and those that push them
    out of DRAM."""
    values = run.arguments.nvme_set
    device = (values + DRAM_FOR_GETS) * len(SIZES) * 5 // 4 + GIB
    with scratch(run, device + values) as directory:
        if directory is None:
            return
        ours = OursOnDisk(workers, directory, device)
        disk = Disk(directory, values)
        try:
            ours.start(DRAM_FOR_GETS)
            for size in SIZES:
                if run.is_late():
                    return
                cell = make_cell("get", size, CONNECTIONS, values // size)
                samples = run.rounds(cell, [disk, ours], "nvme-get")
                run.verdicts += bars.judge_nvme_get(
                    cell._replace(mode="nvme-get"), samples)
        finally:
            ours.stop()


def puts(run, make_cell, workers):
    with scratch(run, DEVICE_FOR_PUTS + run.arguments.nvme_set) as directory:
        if directory is None:
            return
        disk = Disk(directory, run.arguments.nvme_set)
        on_disk = OursOnDisk(workers, directory, DEVICE_FOR_PUTS)
        in_dram = OursInDram(workers)
        try:
            on_disk.start(DRAM_FOR_PUTS)
            in_dram.start(DRAM_FOR_PUTS)
            for size in SIZES:
                cell = make_cell("put", size, CONNECTIONS, KEYS_OF_A_RUN)
                samples = put_rounds(run, cell, disk,
                                     Putting("ours-nvme", on_disk),
                                     Putting("ours-dram", in_dram))
                run.results[("nvme-put", cell)] = samples
                run.verdicts += bars.judge_nvme_put(
                    cell._replace(mode="nvme-put"), samples)
        finally:
            on_disk.stop()
            in_dram.stop()


def put_rounds(run, cell, disk, on_disk, in_dram):
    """What is offered in a round depends on what the disk took in it."""
    samples = {name: [] for name in ("raw", "paced", "ours-dram", "ours-nvme")}
    paced = Putting("paced", on_disk.server)
    for turn in range(run.arguments.rounds):
        if run.is_late():
            break
        raw = run.measure(disk, cell)
        samples["raw"].append(raw)
        paced.rate = ["--rate", str(int(raw.get("gb_per_s", 1) * 1e9 * PACE))]
        samples["paced"].append(run.measure(paced, cell))
        for peer in (in_dram, on_disk)[::1 if turn % 2 else -1]:
            samples[peer.name].append(run.measure(peer, cell))
    run.say_samples("nvme-put", cell, samples)
    return samples
