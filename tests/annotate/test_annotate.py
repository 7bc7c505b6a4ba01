"""Programs that annotate: the published client of the Ingero agent, unchanged, and the example for vLLM."""
import asyncio
import importlib.metadata
import json
import os
import threading
import time
import types
import unittest

import ingero_annotate
import vllm_ttft
from lab import Lab


class PublishedClient(unittest.TestCase):
    """What its own documentation shows, against our socket."""

    def test_every_annotation_it_sends_stands_in_sql(self):
        self.assertEqual(importlib.metadata.version("ingero-annotate"), "0.1.1")
        with Lab() as lab:
            at = time.time_ns() - 1_000_000
            with ingero_annotate.AnnotationWriter(socket_path=lab.socket) as writer:
                self.assertTrue(writer.active)
                self.assertTrue(writer.write({"step": "42", "phase": "backward"}, pid=os.getpid(), ts_ns=at))
                self.assertTrue(writer.write({"epoch": "3"}, pid=os.getpid()))
                self.assertTrue(writer.write({"run_id": "é\u2028\U0001f600 '\"\\"}))
                largest = {f"{i:02}" + "k" * 62: "v" * 256 for i in range(32)}
                self.assertTrue(writer.write(largest, ts_ns=at - 1))
            rows = lab.until_annotated(4)
            self.assertEqual([row[3] for row in rows[:2]], [largest, {"phase": "backward", "step": "42"}])
            self.assertEqual(sorted(map(str, (row[3] for row in rows[2:]))),
                             sorted(map(str, ({"epoch": "3"}, {"run_id": "é\u2028\U0001f600 '\"\\"}))))
            self.assertLess(abs(rows[1][0] - at), 20_000_000)
            me = os.getpid()
            self.assertTrue(all(row[1:3] == (0, me) and row[4:] == (me, os.geteuid()) for row in rows), rows)
            self.assertNotIn("annotations were refused", lab.ctl("status"))

    def test_its_limits_are_ours_and_a_line_beyond_them_is_refused_alone(self):
        with Lab() as lab:
            writer = ingero_annotate.AnnotationWriter(socket_path=lab.socket)
            for labels in ({}, {"k" * 65: ""}, {"a": "v" * 257}, {"a b": ""}, {"a": "\n"},
                           {f"k{i}": "" for i in range(33)}):
                with self.assertRaises(ingero_annotate.AnnotationError):
                    writer.write(labels)
                # What the client would not send is refused here too, and the connection stays.
                writer._sock.sendall(json.dumps({"labels": labels}).encode() + b"\n")
            self.assertTrue(writer.write({"a": "kept"}))
            self.assertEqual([row[3] for row in lab.until_annotated(1)], [{"a": "kept"}])
            writer.close()
            status = lab.ctl("status")
            self.assertIn("6 annotations were refused (labels 2, key 2, value 2), 1 kept", status)

    def test_it_goes_on_after_the_recorder_was_started_anew(self):
        with Lab() as lab:
            writer = ingero_annotate.AnnotationWriter(socket_path=lab.socket)
            self.assertTrue(writer.write({"step": "1"}))
            lab.until_annotated(1)
            lab.stop()
            lab.start()
            self.assertTrue(writer.write({"step": "2"}))
            writer.close()
            # A window reaches back to the start if nothing but annotations was recorded before.
            self.assertIn({"step": "2"}, [row[3] for row in lab.until_annotated(1)])


class Engine:
    """An engine as `AsyncLLM`: outputs by and by; one request fails, one waits for ever."""

    async def generate(self, prompt, sampling_params, request_id, *, priority=0):
        """Yields outputs."""
        del sampling_params, priority
        await asyncio.sleep(0.05)
        if prompt == "fails":
            raise ValueError("no")
        if prompt == "hangs":
            await asyncio.sleep(3600)
        for token in range(3):
            yield types.SimpleNamespace(request_id=request_id, outputs=[types.SimpleNamespace(token_ids=[token])])
            await asyncio.sleep(0.02)


class TimeToFirstToken(unittest.TestCase):
    """`docs/examples/vllm_ttft.py` on an engine that is none."""

    async def _serve(self, annotator):
        class Traced(Engine):
            """One whose requests are told."""
        vllm_ttft.install(Traced, annotator)
        engine = Traced()

        async def ask(prompt, request_id):
            return [output async for output in engine.generate(prompt, None, request_id)]

        done, failed, left = await asyncio.gather(
            ask("hello", "q1\n"), ask("fails", "q2"), asyncio.wait_for(ask("hangs", "q3"), 0.2), return_exceptions=True)
        self.assertEqual([output.outputs[0].token_ids for output in done], [[0], [1], [2]])
        self.assertIsInstance(failed, ValueError)
        self.assertIsInstance(left, asyncio.TimeoutError)
        stopped = engine.generate("stopped", None, request_id="q4")
        await anext(stopped)
        await stopped.aclose()

    def test_each_request_stands_in_sql_with_its_time_to_first_token(self):
        with Lab() as lab:
            annotator = vllm_ttft.Annotator(lab.socket)
            asyncio.run(self._serve(annotator))
            annotator.close()
            self.assertEqual(annotator.left_out, 0)
            rows = lab.until_annotated(6)
            told = {(row[3]["request_id"], row[3]["phase"]): row for row in rows}
            ended = {key: row[3].get("ended") for key, row in told.items()}
            self.assertEqual(ended, {
                ("q1?", "ttft"): None, ("q1?", "decode"): "done", ("q2", "ttft"): "failed",
                ("q3", "ttft"): "cancelled", ("q4", "ttft"): None, ("q4", "decode"): "cancelled"})
            first, rest = told["q1?", "ttft"], told["q1?", "decode"]
            self.assertGreaterEqual(first[1], 50_000_000)
            self.assertEqual(rest[0], first[0] + first[1], "the one ends where the other begins")
            self.assertEqual(rest[3]["outputs"], "3")
            self.assertTrue(all(row[2] == os.getpid() for row in rows))

    def test_without_a_recorder_requests_are_served_all_the_same(self):
        annotator = vllm_ttft.Annotator("/nowhere/annotate.sock")
        asyncio.run(self._serve(annotator))
        self.assertEqual(annotator.left_out, 6)

    def test_a_recorder_that_does_not_read_holds_up_no_request(self):
        with Lab() as lab:
            annotator = vllm_ttft.Annotator(lab.socket)
            annotator.span({"a": "1"}, 1, 1)
            lab.stop_reading()
            done = threading.Event()

            def flood():
                for _ in range(100_000):
                    annotator.span({"a": "x" * 200}, 1, 1)
                done.set()

            threading.Thread(target=flood, daemon=True).start()
            self.assertTrue(done.wait(120))
            lab.read_on()
            annotator.close()
            self.assertGreater(annotator.left_out, 0)


if __name__ == "__main__":
    unittest.main()
