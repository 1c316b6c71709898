"""What people read of a bundle first, in the form that the Hugging Face Hub reads too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from untrimmed.recipes.data import VideoData
from untrimmed.recipes.recipe import Recipe

TASK = "video-classification"
"""The Hub has no task for finding when; this is the nearest that it has."""


def model_card(
    name: str,
    recipe: Recipe,
    classes: Sequence[str],
    *,
    model: str,
    scores: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any] | None,
    license: str | None,
) -> str:
    """A page in Markdown behind settings in YAML.

    Args:
        name: of the bundle.
        scores: of each split, as an evaluation writes them.
        data: what the annotations held; None if that is not known.
    """
    front = {
        "library_name": "untrimmed",
        "pipeline_tag": TASK,
        "tags": ["temporal-action-localization", "temporal-action-detection", "video", model],
        **({} if license is None else {"license": license}),
        **({"metrics": ["mAP"], "model-index": _index(name, scores, data)} if scores else {}),
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
        f"# {name}\n",
        f"Finds when what happens in long videos: {_takes(recipe)}, seconds, class and score out."
        f"\nModel: `{model}`; every setting is in `recipe.yaml`, the weights are in"
        " `model.safetensors`.\n",
        _use(name, recipe),
        f"## Classes\n\n{', '.join(classes)}\n",
        *([_scored(scores)] if scores else []),
        *([_trained_on(data)] if data else []),
        f"## Licence\n\n{license or 'Not stated.'}\n",
    ]
    return "\n".join(parts)


def _takes(recipe: Recipe) -> str:
    return "video files in" if isinstance(recipe.data, VideoData) else "features of videos in"


def _use(name: str, recipe: Recipe) -> str:
    file = "match.mp4" if isinstance(recipe.data, VideoData) else "match.npy"
    return (
        "## Use\n\n```\npip install untrimmed\n"
        f"untrimmed detect {file} --model {name} -o found\n```\n"
    )


def _index(
    name: str, scores: Sequence[Mapping[str, Any]], data: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The scores as the Hub lists them."""
    source = "unknown" if data is None else str(data["annotations"]).partition(".")[0]
    results = []
    for split in scores:
        values = {"average mAP": split["average_mAP"]}
        values |= {f"mAP at tIoU {tiou}": value for tiou, value in split["mAP"].items()}
        results.append(
            {
                "task": {"type": TASK, "name": "Temporal action localization"},
                "dataset": {"type": source, "name": source, "split": split["split"]},
                "metrics": [
                    {"type": "mAP", "name": key, "value": round(value, 5)}
                    for key, value in values.items()
                    if value is not None
                ],
            }
        )
    return [{"name": name, "results": results}]


def _scored(scores: Sequence[Mapping[str, Any]]) -> str:
    blocks = ["## Scores\n"]
    for split in scores:
        rows = {**split["mAP"], "average": split["average_mAP"]}
        blocks += [
            f"Split {split['split']}, {split['videos']} videos, {split['protocol']}:\n",
            f"| tIoU | {' | '.join(rows)} |",
            f"| --- | {' | '.join('---' for _ in rows)} |",
            f"| mAP | {' | '.join('' if x is None else f'{x:.4f}' for x in rows.values())} |\n",
        ]
    return "\n".join(blocks)


def _trained_on(data: Mapping[str, Any]) -> str:
    rows = [
        f"| {name or 'none'} | {facts['videos']} | {facts['hours']:.2f} | {facts['actions']} |"
        for name, facts in data["splits"].items()
    ]
    digits = "" if data["sha256"] is None else f", SHA-256 `{data['sha256']}`"
    return "\n".join(
        [
            "## Data\n",
            f"Annotations `{data['annotations']}`{digits}:\n",
            "| split | videos | hours | actions |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )
