"""The server by itself: who may ask, for what, and which part of a file comes."""

import http.client
import json
import threading

import pytest

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import ConfigError
from untrimmed.report.requests import is_own_host
from untrimmed.report.server import Address, serve
from untrimmed.runs.seen_files import Sources
from untrimmed.runs.site import ViewSite
from untrimmed.sources.formats import activitynet

CONTENT = bytes(range(256)) * 5 + b"end"
ID = "a/b ü"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Folder and port of a server of two videos, one of which has a file."""
    folder = tmp_path_factory.mktemp("served")
    found = {id: Detections([(1.0, 2.0)], [0], [0.5]) for id in (ID, "c")}
    activitynet.write_detections(found, ("run",), folder / "found.json")
    activitynet.write(
        Annotations(("run", "walk"), {"c": Video(id="c", duration_s=9.0, actions=Actions.none())}),
        folder / "truth.json",
    )
    (folder / "videos").mkdir()
    (folder / "videos" / "c.mp4").write_bytes(CONTENT)
    site = ViewSite(
        Sources(
            main=folder / "found.json",
            annotations=folder / "truth.json",
            media=folder / "videos",
        )
    )
    told, ready = [], threading.Event()

    def listening(address):
        told.append(address)
        ready.set()

    threading.Thread(
        target=serve, args=(site,), kwargs={"listening": listening}, daemon=True
    ).start()
    assert ready.wait(10)
    return folder, told[0].port


@pytest.fixture
def ask(served):
    """Sends a request, and gives status, headers and body."""

    def send(path, *, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=10)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=names)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    return send


def token_of(ask):
    page = ask("/")[2].decode()
    around = page.partition('id="around">')[2].partition("</script>")[0]
    return json.loads(around)["live"]["token"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        ("bytes=1000-", 1000, len(CONTENT) - 1),
        ("bytes=-3", len(CONTENT) - 3, len(CONTENT) - 1),
        ("bytes=7-999999", 7, len(CONTENT) - 1),
        ("bytes=-999999", 0, len(CONTENT) - 1),
    ],
)
def test_a_range_gives_that_part(ask, asked, first, last):
    status, headers, content = ask("/media/c", Range=asked)
    assert status == 206
    assert content == CONTENT[first : last + 1]
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["", "bytes=", "bytes=9-5", "lines=1-2", "bytes=0-1,4-5"])
def test_what_is_no_range_gives_the_whole_file(ask, asked):
    status, headers, content = ask("/media/c", Range=asked)
    assert (status, content) == (200, CONTENT)
    assert headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(ask, asked):
    status, headers, _ = ask("/media/c", Range=asked)
    assert status == 416
    assert headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_a_head_gives_the_length_alone(ask):
    status, headers, content = ask("/media/c", method="HEAD")
    assert (status, content) == (200, b"")
    assert headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    "path",
    [
        "/media/a%2Fb%20%C3%BC",
        "/media/d",
        "/media/..%2Ffound.json",
        "/found.json",
        "/media/c/x",
    ],
)
def test_nothing_else_is_served(ask, path):
    assert ask(path)[0] == 404


def test_names_that_are_not_of_this_machine_are_refused(ask, served):
    assert ask("/", Host=f"evil.example:{served[1]}")[0] == 421
    assert ask("/media/c", Host="rebound.example")[0] == 421
    assert ask("/", Host=f"localhost:{served[1]}")[0] == 200


@pytest.mark.parametrize(
    ("header", "listening_on", "own"),
    [
        ("127.0.0.1:80", "127.0.0.1", True),
        ("[::1]:80", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("192.168.0.7:80", "127.0.0.1", False),
        ("192.168.0.7:80", "0.0.0.0", True),
        ("gpu.lab", "gpu.lab", True),
        ("gpu.lab.evil.example", "gpu.lab", False),
        ("", "127.0.0.1", False),
    ],
)
def test_a_host_is_an_address_or_a_name_of_this_machine(header, listening_on, own):
    assert is_own_host(header, listening_on=listening_on) is own


@pytest.mark.parametrize("path", ["/corrections", "/export"])
def test_a_change_needs_the_token(ask, served, path):
    body = json.dumps({"video": "c", "labels": [], "format": "csv", "all": True})
    for headers in ({}, {"X_Token": "guess"}, {"X_Token": "ü".encode("latin-1")}):
        assert ask(path, method="POST", body=body, **headers)[0] == 403
    assert not (served[0] / "found.corrections.json").exists()


def test_a_correction_is_kept_beside_the_detections(ask, served):
    body = json.dumps({"video": "c", "labels": [[1.5, 2.5, "walk"]]})
    assert ask("/corrections", method="POST", body=body, X_Token=token_of(ask))[0] == 200
    kept = activitynet.read(served[0] / "found.corrections.json")
    assert list(kept.videos["c"].actions) == [(1.5, 2.5, 1)]


@pytest.mark.parametrize(
    ("request_body", "complaint"),
    [
        ({"video": "d", "labels": []}, "no such video"),
        ({"video": ["c"], "labels": []}, "no such video"),
        ({"video": "c", "labels": [[1, 2]]}, "start, end, class"),
        ({"video": "c", "labels": [[1, 2, 0]]}, "the class by its name"),
        ({"video": "c", "labels": [["one", 2, "run"]]}, "the class by its name"),
        ({"video": "c", "labels": [[1, 2, ""]]}, "cannot hold the class name ''"),
        ({"video": "c", "labels": [[1, 2, "r\nun"]]}, "cannot hold the class name"),
        ({"video": "c", "labels": [[1, 2, "run"], [3, 4, " swim"]]}, "cannot hold the class name"),
        ({"video": "c", "labels": [[1, float("nan"), "run"]]}, "no numbers"),
        ({"video": "c", "labels": [[2, 1, "run"]]}, "without length"),
        ({"video": "c", "labels": [[8, 9.5, "run"]]}, "not within the 9 s"),
        ({"video": "c", "labels": "none"}, "start, end, class"),
        ([], "a JSON object"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(ask, request_body, complaint):
    body = json.dumps(request_body)
    status, _, said = ask("/corrections", method="POST", body=body, X_Token=token_of(ask))
    assert status == 422
    assert complaint in said.decode()


def test_a_body_that_is_too_large_is_not_read(ask):
    status, _, _ = ask("/corrections", method="POST", Content_Length=str(10**9))
    assert status == 413


def test_a_copy_that_cannot_be_made_says_why(ask):
    status, _, said = ask("/media/c/copy")  # not a video at all
    assert status == 422
    assert "c.mp4" in said.decode()


def test_a_port_that_is_taken_is_an_error_for_the_user(served):
    sources = Sources(main=served[0] / "found.json", annotations=served[0] / "truth.json")
    site = ViewSite(sources)
    with pytest.raises(ConfigError, match=r"--port: cannot listen on 127.0.0.1, port \d+"):
        serve(site, port=served[1])


@pytest.mark.parametrize(
    ("host", "url", "loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:7/", True),
        ("::1", "http://[::1]:7/", True),
        ("0.0.0.0", "http://127.0.0.1:7/", False),
        ("gpu.lab", "http://gpu.lab:7/", False),
    ],
)
def test_an_address_leads_a_browser_of_this_machine_there(host, url, loopback):
    address = Address(host, 7)
    assert (address.url, address.loopback) == (url, loopback)
