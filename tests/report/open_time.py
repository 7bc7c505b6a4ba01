"""How long a browser takes to show a report: from the request for the file to the second frame after it is ready.

Run: `CHROMIUM=chromium target/report-env/bin/python tests/report/open_time.py FILE.html...`
"""
from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

TIMES = 9
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Frames of zooming in, one after the other.
ZOOMED = """async () => {
  const times = [];
  for (let i = 0; i < 20; i += 1) {
    const begin = performance.now();
    document.getElementById(i % 2 ? "zoom-out" : "zoom-in").click();
    await new Promise(done => requestAnimationFrame(() => { setTimeout(done, 0); }));
    times.push(performance.now() - begin);
  }
  return times;
}"""


def main() -> None:
    """Prints a line for each file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        for name in sys.argv[1:]:
            path = Path(name).resolve()
            times, frames = [], []
            for _ in range(TIMES):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                begin = time.monotonic()
                page.goto(path.as_uri())
                page.wait_for_selector("html[data-ready]", state="attached")
                page.evaluate(DRAWN)
                times.append(time.monotonic() - begin)
                frames.extend(page.evaluate(ZOOMED))
                page.close()
            print(f"{path.name}: {path.stat().st_size:,} bytes, open median {statistics.median(times) * 1e3:.0f} ms, "
                  f"worst {max(times) * 1e3:.0f} ms of {TIMES}; a zoom median {statistics.median(frames):.0f} ms, "
                  f"worst {max(frames):.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
