"""Published scores, from the published detections that they are scores of."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from untrimmed.core.actions import EVERY_CLASS, Actions
from untrimmed.core.detections import Detections
from untrimmed.core.segments import iou
from untrimmed.metrics.protocols import PROTOCOLS, score

DATA = Path(__file__).parents[2] / "../shared/data/metric_check"
SCNN = DATA / "scnn_THUMOS14"


@pytest.mark.skipif(not DATA.exists(), reason="the published detections are not here")
def test_autoloc_scores_what_its_table_says():
    truth = json.loads((DATA / "autoloc_thumos14_gt.json").read_text())["database"]
    results = json.loads((DATA / "autoloc_thumos14_pred.json").read_text())["results"]
    classes = sorted({a["label"] for video in truth.values() for a in video["annotations"]})

    def columns(rows):
        return [row["segment"] for row in rows], [classes.index(row["label"]) for row in rows]

    actions = {id: Actions(*columns(video["annotations"])) for id, video in truth.items()}
    detections = {
        id: Detections(*columns(rows), [row["score"] for row in rows])
        for id, rows in results.items()
    }
    toolkit = replace(PROTOCOLS["activitynet13"], tious=tuple(n / 10 for n in range(1, 10)))
    table = score(actions, detections, protocol=toolkit, classes=classes)
    wanted = [0.4667, 0.4171, 0.3577, 0.2902, 0.2121, 0.1340, 0.0580, 0.0156, 0.0021]
    assert [round(value, 4) for value in table.mean_ap.tolist()] == wanted
    assert round(table.average, 4) == 0.2170


@pytest.fixture(scope="module")
def scnn():
    """Classes, actions and windows of S-CNN; a window is video, start, end, label, score."""
    if not SCNN.exists():
        pytest.skip("the published detections are not here")
    folder = SCNN / "annotation/annotation_test"
    lines = (folder / "detclasslist.txt").read_text().splitlines()
    classes = [line.split()[1] for line in lines]
    rows = {}
    for label, name in [*enumerate(classes), (EVERY_CLASS, "Ambiguous")]:
        for line in (folder / f"{name}_test.txt").read_text().splitlines():
            id, start_s, end_s = line.split()
            rows.setdefault(id, []).append((float(start_s), float(end_s), label))
    actions = {}
    for id, some in rows.items():
        table = np.array(some)
        actions[id] = Actions(table[:, :2], table[:, 2], table[:, 2] == EVERY_CLASS)
    (windows,) = matlab_arrays(SCNN / "network_localization/result/res_seg_swin.mat", 1)
    windows = windows[windows[:, 10] > 0]  # class 0 is background
    (weight,) = matlab_arrays(SCNN / "window_weight/weight.mat", 1)
    label = windows[:, 10].astype(int) - 1
    length = np.log2(windows[:, 1] / 16).astype(int)
    scores = windows[:, 8] * weight[length, label]
    columns = [windows[:, 0], windows[:, 4], windows[:, 5], label, scores]
    return classes, actions, np.stack(columns, 1)


def matlab_arrays(path, count):
    """The first real matrices of a MATLAB 5 file, in order, also those inside cells."""
    found = []

    def walk(data):
        at = 0
        while at < len(data):
            kind, size = struct.unpack_from("<II", data, at)
            body = data[at + 8 : at + 8 + size]
            if kind == 15:  # compressed; not padded
                walk(zlib.decompress(body))
                at += 8 + size
            else:
                if kind == 14:
                    matrix(body)
                at += 8 + -(-size // 8) * 8

    def matrix(data):
        parts, at = [], 0
        while at < len(data):
            kind, size = struct.unpack_from("<II", data, at)
            if kind >> 16:  # small: kind and size share four bytes
                kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
                at += 8
            else:
                start = at + 8
                at = start + -(-size // 8) * 8
            parts.append((kind, data[start : start + size]))
            if len(parts) == 3 and parts[0][1][0] == 1:  # a cell: matrices follow
                walk(data[at:])
                return
        if parts[0][1][0] == 6:
            types = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 9: "<f8"}
            kind, values = parts[3]
            shape = np.frombuffer(parts[1][1], "<i4")
            found.append(np.frombuffer(values, types[kind]).reshape(shape, order="F").astype(float))

    walk(path.read_bytes()[128:])
    return found[:count]


def suppressed(windows, *, tious):
    """S-CNN's own step before scoring: hard NMS by video and class, here at several overlaps."""
    kept = [[] for _ in tious]
    least = np.array(tious)[:, None]
    _, group = np.unique(windows[:, [0, 3]], axis=0, return_inverse=True)
    order = np.lexsort((windows[:, 4], group.reshape(-1)))
    for some in np.split(order, np.cumsum(np.bincount(group.reshape(-1)))[:-1]):
        overlap = iou(windows[some, 1:3], windows[some, 1:3])
        left = np.ones((len(tious), len(some)), bool)
        for place in range(len(some) - 1, 0, -1):
            left[:, :place] &= ~left[:, place, None] | (overlap[place, :place] <= least)
        for rows, chosen in zip(kept, left, strict=True):
            rows.append(some[chosen][::-1])  # surest first; of equal ones the later
    return [windows[np.concatenate(rows)] for rows in kept]


def as_written(windows):
    """Detections by video, after the text file that MATLAB wrote: digits are lost."""
    detections = {}
    for number in np.unique(windows[:, 0]):
        some = windows[windows[:, 0] == number]
        some = some[np.argsort(-some[:, 4], kind="stable")]
        times_s = [float(f"{time_s:.1f}") for time_s in some[:, 1:3].ravel()]
        scores = [float(f"{value:.5g}") for value in some[:, 4]]
        detections[f"video_test_{int(number):07d}"] = Detections(times_s, some[:, 3], scores)
    return detections


def test_scnn_scores_what_the_challenge_kit_gave_it(scnn):
    classes, actions, windows = scnn
    challenge = PROTOCOLS["thumos14_challenge"]
    wanted = matlab_arrays(SCNN / "eval/res_scnn_thumos14.mat", len(challenge.tious))
    rows = suppressed(windows, tious=[tiou - 0.1 for tiou in challenge.tious])
    mean_ap = []
    for tiou, some, ap in zip(challenge.tious, rows, wanted, strict=True):
        protocol = replace(challenge, tious=(tiou,))
        table = score(actions, as_written(some), protocol=protocol, classes=classes)
        np.testing.assert_allclose(table.ap, ap, rtol=0, atol=1e-12)
        mean_ap.append(round(table.average, 4))
    assert mean_ap == [0.4772, 0.4353, 0.3628, 0.2870, 0.1897]
