"""A recorder of one's own, as long as a `with` lasts."""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import tempfile
import time

PROGRAMS = pathlib.Path(os.environ["INGERO_PROGRAMS"])
CONFIGURATION = """
[ring]
max_bytes = "256MiB"
keep_free = "16MiB"
[snapshot]
max_bytes = "128MiB"
[budget]
thread_percent = 100
daemon_percent = 100
"""
PATIENCE_S = 120


class Lab:
    """Starts a recorder below a folder of its own; live tests on one machine take turns."""

    def __init__(self, more=""):
        self._turn = open(pathlib.Path(tempfile.gettempdir()) / "ingero-live-tests.lock", "w", encoding="utf-8")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._folder = tempfile.TemporaryDirectory(prefix="ingero-lab-")
        self.path = pathlib.Path(self._folder.name)
        (self.path / "recorder.toml").write_text(CONFIGURATION + more, encoding="utf-8")
        self.socket = str(self.path / "run/annotate.sock")
        self._recorder = None

    def _command(self):
        return [str(PROGRAMS / "ingero-recorder"), "--config", str(self.path / "recorder.toml"),
                "--state-dir", str(self.path / "state"), "--run-dir", str(self.path / "run")]

    def start(self):
        """Starts the recorder and waits until it is ready."""
        with open(self.path / "log", "w", encoding="utf-8") as log:
            self._recorder = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.until("the recorder is ready", lambda: "; ready" in self.log())

    def stop(self):
        """Ends the recorder as a service manager would."""
        self._recorder.terminate()
        assert self._recorder.wait() == 0, self.log()
        self._recorder = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self._recorder is not None:
            self.stop()
        subprocess.run([*self._command(), "--release"], capture_output=True, check=False)
        self._folder.cleanup()
        self._turn.close()

    def stop_reading(self):
        """The recorder stands still."""
        self._recorder.send_signal(signal.SIGSTOP)

    def read_on(self):
        """And goes on."""
        self._recorder.send_signal(signal.SIGCONT)

    def pid(self):
        """The recorder's process id."""
        return self._recorder.pid

    def log(self):
        """What the recorder has said."""
        return (self.path / "log").read_text(encoding="utf-8")

    def until(self, what, is_so):
        """Waits until something is so, and gives it."""
        begun = time.monotonic()
        while not (found := is_so()):
            assert time.monotonic() - begun < PATIENCE_S, f"waited in vain until {what}\n{self.log()}"
            time.sleep(0.05)
        return found

    def ctl(self, *args):
        """What `ingeroctl` says."""
        command = [str(PROGRAMS / "ingeroctl"), "--socket", str(self.path / "run/control.sock"), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout

    def window(self):
        """A database of the last minutes."""
        bundle, database = str(self.path / "w.ingero"), str(self.path / "w.db")
        pathlib.Path(bundle).unlink(missing_ok=True)
        self.ctl("snapshot", "--last", "5m", "--after", "0s", "-o", bundle)
        self.ctl("convert", "--force", bundle, "-o", database)
        return database

    def until_annotated(self, count):
        """Waits until there are so many annotations, and gives them."""
        return self.until(f"{count} annotations are there",
                          lambda: [rows for rows in [self.annotations()] if len(rows) >= count])[0]

    def annotations(self):
        """Annotations in SQL: time, duration, process, labels, who said it."""
        sql = "SELECT ts_ns, dur_ns, pid, labels, sender_pid, sender_uid FROM annotations ORDER BY ts_ns, dur_ns, labels"
        with contextlib.closing(sqlite3.connect(f"file:{self.window()}?mode=ro", uri=True)) as db:
            return [(*row[:3], json.loads(row[3]), *row[4:]) for row in db.execute(sql)]
