"""Kills the recorder again and again while PyTorch launches kernels on a real GPU, and counts both sides.

    python3 tests/gpu/restart.py --bin DIR [--launches 400000] [--kills 5]

DIR holds ingero-recorder and ingeroctl. Needs root, a GPU with PyTorch, and a BPF file system. Every launch of the
loop must be one row, and nothing may be lost. Exits 1 if not. Everything printed is the raw result.
"""

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOP = """
import sys, time, torch
x = torch.zeros(1024, device="cuda")
x.add_(1); torch.cuda.synchronize()
print("READY", flush=True); sys.stdin.readline()
begun = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
for i in range(int(sys.argv[1])):
    x.add_(1)
torch.cuda.synchronize()
print(begun, time.clock_gettime_ns(time.CLOCK_BOOTTIME), flush=True); sys.stdin.readline()
"""


class Recorder:
    def __init__(self, folder, programs):
        self.folder, self.programs, self.log = folder, programs, open(folder / "log", "w")
        config = folder / "recorder.toml"
        config.write_text("[budget]\nthread_percent = 100\ndaemon_percent = 100\n")
        self.command = [programs / "ingero-recorder", "--config", config, "--state-dir", folder / "state",
                        "--run-dir", folder / "run"]

    def start(self):
        ready = (self.folder / "log").read_text().count("; ready") + 1
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stderr=self.log)
        while (self.folder / "log").read_text().count("; ready") < ready:
            if self.process.poll() is not None:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.005)
        return time.monotonic() - begun

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ctl(self, *words):
        command = [self.programs / "ingeroctl", "--socket", self.folder / "run/control.sock", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        if done.returncode:
            sys.exit(f"ingeroctl {words}: {done.stderr}")
        return done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--launches", type=int, default=400_000)
    parser.add_argument("--kills", type=int, default=5)
    args = parser.parse_args()
    print("host", platform.platform())
    folder = Path(tempfile.mkdtemp(prefix="ingero-restart-"))
    recorder = Recorder(folder, args.bin.resolve())
    print(f"ready after {recorder.start():.3f} s")
    loop = subprocess.Popen([sys.executable, "-c", LOOP, str(args.launches)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    loop.stdout.readline()
    while not any(p["pid"] == loop.pid and p["probes"] for p in
                  json.loads(recorder.ctl("status", "--json"))["processes"]):
        time.sleep(0.1)
    loop.stdin.write("go\n")
    loop.stdin.flush()
    for _ in range(args.kills):
        time.sleep(random.uniform(0.05, 0.5))
        recorder.kill()
        time.sleep(random.uniform(0, 0.2))
        print(f"killed; ready again after {recorder.start():.3f} s")
    begun, ended = map(int, loop.stdout.readline().split())
    bundle, database = folder / "w.ingero", folder / "w.db"
    print(recorder.ctl("snapshot", "--last", "2m", "--after", "1s", "-o", bundle).strip())
    print(recorder.ctl("verify", bundle).strip())
    recorder.ctl("convert", bundle, "-o", database)
    offset = "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clock_offset_ns')"
    sql = (f"SELECT (SELECT count(*) FROM cuda_calls WHERE pid = {loop.pid} AND op LIKE 'cuLaunchKernel%' AND "
           f"ts_ns BETWEEN {begun} + {offset} AND {ended} + {offset}), (SELECT ifnull(sum(count), 0) FROM losses)")
    recorded, lost = json.loads(recorder.ctl("query", database, sql, "--format", "json"))["rows"][0].values()
    print(f"{args.launches} launches in {(ended - begun) / 1e9:.2f} s ({args.launches * 1e9 / (ended - begun):.0f}/s), "
          f"{args.kills} kills: {recorded} recorded, {lost} lost")
    loop.stdin.close()
    recorder.process.terminate()
    recorder.process.wait()
    print((folder / "log").read_text()[-1500:])
    sys.exit(recorded != args.launches or lost != 0)


main()
