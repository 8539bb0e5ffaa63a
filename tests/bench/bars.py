# SPDX-License-Identifier: Apache-2.0
"""What the server must reach, and whether it does.

A ratio is taken between two measurements of the same round, which stand next to
each other in time; a bar holds on the median of those ratios.  Absolute figures
drift from run to run and are judged by nothing.
"""
import collections
import statistics

KIB, MIB = 1 << 10, 1 << 20

Verdict = collections.namedtuple(
    "Verdict", "cell what low median high bar at_least")


def quartiles(values):
    """First quartile, median, third quartile."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def has_passed(verdict):
    if verdict.at_least:
        return verdict.median >= verdict.bar
    return verdict.median <= verdict.bar


def series(samples, field):
    return [sample[field] for sample in samples if field in sample]


def pick_ceiling(cell, results):
    """The one with as many threads as ours; on one connection, which keeps
    only one thread busy, the faster."""
    there = [name for name in ("ceiling1", "ceiling2") if results.get(name)]
    if not there:
        return None
    if cell.connections == 1:
        return max(there, key=lambda name: statistics.median(
            series(results[name], "gb_per_s")))
    return there[-1]


def bars_of(cell):
    """(peer, field, bar, is it a least) of one cell."""
    is_large = cell.size >= MIB
    if cell.mode == "put":
        return [("ceiling", "gb_per_s", 0.85, True),
                ("memcached", "gb_per_s", 0.85, True),
                ("ceiling", "server_cpu_s_per_gb", 1.4, False)]
    found = [("ceiling", "gb_per_s", 0.90 if is_large else 0.85, True),
             ("ceiling", "server_cpu_s_per_gb", 1.15, False)]
    if is_large:
        redis = 0.95 if cell.connections == 1 else 1.6
        if cell.size >= 16 * MIB:
            redis = 3
        found += [("memcached", "gb_per_s", 0.95, True),
                  ("redis", "gb_per_s", redis, True)]
    return found


def ratios(ours, theirs, field):
    return [a[field] / b[field] for a, b in zip(ours, theirs)
            if b.get(field) and field in a]


def judge(cell, results):
    """Verdicts on `ours`, as far as there is something to compare with."""
    verdicts = []
    ours = results.get("ours") or []
    for peer, field, bar, at_least in bars_of(cell):
        name = pick_ceiling(cell, results) if peer == "ceiling" else peer
        values = ratios(ours, results.get(name) or [], field)
        if not values:
            continue
        unit = "GB/s" if field == "gb_per_s" else "CPU/GB"
        low, median, high = quartiles(values)
        verdicts.append(Verdict(cell, f"{unit} of {name}'s", low, median, high,
                                bar, at_least))
    return verdicts


def judge_native(cell, results):
    """At least what RESP gives, and the bar of the ceiling."""
    verdicts = []
    ours = results.get("ours-native") or []
    for name, bar in (("ours-resp", 1),
                      (pick_ceiling(cell, results),
                       0.90 if cell.mode == "get" else 0.85)):
        values = ratios(ours, results.get(name) or [], "gb_per_s")
        if values:
            verdicts.append(Verdict(
                cell, f"native x{cell.in_flight}: GB/s of {name}'s",
                *quartiles(values), bar, True))
    return verdicts


def judge_lookup(cell, results):
    """All keys in one request, beside a request for each."""
    verdicts = []
    each = results.get("lm EXIST each") or []
    for name in ("native PREFIX", "native EXISTS"):
        for field, bar in (("p50_us", 0.2), ("p99_us", 0.5)):
            values = ratios(results.get(name) or [], each, field)
            if values:
                verdicts.append(Verdict(
                    cell, f"{name}: {field[:3]} of lm EXIST each",
                    *quartiles(values), bar, False))
    return verdicts


def judge_exists(cell, samples):
    low, median, high = quartiles(samples)
    return [Verdict(cell, "EXISTS p99, ms, beside bulk readers", low, median,
                    high, 5, False)]


def judge_evict(cell, results):
    ours, theirs = results.get("ours-resp"), results.get("memcached")
    if not ours or not theirs:
        return []
    verdicts = []
    for field, what, bar, at_least in (
            ("gb_per_s", "GB/s of memcached's, evicting", 0.9, True),
            ("p99_us", "PUT p99 of memcached's, evicting", 1.5, False)):
        low, median, high = quartiles(ratios(ours, theirs, field))
        verdicts.append(Verdict(cell, what, low, median, high, bar, at_least))
    return verdicts


def judge_nvme_get(cell, results):
    values = ratios(results.get("ours-nvme") or [], results.get("raw") or [],
                    "gb_per_s")
    if not values:
        return []
    return [Verdict(cell, "GB/s of a raw reader's", *quartiles(values), 0.85,
                    True)]


def judge_nvme_put(cell, results):
    """No paced run may skip a byte."""
    verdicts = []
    skipped = series(results.get("paced") or [], "skipped_bytes")
    if skipped:
        verdicts.append(Verdict(cell, "MB skipped at 0.8 of raw writes",
                                *[sum(skipped) / 1e6] * 3, 0, False))
    values = ratios(results.get("ours-nvme") or [],
                    results.get("ours-dram") or [], "gb_per_s")
    if values:
        verdicts.append(Verdict(cell, "GB/s of DRAM alone", *quartiles(values),
                                0.8, True))
    return verdicts


def judge_spill_get(cell, results):
    values = ratios(results.get("ours-spill") or [], results.get("raw") or [],
                    "gb_per_s")
    if not values:
        return []
    return [Verdict(cell, "GB/s of a raw reader's", *quartiles(values), 0.7,
                    True)]


def judge_mover(cell, without, beside):
    """GETs while values are carried down all the time, and while none is."""
    values = ratios(beside, without, "p99_us")
    if not values:
        return []
    return [Verdict(cell, "GET p99 of that without the mover",
                    *quartiles(values), 1.5, False)]


def print_verdicts(verdicts):
    print(f"\n{'mode':9}{'size':>7}{'c':>3}  {'ours against':36}"
          f"{'median':>8}{'quartiles':>16}{'bar':>9}")
    for verdict in verdicts:
        cell = verdict.cell
        sign = ">=" if verdict.at_least else "<="
        word = "pass" if has_passed(verdict) else "FAIL"
        print(f"{cell.mode:9}{size_text(cell.size):>7}{cell.connections:3}  "
              f"{verdict.what:36}{verdict.median:8.3f}"
              f"{verdict.low:9.3f}{verdict.high:7.3f}"
              f"   {sign}{verdict.bar:5.2f}  {word}")
    failed = sum(not has_passed(verdict) for verdict in verdicts)
    print(f"\n{len(verdicts) - failed} of {len(verdicts)} bars hold")


def shape_text(cell):
    """c8; c1x8: one connection, 8 requests on their way."""
    many = f"x{cell.in_flight}" if cell.in_flight > 1 else ""
    return f"c{cell.connections}{many}"


def size_text(size):
    if size % MIB == 0:
        return f"{size // MIB}M"
    return f"{size // KIB}K" if size % KIB == 0 else str(size)
