"""The HTML report in a real browser: it opens, zooms, can be used without a mouse, and runs nothing of a trace's.

Run: `tests/report/run`.
"""
from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from typing import List, Tuple

from playwright.sync_api import Page, TimeoutError, sync_playwright

import pages

DESK = (1280, 900)
PHONE = (390, 844)
# Pixels of a canvas that are not empty.
PAINTED = """canvas => {
  const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0;
  for (let i = 3; i < all.length; i += 4) n += all[i] > 0 ? 1 : 0;
  return n;
}"""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Reports(unittest.TestCase):
    """One browser, and one page for each kind of recording."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        folder = Path(cls.folder.name)
        cls.contention_db = pages.database(folder, "contention")
        cls.contention = pages.page(cls.contention_db)
        cls.starvation = pages.page(pages.bundle(folder, "starvation"))
        cls.cold = pages.page(pages.bundle(folder, "cold"))
        cls.no_cuda = pages.page(pages.imported(folder, "sample-gpu-node-01"))
        cls.sampled = pages.page(pages.imported(folder, "pytorch-dataloader-starvation"))
        cls.cluster = pages.page(pages.imported(folder, *(f"sample-gpu-node-0{n}" for n in (1, 2, 3))))
        served = folder / "served.db"
        served.write_bytes(cls.contention_db.read_bytes())
        cls.served = pages.page(pages.serve(served))
        empty = folder / "empty.db"
        empty.write_bytes(cls.contention_db.read_bytes())
        cls.empty = pages.page(pages.emptied(empty))
        hostile = folder / "hostile.db"
        hostile.write_bytes(cls.contention_db.read_bytes())
        cls.hostile = pages.page(pages.poison(hostile))
        cls.all = [cls.contention, cls.starvation, cls.cold, cls.no_cuda, cls.sampled, cls.cluster, cls.empty, cls.hostile]
        cls.screens = Path(os.environ["SCREENS"])
        cls.screens.mkdir(parents=True, exist_ok=True)
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.browser.close()
        cls.playwright.stop()
        cls.folder.cleanup()

    def open(self, path: Path, size: Tuple[int, int] = DESK, scheme: str = "light", touch: bool = False) -> Page:
        """Opens a page; what it says on the console or asks a network for fails the test at its end."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=touch)
        context.set_default_timeout(10_000)
        self.addCleanup(context.close)
        page = context.new_page()
        said: List[str] = []
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        asked: List[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        try:
            page.wait_for_selector("html[data-ready]", state="attached")
        except TimeoutError as error:
            raise AssertionError(f"{path.name} is not ready: {said}") from error
        page.evaluate(DRAWN)
        self.addCleanup(lambda: self.assertEqual(said, []))
        self.addCleanup(lambda: self.assertEqual([url for url in asked if url != path.as_uri()], []))
        return page

    def shown(self, page: Page) -> Tuple[int, int]:
        """The part of the window that is shown, ns after its begin."""
        page.evaluate(DRAWN)
        plots = page.locator("#plots")
        return int(plots.get_attribute("data-from")), int(plots.get_attribute("data-to"))

    def test_the_answer_is_the_sentence_that_explain_says(self) -> None:
        page = self.open(self.contention)
        sentence = pages.ingeroctl("explain", self.contention_db).splitlines()[0]
        self.assertEqual(page.inner_text("h1"), sentence)
        self.assertIn("neighbour/531", sentence)
        self.assertEqual(page.inner_text("#badges .badge >> nth=0"), "HIGH")
        self.assertEqual(page.locator("article.finding").count(), 2)

    def test_a_quiet_recording_says_that_nothing_is_above_low(self) -> None:
        page = self.open(self.no_cuda)
        self.assertIn("nothing above LOW", page.inner_text("#badges"))
        self.assertIn("No CUDA call was recorded", page.inner_text("#operations"))

    def test_a_recording_without_events_shows_its_losses(self) -> None:
        page = self.open(self.empty)
        self.assertTrue(page.inner_text("h1").startswith("Nothing stands out"))
        self.assertEqual(page.locator("#coverage tbody tr").count(), 1)
        self.assertIn("long after", page.inner_text("#coverage table"))
        self.assertIn("No CUDA call was recorded", page.inner_text("#operations"))
        page.click("#zoom-in")

    def test_every_row_of_the_timeline_is_painted(self) -> None:
        for path in self.all:
            page = self.open(path)
            canvases = page.locator("#plots canvas")
            self.assertGreaterEqual(canvases.count(), 2, path)
            for i in range(canvases.count()):
                self.assertGreater(canvases.nth(i).evaluate(PAINTED), 20, f"{path.name} row {i}")

    def test_the_wheel_zooms_where_the_pointer_is_and_back(self) -> None:
        page = self.open(self.contention)
        page.locator("#plots").scroll_into_view_if_needed()
        whole = self.shown(page)
        box = page.locator("#plots").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40)
        page.mouse.wheel(0, -400)
        page.wait_for_function("whole => Number(document.getElementById('plots').dataset.to) "
                               "- Number(document.getElementById('plots').dataset.from) < whole", arg=whole[1] - whole[0])
        near = self.shown(page)
        at = whole[0] + 0.75 * (whole[1] - whole[0])
        self.assertAlmostEqual((at - near[0]) / (near[1] - near[0]), 0.75, delta=0.01)
        for _ in range(8):
            page.mouse.wheel(0, 400)
            page.evaluate(DRAWN)
        self.assertEqual(self.shown(page), whole)

    def test_dragging_and_a_double_click_move(self) -> None:
        page = self.open(self.contention)
        page.locator("#plots").scroll_into_view_if_needed()
        box = page.locator("#plots").bounding_box()
        whole = self.shown(page)
        page.mouse.dblclick(box["x"] + box["width"] * 0.5, box["y"] + 12)
        near = self.shown(page)
        self.assertAlmostEqual((near[1] - near[0]) / (whole[1] - whole[0]), 0.25, delta=0.01)
        page.mouse.move(box["x"] + 600, box["y"] + 12)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 12, steps=4)
        page.mouse.up()
        moved = self.shown(page)
        self.assertGreater(moved[0], near[0])
        self.assertEqual(moved[1] - moved[0], near[1] - near[0])

    def test_keys_zoom_and_move(self) -> None:
        page = self.open(self.contention)
        whole = self.shown(page)
        page.focus("#plots")
        page.keyboard.press("+")
        near = self.shown(page)
        self.assertEqual(near[1] - near[0], (whole[1] - whole[0]) // 2)
        page.keyboard.press("ArrowRight")
        self.assertGreater(self.shown(page)[0], near[0])
        page.keyboard.press("Home")
        self.assertEqual(self.shown(page)[0], 0)
        page.keyboard.press("End")
        self.assertEqual(self.shown(page)[1], whole[1])
        page.keyboard.press("-")
        page.keyboard.press("0")
        self.assertEqual(self.shown(page), whole)

    def test_buttons_zoom_and_move_and_a_finding_shows_its_time(self) -> None:
        page = self.open(self.contention)
        whole = self.shown(page)
        page.click("#zoom-in")
        near = self.shown(page)
        self.assertLess(near[1] - near[0], whole[1] - whole[0])
        page.click("#pan-left")
        self.assertLess(self.shown(page)[0], near[0])
        page.click("#zoom-out")
        page.click("#zoom-all")
        self.assertEqual(self.shown(page), whole)
        page.click("#finding-1 button")
        found = self.shown(page)
        self.assertLess(found[1] - found[0], (whole[1] - whole[0]) * 0.5)
        self.assertEqual(page.evaluate("document.activeElement.id"), "plots")

    def test_what_is_under_the_pointer_is_told(self) -> None:
        page = self.open(self.contention)
        page.click("#finding-1 button")
        canvas = page.locator("canvas[aria-label*='intervals off the CPU']").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        told = set()
        for step in range(1, 40):
            page.mouse.move(box["x"] + box["width"] * step / 40, box["y"] + 25)
            told.add(page.inner_text("#tip").split("\n")[0])
        self.assertIn("off the CPU: runnable", told)

    def test_the_sums_are_those_of_the_database(self) -> None:
        page = self.open(self.contention)
        launches = page.locator("canvas[aria-label*='launches a second']")
        launches.scroll_into_view_if_needed()
        box = launches.bounding_box()
        rates = []
        for step in range(2, 30):
            page.mouse.move(box["x"] + box["width"] * step / 100, box["y"] + 25)
            rates.append(int(page.inner_text("#tip b").split(" ")[0].replace(",", "")))
        # `explain` says how many launches a second there were before the incident.
        usual = next(line for line in pages.ingeroctl("explain", self.contention_db).splitlines() if "/s before" in line)
        expected = int(usual.split()[1].split("/")[0].replace(",", ""))
        self.assertAlmostEqual(sum(rates) / len(rates), expected, delta=expected * 0.15)

    def test_a_function_of_the_flame_graph_can_be_picked(self) -> None:
        page = self.open(self.starvation)
        flame = page.locator(".flame button")
        names = flame.all_inner_texts()
        self.assertIn("anon_pipe_read", names)
        self.assertIn("(no kernel stack recorded)", names)
        page.locator(".flame button", has_text="anon_pipe_read").focus()
        page.keyboard.press("Enter")
        self.assertNotIn("(no kernel stack recorded)", flame.all_inner_texts())
        page.locator(".flame button", has_text="all").first.click()
        self.assertEqual(flame.all_inner_texts(), names)

    def test_a_starved_thread_is_shown_with_the_one_that_feeds_it(self) -> None:
        page = self.open(self.starvation)
        names = page.locator(".lane-name b").all_inner_texts()
        self.assertEqual(names, ["engine/495 tid 495", "tokenizer/520 tid 520"])
        self.assertIn("gpu_utilization_percent", page.locator("#plots canvas >> nth=2").get_attribute("aria-label"))

    def test_time_to_first_token_stands_on_the_same_axis_as_the_threads(self) -> None:
        page = self.open(self.served)
        rows = [row.get_attribute("aria-label") for row in page.locator("#plots canvas").all()]
        title = "time to first token, mean, seconds \u00b7 instance engine:8000"
        self.assertIn(f"{title}: from 0.05 to 0.80", rows)
        self.assertNotIn("Time to first token was not recorded", page.inner_text("#cuts"))
        before = len(rows)
        page.click("#curves-menu summary")
        page.locator("#curves label", has_text="psi_some_total_us per second").first.click()
        page.evaluate(DRAWN)
        self.assertEqual(page.locator("#plots canvas").count(), before + 1)

    def test_what_programs_said_has_a_line_for_each_process_and_more_for_what_overlaps(self) -> None:
        page = self.open(self.served)
        canvas = page.get_by_role("img", name="33 annotations")
        canvas.scroll_into_view_if_needed()
        self.assertEqual(canvas.bounding_box()["height"], 13 + 3 + 12 * 11)
        self.assertGreater(canvas.evaluate(PAINTED), 10_000)
        told = []
        for line in (0, 1, 2, 11):
            canvas.hover(position={"x": 300, "y": 13 + 2 + line * 11 + 5})
            told.append(page.inner_text("#tip"))
        for text, part in zip(told, ("process 10", "process 10", "process 20", "many")):
            self.assertIn(part, text)
        self.assertIn("q0", told[0])
        self.assertIn("q1", told[1])
        self.assertIn("<img src=x", told[2])

    def test_threads_of_several_hosts_are_told_apart(self) -> None:
        page = self.open(self.cluster)
        names = " ".join(page.locator(".lane-name b").all_inner_texts())
        self.assertEqual([n in names for n in ("node-01", "node-02", "node-03")], [True, True, True], names)

    def test_what_is_summed_or_left_out_is_said(self) -> None:
        text = self.open(self.contention).inner_text("#cuts")
        self.assertIn("of 102,767 calls, the 8 longest of each", text)
        self.assertIn("Time to first token was not recorded", text)
        self.assertIn("sampled", self.open(self.sampled).inner_text("#coverage"))

    def test_every_part_can_be_reached_by_tab_and_is_named(self) -> None:
        page = self.open(self.contention)
        for landmark in ["header", "nav[aria-label]", "main", "#plots[role=group][aria-label]"]:
            self.assertEqual(page.locator(landmark).count(), 1, landmark)
        for region in page.locator(".scroll").all():
            self.assertEqual((region.get_attribute("tabindex"), region.get_attribute("role")), ("0", "region"))
            self.assertTrue(region.get_attribute("aria-label"))
        reached, outlined = set(), True
        for _ in range(80):
            page.keyboard.press("Tab")
            state = page.evaluate("() => { const e = document.activeElement, s = getComputedStyle(e);"
                                  " return [e.id || e.getAttribute('aria-label') || e.tagName, s.outlineStyle]; }")
            if state[0] == "BODY":
                break
            reached.add(state[0])
            outlined = outlined and state[1] != "none"
        self.assertLessEqual({"zoom-in", "plots", "Operations", "Preemptors", "Kernel stacks"}, reached)
        self.assertTrue(outlined, "what has the focus is seen")

    def test_light_and_dark_have_their_own_colours(self) -> None:
        backgrounds = {}
        for scheme in ["light", "dark"]:
            for name, path, size in [("desk", self.contention, DESK), ("phone", self.starvation, PHONE)]:
                page = self.open(path, size, scheme)
                page.screenshot(path=self.screens / f"{name}-{scheme}.png", full_page=True)
                backgrounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        self.assertNotEqual(backgrounds["light"], backgrounds["dark"])

    def test_a_phone_scrolls_down_only_and_two_fingers_zoom(self) -> None:
        for path in self.all:
            page = self.open(path, PHONE, touch=True)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), PHONE[0], path.name)
        page = self.open(self.contention, PHONE, touch=True)
        page.locator("#plots").scroll_into_view_if_needed()
        whole = self.shown(page)
        box = page.locator("#plots").bounding_box()
        y, middle = box["y"] + 60, box["x"] + box["width"] / 2
        client = page.context.new_cdp_session(page)
        fingers = lambda apart: [{"x": middle - apart, "y": y, "id": 0}, {"x": middle + apart, "y": y, "id": 1}]
        client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers(30)})
        for apart in range(40, 121, 10):
            client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": fingers(apart)})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        near = self.shown(page)
        self.assertLess(near[1] - near[0], (whole[1] - whole[0]) * 0.5)
        page.touchscreen.tap(middle, box["y"] + 12)
        page.click("#finding-1 button")
        canvas = page.locator("canvas[aria-label*='intervals off the CPU']").first.bounding_box()
        page.touchscreen.tap(canvas["x"] + canvas["width"] / 2, canvas["y"] + 25)
        self.assertTrue(page.locator("#tip").is_visible(), "what was tapped is told until something else is")

    def test_hostile_names_are_shown_and_do_nothing(self) -> None:
        page = self.open(self.hostile)
        for details in page.locator("details").all():
            details.evaluate("d => { d.open = true; }")
        page.click("#finding-1 button")
        for canvas in page.locator("#plots canvas").all():
            canvas.hover(position={"x": 300, "y": 15})
        page.evaluate(DRAWN)
        self.assertIsNone(page.evaluate("window.owned ?? null"))
        self.assertEqual(page.locator("script").count(), 2)
        self.assertEqual(page.locator("img, iframe, object, embed, svg, link, form").count(), 0)
        self.assertEqual(page.locator("*[onerror], *[onload], *[onclick]").count(), 0)
        body = page.inner_text("body")
        for part in ["engine", "neighbour", "cuLaunchKernel", "psi"]:
            self.assertIn(part, body)
        self.assertGreater(body.count("<img src=x"), 20, "the names are there, as text")


class Commands(unittest.TestCase):
    """What the command promises about its file."""

    def test_no_file_is_replaced_unasked_and_the_same_recording_gives_the_same_bytes(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            db = pages.database(folder, "kernel")
            first = pages.page(db).read_bytes()
            self.assertEqual(pages.page(db).read_bytes(), first)
            self.assertLess(len(first), 5 << 20)
            error = pages.ingeroctl("report", db, "-o", folder / "kernel.db.html", fails=1)
            self.assertIn("--force", error)
            (folder / "text.txt").write_text("no recording")
            pages.ingeroctl("report", folder / "text.txt", "-o", folder / "x.html", fails=3)
            self.assertFalse((folder / "x.html").exists())


if __name__ == "__main__":
    unittest.main()
