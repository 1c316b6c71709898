"""What the pages of `docs` and the README tell readers to run."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
SHELL = ("", "sh")
"""What stands after the three ticks of a block that is meant to be typed."""

WAY = (
    "tutorial.md",
    "threshold.md",
    "videos.md",
    "errors.md",
    "report.md",
    "detecting.md",
    "index.md",
    "../README.md",
)
"""Pages that lead from videos to a detector and on: run one after the other in one folder."""

OF_FILES = ("scoring.md", "formats.md")
"""Pages about files of annotations and detections alone."""

RUN = (*WAY, *OF_FILES, "adding.md", "features.md", "export.md")
"""All pages of which tests run every command; those of the last in `tests/commands/exporting`."""

NOT_RUN = {
    "results.md": "what is reported there took hours",
    "weights.md": "the weights are published elsewhere",
    "papers/actionformer.md": "features and checkpoints are published elsewhere",
    "papers/tallformer.md": "videos, weights and checkpoints are published elsewhere",
}
"""Pages of which no test runs a command, and why."""

NOT_RUN_OF_README = {
    "untrimmed export runs/first -o first.onnx --to onnx": "of the page on exporting",
    "untrimmed inspect actionformer_thumos14_i3d": "features are published elsewhere",
    "untrimmed train actionformer_thumos14_i3d --run runs/thumos14": "features, the same",
    "untrimmed import actionformer epoch_034.pth.tar --preset actionformer_thumos14_i3d"
    " --run runs/authors": "so is the checkpoint",
    "untrimmed evaluate runs/authors": "features, the same",
    "untrimmed detect features/*.npy --run runs/thumos14": "features, the same",
}
"""Commands of the README that no test runs, and why."""

PAGES = ("../README.md", *sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")))


def text(page):
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page):
    """What stands after the three ticks, and what between them, of each block of a page."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def commands(page):
    """Words of the commands that stand in a block, each in lines of its own."""
    lines = [line for kind, block in blocks(page) if kind in SHELL for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("untrimmed ")]


def mentioned(page):
    """Words of all commands: of blocks, behind other commands, in indented lines and in prose."""
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    typed = [block for kind, block in blocks(page) if kind in SHELL]
    typed += re.findall(r"(?:^ {4}.*\n)+", prose, re.MULTILINE)
    lines = [line for each in typed for line in each.replace("\\\n", " ").splitlines()]
    spoken = re.findall(r"`([^`\n]*untrimmed [^`]*)`", prose)
    parts = [part for line in lines + spoken for part in line.split("&&")]
    found = [re.search(r"\buntrimmed [a-z].*", part, re.DOTALL) for part in parts]
    return [shlex.split(each[0], comments=True) for each in found if each is not None]
