"""What annotations cost: bytes in the ring and the recorder's CPU. `INGERO_PROGRAMS=target/release tests/annotate/cost.py`, as root."""
import json
import os
import random
import socket
import time
import uuid

from lab import Lab

COUNT = 20_000
PER_SECOND = 1_000
WITHOUT_SAMPLES = """
[samples]
interval = "1h"
host = false
cgroups = false
nvml = false
"""


def cpu_seconds(pid):
    """CPU time of a process."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written(lab):
    """Bytes of frames written: bytes for each event, of which none is recorded and one is assumed."""
    status = json.loads(lab.ctl("status", "--json"))
    assert status["events"]["stored"] == 0, "something used CUDA meanwhile"
    return status["cost"]["bytes_per_event"]


def main():
    """Sends requests as the example for vLLM does."""
    chosen = random.Random(1)
    lab = Lab(WITHOUT_SAMPLES)
    with lab, socket.socket(socket.AF_UNIX) as client:
        client.connect(lab.socket)
        time.sleep(8)
        idle = cpu_seconds(lab.pid())
        time.sleep(10)
        idle = (cpu_seconds(lab.pid()) - idle) / 10
        before, cpu, begun = written(lab), cpu_seconds(lab.pid()), time.monotonic()
        for place in range(COUNT):
            end = time.time_ns()
            labels = {"request_id": f"chatcmpl-{uuid.UUID(int=chosen.getrandbits(128)).hex}", "phase": "ttft"}
            begin = end - chosen.randrange(10**8, 3 * 10**9)
            client.sendall((json.dumps({"labels": labels, "span_start": begin, "span_end": end}) + "\n").encode())
            time.sleep(max(0, begun + place / PER_SECOND - time.monotonic()))
        took = time.monotonic() - begun
        busy = (cpu_seconds(lab.pid()) - cpu) / took
        time.sleep(8)
        bytes_each = (written(lab) - before) / COUNT
        warnings = json.loads(lab.ctl("status", "--json"))["warnings"]
    print(f"{COUNT} annotations, {COUNT / took:.0f}/s: {bytes_each:.1f} bytes each in the ring; recorder "
          f"{100 * busy:.2f} % of a core, {100 * idle:.2f} % idle; {warnings}")


if __name__ == "__main__":
    main()
