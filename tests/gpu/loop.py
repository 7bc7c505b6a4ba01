"""A launch loop that times itself. Prints READY, then writes one line for each batch to --out: the moment (Unix ns)
and the batch's ns for each launch. Ends when its standard input is closed.

eager    nothing but launches: as fast as PyTorch can
serving  launches with as much other work between them as makes some 25,000 a second
"""

import argparse
import os
import select
import sys
import time

import torch

BATCH = 200


def spin(units):
    total = 0
    for i in range(units):
        total += i
    return total


def batch(x, units):
    for _ in range(BATCH):
        x = x + 1.0
        if units:
            spin(units)
    torch.cuda.synchronize()


def calibrated(x, rate):
    """Units of work after each launch that make the rate."""
    low, high = 0, 20000
    for _ in range(14):
        middle = (low + high) // 2
        begun = time.perf_counter_ns()
        batch(x, middle)
        low, high = (middle, high) if (time.perf_counter_ns() - begun) / BATCH < 1e9 / rate else (low, middle)
    return low


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kind", choices=["eager", "serving"], required=True)
    options.add_argument("--cpu", type=int, default=3)
    options.add_argument("--rate", type=float, default=25000)
    options.add_argument("--out", required=True)
    args = options.parse_args()
    os.sched_setaffinity(0, {args.cpu})
    x = torch.zeros(64, 64, device="cuda")
    with torch.inference_mode():
        for _ in range(20):
            batch(x, 0)
        units = calibrated(x, args.rate) if args.kind == "serving" else 0
        print("READY", os.getpid(), units, flush=True)
        with open(args.out, "w") as out:
            while not select.select([sys.stdin], [], [], 0)[0]:
                begun = time.perf_counter_ns()
                batch(x, units)
                out.write(f"{time.time_ns()} {(time.perf_counter_ns() - begun) / BATCH:.1f}\n")
            out.flush()


if __name__ == "__main__":
    main()
