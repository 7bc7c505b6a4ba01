"""What the recorder costs a launch loop on a real GPU: one process, the recorder started and stopped beside it.

    python3 tests/gpu/overhead.py --bin DIR [--pairs 8] [--kind eager serving] [--budget default off]

DIR holds ingero-recorder and ingeroctl. Needs root and a GPU with PyTorch. For each kind of loop and each budget
it prints, pair by pair, ns a launch without and with the recorder, and at the end the median ratio with the
interval that holds nine tenths of the pairs. Only seconds in which nothing changes count: the first of each phase,
in which the budget finds its step, are left out.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OFF_SECONDS, ON_SECONDS = 2.0, 4.0
# The budget takes two seconds for each step down.
SETTLE_SECONDS = {"default": 8.0, "off": 1.5}
BUDGETS = {"default": "", "off": "[budget]\nthread_percent = 100\ndaemon_percent = 100\n"}


class Recorder:
    def __init__(self, args, work, budget):
        self.args, self.work = args, work
        self.config = work / "recorder.toml"
        self.config.write_text(BUDGETS[budget])

    def start(self):
        self.log = open(self.work / "log", "a")
        before = (self.work / "log").read_text().count("; ready")
        self.process = subprocess.Popen(
            [self.args.bin / "ingero-recorder", "--config", self.config, "--state-dir", self.work / "state",
             "--run-dir", self.work / "run"], stderr=self.log)
        while (self.work / "log").read_text().count("; ready") == before:
            if self.process.poll() is not None:
                sys.exit((self.work / "log").read_text())
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=120)

    def ctl(self, *words):
        done = subprocess.run([self.args.bin / "ingeroctl", "--socket", self.work / "run/control.sock", *words],
                              capture_output=True, text=True, timeout=120)
        return done.stdout if done.returncode == 0 else f"FAILED: {done.stderr}"

    def cpu(self):
        found = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            found[name] = found.get(name, 0) + int((task / "schedstat").read_text().split()[0])
        return found

    def threads(self, before, seconds):
        return {name: f"{(ns - before.get(name, 0)) / 1e7 / seconds:.2f} %" for name, ns in self.cpu().items()}

    def status(self):
        return json.loads(self.ctl("status", "--json"))


def between(lines, begin, end):
    """Mean of the batches that nobody disturbed: shared hosts run in a fast and a slow state, half as slow again.

    Batches up to 1.3 times the fastest twentieth count: what recording costs stays well below that."""
    values = sorted(ns for at, ns in lines if begin <= at <= end)
    if not values:
        return float("nan")
    limit = 1.3 * values[len(values) // 20]
    return statistics.mean(v for v in values if v <= limit)


def measure(args, kind, budget):
    work = Path(tempfile.mkdtemp(prefix="ingero-overhead-"))
    recorder = Recorder(args, work, budget)
    loop = subprocess.Popen([sys.executable, HERE / "loop.py", "--kind", kind, "--out", work / "times"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = loop.stdout.readline().split()
    phases, state = [], {}
    for pair in range(args.pairs):
        off = time.time_ns()
        time.sleep(OFF_SECONDS)
        off_end = time.time_ns()
        recorder.start()
        time.sleep(SETTLE_SECONDS[budget])
        on, threads_before = time.time_ns(), recorder.cpu()
        time.sleep(ON_SECONDS)
        on_end = time.time_ns()
        state = recorder.status()
        threads = recorder.threads(threads_before, (time.time_ns() - on) / 1e9)
        if pair == args.pairs - 1:
            recorder.ctl("snapshot", "--last", "4s", "--after", "100ms", "-o", work / "last.ingero")
            recorder.ctl("convert", work / "last.ingero", "-o", work / "last.db")
            names = recorder.ctl("query", work / "last.db", "SELECT ifnull(kernel, '-') AS kernel, count(*) AS n FROM "
                                 "cuda_calls WHERE op LIKE 'cuLaunchKernel%' GROUP BY 1 ORDER BY 2 DESC LIMIT 4")
        recorder.stop()
        phases.append((off + 500_000_000, off_end, on, on_end))
    loop.stdin.close()
    loop.wait(timeout=60)
    lines = [(int(a), float(b)) for a, b in (line.split() for line in (work / "times").read_text().splitlines())]
    without = [between(lines, off, off_end) for off, off_end, _, _ in phases]
    with_it = [between(lines, on, on_end) for _, _, on, on_end in phases]
    for pair, (a, b) in enumerate(zip(without, with_it), 1):
        print(f"  pair {pair}: {a:8.1f} ns without, {b:8.1f} ns with, {100 * (b / a - 1):+.2f} %")
    # The host is shared and changes between a fast and a slow state: only phases in the fast one are compared.
    fast = [[v for v in side if v <= 1.15 * min(side)] for side in (without, with_it)]
    base, middle = map(statistics.median, fast)
    spread = [min(fast[1]) / max(fast[0]) - 1, max(fast[1]) / min(fast[0]) - 1]
    print(f"RESULT {kind}, budget {budget}: {1e9 / base:,.0f} launches/s without; slow-down {100 * (middle / base - 1):.2f} % "
          f"[{100 * spread[0]:.2f}, {100 * spread[1]:.2f}] over {len(fast[0])} and {len(fast[1])} of {args.pairs} phases "
          f"in the host's fast state; {middle - base:.0f} ns a launch")
    cost = state.get("cost", {})
    print(f"  the recorder says: thread {cost.get('thread_percent')} %, daemon {cost.get('daemon_cpu_percent')} % of a core, "
          f"{cost.get('bytes_per_event')} B/event; warnings {state.get('warnings')}; losses {state.get('losses')}")
    print(f"  its threads, of a core: {threads}")
    print(names)
    log = (work / "log").read_text().splitlines()
    print("\n".join(sorted({line for line in log if "costs" in line or "overhead budget" in line})[:12]))
    sys.stdout.flush()
    return ready


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", type=Path, required=True)
    options.add_argument("--pairs", type=int, default=8)
    options.add_argument("--kind", nargs="+", default=["eager", "serving"])
    options.add_argument("--budget", nargs="+", default=["default", "off"])
    args = options.parse_args()
    args.bin = args.bin.resolve()
    print("host", platform.platform(), "cpus", os.cpu_count())
    for kind in args.kind:
        for budget in args.budget:
            measure(args, kind, budget)


if __name__ == "__main__":
    main()
