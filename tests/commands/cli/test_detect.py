"""`untrimmed detect` as a user runs it: a real process, stopped and run again."""

import json
import re
import subprocess
import sys

VIDEOS = ["training-000", "training-001", "training-002", "training-003"]


def command(run, *arguments):
    return [sys.executable, "-m", "untrimmed", "detect", "--model", str(run), *map(str, arguments)]


def detect(run, *arguments):
    return subprocess.run(
        command(run, *arguments), capture_output=True, text=True, timeout=300, check=False
    )


def test_a_killed_process_goes_on_where_it_was(trained_run, drawn, tmp_path):
    pattern = drawn / "videos" / "training-*.mp4"
    kept = tmp_path / "found" / "videos"
    stopped = subprocess.Popen(
        command(trained_run, pattern, "-o", tmp_path / "found"), stderr=subprocess.DEVNULL
    )
    while not list(kept.glob("[!.]*.json")):
        assert stopped.poll() is None, "it ended before it was killed"
    stopped.kill()
    stopped.wait()
    before = sorted(file.stem for file in kept.glob("[!.]*.json"))
    assert not (tmp_path / "found" / "detections.json").exists()

    done = detect(trained_run, pattern, "-o", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} found before" in done.stdout
    assert sorted(file.stem for file in kept.glob("[!.]*.json")) == VIDEOS
    results = json.loads((tmp_path / "found" / "detections.json").read_text())["results"]
    assert sorted(results) == VIDEOS
    assert (tmp_path / "found" / "report.html").exists()


def test_what_is_sure_is_printed_and_where_the_threshold_comes_from(trained_run, drawn, tmp_path):
    file = drawn / "videos" / "testing-000.mp4"
    done = detect(trained_run, file, "-o", tmp_path, "--threshold", "0")
    assert "threshold 0, as given" in done.stdout
    lines = re.findall(r"^ +([\d.]+) s +([\d.]+) s +([\d.]+)  \S", done.stdout, re.MULTILINE)
    assert len(lines) == 50
    total = int(re.search(r"testing-000: (\d+) detections", done.stdout)[1])
    assert f"and {total - 50} more in detections.csv" in done.stdout
    again = detect(trained_run, file, "-o", tmp_path)
    assert re.search(r"threshold .* best F1 on the validation split|none of its own", again.stdout)


def test_a_video_that_cannot_be_read_is_listed_and_the_status_is_2(trained_run, drawn, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    done = detect(
        trained_run, broken, drawn / "videos" / "testing-000.mp4", "-o", tmp_path / "found"
    )
    assert done.returncode == 2
    assert "1 could not be used:" in done.stderr
    assert "broken.mp4" in done.stderr
    assert "testing-000:" in done.stdout


def test_a_wrong_form_names_those_that_there_are(trained_run, drawn, tmp_path):
    done = detect(trained_run, drawn / "videos", "-o", tmp_path / "found", "--write", "srt,docx")
    assert done.returncode == 2
    assert "--write docx: there is no such form" in done.stderr
    assert "label_studio" in done.stderr
