"""A bundle on the Hub is fetched whole, once, and is then a run; from a server on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest

from untrimmed import Detector, api
from untrimmed.core.errors import UserError
from untrimmed.runs.hub import HubBundle, bundle_folder, hub_folder
from untrimmed.runs.progress import finish

FIRST, SECOND = "1" * 40, "2" * 40
WEIGHTS = "model.safetensors"


class Hub(ThreadingHTTPServer):
    """Shows the files of a folder as one model, lab/jumps, whose weights lie on another server.

    commits: what the revisions stand for.
    token: without which it shows nothing; None if it shows all.
    most: bytes after which it breaks off an answer.
    asked, ranges: path and token of each request; the part that was asked for, None for all.
    """

    def __init__(self, folder, elsewhere=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.elsewhere = folder, elsewhere
        self.commits = elsewhere.commits if elsewhere else {"main": FIRST, "v1": FIRST}
        self.token, self.most, self.asked, self.ranges = None, None, [], []
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files["pytorch_model.bin"] = b"never asked for"
        self.sums = {WEIGHTS: hashlib.sha256(self.files[WEIGHTS]).hexdigest()}

    def answer(self, path):
        """Status, headers and content."""
        api, _, revision = path.rpartition("/revision/")
        if api == "/api/models/lab/jumps":
            return self._listed(self.commits.get(revision, revision))
        model, _, rest = path.partition("/resolve/")
        commit, _, name = rest.partition("/")
        if model != "/lab/jumps" or commit not in self.commits.values() or name not in self.files:
            return 404, {}, b""
        if name == WEIGHTS and self.elsewhere is not None:
            return 302, {"Location": f"{self.elsewhere.url}{path}"}, b""
        return 200, {"ETag": '"tag"'}, self.files[name]

    def _listed(self, commit):
        if commit not in self.commits.values():
            return 404, {}, b""
        files = [
            {"rfilename": name, "lfs": {"sha256": self.sums[name]}}
            if name in self.sums
            else {"rfilename": name}
            for name in self.files
        ]
        return 200, {}, json.dumps({"sha": commit, "siblings": files}).encode()

    @property
    def url(self):
        name = "localhost" if self.elsewhere is None else "127.0.0.1"  # two hosts to a client
        return f"http://{name}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub, path = self.server, urlsplit(self.path).path
        hub.asked.append((path, self.headers["Authorization"]))
        hub.ranges.append(self.headers["Range"])
        if hub.token is not None and self.headers["Authorization"] != f"Bearer {hub.token}":
            self.send_error(401)
            return
        status, headers, content = hub.answer(path)
        begin = 0
        if (asked := self.headers["Range"]) and self.headers["If-Range"] == headers.get("ETag"):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            status = 206
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : None if hub.most is None else begin + hub.most])

    def log_message(self, *_):
        pass


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def made(on_features, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "bundle"
    api.bundle(on_features.path, folder)
    return folder


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    """Variables of a user with an empty cache."""
    variables = {"no_proxy": "127.0.0.1,localhost"}
    variables |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), str(tmp_path / "cache"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub(made, monkeypatch):
    with running(Hub(made)) as elsewhere, running(Hub(made, elsewhere)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
        yield hub


def fetched(name="hf://lab/jumps"):
    return finish(bundle_folder(name))


@pytest.mark.usefixtures("hub")
def test_a_bundle_arrives_with_what_it_needs_and_nothing_else(made):
    folder = fetched()
    assert folder == hub_folder() / "lab" / "jumps" / FIRST
    names = {path.name for path in folder.iterdir()}
    assert names == {"recipe.yaml", "classes.json", "model.safetensors", "data.json"}
    for name in names:
        assert (folder / name).read_bytes() == (made / name).read_bytes()


@pytest.mark.usefixtures("hub")
def test_a_bundle_from_the_hub_finds_what_its_run_finds(on_features, tmp_path):
    video = on_features.path.parent / "features" / "a.npy"
    wanted, found = (
        Detector.load(each)(video).detections for each in (on_features.path, "hf://lab/jumps")
    )
    assert len(wanted) > 5
    np.testing.assert_array_equal(wanted.segments_s, found.segments_s)
    np.testing.assert_array_equal(wanted.scores, found.scores)
    detected = api.detect("hf://lab/jumps@v1", [video], output=tmp_path / "found")
    np.testing.assert_array_equal(wanted.scores, detected.detections["a"].scores)


@pytest.mark.usefixtures("hub")
def test_the_command_takes_a_bundle_from_the_hub(on_features, tmp_path):
    video = on_features.path.parent / "features" / "a.npy"
    done = subprocess.run(
        [sys.executable, "-m", "untrimmed", "detect", video, "--model", "hf://lab/jumps"],
        env=os.environ.copy(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a: " in done.stdout
    assert FIRST in "".join(done.stderr.split())


def test_a_state_that_is_here_is_not_fetched_again(hub):
    fetched()
    before = len(hub.asked)
    fetched()
    assert [path for path, _ in hub.asked[before:]] == ["/api/models/lab/jumps/revision/main"]
    assert fetched(f"hf://lab/jumps@{FIRST}").name == FIRST
    assert len(hub.asked) == before + 1


def test_a_branch_that_moved_is_fetched_anew(hub):
    fetched()
    hub.commits["main"] = SECOND
    assert fetched().name == SECOND
    assert fetched("hf://lab/jumps@v1").name == FIRST


@pytest.mark.usefixtures("hub")
def test_without_the_hub_the_state_that_was_fetched_last_is_taken(monkeypatch):
    folder = fetched()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert fetched() == folder
    with pytest.raises(UserError, match="cannot be fetched"):
        fetched("hf://lab/jumps@v1")


def test_without_the_hub_it_says_what_to_put_where(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"put recipe\.yaml, .* into a folder, and name that"):
        fetched()


def test_a_download_that_was_cut_off_goes_on_where_it_ended(hub, made):
    hub.elsewhere.most = 1000
    with pytest.raises(UserError, match=r"after 1000 of \d+ bytes.*goes on"):
        fetched()
    assert not (hub_folder() / "lab" / "jumps" / FIRST).exists()
    hub.elsewhere.most = None
    assert (fetched() / WEIGHTS).read_bytes() == (made / WEIGHTS).read_bytes()
    assert hub.elsewhere.ranges == [None, "bytes=1000-"]


def test_weights_that_are_not_those_of_the_hub_are_refused(hub):
    hub.elsewhere.files[WEIGHTS] = hub.files[WEIGHTS][::-1]
    with pytest.raises(UserError, match="another checksum"):
        fetched()


def test_the_token_opens_what_is_not_public_and_is_told_to_the_hub_alone(hub, monkeypatch):
    hub.token = "secret"
    with pytest.raises(UserError, match=r"401.*not public, in which case set HF_TOKEN"):
        fetched()
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert fetched().name == FIRST
    assert {token for _, token in hub.asked[1:]} == {"Bearer secret"}
    assert hub.elsewhere.asked
    assert {token for _, token in hub.elsewhere.asked} == {None}


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["hf://lab/other", "hf://lab/jumps@v2"])
def test_what_the_hub_does_not_have_is_named(name):
    with pytest.raises(UserError, match=rf"{name}.*404.*no such model or revision"):
        fetched(name)


def test_a_model_that_is_no_bundle_says_what_it_lacks(hub):
    del hub.files["recipe.yaml"]
    with pytest.raises(UserError, match=r"no bundle: it has no recipe\.yaml"):
        fetched()


def test_a_recipe_with_code_of_its_own_is_not_followed(hub):
    hub.files["recipe.yaml"] = b"model: {name: tallformer, encoder: {name: my_lab.nets}}\n"
    with pytest.raises(UserError, match=r"not of this package, my_lab\.nets"):
        fetched()
    assert not (hub_folder() / "lab" / "jumps" / FIRST).exists()


@pytest.mark.parametrize("name", ["hf://lab", "hf://lab/../x", "hf://lab/jumps@", "hf://a/b/c"])
def test_names_of_another_form_are_refused(name):
    with pytest.raises(UserError, match="wanted hf://OWNER/NAME"):
        HubBundle.of(name)


def test_a_folder_is_itself(tmp_path):
    assert fetched(tmp_path / "run") == tmp_path / "run"
