#!/usr/bin/env python3
"""Runs rill_bench and, where it was built, libtorch_twin, in turn, and prints what they measured as ratios.

compare.py --bench build/release/bench [--rounds 3] [--json FILE] [PART...]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

PARTS = ["step", "small", "memory", "sizes"]


class Programs:
    def __init__(self, folder):
        self.rill_bench = os.path.join(folder, "rill_bench")
        twin = os.path.join(folder, "libtorch_twin")
        best = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libtorch_best.sh")
        self.twin = [best, twin] if os.path.exists(twin) else None

    def choose_setting(self):
        """Which kernels and which way of waiting are best for libtorch differs from processor to processor."""
        times = {}
        for _ in range(2):
            for kernels in ["SkylakeX", "Haswell", "Zen"]:
                for wait in ["", "active"]:
                    os.environ["RILL_LIBTORCH_KERNELS"], os.environ["RILL_LIBTORCH_WAIT"] = kernels, wait
                    try:
                        time = self.libtorch(cell="composed", steps=15)
                    except subprocess.CalledProcessError:
                        continue  # kernels that this processor cannot run
                    times[kernels, wait] = min(time, times.get((kernels, wait), time))
        if not times:
            sys.exit(f"bench: libtorch runs in none of its settings; try {self.twin[0]} {self.twin[1]} by hand")
        kernels, wait = min(times, key=times.get)
        os.environ["RILL_LIBTORCH_KERNELS"], os.environ["RILL_LIBTORCH_WAIT"] = kernels, wait
        tried = ", ".join(f"{k} {w or 'default'} {t:.1f}" for (k, w), t in times.items())
        print(f"libtorch runs with OpenBLAS-OpenMP, {kernels} kernels, OMP_WAIT_POLICY {wait or 'default'}: the best of "
              f"(ms a step) {tried}.", flush=True)

    def rill(self, pattern, seconds=0.5):
        """The benchmarks whose names match, as {name: {"median": microseconds, ...}}."""
        return {name: runs[0] for name, runs in self.repeated(pattern, seconds, 1).items()}

    def repeated(self, pattern, seconds, repetitions):
        """The same of several repetitions, {name: [figures, ...]}, in random order."""
        out = subprocess.run(
            [self.rill_bench, f"--benchmark_filter={pattern}", "--benchmark_format=json",
             f"--benchmark_min_time={seconds}", f"--benchmark_repetitions={repetitions}",
             f"--benchmark_enable_random_interleaving={'true' if repetitions > 1 else 'false'}"],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        runs = {}
        for b in json.loads(out)["benchmarks"]:
            if b["run_type"] == "iteration":
                runs.setdefault(b["run_name"], []).append(b)
        return runs

    def libtorch(self, figure="median", **flags):
        """That figure of a task of libtorch, in the unit of the twin; None where it was not built."""
        if not self.twin:
            return None
        words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        out = subprocess.run(self.twin + words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        return json.loads(out)[figure]


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def head(title, *cells):
    print(f"\n## {title}\n")
    row(*cells)
    row(*(["---"] * len(cells)))


def shown(value, digits=1):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(a, b):
    return "-" if a is None or b is None else f"{a / b:.2f}"


def matmul_floors(rounds):
    """Milliseconds of the reference step's products in each round, of [{benchmark: microseconds}, ...]: each product by
    what computed it fastest in the median round. To choose anew in each would favour its quietest moments."""
    best = {}
    for name in rounds[0]:
        count, x, shape = name.split("/")[1].partition("x")
        if x:
            time = statistics.median(times[name] for times in rounds)
            if shape not in best or time < best[shape][0]:
                best[shape] = time, name, int(count) / 1e3
    return [sum(count * times[name] for _, name, count in best.values()) for times in rounds]


def step_round(programs):
    """Milliseconds of the steps, microseconds of the floor's parts, and the peaks."""
    # What disturbs comes in bursts of milliseconds. A median over products of 40 us would leave them out, and one over
    # steps of 20 ms would not; so it is means over a twentieth of a second that are compared.
    times, floor, peaks = {}, {}, []
    for name, runs in programs.repeated("^(floor|step)/", 0.05, 6).items():
        mean = statistics.median(run["mean"] for run in runs)
        if name.startswith("step/"):
            times[name] = mean / 1e3
        else:
            floor[name] = mean
        if name == "floor/fma":
            peaks = [run["gflops"] for run in runs]
    if programs.twin:
        for cell in ["composed", "lstm"]:
            times[f"libtorch/{cell}"] = programs.libtorch("median_of_means", cell=cell, steps=18)
    return times, floor, peaks


def step(programs, rounds, results):
    # A shared machine slows down for seconds at a time, and what goes through memory or from one processor to another
    # more than products in a cache. So rounds are short, everything in them is measured in turn many times, and what is
    # compared is compared within each.
    taken, floors, peaks = [], [], []
    for _ in range(3 * rounds):
        times, floor, peak = step_round(programs)
        taken.append(times)
        floors.append(floor)
        peaks.extend(peak)
    for times, floor in zip(taken, matmul_floors(floors)):
        times["floor"] = floor
    if programs.twin:
        best = min(["libtorch/composed", "libtorch/lstm"], key=lambda cell: statistics.median(t[cell] for t in taken))
        for times in taken:
            times["libtorch"] = times[best]
    trips = [1e3 * floor["floor/round_trip"] if "floor/round_trip" in floor else None for floor in floors]
    results["step"] = {"fma_gflops": statistics.median(peaks), "round_trip_ns": trips, "rounds": taken}
    print(f"\nFMA peak {statistics.median(peaks):.0f} GFLOP/s.")
    show_step("Medians of rounds", taken)
    if None in trips:
        return
    print("\nA line of the cache went from one processor to another and back in "
          f"{', '.join(f'{trip:.0f}' for trip in sorted(trips))} ns, round by round.")
    near = [times for times, trip in zip(taken, trips) if trip < 1.5 * min(trips)]
    if len(near) < len(taken):
        show_step(f"Medians of the {len(near)} rounds in which they were near each other", near)


def show_step(title, taken):
    """Medians of what rounds took, and of the ratios within each."""

    def median(name):
        return statistics.median(times[name] for times in taken)

    def median_ratio(a, b):
        if a not in taken[0] or b not in taken[0]:
            return "-"
        return f"{statistics.median(times[a] / times[b] for times in taken):.2f}"

    print(f"\n{title}, and of the ratios within each: the products of the reference step at the best rate of each take "
          f"{median('floor'):.2f} ms.")
    head("A training step, batch 32, 28 x 28, two layers of 256", "", "ms", "/ floor", "libtorch's best / it",
         "/ reference", "/ plain LSTM")
    for name in sorted(name for name in taken[0] if "/" in name):
        row(name, shown(median(name), 2), median_ratio(name, "floor"), median_ratio("libtorch", name),
            median_ratio(name, "step/reference"), median_ratio(name, "step/lstm"))


def small(programs, rounds, results):
    found = {}
    for _ in range(rounds):
        for name, runs in programs.repeated("^(chain|stream|infer|adam)", 0.1, 5).items():
            found.setdefault(name, []).extend(run["median"] for run in runs)
        for name, flags in {
            "chain/10000": {"task": "chain", "steps": 20},
            "stream": {"task": "stream", "cell": "lstm", "batch": 1, "steps": 20},
            "infer/32": {"task": "infer", "batch": 32},
            "infer/128": {"task": "infer", "batch": 128},
            "infer/500": {"task": "infer", "batch": 500, "steps": 20},
        }.items():
            time = programs.libtorch(**flags)
            if time is not None:
                scale = 1e3 / flags["batch"] if name.startswith("infer") else 1
                found.setdefault("libtorch " + name, []).append(time * scale)
    of = {name: statistics.median(values) for name, values in found.items()}
    results["small"] = of
    head("Microseconds: an operation of a chain, a streamed time step, an image, an update",
         "", "Rill", "libtorch", "libtorch / Rill")
    for name, time in of.items():
        if not name.startswith("libtorch"):
            peer = of.get("libtorch " + name)
            row(name, shown(time, 2), shown(peer, 2), ratio(peer, time))
    print(f"\nAdam takes {of['adam'] / of['adam_traffic']:.2f} times what its reads and writes take; evaluation reads "
          f"{1e6 / of['infer/128']:.0f} images a second.")


def memory(programs, _, results):
    head("Training LSTM(256) on sequences of batch 8", "time steps", "recomputation", "peak MB", "ms a step")
    results["memory"] = {}
    for time, recompute in [(28, 0), (784, 0), (784, 1), (10000, 0), (10000, 1)]:
        (name, figures), = programs.rill(f"^sequence/time:{time}/recompute:{recompute}$", 0.1).items()
        results["memory"][name] = {"peak_mb": figures["peak_mb"], "ms": figures["median"] / 1e3}
        row(str(time), "yes" if recompute else "no", shown(figures["peak_mb"]), shown(figures["median"] / 1e3))


def sizes(programs, _, results):
    head("Training steps of other sizes, ms", "", "Rill", "libtorch", "libtorch / Rill")
    names = subprocess.run([programs.rill_bench, "--benchmark_list_tests", "--benchmark_filter=^size/"], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
    results["sizes"] = {}
    for name in names:
        time = programs.rill(f"^{name}$", 0.5)[name]["median"] / 1e3
        _, cell, *arguments = name.split("/")
        flags = dict(argument.split(":") for argument in arguments)
        steps = int(min(20, max(3, 2000 / time)))
        peer = programs.libtorch(cell=cell, steps=steps, warm_up=min(3, steps // 2), **flags)
        results["sizes"][name] = {"rill_ms": time, "libtorch_ms": peer}
        row(name, shown(time, 2), shown(peer, 2), ratio(peer, time))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=3,
                        help="how often what is compared is run in turn; steps three times as often")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all where none is named")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown or options.rounds < 1:
        parser.error(f"expected --rounds of at least 1 and parts of {', '.join(PARTS)}")
    programs = Programs(options.bench)
    if not programs.twin:
        print("libtorch was not found when the benchmarks were built: nothing to compare with", file=sys.stderr)
    results = {}
    parts = options.parts or PARTS
    if programs.twin and parts != ["memory"]:
        programs.choose_setting()
    for part in parts:
        globals()[part](programs, options.rounds, results)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
