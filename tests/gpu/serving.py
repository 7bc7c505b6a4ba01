"""A serving loop on a real GPU goes through five phases; each is frozen, and its findings are printed.

    python3 tests/gpu/serving.py --bin DIR [--out DIR] [--phases cold,steady,contention,starvation,kernel]

The loop is an inference engine in small: a transformer with random weights, sequences that join and leave the batch as
they come and end, requests read from a worker process's pipe, one synchronise a step to see the tokens. Phases:
  cold        the first batch after start: kernels and libraries are loaded as they are first needed
  steady      nothing happens
  contention  another program runs on the CPU that the loop's thread is bound to
  starvation  the process that sends requests works too long on each
  kernel      a Triton kernel is compiled in the middle of the loop, when it is first used
DIR holds ingero-recorder and ingeroctl. Needs root, a GPU, PyTorch and Triton. Exits 1 if the first finding of a phase is
not its cause, or if one of MEDIUM or above names the cause of another phase. Everything printed is the raw result; what else
was found is printed too: a shared machine has incidents of its own.
"""

import argparse
import fcntl
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUEST = 64
F_SETPIPE_SZ = 1031
EXPECTED = {"cold": "first_use", "steady": None, "contention": "cpu_contention", "starvation": "data_starvation",
            "kernel": "first_use"}
KERNEL = "fused_gate_and_norm"


def name_self(name):
    Path("/proc/self/comm").write_text(name)


def produce(pipe):
    """Sends requests as fast as they are taken; after SIGUSR1, 40 of them with 30 ms of work before each."""
    name_self("tokenizer")
    slow = [0]
    signal.signal(signal.SIGUSR1, lambda *_: slow.__setitem__(0, 40))
    number = 0
    while True:
        if slow[0]:
            slow[0] -= 1
            end = time.monotonic() + 0.030
            while time.monotonic() < end:
                pass
        number += 1
        try:
            os.write(pipe, number.to_bytes(8, "little").ljust(REQUEST, b"\0"))
        except BrokenPipeError:
            return


def disturb(cpu, seconds):
    """Keeps a CPU busy."""
    name_self("neighbour")
    os.sched_setaffinity(0, {cpu})
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class Engine:
    """A decoder-only transformer with random weights and a slot for each running sequence."""

    SLOTS, LAYERS, WIDTH, HEADS, CONTEXT, WORDS = 16, 8, 2048, 16, 256, 32_000

    def __init__(self, torch):
        self.torch, self.gated = torch, None
        make = lambda *shape: (torch.randn(*shape, device="cuda", dtype=torch.bfloat16) * 0.02)
        w = self.WIDTH
        self.embed, self.head = make(self.WORDS, w), make(w, self.WORDS)
        self.layers = [(make(w, 3 * w), make(w, w), make(w, 4 * w), make(4 * w, w)) for _ in range(self.LAYERS)]
        shape = (self.LAYERS, 2, self.SLOTS, self.HEADS, self.CONTEXT, w // self.HEADS)
        self.cache = torch.zeros(shape, device="cuda", dtype=torch.bfloat16)
        self.tokens = torch.zeros(self.SLOTS, device="cuda", dtype=torch.long)
        # Shapes never change: attention libraries compile for each new length, and nothing would be steady.
        self.hidden = torch.full((self.CONTEXT,), float("-inf"), device="cuda", dtype=torch.bfloat16)
        self.at = 0
        self.left = [0] * self.SLOTS
        torch.cuda.synchronize()

    def step(self):
        """One token for every slot; gives them to the host."""
        torch, w, heads = self.torch, self.WIDTH, self.HEADS
        functional = torch.nn.functional
        with torch.no_grad():
            self.hidden[self.at] = 0
            x = self.embed[self.tokens]
            for i, (qkv, out, up, down) in enumerate(self.layers):
                q, k, v = (functional.layer_norm(x, (w,)) @ qkv).view(-1, 3, heads, w // heads).unbind(1)
                self.cache[i, 0, :, :, self.at] = k
                self.cache[i, 1, :, :, self.at] = v
                keys, values = self.cache[i]
                weights = (q.unsqueeze(2) @ keys.transpose(2, 3) / (w // heads) ** 0.5) + self.hidden
                seen = weights.softmax(-1) @ values
                x = x + seen.reshape(-1, w) @ out
                x = x + functional.gelu(functional.layer_norm(x, (w,)) @ up) @ down
            if self.gated:
                x = self.gated(x)
            self.tokens = (x @ self.head).argmax(-1)
        self.at = (self.at + 1) % self.CONTEXT
        self.left = [max(0, n - 1) for n in self.left]
        return self.tokens.tolist()

    def admit(self, requests):
        """Puts waiting requests into free slots; waits for one only if there is nothing else to do."""
        for slot, left in enumerate(self.left):
            if left:
                continue
            if any(self.left) and not select.select([requests], [], [], 0)[0]:
                return
            number = int.from_bytes(os.read(requests, REQUEST)[:8], "little")
            self.left[slot] = 3 + number % 6


def fused_kernel(torch):
    """A Triton kernel that nobody has compiled yet, behind a function."""
    import triton
    import triton.language as tl

    @triton.jit
    def fused_gate_and_norm(x, y, n, WIDTH: tl.constexpr):
        at = tl.program_id(0) * WIDTH + tl.arange(0, WIDTH)
        v = tl.load(x + at, mask=at < n).to(tl.float32)
        v = v * tl.sigmoid(v)
        tl.store(y + at, v / tl.sqrt(tl.sum(v * v) / WIDTH + 1e-6), mask=at < n)

    def run(x):
        y = torch.empty_like(x)
        fused_gate_and_norm[(x.shape[0],)](x, y, x.numel(), WIDTH=Engine.WIDTH)
        return y

    return run


def serve():
    """Runs the loop; lines on standard input say what is next, SECONDS of steps or `kernel`."""
    import torch
    import triton.language  # noqa: F401  imports are no part of a kernel's first use
    name_self("engine")
    cpu = sorted(os.sched_getaffinity(0))[-1]
    reading, writing = os.pipe()
    fcntl.fcntl(reading, F_SETPIPE_SZ, 4096)
    engine = Engine(torch)
    # Forked, as the workers of data loaders are.
    if not (worker := os.fork()):
        produce(writing)
        os._exit(0)
    os.close(writing)
    os.sched_setaffinity(0, {cpu})
    print("READY", os.getpid(), worker, cpu, flush=True)
    for line in sys.stdin:
        if line.strip() == "kernel":
            engine.gated = fused_kernel(torch)
            print("SET", flush=True)
            continue
        begun, steps, longest = time.monotonic(), 0, 0.0
        while (now := time.monotonic()) < begun + float(line):
            engine.admit(reading)
            engine.step()
            steps, longest = steps + 1, max(longest, time.monotonic() - now)
        print(f"STEPS {steps} in {time.monotonic() - begun:.3f} s, longest {longest * 1e3:.1f} ms", flush=True)
    os.kill(worker, signal.SIGKILL)


class Recorder:
    """A recorder of its own, with small segments, so that bundles are small, and no limit on overhead."""

    def __init__(self, folder, programs):
        self.folder, self.programs = folder, programs
        (folder / "recorder.toml").write_text('[ring]\nsegment_bytes = "1MiB"\n'
                                              "[budget]\nthread_percent = 100\ndaemon_percent = 100\n")
        command = [programs / "ingero-recorder", "--config", folder / "recorder.toml", "--state-dir",
                   folder / "state", "--run-dir", folder / "run"]
        self.process = subprocess.Popen(command, stderr=open(folder / "log", "w"))
        while "; ready" not in (folder / "log").read_text():
            if self.process.poll() is not None:
                sys.exit((folder / "log").read_text())
            time.sleep(0.05)

    def ctl(self, *words):
        command = [self.programs / "ingeroctl", "--socket", self.folder / "run/control.sock", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(f"ingeroctl {words}: {done.stderr}")
        return done.stdout


class Server:
    """The serving loop as a child."""

    def __init__(self):
        cache = tempfile.mkdtemp(prefix="triton-")
        self.process = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env={**os.environ, "TRITON_CACHE_DIR": cache})
        _, self.pid, self.worker, self.cpu = self.process.stdout.readline().split()

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def go(self, phase):
        """Goes through a phase; gives how many seconds of past belong to it."""
        begun = time.monotonic()
        if phase == "cold":
            self.say(2)
        else:
            self.say(1)
            print(" ", self.answer())
            if phase == "kernel":
                self.say("kernel")
                self.answer()
            self.say(2)
        if phase == "contention":
            subprocess.run([sys.executable, __file__, "--disturb", self.cpu, "1"], check=True)
        if phase == "starvation":
            os.kill(int(self.worker), signal.SIGUSR1)
        print(" ", self.answer())
        return time.monotonic() - begun


def judge(phase, findings):
    """What is wrong with the findings of a phase."""
    expected = EXPECTED[phase]
    loud = [f for f in findings if f["severity"] != "LOW"]
    others = set(EXPECTED.values()) - {expected}
    wrong = [f"{f['severity']} {f['cause']}" for f in loud if f["cause"] in others]
    if expected and (not findings or findings[0]["cause"] != expected):
        wrong.append(f"first is {findings[0]['cause'] if findings else 'nothing'}")
    if phase == "kernel" and findings and KERNEL not in json.dumps(findings[0]):
        wrong.append(f"{KERNEL} is not named")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--phases", default=",".join(EXPECTED))
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--disturb", nargs=2)
    args = parser.parse_args()
    if args.serve:
        return serve()
    if args.disturb:
        return disturb(int(args.disturb[0]), float(args.disturb[1]))
    print("host", platform.platform())
    folder = Path(tempfile.mkdtemp(prefix="ingero-serving-"))
    recorder, failed = Recorder(folder, args.bin.resolve()), False
    print("once before, so that files come from memory")
    warm = Server()
    warm.say(1)
    warm.answer()
    warm.say("kernel")
    warm.answer()
    warm.say(1)
    warm.answer()
    warm.end()
    server = Server()
    for phase in args.phases.split(","):
        print("phase", phase)
        seconds = server.go(phase)
        bundle = folder / f"{phase}.ingero"
        recorder.ctl("snapshot", "--last", f"{int(seconds * 1000)}ms", "--after", "250ms", "-o", bundle)
        found = json.loads(recorder.ctl("explain", bundle, "--json"))
        print(recorder.ctl("explain", bundle))
        wrong = judge(phase, found["findings"])
        print("phase", phase, "WRONG: " + "; ".join(wrong) if wrong else "as expected", bundle.stat().st_size, "bytes")
        failed |= bool(wrong)
        if args.out:
            shutil.copy(bundle, args.out)
            (args.out / f"{phase}.json").write_text(json.dumps(found, indent=1))
    server.end()
    recorder.process.terminate()
    recorder.process.wait()
    print((folder / "log").read_text())
    sys.exit(failed)


if __name__ == "__main__":
    main()
