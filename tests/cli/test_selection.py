"""Which files a command processes, as a user says it."""

import json
import os
from pathlib import Path

import pytest

from exrbatch.exr.compression import Compression
from tests.cli.test_recompress import DATA
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

ZIPPED = build([PartSpec(window=(0, 0, 63, 63), noise=0.05, compression=Compression.ZIPS)])


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with an uncompressed frame, and one that is compressed."""
    (tmp_path / "shot").mkdir()
    (tmp_path / "shot" / "raw.1001.exr").write_bytes(DATA)
    (tmp_path / "shot" / "zips.1001.exr").write_bytes(ZIPPED)
    return tmp_path / "shot"


def records(path: Path) -> dict[str, tuple[str, str | None]]:
    """Return status and reason code of each file of a report, by name."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {os.path.basename(x["path"]): (x["status"], x.get("reason_code")) for x in lines if x["type"] == "file"}


def test_processes_the_files_of_a_list(shot: Path, tmp_path: Path) -> None:
    """One that is missing is a failure, and the exit code is 1. PATHs are processed, too."""
    odd = os.fsencode(shot) + b"/\xff\n.exr"
    with open(odd, "wb") as file:
        file.write(DATA)
    (tmp_path / "list").write_bytes(b"\0".join([odd, bytes(shot / "none.####.exr"), b""]))
    report = tmp_path / "r.jsonl"
    exrbatch(
        "recompress", "--files-from", tmp_path / "list", "-0", shot / "raw.1001.exr", "-j2", "--report", report, code=1
    )
    found = records(report)
    assert found.pop("none.####.exr") == ("failed", "missing")
    assert len(found) == 2
    assert set(found.values()) == {("recompressed", None)}


def test_an_empty_list_is_done(shot: Path, tmp_path: Path) -> None:
    """It is what `find` prints on a quiet day. The exit code is 0, also of `check`."""
    (tmp_path / "list").write_bytes(b"")
    for command in ("recompress", "check"):
        done = exrbatch(command, "--files-from", tmp_path / "list")
        assert (done.stdout, done.stderr) == ("", "the list of files is empty: nothing to do\n")
    report = tmp_path / "r.jsonl"
    done = exrbatch("recompress", "-q", "-c", "zstd", "--files-from", tmp_path / "list", "--report", report)
    assert (done.stdout, done.stderr) == ("", "")
    assert [json.loads(line)["type"] for line in report.read_text().splitlines()] == ["run", "summary"]
    assert json.loads(exrbatch("check", "--files-from", tmp_path / "list", "--json").stdout)["files"] == []
    assert "can't read the list of files" in exrbatch("check", "--files-from", tmp_path / "x", code=2).stderr


def test_selects_by_compression(shot: Path, tmp_path: Path) -> None:
    """Other files are skipped, which is no failure; nor is an output tree without them."""
    report = tmp_path / "r.jsonl"
    exrbatch("recompress", shot, "-o", tmp_path / "out", "--from-compression", "none,rle", "--report", report)
    assert records(report) == {"raw.1001.exr": ("recompressed", None), "zips.1001.exr": ("skipped", "not_selected")}
    exrbatch("check", shot, "--from-compression", "zips", "--report", report)
    assert records(report)["raw.1001.exr"] == ("skipped", "not_selected")
    assert "unknown compression 'nine'" in exrbatch("check", shot, "--from-compression", "nine", code=2).stderr


def test_leaves_young_files_alone_if_asked(shot: Path, tmp_path: Path) -> None:
    """On local storage, too, and even if a young file looks damaged. The exit code is 0."""
    (shot / "cut.1001.exr").write_bytes(DATA[:99])
    os.utime(shot / "raw.1001.exr", (0, 0))
    report = tmp_path / "r.jsonl"
    young = ("skipped", "too_young")
    for command, status in (("check", "sound"), ("recompress", "recompressed")):
        report.unlink(missing_ok=True)
        exrbatch(command, shot, "--min-age", "1h", "--report", report)
        assert records(report) == {"raw.1001.exr": (status, None), "zips.1001.exr": young, "cut.1001.exr": young}


def test_mirrors_below_a_base(shot: Path, tmp_path: Path) -> None:
    """A part of a tree goes to the place that it has in the mirror of the whole."""
    exrbatch("recompress", shot / "raw.1001.exr", "-o", tmp_path / "out", "--base", tmp_path)
    assert (tmp_path / "out" / "shot" / "raw.1001.exr").exists()
    assert "a base needs a tree" in exrbatch("recompress", shot, "--base", tmp_path, code=2).stderr
    (tmp_path / "list").write_text(f"{shot}/raw.1001.exr\n")
    done = exrbatch("recompress", "--files-from", tmp_path / "list", "-o", tmp_path / "out2")
    assert "name it with --base" in done.stderr


def test_nothing_left_is_done(shot: Path) -> None:
    """Files that are left out are counted."""
    done = exrbatch("recompress", shot, "--min-size", "1M")
    assert "2 files left out by --include, --exclude or size" in done.stdout
