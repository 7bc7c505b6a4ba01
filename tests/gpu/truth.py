"""Records workload.py with the real recorder on a real GPU and compares.

1. Launches, copies and waits recorded in each profiled window equal what CUPTI counted there.
2. The explanation of an injected CPU contention names the hog.

    python3 tests/gpu/truth.py --bin DIR

DIR holds ingero-recorder, ingeroctl and standin-hog. Needs root and a GPU with PyTorch. Exits 1 if either
comparison fails. Everything printed is the raw result.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOG = "batch-job"


def ctl(args, *words):
    done = subprocess.run([args.bin / "ingeroctl", "--socket", args.run / "control.sock", *words],
                          capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        sys.exit(f"ingeroctl {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def start_recorder(args):
    log = open(args.work / "recorder.log", "w")
    # Everything, whatever it costs: this is about counts.
    config = args.work / "recorder.toml"
    config.write_text('[probes]\nlayers = "both"\n[budget]\nthread_percent = 100\ndaemon_percent = 100\n')
    recorder = subprocess.Popen([args.bin / "ingero-recorder", "--config", config, "--state-dir",
                                 args.work / "state", "--run-dir", args.run], stderr=log)
    for _ in range(200):
        if (args.run / "control.sock").exists() and "ready" in (args.work / "recorder.log").read_text():
            return recorder
        time.sleep(0.05)
    sys.exit("the recorder did not become ready: " + (args.work / "recorder.log").read_text())


def marks_until(process, name):
    found = []
    for line in process.stdout:
        try:
            mark = json.loads(line)
        except ValueError:
            print("workload:", line.rstrip())
            continue
        found.append(mark)
        if mark["mark"] == name:
            return found
    sys.exit(f"the workload ended before `{name}`")


def snapshot(args, name, last, after="1s"):
    bundle, database = args.work / f"{name}.ingero", args.work / f"{name}.db"
    print(ctl(args, "snapshot", "--last", last, "--after", after, "-o", bundle, "--reason", name).strip())
    print(ctl(args, "convert", bundle, "-o", database).strip())
    return bundle, database


def query(args, database, sql):
    return json.loads(ctl(args, "query", database, sql, "--format", "json"))["rows"]


def compare_launches(args, database, windows):
    right = True
    for window in windows:
        sql = ("SELECT op, count(*) AS n FROM cuda_calls WHERE layer = 'driver' AND op IN ('cuLaunchKernel', 'cuLaunchKernelEx') "
               f"AND ts_ns BETWEEN {window['begin']} AND {window['end']} GROUP BY op ORDER BY op")
        recorded = {row["op"]: row["n"] for row in query(args, database, sql)}
        counted = sum(window["counts"].values())
        same = counted == sum(recorded.values())
        right &= same and counted > 0
        print(f"launches: CUPTI {counted} {window['counts']}  recorded {sum(recorded.values())} {recorded}  "
              f"{'EQUAL' if same else 'DIFFERENT'}")
    return right


DRIVER = {"cudaMemcpyAsync": "cuMemcpy%", "cudaMemsetAsync": "cuMemset%", "cudaStreamSynchronize": "cuStreamSynchronize",
          "cudaEventSynchronize": "cuEventSynchronize"}


def compare_copies_and_waits(args, database, windows):
    right = True
    for window in windows:
        recorded = {}
        for name, pattern in DRIVER.items():
            sql = (f"SELECT count(*) AS n FROM cuda_calls WHERE layer = 'driver' AND op LIKE '{pattern}' "
                   f"AND ts_ns BETWEEN {window['begin']} AND {window['end']}")
            recorded[name] = query(args, database, sql)[0]["n"]
        same = window["runtime"] == recorded and all(recorded.values())
        right &= same
        print(f"copies and waits: CUPTI {window['runtime']}  recorded at the driver {recorded}  "
              f"{'EQUAL' if same else 'DIFFERENT'}")
    return right


def contention(args, workload):
    workload.stdin.write("go\n")
    workload.stdin.flush()
    loop = marks_until(workload, "looping")[-1]
    time.sleep(6)
    hog = subprocess.Popen([args.bin / "standin-hog", "--cpu", str(loop["cpu"]), "--seconds", "3", "--name", HOG],
                           stdout=subprocess.DEVNULL)
    hog.wait()
    time.sleep(1)
    print(ctl(args, "status").strip())
    bundle, database = snapshot(args, "contention", "9s")
    print(ctl(args, "explain", bundle).strip())
    findings = json.loads(ctl(args, "explain", database, "--json"))["findings"]
    top = findings[0] if findings else {}
    named = top.get("cause") == "cpu_contention" and HOG in top.get("summary", "")
    print(f"top finding: {top.get('cause')} {top.get('summary')!r}  {'NAMES THE HOG' if named else 'DOES NOT NAME THE HOG'}")
    marks_until(workload, "looped")
    return named


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", type=Path, required=True)
    options.add_argument("--out", type=Path, help="folder for bundles and databases to keep")
    args = options.parse_args()
    args.bin = args.bin.resolve()
    args.work = Path(tempfile.mkdtemp(prefix="ingero-gpu-"))
    args.run = args.work / "run"
    print("host", platform.platform(), "cpus", os.cpu_count())
    recorder = start_recorder(args)
    workload = subprocess.Popen([sys.executable, HERE / "workload.py"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
    begun = time.monotonic()
    marks = marks_until(workload, "warm")
    print(marks[-1])
    windows = [marks_until(workload, "profiled")[-1] for _ in range(3)]
    _, database = snapshot(args, "profiled", f"{int(time.monotonic() - begun) + 5}s")
    for window in windows:
        print("others counted by CUPTI", window["others"])
    print(ctl(args, "check").strip())
    print(ctl(args, "query", database, "SELECT op, count, p50_ns, p99_ns, max_ns, first_use_count FROM op_stats ORDER BY count DESC LIMIT 25").strip())
    print(ctl(args, "query", database, "SELECT source, cause, count FROM losses").strip())
    print(ctl(args, "query", database, "SELECT kernel, count(*) FROM cuda_calls WHERE op LIKE 'cuLaunchKernel%' GROUP BY 1 ORDER BY 2 DESC LIMIT 8").strip())
    equal = compare_launches(args, database, windows)
    equal &= compare_copies_and_waits(args, database, windows)
    named = contention(args, workload)
    workload.wait(timeout=60)
    status = Path(f"/proc/{recorder.pid}/status").read_text()
    print([line for line in status.splitlines() if line.startswith(("VmRSS", "RssAnon", "RssFile"))])
    recorder.terminate()
    stopping = time.monotonic()
    recorder.wait(timeout=120)
    print(f"stopped after {time.monotonic() - stopping:.1f} s")
    print((args.work / "recorder.log").read_text().strip())
    if args.out:
        for kept in args.work.glob("*.ingero"):
            shutil.copy(kept, args.out)
    print(f"RESULT launches, copies, waits {'EQUAL' if equal else 'DIFFERENT'}, hog {'NAMED' if named else 'NOT NAMED'}")
    sys.exit(0 if equal and named else 1)


if __name__ == "__main__":
    main()
