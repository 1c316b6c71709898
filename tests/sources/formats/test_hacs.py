"""HACS Segments: that the published form is read; the rest is `formats.activitynet`."""

import json

from untrimmed.sources.formats import activitynet, hacs


def test_the_published_form_is_read(tmp_path):
    database = {
        "-2GnFKu3DWE": {
            "url": "https://www.youtube.com/watch?v=-2GnFKu3DWE",
            "duration": 87.9,
            "subset": "training",
            "annotations": [{"segment": [1.2, 3.4], "label": "Snow tubing"}],
        },
        "-4w8pcLxmLE": {"url": "", "duration": 12, "subset": "testing", "annotations": []},
    }
    (tmp_path / "file.json").write_text(json.dumps({"database": database}))
    data = hacs.read(tmp_path / "file.json")
    assert data.classes == ("Snow tubing",)
    assert data.splits == ("training", "testing")
    assert list(data.videos["-2GnFKu3DWE"].actions) == [(1.2, 3.4, 0)]


def test_it_is_activitynets_form():
    assert hacs.read is activitynet.read
    assert hacs.write is activitynet.write
