# SPDX-License-Identifier: GPL-2.0
"""Makes lines, JSON and a chart from the measurements: report.py FIRST SECOND TIME FOLDER. To draw only the chart again
from the existing JSON: report.py --draw FOLDER."""

import json
import sys

# Name, run, measurement, key in its output, divisor, unit.
ROWS = [
    ("attach_batch", "count", "bulk 500", "attach", 1, "instructions/probe"),
    ("attach_1000", "count", "bulk 1000", "attach", 1, "instructions/probe"),
    ("attach_10000", "count", "bulk 10000", "attach", 1, "instructions/probe"),
    ("attach_single", "count", "alone", "alone_median", 1, "instructions"),
    ("attach_debugfs", "count", "debugfs", "attach_debugfs", 1, "instructions/line"),
    ("detach_batch", "count", "bulk 500", "detach", 1, "instructions/probe"),
    ("detach_1000", "count", "bulk 1000", "detach", 1, "instructions/probe"),
    ("detach_10000", "count", "bulk 10000", "detach", 1, "instructions/probe"),
    ("detach_debugfs", "count", "debugfs", "detach_debugfs", 1, "instructions/line"),
    ("hit_int3", "count", "hits", "hit_int3", 100, "instructions/call"),
    ("hit_int3_of_10000", "count", "crowded", "hit_int3", 100, "instructions/call"),
    ("hit_jump", "count", "hits", "hit_jump", 100, "instructions/call"),
    ("hit_count", "count", "hits", "hit_count", 100, "instructions/call"),
    ("bare_call", "count", "hits", "bare", 100, "instructions/call"),
    ("index", "count", "", "index", 1, "instructions"),
    ("load", "count", "", "load", 1, "instructions"),
    ("memory", "count", "held", "held", 1, "bytes/probe"),
    ("memory_slots", "count", "held", "slots", 1, "bytes/probe"),
    ("sync_arm", "time", "arm", "arm_rounds", 1, "rounds"),
    ("sync_optimize", "time", "optimize", "optimize_rounds", 1, "rounds"),
    ("sync_unoptimize", "time", "unoptimize", "unoptimize_rounds", 1, "rounds"),
    ("sync_disarm", "time", "disarm", "disarm_rounds", 1, "rounds"),
    ("jumps", "time", "bulk 500", "jumps", 1, "of 500"),
    ("attach_time", "time", "bulk 500", "attach", 1e3, "us/probe"),
    ("time_to_jump_single_median", "time", "latency200", "latency_single_median", 1e6, "ms"),
    ("time_to_jump_single_p99", "time", "latency200", "latency_single_p99", 1e6, "ms"),
    ("time_to_jump_median", "time", "latency", "latency_median", 1e6, "ms"),
    ("time_to_jump_p99", "time", "latency", "latency_p99", 1e6, "ms"),
    ("counted_time_to_jump_single_median", "count", "latency", "latency_single_median", 1e6, "ms"),
    ("counted_time_to_jump_single_p99", "count", "latency", "latency_single_p99", 1e6, "ms"),
    ("counted_time_to_jump_median", "count", "latency", "latency_median", 1e6, "ms"),
    ("counted_time_to_jump_p99", "count", "latency", "latency_p99", 1e6, "ms"),
    ("stall", "time", "stall", "stall", 1e6, "ms"),
    ("stall_undisturbed", "time", "undisturbed_stall", "stall", 1e6, "ms"),
    ("static_key", "time", "static_key", "static_key", 1e6, "ms"),
    ("static_key_undisturbed", "time", "undisturbed_static_key", "static_key", 1e6, "ms"),
    ("native_register", "time", "native_register", "native_register", 1e6, "ms"),
    ("native_register_undisturbed", "time", "undisturbed_native_register", "native_register", 1e6, "ms"),
    ("hotplug", "time", "hotplug", "hotplug", 1e6, "ms"),
    ("hotplug_undisturbed", "time", "undisturbed_hotplug", "hotplug", 1e6, "ms"),
]

# The words of the chart for a row: the operation, and the unit of its ratio.
WORDS = {
    "attach_batch": ("attach one of a batch of 500", "instructions"),
    "attach_1000": ("attach one of a batch of 1,000", "instructions"),
    "attach_10000": ("attach one of a batch of 10,000", "instructions"),
    "attach_single": ("attach one alone", "instructions"),
    "attach_time": ("attach one of a batch of 500: time", "microseconds"),
    "detach_batch": ("detach one of 500", "instructions"),
    "detach_1000": ("detach one of 1,000", "instructions"),
    "detach_10000": ("detach one of 10,000", "instructions"),
    "hit_int3": ("call through an int3, empty handler", "instructions"),
    "hit_int3_of_10000": ("call through an int3 beside 10,000 others", "instructions"),
    "hit_jump": ("call through a jump, empty handler", "instructions"),
    "hit_count": ("call through a jump that only counts", "instructions"),
    "memory": ("memory of a probe without its slot", "bytes"),
    "memory_slots": ("slot of a probe", "bytes"),
    "sync_arm": ("arm 500", "sync rounds"),
    "sync_optimize": ("turn 500 into jumps", "sync rounds"),
    "sync_unoptimize": ("turn the jumps of 500 back", "sync rounds"),
    "sync_disarm": ("disarm 500", "sync rounds"),
    "stall": ("longest gap of a spinning reader meanwhile", "milliseconds"),
    "static_key": ("longest flip of a static key meanwhile", "milliseconds"),
    "native_register": ("longest register_kprobe() meanwhile", "milliseconds"),
    "hotplug": ("longest CPU off and on meanwhile", "milliseconds"),
}

# Attaching native kprobes takes so long that most are jumps before the last one is attached.
OURS_ONLY = ("time_to_jump", "counted_time_to_jump")
# Rows whose ratio has no meaning.
NOT_DRAWN = ("jumps", "bare_call")
# Values that depend on more than the instructions of one side.
NOT_COMPARED = ("held", "load", "index")


def read(path):
    """Returns {(measurement, side, key): value}. The one bulk of mainline stands for every bulk of ours."""
    values, what = {}, ""
    with open(path, encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if line.startswith("# "):
                side = words[2]
                what = f"{words[1]} {words[3]}" if words[1] == "bulk" else words[1]
                if words[1] == "bulk" and side == "mainline":
                    what = "bulk"
            elif len(words) == 3 and words[0] in ("ours", "mainline"):
                values[what, words[0], words[1]] = int(words[2])
    return values


def compare(first, second):
    """Reports counts of instructions that differ between the two runs."""
    for key, value in first.items():
        again = second.get(key)
        if key[2] in NOT_COMPARED or key[2].endswith(("first", "p99")):
            continue
        if again is None or abs(again - value) > max(value, again) / 100 + 1:
            print(f"# not equal in two runs: {' '.join(key)}: {value}, {again}")


def rows(runs):
    for name, run, what, key, divisor, unit in ROWS:
        ours = runs[run].get((what, "ours", key))
        theirs = runs[run].get((what, "mainline", key), runs[run].get((what.partition(" ")[0], "mainline", key)))
        if ours is None:
            continue
        if what == "held":
            # Counted in the run in which nothing else happens.
            theirs = runs["time"].get((what, "mainline", key))
        if name.startswith(OURS_ONLY) or name.endswith("_undisturbed"):
            theirs = None
        yield {
            "name": name,
            "ours": ours / divisor,
            "mainline": None if theirs is None else theirs / divisor,
            "ratio": theirs / ours if theirs is not None and ours else None,
            "unit": unit,
        }


def growth(runs, step):
    """Yields how many times longer a probe takes among 10,000 than among 1,000."""
    small = runs["count"].get(("bulk 1000", "ours", step))
    large = runs["count"].get(("bulk 10000", "ours", step))
    if small and large:
        yield {"name": f"growth_{step}", "ours": 10 * large / small, "mainline": None, "ratio": None, "unit": "times"}


def text(value):
    return "-" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def sentence(row):
    """Says in words how much less, or more, rkprobes takes."""
    what = WORDS[row["name"]][1]
    ratio, both = row["ratio"], f"{number(row['ours'])} instead of {number(row['mainline'])}"
    if 0.95 <= ratio <= 1.05:
        return f"equal within 5 %: {number(row['ours'])} and {number(row['mainline'])} {what}"
    if ratio > 1:
        return f"{ratio:.3g} times fewer {what}: {both}"
    return f"{1 / ratio:.3g} times more {what}: {both}"


def draw(table, path):
    """Draws how many times less rkprobes takes than native kprobes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rkprobes"})
    from matplotlib import pyplot

    shown = [row for row in table if row["ratio"] and row["name"] not in NOT_DRAWN]
    shown.reverse()
    figure, axes = pyplot.subplots(figsize=(12, 0.4 * len(shown) + 1))
    bars = axes.barh([WORDS[row["name"]][0] for row in shown], [row["ratio"] for row in shown], color="#2b6ca3")
    axes.bar_label(bars, [sentence(row) for row in shown], padding=4, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=max(row["ratio"] for row in shown) * 2000)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("native kprobes divided by rkprobes, on one kernel in one boot: right of 1, rkprobes needs less")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    if sys.argv[1] == "--draw":
        with open(f"{sys.argv[2]}/performance.json", encoding="ascii") as file:
            draw(json.load(file), f"{sys.argv[2]}/performance.svg")
        return
    first, second, time = map(read, sys.argv[1:4])
    folder = sys.argv[4]
    compare(first, second)
    runs = {"count": first, "time": time}
    table = [*rows(runs), *growth(runs, "attach"), *growth(runs, "detach")]
    for row in table:
        values = " ".join(f"{key}={text(row[key])}" for key in ("ours", "mainline", "ratio"))
        print(f"bench {row['name']} {values} unit={row['unit'].replace(' ', '_')}")
    with open(f"{folder}/performance.json", "w", encoding="ascii") as out:
        json.dump(table, out, indent=1)
        out.write("\n")
    draw(table, f"{folder}/performance.svg")


if __name__ == "__main__":
    main()
