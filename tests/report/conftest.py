"""Small videos of known brightness, written by PyAV, and a browser to see pages in."""

import shutil

import av
import numpy as np
import pytest

from tests.report.browsing import FLAGS

FPS = 25


def write_video(path, *, codec="libx264", seconds=4.0, size=(96, 64), pixel_format="yuv420p"):
    """Picture n is grey of brightness 2 n (from 20 on), so that a picture tells its time."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for number in range(round(seconds * FPS)):
            pixels = np.full((size[1], size[0], 3), min(20 + 2 * number, 255), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def make_video():
    return write_video


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a file or an address of this machine; there must be no complaint afterwards, and no
    request beyond the disk and this machine."""
    complaints, requests, pages = [], [], []

    def open_page(where, **settings):
        page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | settings))
        page.set_default_timeout(10_000)
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(where if isinstance(where, str) else where.as_uri())
        return page

    yield open_page
    for page in pages:
        assert page.evaluate("window.hacked") is None
        page.close()
    assert complaints == []
    own = ("file:", "blob:", "data:", "http://127.0.0.1:")
    assert [url for url in requests if not url.startswith(own)] == []
