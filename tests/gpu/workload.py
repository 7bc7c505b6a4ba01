"""A PyTorch workload with known marks: random weights, nothing downloaded.

Prints one JSON line at each mark. Moments are Unix nanoseconds. Waits for a line on standard input
before the contention phase, so that the caller can inject into it.

Phase 1  warm-up: every kernel is used once.
Phase 2  profiled: torch.profiler (CUPTI) counts the API calls of a window that begins and ends idle.
Phase 3  contended: an eager loop on one pinned CPU, for --seconds.
"""

import argparse
import json
import os
import sys
import time

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

LAUNCHES = ["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx"]
# Calls at the runtime that copy, fill or wait. Some are made by runtimes linked into other libraries, which export
# nothing: only the driver sees them all.
RUNTIME = ["cudaMemcpyAsync", "cudaMemsetAsync", "cudaStreamSynchronize", "cudaEventSynchronize"]


def say(**fields):
    print(json.dumps(fields), flush=True)


class Step(nn.Module):
    """Attention, matrix products, a convolution: kernels from cuBLAS, cuDNN and PyTorch itself."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True, norm_first=True) for _ in range(4)
        )
        self.convolution = nn.Conv2d(8, 16, 3, padding=1)
        self.image = torch.randn(4, 8, 64, 64, device="cuda", dtype=torch.bfloat16)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x + self.convolution(self.image).mean()


def profiled(model, x, steps):
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as prof:
        torch.cuda.synchronize()
        begin = time.time_ns()
        event = torch.cuda.Event()
        host = torch.empty(x.shape, dtype=x.dtype, pin_memory=True)
        for step in range(steps):
            x = model(x)
            x = x / x.norm()
            host.copy_(x, non_blocking=True)
            if step % 5 == 0:
                event.record()
                event.synchronize()
            if step % 7 == 0:
                x.sum().item()
        torch.cuda.synchronize()
        end = time.time_ns()
    counts = {name: 0 for name in LAUNCHES}
    runtime = {name: 0 for name in RUNTIME}
    others = {}
    for event in prof.events():
        if event.name in counts:
            counts[event.name] += 1
        elif event.name in runtime:
            runtime[event.name] += 1
        elif event.name.startswith(("cuda", "cu")) and event.name[2:3] in "dLMGSEKCIP":
            others[event.name] = others.get(event.name, 0) + 1
    say(mark="profiled", begin=begin, end=end, counts=counts, runtime=runtime, others=others)


def contended(seconds, cpu):
    os.sched_setaffinity(0, {cpu})
    x = torch.zeros(64, 64, device="cuda")
    for _ in range(2000):
        x = x + 1.0
    torch.cuda.synchronize()
    say(mark="looping", begin=time.time_ns(), cpu=cpu, tid=os.getpid())
    launches = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(200):
            x = x + 1.0
        torch.cuda.synchronize()
        launches += 200
    say(mark="looped", end=time.time_ns(), launches=launches)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=200)
    options.add_argument("--seconds", type=float, default=14.0)
    options.add_argument("--cpu", type=int, default=3)
    args = options.parse_args()
    torch.manual_seed(0)
    with torch.inference_mode():
        model = Step().to("cuda", torch.bfloat16).eval()
        x = torch.randn(2, 64, 512, device="cuda", dtype=torch.bfloat16)
        for _ in range(20):
            x = model(x)
            x = x / x.norm()
        torch.cuda.synchronize()
        say(mark="warm", pid=os.getpid(), device=torch.cuda.get_device_name(), torch=torch.__version__)
        for _ in range(3):
            profiled(model, x, args.steps)
        sys.stdin.readline()
        contended(args.seconds, args.cpu)


if __name__ == "__main__":
    main()
