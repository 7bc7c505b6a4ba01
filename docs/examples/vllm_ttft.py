"""Tells the recorder when each request of vLLM arrived, had its first token, and was done.

    python vllm_ttft.py serve MODEL ...      as `vllm serve MODEL ...`, with every request told

or, in a program of one's own:

    from vllm.v1.engine.async_llm import AsyncLLM
    import vllm_ttft
    vllm_ttft.install(AsyncLLM, vllm_ttft.Annotator())

Each request becomes two spans: phase "ttft" from arrival to first token, told when that is there, and phase "decode"
from there to the end. `ingeroctl requests` shows them beside what the GPU's threads did. Standard library only. Without
a recorder nothing happens; no request ever waits for one.
"""
import asyncio
import functools
import inspect
import json
import os
import socket
import sys
import time

SOCKET = "/run/ingero-recorder/annotate.sock"
# The recorder refuses more.
LONGEST_VALUE = 256


class Annotator:
    """A connection to the recorder. What cannot be sent at once is left out."""

    RETRY_NS = 10_000_000_000

    def __init__(self, path=None):
        self._path = path or os.environ.get("INGERO_ANNOTATE_SOCKET", SOCKET)
        self._socket = None
        self._tried_ns = -self.RETRY_NS
        self.left_out = 0

    def span(self, labels, start_ns, end_ns):
        """Says `labels`, texts by name, of a time in Unix ns."""
        values = {key: _value(value) for key, value in labels.items()}
        line = json.dumps({"labels": values, "span_start": start_ns, "span_end": end_ns}) + "\n"
        if not self._send(line.encode()):
            self.left_out += 1

    def _send(self, line):
        if self._socket is None and not self._connect():
            return False
        try:
            # Half a line would spoil the next one: the connection is given up with it.
            if self._socket.send(line) == len(line):
                return True
        except BlockingIOError:
            return False
        except OSError:
            pass
        self.close()
        return False

    def close(self):
        """Gives the connection up; the next span makes a new one, but not at once."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connect(self):
        now = time.monotonic_ns()
        if now - self._tried_ns < self.RETRY_NS:
            return False
        self._tried_ns = now
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            stream.connect(self._path)
        except OSError:
            stream.close()
            return False
        self._socket = stream
        return True


def _value(value):
    """A text that the recorder takes: without control characters, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text.encode()[:LONGEST_VALUE].decode(errors="ignore")


def traced(generate, annotator):
    """`generate`, an async generator of outputs that takes a `request_id`, with each request told."""
    signature = inspect.signature(generate)

    @functools.wraps(generate)
    async def telling(*args, **kwargs):
        arrived = time.time_ns()
        request_id = signature.bind_partial(*args, **kwargs).arguments.get("request_id", "?")
        first, tokens, ended = None, 0, "failed"
        outputs = generate(*args, **kwargs)
        try:
            async for output in outputs:
                if first is None:
                    first = time.time_ns()
                    annotator.span({"request_id": request_id, "phase": "ttft"}, arrived, first)
                tokens += _tokens(output)
                yield output
            ended = "done"
        except (GeneratorExit, asyncio.CancelledError):
            ended = "cancelled"
            raise
        finally:
            await outputs.aclose()
            # Without a first token the whole request is the wait for it.
            phase = "decode" if first is not None else "ttft"
            labels = {"request_id": request_id, "phase": phase, "ended": ended, "outputs": tokens}
            annotator.span(labels, first or arrived, time.time_ns())

    return telling


def _tokens(output):
    """Tokens of an output; 1 if it does not say."""
    return sum(len(part.token_ids) for part in getattr(output, "outputs", [])) or 1


def install(engine_class, annotator):
    """Has every request of an engine class told."""
    engine_class.generate = traced(engine_class.generate, annotator)


def main():
    """vLLM's own command line, with every request told."""
    from vllm.entrypoints.cli.main import main as vllm
    from vllm.v1.engine.async_llm import AsyncLLM

    install(AsyncLLM, Annotator())
    sys.exit(vllm())


if __name__ == "__main__":
    main()
