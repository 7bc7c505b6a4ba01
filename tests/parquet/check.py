"""Checks an export against the database it was made from: `check.py DB FOLDER`.

Read with DuckDB, pandas and pyarrow, as their users would. Exits 1 at the first thing that differs.
"""
import os
import pathlib
import sqlite3
import sys
from collections import Counter

import duckdb
import pandas
import pyarrow.dataset
import pyarrow.parquet

# The same table from the calls themselves. Quantiles are nearest rank over the calls whose time was taken; of others
# the duration is 0, so that they come first in order.
OP_STATS = """
WITH calls AS (
  SELECT node, pid, layer, op, list_sort(list(dur_ns)) AS durations, sum(dur_ns) AS total, sum(first_use) AS first,
    sum(dur_ns) FILTER (first_use = 1) AS first_ns, count(*) FILTER (off_cpu_ns > 0) AS off, sum(off_cpu_ns) AS off_ns
  FROM read_parquet('{0}/cuda_calls/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)
  GROUP BY ALL),
ranked AS (
  SELECT calls.*, len(durations) AS n, n - timed AS untimed, timed
  FROM calls JOIN read_parquet('{0}/op_stats/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)
  USING (node, pid, layer, op))
SELECT node, pid, layer, op, n, total, durations[untimed + 1],
  durations[untimed + (timed * 50 + 99) // 100], durations[untimed + (timed * 95 + 99) // 100],
  durations[untimed + (timed * 99 + 99) // 100], durations[-1], first, ifnull(first_ns, 0), off, off_ns
FROM ranked
"""
SQL = """
SELECT node, pid, layer, op, count, total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns, first_use_count, first_use_ns,
  off_cpu_calls, off_cpu_ns FROM op_stats
"""


def every_row_is_there(db, folder, view):
    """All rows of a view, its columns in its order, and their types."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({view})") if row[1] != "node"]
    partitioning = pyarrow.dataset.partitioning(
        pyarrow.schema([("node", pyarrow.string()), ("hour", pyarrow.string())]), flavor="hive")
    data = pyarrow.dataset.dataset(folder / view, partitioning=partitioning)
    physical = pyarrow.parquet.read_schema(next((folder / view).rglob("*.parquet")))
    assert physical.names == columns, (view, physical.names, columns)
    for field in physical:
        assert field.type in (pyarrow.int64(), pyarrow.string(), pyarrow.float64()), (view, field)
    of_node = view != "meta"
    quoted = ", ".join(f'"{c}"' for c in columns)
    node = "node" if view != "stacks" else "(SELECT name FROM node n WHERE n.id = stacks.node)"
    expected = Counter(db.execute(f"SELECT {quoted}{', ' + node if of_node else ''} FROM {view}"))
    table = data.to_table(columns=columns + (["node"] if of_node else []))
    written = Counter(zip(*(column.to_pylist() for column in table.columns)))
    assert written == expected, (view, (written - expected).most_common(1), (expected - written).most_common(1))
    return table.num_rows


def files_are_in_order_with_statistics(folder):
    for path in folder.rglob("*.parquet"):
        about = pyarrow.parquet.ParquetFile(path).metadata
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        for group in groups:
            columns = [group.column(i) for i in range(group.num_columns)]
            assert {c.compression for c in columns} == {"ZSTD"}, path
            assert all(c.is_stats_set and c.has_column_index for c in columns), path
            texts = [c for c in columns if c.physical_type == "BYTE_ARRAY"]
            assert all(c.has_dictionary_page for c in texts), path
        if "ts_ns" in about.schema.names:
            times = pyarrow.parquet.read_table(path, columns=["ts_ns"], partitioning=None)["ts_ns"].to_pylist()
            assert times == sorted(times), path
            hours = {pandas.Timestamp(t).strftime("hour=%Y-%m-%dT%H") for t in times}
            assert hours <= {path.parent.name}, (path, hours)


def only_asked_partitions_are_read(folder):
    """A file that is none, in another hour and on another machine: who opens it fails."""
    calls = folder / "cuda_calls"
    [node] = calls.iterdir()
    [hour] = node.iterdir()
    traps = [node / "hour=2999-01-01T00", calls / "node=zzz" / hour.name]
    for trap in traps:
        trap.mkdir(parents=True)
        (trap / "part-0.parquet").write_text("none")
    read = f"FROM read_parquet('{calls}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    which = [node.name.removeprefix("node="), hour.name.removeprefix("hour=")]
    [(count,)] = duckdb.execute(f"SELECT count(*) {read} WHERE node = ? AND hour = ?", which).fetchall()
    for trap in traps:
        try:
            duckdb.execute(f"SELECT sum(dur_ns) {read}").fetchall()
            raise AssertionError("the trap was not opened without a filter")
        except duckdb.Error:
            pass
        (trap / "part-0.parquet").unlink()
        trap.rmdir()
    (calls / "node=zzz").rmdir()
    return count


def main(database, folder):
    folder = pathlib.Path(folder)
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    rows = {view: every_row_is_there(db, folder, view) for view in sorted(os.listdir(folder))}
    files_are_in_order_with_statistics(folder)
    stats = sorted(duckdb.execute(OP_STATS.format(folder)).fetchall())
    expected = sorted(db.execute(SQL).fetchall())
    assert stats == expected, [pair for pair in zip(stats, expected) if pair[0] != pair[1]][:1]
    assert only_asked_partitions_are_read(folder) == rows["cuda_calls"]
    frame = pandas.read_parquet(folder / "cuda_calls")
    assert len(frame) == rows["cuda_calls"] and frame["dur_ns"].sum() == sum(row[5] for row in expected)
    print(f"{folder.name}: {sum(rows.values())} rows of {len(rows)} views, {len(stats)} rows of op_stats: as the database says")


main(*sys.argv[1:])
