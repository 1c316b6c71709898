"""An action that ends before it starts costs only itself, whatever the format.

Each sample states two actions of one video: a wave from 1 s to 3 s, and one from 5 s to 4 s.
"""

import importlib
import json
import pkgutil

import pytest

from untrimmed.sources import formats

CANNOT_SAY_IT = {"cvat"}  # its frames are in order by their nature

MODULES = [
    module.name for module in pkgutil.iter_modules(formats.__path__) if module.name[0] != "_"
]


def database(*, numbered=False):
    number = {"label_id": 0} if numbered else {}
    rows = [{"label": "wave", "segment": times, **number} for times in ([1, 3], [5, 4])]
    return json.dumps({"database": {"video_test_1": {"duration": 9, "annotations": rows}}})


def ego4d():
    rows = [
        {"label": "wave", "start_time": start_s, "end_time": end_s, "primary": True}
        for start_s, end_s in ((1, 3), (5, 4))
    ]
    clip = {"clip_uid": "video_test_1", "video_start_sec": 0, "video_end_sec": 9}
    clip["annotations"] = [{"labels": rows}]
    return json.dumps({"videos": [{"clips": [clip]}]})


def label_studio():
    ranges = [{"start": 11, "end": 30}, {"start": 51, "end": 40}]
    value = {"ranges": ranges, "timelinelabels": ["wave"]}
    result = [{"type": "timelinelabels", "value": value}]
    data = {"video": "video_test_1.mp4"}
    return json.dumps([{"data": data, "annotations": [{"result": result}]}])


def via3():
    action = {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"0": "wave"}}
    spans = {n: {"vid": "1", "z": z, "av": {"1": "0"}} for n, z in (("a", [1, 3]), ("b", [5, 4]))}
    return json.dumps(
        {
            "attribute": {"1": action},
            "file": {"1": {"fname": "video_test_1.mp4"}},
            "view": {"1": {"fid_list": ["1"]}},
            "metadata": spans,
        }
    )


def elan():
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{time}" TIME_VALUE="{time}000"/>' for time in (1, 3, 5, 4)
    )
    spans = "\n".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{start}" TIME_SLOT_REF1="t{start}"'
        f' TIME_SLOT_REF2="t{end}"><ANNOTATION_VALUE>wave</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION></ANNOTATION>"
        for start, end in ((1, 3), (5, 4))
    )
    return (
        f"<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER>\n"
        f'<TIER TIER_ID="action">{spans}</TIER></ANNOTATION_DOCUMENT>'
    )


SAMPLES = {
    "activitynet": ("truth.json", database(), "database.video_test_1.annotations[1].segment"),
    "hacs": ("truth.json", database(), "database.video_test_1.annotations[1].segment"),
    "actionformer": (
        "truth.json",
        database(numbered=True),
        "database.video_test_1.annotations[1].segment",
    ),
    "audacity": ("video_test_1.txt", "1\t3\twave\n5\t4\twave\n", "2"),
    "boris": (
        "events.csv",
        "Observation id,Media file,Behavior,Behavior type,Start (s),Stop (s)\n"
        "o,video_test_1.mp4,wave,STATE,1,3\no,video_test_1.mp4,wave,STATE,5,4\n",
        "3",
    ),
    "charades": (
        "Charades_v1_test.csv",
        "id,actions,length\nvideo_test_1,wave 1 3;wave 5 4,9\n",
        "2",
    ),
    "csv": (
        "truth.csv",
        "video,label,start,end\nvideo_test_1,wave,1,3\nvideo_test_1,wave,0:05,0:04\n",
        "3",
    ),
    "ego4d_mq": ("moments_val.json", ego4d(), "videos[0].clips[0].annotations[0].labels[1]"),
    "elan": ("video_test_1.eaf", elan(), "3"),
    "epic_kitchens": (
        "mine.csv",
        "video_id,start_timestamp,stop_timestamp,verb_class\n"
        "video_test_1,00:00:01.00,00:00:03.00,0\nvideo_test_1,00:00:05.00,00:00:04.00,0\n",
        "3",
    ),
    "fiftyone": (
        "labels.json",
        json.dumps(
            {
                "labels": {
                    "video_test_1": [
                        {"label": "wave", "support": [11, 30]},
                        {"label": "wave", "support": [51, 40]},
                    ]
                }
            }
        ),
        "labels.video_test_1[1]",
    ),
    "label_studio": (
        "tasks.json",
        label_studio(),
        "[0].annotations[0].result[0].value.ranges[1]",
    ),
    "multithumos": ("wave.txt", "video_test_1 1 3\nvideo_test_1 5 4\n", "2"),
    "rttm": (
        "all.rttm",
        "SPEAKER video_test_1 1 1.0 2.0 <NA> <NA> wave <NA>\n"
        "SPEAKER video_test_1 1 5.0 -1.0 <NA> <NA> wave <NA>\n",
        "2",
    ),
    "subtitles": (
        "video_test_1.srt",
        "1\n00:00:01,000 --> 00:00:03,000\nwave\n\n2\n00:00:05,000 --> 00:00:04,000\nwave\n",
        "7",
    ),
    "thumos14": ("wave_test.txt", "video_test_1 1 3\nvideo_test_1 5 4\n", "2"),
    "via3": ("project.json", via3(), "metadata.b"),
}


def test_there_is_a_sample_of_every_format_that_can_say_it():
    assert set(SAMPLES) == set(MODULES) - CANNOT_SAY_IT


@pytest.mark.parametrize("name", SAMPLES)
def test_the_other_actions_are_read_and_the_fault_is_listed_with_its_place(name, tmp_path):
    file, text, place = SAMPLES[name]
    path = tmp_path / file
    path.write_text(text)
    options = {"fps": 10.0} if name in ("fiftyone", "label_studio") else {}
    data = importlib.import_module(f"{formats.__name__}.{name}").read(path, **options)
    assert list(data.videos["video_test_1"].actions) == [(1.0, 3.0, 0)]
    (fault,) = data.faults
    assert fault.video == "video_test_1"
    assert fault.message.startswith(f"{path}:{place}: it ends at 4")
    assert "before it starts at 5" in fault.message
