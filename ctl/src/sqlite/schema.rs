//! Tables and views.

use super::keys::Keys;

/// Tables; none has an index beside its key.
pub(super) const TABLES: &str = "
CREATE TABLE node(id INTEGER PRIMARY KEY, name TEXT NOT NULL, from_ns INTEGER NOT NULL,
  to_ns INTEGER NOT NULL, facts TEXT NOT NULL);
CREATE TABLE process(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, pid INTEGER NOT NULL,
  start_ns INTEGER NOT NULL, covered_ns INTEGER NOT NULL, comm TEXT NOT NULL, exe TEXT NOT NULL,
  cgroup TEXT NOT NULL, libraries TEXT NOT NULL, container TEXT, runtime TEXT, pod_uid TEXT, qos TEXT,
  unit TEXT);
CREATE TABLE task(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, pid INTEGER NOT NULL,
  tid INTEGER NOT NULL, comm TEXT NOT NULL);
CREATE TABLE op(id INTEGER PRIMARY KEY, name TEXT NOT NULL, layer TEXT NOT NULL,
  family TEXT NOT NULL);
CREATE TABLE kernel(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, name TEXT NOT NULL,
  shown TEXT NOT NULL);
CREATE TABLE task_state(bits INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE detail(id INTEGER PRIMARY KEY, op INTEGER NOT NULL, arg0 INTEGER NOT NULL,
  arg1 INTEGER NOT NULL, ret INTEGER NOT NULL, kernel INTEGER, stack INTEGER, flags INTEGER NOT NULL,
  first_use INTEGER NOT NULL);
CREATE TABLE call(key INTEGER PRIMARY KEY, dur_ns INTEGER NOT NULL, task INTEGER NOT NULL,
  cpu INTEGER NOT NULL, detail INTEGER NOT NULL, off_cpu_ns INTEGER, off_cpu_count INTEGER);
CREATE TABLE interval(key INTEGER PRIMARY KEY, dur_ns INTEGER NOT NULL, task INTEGER NOT NULL,
  cpu INTEGER NOT NULL, state INTEGER NOT NULL, runqueue_ns INTEGER NOT NULL, waker INTEGER,
  preemptor INTEGER, stack INTEGER, flags INTEGER NOT NULL);
CREATE TABLE host(key INTEGER PRIMARY KEY, dur_ns INTEGER NOT NULL, task INTEGER NOT NULL,
  cpu INTEGER NOT NULL, op INTEGER NOT NULL, arg0 INTEGER NOT NULL, arg1 INTEGER NOT NULL);
CREATE TABLE loss(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, from_ns INTEGER NOT NULL,
  to_ns INTEGER NOT NULL, cpu INTEGER NOT NULL, source INTEGER NOT NULL, source_name TEXT NOT NULL,
  cause INTEGER NOT NULL, cause_name TEXT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE stacks(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, kind TEXT NOT NULL,
  depth INTEGER NOT NULL, frames TEXT NOT NULL);
CREATE TABLE op_stats(node TEXT NOT NULL, pid INTEGER NOT NULL, comm TEXT NOT NULL, layer TEXT NOT NULL,
  op TEXT NOT NULL, count INTEGER NOT NULL, total_ns INTEGER NOT NULL, min_ns INTEGER NOT NULL,
  p50_ns INTEGER NOT NULL, p95_ns INTEGER NOT NULL, p99_ns INTEGER NOT NULL, max_ns INTEGER NOT NULL,
  first_use_count INTEGER NOT NULL, first_use_ns INTEGER NOT NULL, off_cpu_calls INTEGER NOT NULL,
  off_cpu_ns INTEGER NOT NULL, timed INTEGER NOT NULL);
CREATE TABLE rates(node TEXT NOT NULL, pid INTEGER NOT NULL, op TEXT NOT NULL,
  bucket_ts_ns INTEGER NOT NULL, bucket_ns INTEGER NOT NULL, count INTEGER NOT NULL,
  total_ns INTEGER NOT NULL);
CREATE TABLE findings(id TEXT NOT NULL, rank INTEGER NOT NULL, severity TEXT NOT NULL,
  cause TEXT NOT NULL, node TEXT NOT NULL, pid INTEGER NOT NULL, tid INTEGER NOT NULL,
  comm TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, attributed_ns INTEGER NOT NULL,
  calls_affected INTEGER NOT NULL, calls_total INTEGER NOT NULL, summary TEXT NOT NULL,
  evidence TEXT NOT NULL, counter_evidence TEXT NOT NULL, coverage TEXT NOT NULL, advice TEXT NOT NULL);
CREATE TABLE series(id INTEGER PRIMARY KEY, node INTEGER NOT NULL, pid INTEGER NOT NULL,
  name TEXT NOT NULL, labels TEXT NOT NULL);
CREATE TABLE sample(id INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, series INTEGER NOT NULL,
  value REAL NOT NULL);
CREATE TABLE annotations(ts_ns INTEGER NOT NULL, dur_ns INTEGER NOT NULL, node TEXT NOT NULL,
  pid INTEGER, labels TEXT NOT NULL, sender_pid INTEGER, sender_uid INTEGER);
CREATE TABLE thread_stats(node TEXT NOT NULL, pid INTEGER NOT NULL, tid INTEGER NOT NULL,
  comm TEXT NOT NULL, calls INTEGER NOT NULL, off_cpu_count INTEGER NOT NULL, off_cpu_ns INTEGER NOT NULL,
  max_off_cpu_ns INTEGER NOT NULL, runqueue_ns INTEGER NOT NULL, preempted_count INTEGER NOT NULL);
CREATE TABLE answer(key TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE key_layout(base_ns INTEGER NOT NULL, bits INTEGER NOT NULL);
CREATE TABLE meta(key TEXT NOT NULL, value TEXT NOT NULL);
";

/// Views with the names and columns of the contract.
pub(super) fn views(keys: Keys) -> String {
    let ts = |table: &str| format!("({table}.key >> {}) + {}", keys.bits, keys.base_ns);
    format!(
        "
CREATE VIEW cuda_calls AS SELECT c.key AS id, {call} AS ts_ns, c.dur_ns, o.layer, o.name AS op,
  t.pid, t.tid, t.comm, n.name AS node, nullif(c.cpu, 65535) AS cpu, d.arg0, d.arg1, d.ret, k.shown AS kernel,
  d.stack AS stack_id, ifnull(c.off_cpu_ns, 0) AS off_cpu_ns, ifnull(c.off_cpu_count, 0) AS off_cpu_count,
  d.first_use >= 2 AS first_use, d.flags & 1 AS open,
  k.name AS kernel_raw
  FROM call c JOIN detail d ON d.id = c.detail JOIN op o ON o.id = d.op JOIN task t ON t.id = c.task
  JOIN node n ON n.id = t.node LEFT JOIN kernel k ON k.id = d.kernel;
CREATE VIEW off_cpu AS SELECT i.key AS id, {interval} AS ts_ns, i.dur_ns, t.pid, t.tid, t.comm,
  n.name AS node, nullif(i.cpu, 65535) AS cpu,
  CASE WHEN i.flags & 2 THEN 'runnable' ELSE nullif(s.name, 'unknown') END AS state,
  nullif(i.runqueue_ns, -1) AS runqueue_ns, nullif(w.pid, 0) AS waker_pid, w.tid AS waker_tid,
  nullif(w.comm, '') AS waker_comm, nullif(p.pid, 0) AS preemptor_pid, p.tid AS preemptor_tid,
  nullif(p.comm, '') AS preemptor_comm, i.stack AS kernel_stack_id, i.flags & 1 AS open
  FROM interval i JOIN task t ON t.id = i.task JOIN node n ON n.id = t.node
  JOIN task_state s ON s.bits = i.state LEFT JOIN task w ON w.id = i.waker
  LEFT JOIN task p ON p.id = i.preemptor;
CREATE VIEW host_events AS SELECT h.key AS id, {host} AS ts_ns, h.dur_ns,
  o.family AS source, o.name AS op, t.pid, t.tid, t.comm,
  n.name AS node, nullif(h.cpu, 65535) AS cpu, h.arg0, h.arg1
  FROM host h JOIN op o ON o.id = h.op JOIN task t ON t.id = h.task JOIN node n ON n.id = t.node;
CREATE VIEW losses AS SELECT l.from_ns AS ts_ns, n.name AS node, nullif(l.cpu, 65535) AS cpu,
  l.source_name AS source, l.cause_name AS cause, l.count, l.from_ns, l.to_ns
  FROM loss l JOIN node n ON n.id = l.node;
CREATE VIEW samples AS SELECT s.ts_ns, n.name AS node, r.name, r.labels, s.value, nullif(r.pid, 0) AS pid
  FROM sample s JOIN series r ON r.id = s.series JOIN node n ON n.id = r.node;
CREATE VIEW processes AS SELECT n.name AS node, p.pid, p.start_ns, p.covered_ns, p.comm, p.exe, p.cgroup,
  p.libraries, p.container, p.runtime, p.pod_uid, p.qos, p.unit FROM process p JOIN node n ON n.id = p.node;
",
        call = ts("c"),
        interval = ts("i"),
        host = ts("h"),
    )
}
