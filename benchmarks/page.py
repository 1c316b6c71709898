"""How long the page of `untrimmed view` takes to be there, by videos and detections of each.

    python -m benchmarks.page [--videos 200] [--detections 105 1000] [--rounds 5] [--browser PATH]

Drawn results, the real server in a process of its own, and Chromium driven by Playwright: from the
request until all videos are listed and the timeline of the first is drawn.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from untrimmed import Actions, Annotations, Detections, Video
from untrimmed.sources.formats import activitynet

ACTIONS = 15
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def draw(folder: Path, *, videos: int, detections: int) -> None:
    """Results and annotations of videos of ten minutes, of 20 classes; nothing in them is found."""
    random = np.random.default_rng(0)
    names = tuple(f"class {n}" for n in range(20))
    truth, found = {}, {}
    for n in range(videos):
        starts = random.uniform(0, 580, ACTIONS + detections)
        segments = np.stack([starts, starts + random.uniform(1, 20, len(starts))], axis=1)
        labels = random.integers(0, 20, len(starts))
        actions = Actions(segments[:ACTIONS], labels[:ACTIONS])
        truth[f"v{n}"] = Video(id=f"v{n}", duration_s=600.0, actions=actions)
        scores = random.uniform(0, 1, detections)
        found[f"v{n}"] = Detections(segments[ACTIONS:], labels[ACTIONS:], scores)
    activitynet.write(Annotations(names, truth), folder / "truth.json")
    activitynet.write_detections(found, names, folder / "found.json")


def load_s(page: Page, address: str, *, videos: int) -> float:
    """Seconds until the page is there."""
    began_s = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("#videos li").nth(videos - 1).wait_for(state="attached")
    page.locator("#lanes .bar").first.wait_for(state="attached")
    return time.perf_counter() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--detections", type=int, nargs="+", default=[105, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("chrome"))
    given = parser.parse_args()
    print("detections of a video | page, MiB | median, s | slowest, s")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        browser = playwright.chromium.launch(executable_path=given.browser, args=FLAGS)
        for detections in given.detections:
            folder = Path(name)
            draw(folder, videos=given.videos, detections=detections)
            command = ("view", "found.json", "--annotations", "truth.json", "--no-browser")
            with subprocess.Popen(
                [sys.executable, "-m", "untrimmed", *command],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
            ) as server:
                assert server.stdout is not None
                said = (re.search(r"http://\S+", line) for line in server.stdout)
                address = next(filter(None, said))[0]
                page = browser.new_page()
                size = len(page.request.get(address).body()) / 2**20
                times_s = [load_s(page, address, videos=given.videos) for _ in range(given.rounds)]
                page.close()
                server.terminate()
            print(
                f"{detections:,} | {size:.1f} | {statistics.median(times_s):.2f} |"
                f" {max(times_s):.2f}"
            )
        browser.close()


if __name__ == "__main__":
    main()
