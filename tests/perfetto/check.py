"""Checks a trace against the database it was made from: `check.py DB TRACE`.

Read with the messages of Perfetto's own package. Exits 1 at the first thing that differs.
"""
import sqlite3
import sys
from collections import Counter, defaultdict

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent


def unknown_fields(trace):
    """Whether anything was written that the definition does not have: it would not survive a second writing."""
    trace.DiscardUnknownFields()
    return trace.SerializeToString()


def main(database, path):
    written = open(path, "rb").read()
    trace = Trace()
    trace.ParseFromString(written)
    known = Trace()
    known.ParseFromString(unknown_fields(trace))
    assert len(known.SerializeToString()) == len(written), "fields that the definition does not have"

    names, categories, strings = {}, {}, {}
    threads, processes, tracks = {}, {}, {}
    events = []
    for packet in trace.packet:
        for kept, new in ((names, packet.interned_data.event_names),
                          (categories, packet.interned_data.event_categories)):
            kept.update((entry.iid, entry.name) for entry in new)
        strings.update((s.iid, s.str.decode()) for s in packet.interned_data.debug_annotation_string_values)
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            tracks[track.uuid] = track
            if track.HasField("thread"):
                threads[track.uuid] = (track.thread.pid, track.thread.tid)
            if track.HasField("process"):
                processes[track.process.pid] = track.process.process_name
        if packet.HasField("track_event"):
            events.append((packet.timestamp, packet.track_event))
    events.sort(key=lambda pair: pair[0])

    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    begun, open_slices, time_on = Counter(), defaultdict(list), Counter()
    for at, event in events:
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            category = categories[event.category_iids[0]]
            begun[category, names[event.name_iid]] += 1
            open_slices[event.track_uuid].append((at, category, names[event.name_iid]))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            since, category, name = open_slices[event.track_uuid].pop()
            time_on[category, name, threads.get(event.track_uuid)] += at - since
    assert not any(open_slices.values()), "slices without an end"

    for layer, op, pid, tid, count, total in db.execute(
            "SELECT layer, op, pid, tid, count(*), sum(dur_ns) FROM cuda_calls GROUP BY 1, 2, 3, 4"):
        assert time_on[layer, op, (pid, tid)] == total, (op, time_on[layer, op, (pid, tid)], total)
    for layer, op, count in db.execute("SELECT layer, op, count(*) FROM cuda_calls GROUP BY 1, 2"):
        assert begun[layer, op] == count, (op, begun[layer, op], count)
    [[preempted]] = db.execute("SELECT count(*) FROM off_cpu WHERE state = 'runnable'")
    assert begun["sched", "preempted"] == preempted
    counters = sum(1 for _, e in events if e.type == TrackEvent.TYPE_COUNTER)
    assert counters == db.execute("SELECT count(*) FROM samples").fetchone()[0]
    for pid, comm in db.execute("SELECT DISTINCT pid, comm FROM processes"):
        assert processes.get(pid, comm) == comm, (pid, comm)
    begin = Counter(flow for _, e in events for flow in e.flow_ids)
    end = Counter(flow for _, e in events for flow in e.terminating_flow_ids)
    assert begin == end, "arrows with one end"
    # The serving loop waits once a step for what it launched.
    assert sum(1 for flow in begin if not flow >> 63) > 100, "launches that nobody waits for"
    kernels = {shown for [shown] in db.execute("SELECT DISTINCT kernel FROM cuda_calls WHERE kernel IS NOT NULL")}
    assert kernels <= set(strings.values()), "kernels without a name"
    print(f"{path}: {len(events)} events on {len(tracks)} tracks, {len(begin)} arrows: as the database says")


main(*sys.argv[1:])
