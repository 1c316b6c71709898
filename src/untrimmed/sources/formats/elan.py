"""Files of ELAN (`.eaf`), one per video: spans on tiers, in whole milliseconds.

    <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1200"/> ... </TIME_ORDER>
    <TIER TIER_ID="action"><ANNOTATION>
      <ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
        <ANNOTATION_VALUE>wave</ANNOTATION_VALUE> ...

An annotation without times of its own (`REF_ANNOTATION`) lasts as long as the one it refers to.
Annotations of one tier cannot overlap in ELAN, so `export` puts overlapping actions on several.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from untrimmed.core.annotations import Annotations
from untrimmed.core.files import written_whole
from untrimmed.sources.named_actions import (
    NamedAction,
    NamedVideo,
    data_set,
    files_of,
    video_id,
)
from untrimmed.sources.written_actions import class_name, file_of
from untrimmed.sources.xml_tree import Element, read_xml

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_NO_DATE = "1970-01-01T00:00:00+00:00"  # the schema wants one; the same content, the same file


def read(
    path: Path,
    *,
    tiers: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
) -> Annotations:
    """Annotations of a file, or of all `.eaf` files of a folder.

    A video is named by the media file, or by the `.eaf` file if that names none.

    Args:
        tiers: whose annotations are actions; the only one with annotations if not given.
        classes: names by label; all that occur, sorted, if not given.
        durations_s: by video; a video without is taken to last until its last action ends.

    Raises:
        FormatError: if a file is no such XML, has several tiers and none is chosen, lacks a chosen
            one, counts no milliseconds, shifts its media, or an annotation has no value or times.
    """
    names = (tiers,) if isinstance(tiers, str) else tiers
    videos = (_read_file(file, names) for file in files_of(path, ".eaf"))
    return data_set(videos, classes=classes, durations_s=durations_s)


def export(
    annotations: Annotations,
    folder: Path,
    *,
    media: Mapping[str, str] | None = None,
    tier: str = "action",
) -> None:
    """Put `<id>.eaf` of every video into a folder, for correction in ELAN.

    Times are rounded to milliseconds, and the duration, split and rate of a video are not kept.

    Args:
        media: file of each video as seen from the folder; `<id>.mp4` if not given.
        tier: name of the first tier; overlapping actions go to "action 2" and so on.

    Raises:
        ValueError: if an action is ignored, starts before 0 or is shorter than a millisecond, or a
            name cannot be held.
    """
    for id, video in annotations.videos.items():
        if video.actions.ignored.any():
            raise ValueError(f"video {id}: an ELAN file cannot say that an action is ignored")
        spans = [
            (*_milliseconds(start_s, end_s, id), class_name(label, annotations.classes))
            for start_s, end_s, label in video.actions
        ]
        document = _document((media or {}).get(id, f"{id}.mp4"), _lanes(spans), tier)
        ElementTree.indent(document, " ")
        content = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
        with written_whole(file_of(id, folder, ".eaf")) as temporary:
            temporary.write_bytes(content + b"\n")


def _read_file(path: Path, tiers: Sequence[str] | None) -> NamedVideo:
    root = read_xml(path)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise root.wrong(f"wanted the <ANNOTATION_DOCUMENT> of ELAN, got <{root.tag}>")
    media = _media(root)
    slots = {
        slot.attribute("TIME_SLOT_ID"): slot
        for order in root.all("TIME_ORDER")
        for slot in order.all("TIME_SLOT")
    }
    inner = {
        annotation.attribute("ANNOTATION_ID"): annotation
        for tier in root.all("TIER")
        for annotation in _annotations(tier)
    }
    actions = [
        NamedAction(*_times(annotation, inner, slots), _value(annotation), annotation.line)
        for tier in _chosen(root, tiers)
        for annotation in _annotations(tier)
    ]
    return NamedVideo(id=video_id(media or path.stem), file=path, actions=actions)


def _media(root: Element) -> str:
    """The media file; empty if none is named."""
    header = root.child("HEADER")
    if header is None:
        return ""
    units = header.attributes.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise header.wrong(f"times should be in milliseconds, got {units!r}")
    described = header.child("MEDIA_DESCRIPTOR")
    if described is None:
        return header.attributes.get("MEDIA_FILE", "")
    origin = described.attributes.get("TIME_ORIGIN", "0")
    if origin.strip("0"):
        raise described.wrong(
            f"the media are shifted by TIME_ORIGIN={origin!r} ms against the annotations; remove"
            " the offset in ELAN"
        )
    urls = (described.attributes.get(name) for name in ("RELATIVE_MEDIA_URL", "MEDIA_URL"))
    return unquote(next(filter(None, urls), ""))


def _chosen(root: Element, names: Sequence[str] | None) -> list[Element]:
    tiers = {tier.attribute("TIER_ID"): tier for tier in root.all("TIER")}
    if names is None:
        filled = [name for name, tier in tiers.items() if tier.children]
        if len(filled) > 1:
            raise root.wrong(f"several tiers have annotations: {', '.join(filled)}; give `tiers`")
        names = filled
    missing = [name for name in names if name not in tiers]
    if missing:
        raise root.wrong(f"no tier {missing[0]!r}; there are {', '.join(tiers) or 'none'}")
    return [tiers[name] for name in names]


def _annotations(tier: Element) -> list[Element]:
    return [
        inner
        for outer in tier.all("ANNOTATION")
        for inner in outer.all("ALIGNABLE_ANNOTATION", "REF_ANNOTATION")
    ]


def _value(annotation: Element) -> str:
    value = annotation.child("ANNOTATION_VALUE")
    return "" if value is None else value.text


def _times(
    annotation: Element, by_id: Mapping[str, Element], slots: Mapping[str, Element]
) -> tuple[float, float]:
    """Start and end in seconds, of whom it refers to if need be."""
    passed = set()
    while annotation.tag == "REF_ANNOTATION":
        passed.add(annotation.attribute("ANNOTATION_ID"))
        parent = annotation.attribute("ANNOTATION_REF")
        if parent not in by_id or parent in passed:
            raise annotation.wrong(f"no annotation {parent!r} with times to refer to")
        annotation = by_id[parent]
    start_ms, end_ms = (
        _slot(annotation, annotation.attribute(name), slots)
        for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")
    )
    return start_ms / 1000, end_ms / 1000


def _slot(annotation: Element, name: str, slots: Mapping[str, Element]) -> int:
    if name not in slots:
        raise annotation.wrong(f"there is no time slot {name!r}")
    if "TIME_VALUE" not in slots[name].attributes:
        raise annotation.wrong(f"its time slot {name!r} has no time; align it in ELAN")
    return slots[name].whole_number("TIME_VALUE")


def _milliseconds(start_s: float, end_s: float, id: str) -> tuple[int, int]:
    start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
    if not 0 <= start_ms < end_ms:
        raise ValueError(
            f"video {id}: ELAN cannot hold an action from {start_s} s to {end_s} s; it needs a"
            " start from 0 and a length of a millisecond"
        )
    return start_ms, end_ms


def _lanes(spans: Iterable[tuple[int, int, str]]) -> list[list[tuple[int, int, str]]]:
    """The spans by start, each in the first lane that is free then; one lane at least."""
    lanes: list[list[tuple[int, int, str]]] = [[]]
    for span in sorted(spans):
        free = (lane for lane in lanes if not lane or lane[-1][1] <= span[0])
        lane = next(free, None)
        if lane is None:
            lanes.append([span])
        else:
            lane.append(span)
    return lanes


def _document(
    media: str, lanes: Sequence[Sequence[tuple[int, int, str]]], tier: str
) -> ElementTree.Element:
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {"AUTHOR": "", "DATE": _NO_DATE, "FORMAT": "3.0", "VERSION": "3.0"}
        | {f"{{{_INSTANCE}}}noNamespaceSchemaLocation": _SCHEMA},
    )
    url = quote(media, safe="/:")
    kind = mimetypes.guess_type(media)[0] or "unknown"
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, MIME_TYPE=kind, RELATIVE_MEDIA_URL=url
    )
    order = ElementTree.SubElement(root, "TIME_ORDER")
    times = sorted({time for lane in lanes for span in lane for time in span[:2]})
    slots = {time: f"ts{number}" for number, time in enumerate(times, 1)}
    for time, slot in slots.items():
        ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    written = 0
    for number, lane in enumerate(lanes, 1):
        name = tier if number == 1 else f"{tier} {number}"
        parent = ElementTree.SubElement(root, "TIER", TIER_ID=name, LINGUISTIC_TYPE_REF="action")
        for start_ms, end_ms, value in lane:
            written += 1
            outer = ElementTree.SubElement(parent, "ANNOTATION")
            inner = ElementTree.SubElement(
                outer,
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{written}",
                TIME_SLOT_REF1=slots[start_ms],
                TIME_SLOT_REF2=slots[end_ms],
            )
            ElementTree.SubElement(inner, "ANNOTATION_VALUE").text = value
    ElementTree.SubElement(
        root,
        "LINGUISTIC_TYPE",
        LINGUISTIC_TYPE_ID="action",
        TIME_ALIGNABLE="true",
        GRAPHIC_REFERENCES="false",
    )
    return root
