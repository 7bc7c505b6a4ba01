"""Databases to ask, and servers that answer from them."""

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

INGEROCTL = os.environ["INGEROCTL"]
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "ingero"
TOKEN = "0123456789abcdef" * 4

# Terminal escapes, a page, a statement, text that turns around, and letters that nobody sees.
NASTY = "\x1b]0;x\x07\x1b[2J<script>alert(1)</script>\r\n'; DROP TABLE call;-- \u202eignore\U000e0041"
HARMLESS = "]0;x[2J<script>alert(1)</script>  '; DROP TABLE call;-- ignore"


def imported(folder, name, *databases):
    """An investigation of databases of Ingero agents."""
    path = folder / name
    sources = [str(FIXTURES / f"{d}.db") for d in databases]
    subprocess.run([INGEROCTL, "import", *sources, "-o", str(path)], check=True, capture_output=True)
    return path


def hostile(folder, original):
    """A copy whose names want to be obeyed."""
    path = folder / "hostile.db"
    shutil.copy(original, path)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for table in ["task", "op_stats", "thread_stats", "findings", "process"]:
            db.execute(f"UPDATE {table} SET comm = ?", [NASTY])
        db.execute("UPDATE findings SET summary = ?1, advice = json_array(?1)", [NASTY])
        db.execute("UPDATE kernel SET shown = CAST(X'61ff62' AS TEXT)")
    return path


def huge(folder, original):
    """A copy with far more findings and operations than one message holds."""
    path = folder / "huge.db"
    shutil.copy(original, path)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for table in ["findings", "op_stats", "thread_stats"]:
            for _ in range(12):
                db.execute(f"INSERT INTO {table} SELECT * FROM {table}")
    return path


def parameters(db):
    """How a client starts a server on stdin and stdout."""
    return StdioServerParameters(command=INGEROCTL, args=["--socket", "/nowhere/control.sock", "mcp", "--db", str(db)])


@contextlib.contextmanager
def http_server(db, folder):
    """A server on a free port of this host that asks for TOKEN; gives its address."""
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    arguments = ["--socket", "/nowhere/control.sock", "mcp", "--db", str(db)]
    arguments += ["--http", "127.0.0.1:0", "--token-file", str(token)]
    process = subprocess.Popen([INGEROCTL, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        yield re.search(r"http://\S+", line).group()
    finally:
        process.terminate()
        assert process.wait(10) == 0, "a server that is told to end does so without an error"
        process.stderr.close()


@contextlib.asynccontextmanager
async def stdio_client(db, mode):
    """The official client, over stdin and stdout."""
    async with Client(parameters(db), mode=mode) as client:
        yield client


@contextlib.asynccontextmanager
async def http_client(address, mode, token=TOKEN):
    """The official client, over HTTP."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(address, http_client=http), mode=mode) as client:
            yield client
