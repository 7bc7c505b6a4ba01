"""Pages to look at: of recordings from an H100, of an Ingero agent's database, and of one whose names are hostile."""
from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import zstandard

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
HOSTILE = "</script><script>window.owned=1</script><img src=x onerror=\"window.owned=2\">{{script}}&lt;b&gt;'\u2028"
# Columns by which the tool knows what a row is; a recording has no say in them.
KEPT = {"cause", "severity", "kind", "layer", "family", "key", "source_name", "cause_name"}


def ingeroctl(*arguments: object, fails: int = 0) -> str:
    """Runs the tool; gives what it wrote to standard output, or to standard error if it is to fail."""
    command = [os.environ["INGEROCTL"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != fails:
        raise AssertionError(f"{command}: {done.returncode}: {done.stderr}")
    return done.stderr if fails else done.stdout


def bundle(folder: Path, name: str) -> Path:
    """A recording of an H100, unpacked."""
    packed = (FIXTURES / "h100" / f"{name}.ingero.zst").read_bytes()
    path = folder / f"{name}.ingero"
    path.write_bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=1 << 28))
    return path


def database(folder: Path, name: str) -> Path:
    """The investigation of a recording of an H100."""
    path = folder / f"{name}.db"
    ingeroctl("convert", bundle(folder, name), "-o", path)
    return path


def page(source: Path) -> Path:
    """The report of a database or bundle."""
    path = source.with_suffix(source.suffix + ".html")
    ingeroctl("report", source, "-o", path, "--force")
    return path


def imported(folder: Path, *names: str) -> Path:
    """The investigation of Ingero agents' databases."""
    path = folder / f"{names[0]}-{len(names)}.db"
    ingeroctl("import", *(FIXTURES / "ingero" / f"{name}.db" for name in names), "-o", path)
    return path


def serve(path: Path) -> Path:
    """Adds what an inference engine says of itself: each second ten requests more, one second with slow first tokens; and
    what its programs say: two requests at once, a step of another process, and far more than there are lines for."""
    db = sqlite3.connect(path)
    node, begin, end = db.execute("SELECT id, from_ns, to_ns FROM node").fetchone()
    series = db.execute("SELECT max(id) FROM series").fetchone()[0]
    for place, (name, per_second) in enumerate([("sum", [0, 0.5, 8.0, 0.5]), ("count", [0, 10, 10, 10])], series + 1):
        db.execute("INSERT INTO series VALUES(?, ?, 0, ?, ?)",
                   (place, node, f"vllm:time_to_first_token_seconds_{name}", '{"instance":"engine:8000"}'))
        total = 0.0
        for second, more in enumerate(per_second):
            total += more
            at = begin + (end - begin) * second // len(per_second)
            db.execute("INSERT INTO sample VALUES(NULL, ?, ?, ?)", (at, place, total))
    name = db.execute("SELECT name FROM node").fetchone()[0]
    whole = (end - begin) // 10 * 9
    said = [(10, '{"request_id":"q0"}'), (10, '{"request_id":"q1"}'), (20, '{"step":"' + HOSTILE + '"}')]
    said += [(30 + i, '{"of":"many"}') for i in range(30)]
    db.executemany("INSERT INTO annotations VALUES(?, ?, ?, ?, ?, 1, 0)",
                   [(begin + place, whole, name, pid, labels) for place, (pid, labels) in enumerate(said)])
    db.commit()
    db.close()
    return path


def emptied(path: Path) -> Path:
    """Leaves nothing of a database but its window, and a loss that covers more than it."""
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    for table in tables:
        if table not in ("node", "meta", "answer", "key_layout"):
            db.execute(f"DELETE FROM {table}")
    node, begin, end = db.execute("SELECT id, from_ns, to_ns FROM node").fetchone()
    lost = (1, node, begin - 10**9, end + 10**17, 0, 2, "sched", 1, "ringbuf_full", 5)
    db.execute(f"INSERT INTO loss VALUES({','.join('?' * len(lost))})", lost)
    db.commit()
    db.close()
    return path


def poisoned(value: Any) -> Any:
    """JSON whose texts are hostile."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    return value


def poison_text(text: str) -> str:
    """A text, or the texts of a JSON document, made hostile."""
    try:
        document = json.loads(text)
    except ValueError:
        return text + HOSTILE
    if isinstance(document, (dict, list)):
        return json.dumps(poisoned(document))
    return text + HOSTILE


def poison(path: Path) -> Path:
    """Makes every text of a database hostile."""
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    for table in tables:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[2] == "TEXT"]
        for column in (c for c in columns if c not in KEPT):
            rows = db.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
            changed = [(poison_text(text), row) for row, text in rows]
            db.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changed)
    db.commit()
    db.close()
    return path


if __name__ == "__main__":
    sys.exit("a module of tests/report/run")
