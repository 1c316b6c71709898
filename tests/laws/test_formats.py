"""What every module of `sources.formats` obeys; found by listing the package."""

import importlib
import math
import pkgutil
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.core.actions import Actions
from untrimmed.core.annotations import Annotations, Video
from untrimmed.core.detections import Detections
from untrimmed.core.errors import FormatError
from untrimmed.sources import formats

MODULES = [
    importlib.import_module(f"{formats.__name__}.{module.name}")
    for module in pkgutil.iter_modules(formats.__path__)
    if not module.name.startswith("_")
]
WRITERS = [module for module in MODULES if hasattr(module, "write")]
EXPORTERS = [module for module in MODULES if hasattr(module, "export")]
DETECTION_WRITERS = [module for module in MODULES if hasattr(module, "write_detections")]

CLASSES = ("wave", "pour a cup", "Zähne, putzen")

# What every format can hold: sorted classes that all occur, no rates, nothing ignored.
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
times = st.floats(-1e6, 1e6)
segments = st.tuples(times, times).map(sorted)


def each(modules):
    return pytest.mark.parametrize("module", modules, ids=lambda module: module.__name__)


@st.composite
def data_sets(draw):
    classes = sorted(draw(st.sets(names, min_size=1, max_size=4)))
    label = st.integers(0, len(classes) - 1)
    videos = {}
    for id in draw(st.lists(ids, unique=True, min_size=1, max_size=4)):
        rows = draw(st.lists(st.tuples(segments, label), max_size=4))
        duration_s = draw(st.floats(1e-3, 1e6))
        split = draw(st.sampled_from(["", "training", "Test"]))
        actions = Actions([row[0] for row in rows], [row[1] for row in rows])
        videos[id] = Video(id=id, duration_s=duration_s, actions=actions, split=split)
    every = [[0.0, 1.0]] * len(classes)
    videos["all"] = Video(id="all", duration_s=1.0, actions=Actions(every, range(len(classes))))
    return Annotations(tuple(classes), videos)


@st.composite
def detections(draw):
    row = st.tuples(segments, st.integers(0, 2), st.floats(-1e3, 1e3))
    rows = draw(st.dictionaries(ids, st.lists(row, max_size=4), max_size=4))
    return {id: Detections(*([r[n] for r in some] for n in range(3))) for id, some in rows.items()}


def plain(video):
    return (video.id, video.duration_s, video.split, list(video.actions))


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@each(WRITERS)
@quick
@given(data=data_sets())
def test_reading_what_was_written_gives_the_same_annotations(module, tmp_path, data):
    module.write(data, tmp_path / "file")
    again = module.read(tmp_path / "file")
    assert again.classes == data.classes
    assert list(map(plain, again.videos.values())) == list(map(plain, data.videos.values()))


SETTINGS = {
    "cvat": {"size": (240, 320), "fps": 50.0},
    "label_studio": {
        "fps": 50.0,
        "media": {f"video_test_{n}": f"video_test_{n}.mp4" for n in "123"},
    },
}
"""What some formats must be told beside the file to be exported; reading needs their `fps`."""

EXACT = {"boris", "charades", "fiftyone", "multithumos", "thumos14"}
KEEPS_DURATIONS = {"boris", "charades", "cvat", "epic_kitchens"}
COARSEST_S = 0.5 / 50 + 1e-9

words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)


@st.composite
def exportable(draw):
    """What every format can hold but for rounding: long actions that do not meet, in the video."""
    classes = sorted(draw(st.sets(words, min_size=1, max_size=3)) - {"Ambiguous"}) or ["wave"]
    videos = {}
    for id in ("video_test_1", "video_test_2"):
        edges = draw(st.lists(st.floats(0, 500), min_size=2 * len(classes), max_size=12))
        times = [place + edge for place, edge in enumerate(sorted(edges))]
        starts, ends = times[0::2], times[1::2]
        rows = list(zip(starts, ends, strict=False))
        labels = [place % len(classes) for place in range(len(rows))]
        duration_s = times[-1] + draw(st.sampled_from([0.0, 3.5]))
        actions = Actions(rows, labels)
        videos[id] = Video(id=id, duration_s=duration_s, actions=actions, split="test")
    return Annotations(tuple(classes), videos)


@each(EXPORTERS)
@quick
@given(data=exportable())
def test_an_export_keeps_every_action_to_half_a_frame(module, tmp_path_factory, data):
    name = module.__name__.rpartition(".")[2]
    target = tmp_path_factory.mktemp("export") / "out"
    settings = SETTINGS.get(name, {})
    if name == "epic_kitchens":  # it has no split called test
        target = target.with_suffix(".csv")
    module.export(data, target, **settings)
    again = module.read(target, **{key: settings[key] for key in settings if key == "fps"})
    assert again.classes == data.classes
    assert list(again.videos) == list(data.videos)
    within_s = 0.0 if name in EXACT else COARSEST_S
    for id, video in data.videos.items():
        for actual, wanted in zip(
            sorted(again.videos[id].actions), sorted(video.actions), strict=True
        ):
            assert actual == pytest.approx(wanted, abs=within_s, rel=0)
        if name in KEEPS_DURATIONS:
            assert again.videos[id].duration_s == pytest.approx(
                video.duration_s, abs=within_s, rel=0
            )
    assert not again.faults


@each(DETECTION_WRITERS)
@quick
@given(found=detections())
def test_reading_what_was_written_gives_the_same_detections(module, tmp_path, found):
    module.write_detections(found, CLASSES, tmp_path / "file")
    again = module.read_detections(tmp_path / "file", CLASSES)
    assert list(again) == list(found)
    for id, some in found.items():
        for name in ("segments_s", "labels", "scores"):
            assert getattr(again[id], name).tolist() == getattr(some, name).tolist()


def assert_read_or_refused(module, path):
    """What is read is sound; what cannot be read raises a FormatError and nothing else."""
    try:
        data = module.read(path)
    except FormatError:
        return
    assert len(set(data.classes)) == len(data.classes)
    for id, video in data.videos.items():
        assert video.id == id
        assert 0 < video.duration_s < math.inf
        assert all(map(math.isfinite, video.actions.segments_s.ravel().tolist()))


@each(MODULES)
@settings(quick, max_examples=300)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(module, tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert_read_or_refused(module, tmp_path / "file")


@each(WRITERS)
@settings(quick, max_examples=150)
@given(
    data=data_sets(),
    found=detections(),
    cut=st.floats(0, 1),
    removed=st.integers(0, 12),
    inserted=st.binary(max_size=4) | st.sampled_from([b"nan", b"9" * 5000, b":", b'"', b"{", b","]),
)
def test_damaged_files_are_read_or_refused(module, tmp_path, data, found, cut, removed, inserted):
    def damage(path):
        whole = path.read_bytes()
        place = int(cut * len(whole))
        path.write_bytes(whole[:place] + inserted + whole[place + removed :])

    module.write(data, tmp_path / "file")
    damage(tmp_path / "file")
    assert_read_or_refused(module, tmp_path / "file")
    if module in DETECTION_WRITERS:
        module.write_detections(found, CLASSES, tmp_path / "file")
        damage(tmp_path / "file")
        with suppress(FormatError):
            module.read_detections(tmp_path / "file", CLASSES)
