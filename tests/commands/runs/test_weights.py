"""Public weights are fetched whole or not at all; from a server on this machine."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from untrimmed.core.errors import ConfigError, UserError
from untrimmed.recipes.weights import PUBLIC, EncoderWeights, PublicWeights, public_weights
from untrimmed.runs.progress import finish
from untrimmed.runs.weights import cache_folder, fetch, weights_file, weights_table

CONTENT = bytes(range(256)) * 13_000  # 3.2 MiB
MIB = 1 << 20


class Server(ThreadingHTTPServer):
    """Sends `content`, from where it is asked to; breaks off after `most` bytes of an answer.

    requests: the ranges that were asked for, None for the whole.
    tag: by which it knows this state of the file; None if it gives none.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.most, self.requests = CONTENT, '"first"', None, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/folder/weights.pth"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers["Range"]
        server.requests.append(asked)
        if "weights.pth" not in self.path:
            self.send_error(404)
            return
        begin = 0
        if asked and self.headers["If-Range"] == server.tag:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            last, size = len(server.content) - 1, len(server.content)
            self.send_header("Content-Range", f"bytes {begin}-{last}/{size}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(server.content) - begin))
        self.end_headers()
        end = None if server.most is None else begin + server.most
        self.wfile.write(server.content[begin:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def weights(server):
    return PublicWeights(
        encoder="{name: conv3d}",
        trained_on="nothing",
        url=server.url,
        source="the authors' page",
        licence="none",
        sha256=hashlib.sha256(CONTENT).hexdigest()[:8],
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_weights_arrive_whole_under_the_name_of_their_address(weights, tmp_path):
    path = finish(fetch(weights, tmp_path / "cache"))
    assert path == tmp_path / "cache" / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["weights.pth"]


def test_progress_is_told_in_mebibytes(weights, tmp_path):
    news = list(fetch(weights, tmp_path))
    assert {each.total for each in news} == {4}
    assert [each.done for each in news] == sorted(each.done for each in news)
    assert news[0].done == 0
    assert news[-1].done == 4


def test_what_is_here_is_not_fetched_again(weights, server, tmp_path):
    finish(fetch(weights, tmp_path))
    assert finish(fetch(weights, tmp_path)) == tmp_path / "weights.pth"
    assert server.requests == [None]


def test_a_download_that_was_cut_off_goes_on_where_it_ended(weights, server, tmp_path):
    server.most = 2 * MIB
    with pytest.raises(UserError, match=rf"after {2 * MIB} of {len(CONTENT)} bytes.*goes on"):
        finish(fetch(weights, tmp_path))
    assert not (tmp_path / "weights.pth").exists()
    server.most = None
    assert finish(fetch(weights, tmp_path)).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={2 * MIB}-"]
    assert names(tmp_path) == ["weights.pth"]


def test_a_download_may_be_cut_off_more_than_once(weights, server, tmp_path):
    server.most = MIB
    for _ in range(3):
        with pytest.raises(UserError, match="goes on from here"):
            finish(fetch(weights, tmp_path))
    assert finish(fetch(weights, tmp_path)).read_bytes() == CONTENT
    assert server.requests == [None, *(f"bytes={number * MIB}-" for number in (1, 2, 3))]


def test_parts_of_two_states_of_a_file_are_not_joined(weights, server, tmp_path):
    server.most = MIB
    with pytest.raises(UserError):
        finish(fetch(weights, tmp_path))
    server.content, server.tag, server.most = CONTENT[::-1], '"second"', None
    path = finish(fetch(replace(weights, sha256=None), tmp_path))
    assert path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_mark_of_the_file_a_download_begins_again(weights, server, tmp_path, tag):
    server.tag, server.most = tag, MIB
    with pytest.raises(UserError):
        finish(fetch(weights, tmp_path))
    server.most = None
    assert finish(fetch(weights, tmp_path)).read_bytes() == CONTENT
    assert server.requests == [None, None]


def test_a_part_that_is_too_long_is_begun_again(weights, server, tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(CONTENT + b"more")
    (tmp_path / "weights.pth.part.mark").write_text('"first"')
    assert finish(fetch(weights, tmp_path)).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_wrong_checksum_is_refused_and_deleted(weights, server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(UserError, match=r"another checksum than was published.*deleted"):
        finish(fetch(weights, tmp_path))
    assert names(tmp_path) == []


def test_a_file_of_the_same_name_that_is_not_it_is_named_and_kept(weights, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"weights\.pth: not what was published .*: delete it"):
        finish(fetch(weights, tmp_path))
    assert (tmp_path / "weights.pth").read_bytes() == b"mine"


def test_without_a_server_it_says_where_to_put_the_file_by_hand(weights, server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError) as refused:
        finish(fetch(weights, tmp_path))
    said = str(refused.value)
    assert weights.url in said
    assert "the authors' page" in said
    assert f"put it at {tmp_path / 'weights.pth'}" in said


def test_an_address_where_nothing_is_says_so(weights, server, tmp_path):
    gone = replace(weights, url=server.url.replace("weights.pth", "gone.pth"))
    with pytest.raises(UserError, match="the server answers 404"):
        finish(fetch(gone, tmp_path))


def test_the_cache_is_where_the_user_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "untrimmed" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "untrimmed" / "weights"


def test_the_cache_of_windows_is_in_local_data(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder() == tmp_path / "untrimmed" / "weights"


def test_a_recipe_finds_public_weights_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = EncoderWeights(name="swin3d_t")
    with pytest.raises(UserError, match="run `untrimmed weights get swin3d_t`"):
        weights_file(wanted)
    file = cache_folder() / PUBLIC["swin3d_t"].file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert weights_file(wanted) == file
    assert weights_file(EncoderWeights(path=file)) == file


def test_the_table_says_which_weights_are_here(tmp_path):
    whole, partial = tmp_path / PUBLIC["swin3d_s"].file, tmp_path / PUBLIC["swin3d_t"].file
    with whole.open("wb") as file:
        file.truncate(int(PUBLIC["swin3d_s"].mebibytes * (1 << 20)))
    partial.write_bytes(b"weights")
    (tmp_path / PUBLIC["i3d_k400"].file).write_bytes(b"weights")
    head, *rows = weights_table(tmp_path).splitlines()
    assert head.split()[0] == "name"
    column = head.index("here")
    wanted = {"swin3d_s": "yes", "swin3d_t": "wrong size", "i3d_k400": "yes, not checked"}
    assert {row.split()[0]: row[column:] for row in rows} == {
        name: wanted.get(name, "") for name in PUBLIC
    }


def test_no_two_public_weights_have_the_same_file():
    assert len({weights.file for weights in PUBLIC.values()}) == len(PUBLIC)


@pytest.mark.parametrize("settings", [{}, {"name": "swin3d_t", "path": "x.pth"}])
def test_weights_are_either_public_or_a_file(settings):
    with pytest.raises(ConfigError, match="wanted a name or a path"):
        EncoderWeights(**settings)


def test_a_name_that_is_none_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match="no public weights are called swin; there are: video"):
        public_weights("swin")
    with pytest.raises(ConfigError, match="name: no public weights are called swin"):
        EncoderWeights(name="swin")
