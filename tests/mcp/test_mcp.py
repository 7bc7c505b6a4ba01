"""`ingeroctl mcp` as the official client sees it: every tool, over stdio and HTTP, in both lives of the protocol."""

import asyncio
import json
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import jsonschema

import serving

MESSAGE_BYTES = 100 * 1024
MODES = ["auto", "legacy"]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
TOOLS = {
    "get_check": {},
    "get_trace_stats": {"since": "30s"},
    "get_causal_chains": {"top_n": 5},
    "get_stacks": {"source": "driver", "limit": 3},
    "run_sql": {"query": "SELECT op, count, total_ns FROM op_stats ORDER BY 3 DESC"},
    "graph_lifecycle": {},
    "graph_frequency": {"window_seconds": 10},
    "query_fleet": {"action": "overview"},
    "take_snapshot": {"last": "1s", "after": "0s"},
    "list_snapshots": {},
    "get_coverage": {},
    "get_off_cpu": {"group": "state"},
    "get_timeline": {"from": "-60s", "to": "-30s", "limit": 20},
    "compare_windows": {"from_a": "-60s", "to_a": "-30s", "from_b": "-30s", "to_b": "-0s"},
}
NEED_A_RECORDER = {"take_snapshot", "list_snapshots"}


def strings(value):
    """Every string of a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)


def refusal(result):
    """The text of a result that is an error."""
    assert result.is_error, result
    return result.content[0].text


class Answers(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="mcp-test-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.db = serving.imported(cls.folder, "loader.db", "pytorch-dataloader-starvation")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    async def every_tool(self, client):
        """Lists and calls every tool; the client checks each answer against the declared schema, and so do we."""
        tools = (await client.list_tools()).tools
        self.assertEqual([t.name for t in tools], list(TOOLS))
        self.assertLess(sum(len(t.model_dump_json(exclude_none=True)) for t in tools), MESSAGE_BYTES)
        for tool in tools:
            jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            jsonschema.validate(TOOLS[tool.name], tool.input_schema)
            takes_short = "tsc" in tool.input_schema.get("properties", {})
            for short in [{}, {"tsc": True}] if takes_short else [{}]:
                await self.one_tool(client, tool, TOOLS[tool.name] | short)

    async def one_tool(self, client, tool, arguments):
        result = await client.call_tool(tool.name, arguments)
        self.assertLess(len(result.model_dump_json()), MESSAGE_BYTES, tool.name)
        if tool.name in NEED_A_RECORDER:
            self.assertIn("systemctl start ingero-recorder", refusal(result))
            return
        self.assertFalse(result.is_error, (tool.name, result.content))
        answer = result.structured_content
        self.assertEqual(json.loads(result.content[0].text), answer)
        jsonschema.validate(answer, tool.output_schema)
        self.assertTrue(answer["population"], tool.name)
        self.assertFalse(answer["coverage"]["complete"], "an agent's rows are a sample")
        self.assertIn("never instructions", answer["untrusted"])
        unknown = refusal(await client.call_tool(tool.name, arguments | {"sence": "5s"}))
        self.assertIn("unknown parameter `sence`", unknown)
        for name in tool.input_schema.get("properties", {}):
            self.assertIn(name, unknown)

    async def resources_and_prompt(self, client):
        resources = (await client.list_resources()).resources
        texts = {r.name: (await client.read_resource(r.uri)).contents[0].text for r in resources}
        self.assertEqual(sorted(texts), ["meta", "report", "schema"])
        self.assertIn("CREATE VIEW cuda_calls", texts["schema"])
        self.assertIn("first_use", texts["report"])
        self.assertEqual(json.loads(texts["meta"])["meta"]["schema_version"], "1")
        with self.assertRaisesRegex(Exception, "no resource `ingero://other`"):
            await client.read_resource("ingero://other")
        prompts = (await client.list_prompts()).prompts
        self.assertEqual([p.name for p in prompts], ["investigate"])
        prompt = await client.get_prompt("investigate", {"question": "Why?", "pid": "2233"})
        text = prompt.messages[0].content.text
        self.assertTrue(text.startswith("Why?") and "pid 2233" in text and "REFUTE" in text and "cannot tell" in text)

    async def test_every_tool_answers_over_stdio_as_declared(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                async with serving.stdio_client(self.db, mode) as client:
                    await self.every_tool(client)
                    await self.resources_and_prompt(client)

    async def test_every_tool_answers_over_http_as_declared(self):
        with serving.http_server(self.db, self.folder) as address:
            for mode in MODES:
                with self.subTest(mode=mode):
                    async with serving.http_client(address, mode) as client:
                        await self.every_tool(client)
                        await self.resources_and_prompt(client)

    async def test_answers_are_those_of_the_command_line(self):
        def said(*arguments):
            command = [serving.INGEROCTL, *arguments]
            return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

        stats, explained = said("stats", self.db, "--json"), said("explain", self.db, "--json")
        async with serving.stdio_client(self.db, "auto") as client:
            told = (await client.call_tool("get_trace_stats", {})).structured_content
            chains = (await client.call_tool("get_causal_chains", {"top_n": 0})).structured_content
        self.assertEqual(told["threads"], stats["threads"])
        for row, expected in zip(told["ops"], stats["ops"], strict=True):
            self.assertEqual({k: row[k] for k in expected}, expected)
        self.assertEqual(chains["findings"], explained["findings"])
        self.assertEqual(chains["claims_total"], 316)

    async def test_sql_that_is_more_than_reading_is_refused_and_leaves_the_file_as_it_was(self):
        before = self.db.read_bytes()
        new = self.folder / "new.db"
        async with serving.stdio_client(self.db, "auto") as client:
            for sql, reason in [
                ("DELETE FROM call", "write to call"),
                (f"ATTACH '{new}' AS x", "attach a file"),
                (f"VACUUM INTO '{new}'", "only reading"),
                ("SELECT load_extension('/tmp/x.so')", "load code"),
                ("PRAGMA query_only = OFF", "PRAGMA query_only"),
                ("SELECT 1; DROP TABLE call", "only reading"),
                ("SELECT zeroblob(2000000)", "1048576 bytes"),
            ]:
                self.assertIn(reason, refusal(await client.call_tool("run_sql", {"query": sql})))
        self.assertFalse(new.exists())
        self.assertEqual(self.db.read_bytes(), before)

    async def test_names_of_processes_are_harmless_and_stay_names(self):
        path = serving.hostile(self.folder, self.db)
        async with serving.stdio_client(path, "auto") as client:
            for name, arguments in TOOLS.items():
                result = await client.call_tool(name, arguments)
                for text in [result.content[0].text, *strings(result.structured_content)]:
                    self.assertFalse([c for c in text if ord(c) < 32 or c in "\x7f\x9b\u202e\U000e0041"], name)
            stats = (await client.call_tool("get_trace_stats", {})).structured_content
            self.assertEqual(stats["ops"][0]["comm"], serving.HARMLESS)
            chains = (await client.call_tool("get_causal_chains", {})).structured_content
            self.assertEqual(chains["findings"][0]["advice"], [serving.HARMLESS])
            report = (await client.read_resource("ingero://report")).contents[0].text
            self.assertNotIn("\x1b", report)

    async def test_no_answer_floods_the_client(self):
        path = serving.huge(self.folder, self.db)
        async with serving.stdio_client(path, "auto") as client:
            for name, arguments in [
                ("get_trace_stats", {}),
                ("get_causal_chains", {"top_n": 0}),
                ("query_fleet", {"action": "ops", "limit": 100000}),
                ("run_sql", {"query": "SELECT * FROM findings", "limit": 10000}),
                ("get_timeline", {"from": "-77s", "to": "-0s", "limit": 5000}),
            ]:
                result = await client.call_tool(name, arguments)
                self.assertFalse(result.is_error, result.content)
                self.assertLess(len(result.model_dump_json()), MESSAGE_BYTES, name)
                answer = result.structured_content
                self.assertTrue(answer["truncated"] and answer["more"], name)
                self.assertTrue(answer["left_out"] or answer.get("next_from_ns"), name)

    async def test_a_cancelled_statement_stops(self):
        async with serving.stdio_client(self.db, "legacy") as client:
            for _ in range(8):
                with self.assertRaises(TimeoutError):
                    await asyncio.wait_for(client.call_tool("run_sql", {"query": ENDLESS}), 0.2)
            begun = time.monotonic()
            answer = await client.call_tool("run_sql", {"query": "SELECT 1"})
            self.assertFalse(answer.is_error)
            self.assertLess(time.monotonic() - begun, 15, "eight statements of 30 s hold no place")

    async def test_eight_clients_at_once_get_the_same_answer(self):
        with serving.http_server(self.db, self.folder) as address:

            async def ask():
                async with serving.http_client(address, "auto") as client:
                    answers = [await client.call_tool("get_off_cpu", {}) for _ in range(4)]
                    return [a.content[0].text for a in answers]

            answers = await asyncio.gather(*(ask() for _ in range(8)))
            self.assertEqual(len({text for client in answers for text in client}), 1)

    async def test_a_wrong_token_is_refused_with_the_reason(self):
        with serving.http_server(self.db, self.folder) as address:
            for headers, reason in [
                ({}, "needs a token"),
                ({"Authorization": "Bearer " + "0" * 64}, "the token is wrong"),
            ]:
                request = urllib.request.Request(address, b"{}", headers)
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=10)
                self.assertEqual(refused.exception.code, 401)
                self.assertIn(reason, refused.exception.read().decode())
                refused.exception.close()
            with self.assertRaises(BaseException) as failed:
                async with serving.http_client(address, "auto", "wrong" * 8) as client:
                    await client.list_tools()
            self.assertNotIsInstance(failed.exception, AssertionError)

    async def test_a_client_that_hangs_keeps_nobody_waiting(self):
        with serving.http_server(self.db, self.folder) as address:
            host, port = address.removeprefix("http://").removesuffix("/mcp").split(":")
            beginnings = [b"", b"POST /mcp HTTP/1.1\r\nHo", b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Le"]
            hanging = [socket.create_connection((host, int(port))) for _ in range(30)]
            for i, connection in enumerate(hanging):
                connection.sendall(beginnings[i % len(beginnings)])
            async with serving.http_client(address, "auto") as client:
                result = await asyncio.wait_for(client.call_tool("get_trace_stats", {}), 10)
                self.assertFalse(result.is_error)
            for connection in hanging:
                connection.close()

    def test_an_address_that_others_reach_needs_a_token_and_stdin_that_ends_ends_the_server(self):
        command = [serving.INGEROCTL, "mcp", "--db", str(self.db)]
        open_to_all = subprocess.run([*command, "--http", "0.0.0.0:0"], capture_output=True, text=True, timeout=10)
        self.assertEqual(open_to_all.returncode, 2)
        self.assertIn("--token-file", open_to_all.stderr)
        silent = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        self.assertEqual((silent.returncode, silent.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
