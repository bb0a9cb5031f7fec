"""What goes to stdout and to stderr, and what summaries and dry runs say."""

import json
import os
import re
from pathlib import Path

import pytest

from exrbatch import FileReport, Status, recompress
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.summary import failure_lines, file_line, listed, summary_lines
from exrbatch.errors import ReasonCode
from exrbatch.exr.part import Box
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import LOSSY_SOURCE, LOSSY_SOURCE_HINT
from tests.cli.test_recompress import DATA
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch, exrbatch_process


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make ten frames of a sequence, of which one is damaged and one is missing."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for frame in range(1001, 1011):
        (folder / f"b.{frame}.exr").write_bytes(DATA)
    (folder / "b.1005.exr").unlink()
    (folder / "b.1007.exr").write_bytes(DATA[:-9])
    return folder


def test_results_go_to_stdout_and_the_rest_to_stderr(shot: Path) -> None:
    """A log on stderr begins with version, workers and command, and each line has the time."""
    done = exrbatch("recompress", shot, "-v", "-j", 1, code=1)
    assert "9 files: 8 recompressed, 1 failed" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "NONE → ZIP" in line]
    assert len(lines) == 8
    assert all(re.match(r"\d\d:\d\d:\d\d recompressed .*: NONE → ZIP, 9.5 kB → 3.3 kB \(-65.6 %\)", x) for x in lines)
    *others, failure = done.stderr.splitlines()
    header = rf"\d\d:\d\d:\d\d \d{{4}}-\d\d-\d\d, exrbatch \S+, PID \d+, 1 worker: recompress {shot} -v -j 1"
    assert any(re.match(header, line) for line in others)
    assert failure.startswith(f"failed: {shot}/b.1007.exr: part 0, chunk 63")
    assert "failed:" not in done.stdout


def test_missing_frames_are_one_line(shot: Path) -> None:
    """Named by sequence, as they could be pasted back."""
    (shot / "b.1004.exr").unlink()
    done = exrbatch("recompress", shot / "b.1001-1010#.exr", "-q", code=1)
    assert f"missing: {shot}/b.1004-1005#.exr (2)\n" in done.stderr


def test_lossy_sources_are_explained_once() -> None:
    """They differ by their channels, which only the records tell."""
    reasons = [f"{LOSSY_SOURCE}: DWAA has changed channel {name}; {LOSSY_SOURCE_HINT}" for name in "RGBA"]
    code = ReasonCode.LOSSY_SOURCE
    reports = [
        FileReport(path=f"{index}.exr", status=Status.SKIPPED, reason=reason, reason_code=code)
        for index, reason in enumerate(reasons)
    ]
    lines = [line.plain for line in listed("skipped", reports, 4, "yellow")]
    assert lines == ["skipped: 0-3#.exr (4): a lossy source", f"a lossy source: {LOSSY_SOURCE_HINT}"]


def test_an_undo_restores_files() -> None:
    """They grow, which is no news."""
    rules = RecompressRules(undoes="a run")
    report = FileReport(path="a.exr", status=Status.RECOMPRESSED, size_before=10, size_after=30)
    totals = BatchReport(rules=rules)
    totals.add(report)
    text = "\n".join(line.plain for line in summary_lines(totals))
    assert "1 file: 1 restored" in text
    assert "grew" not in text
    assert file_line(report, rules).plain.startswith("restored     a.exr: ")
    assert repr(totals) == "<BatchReport: 1 file (1 recompressed), -20 bytes saved>"
    assert not totals.saves_bytes
    assert not BatchReport(rules=RecompressRules(dry_run=True)).saves_bytes


def failure(path: str, reason: str) -> FileReport:
    return FileReport(path=path, status=Status.FAILED, reason=reason, reason_code=ReasonCode.DAMAGED)


def skipped(path: str) -> FileReport:
    return FileReport(path=path, status=Status.SKIPPED, reason="busy", reason_code=ReasonCode.LINK)


def test_failures_and_skips_are_named_by_sequence_in_path_order() -> None:
    """With the number of files; another reason has lines of its own."""
    report = BatchReport()
    for frame in (1003, 1001, 1002):
        report.add(failure(f"z/c.{frame}.exr", "cut"))
        report.add(skipped(f"a/b.{frame}.exr"))
    report.add(skipped("a/x.exr"))
    report.add(failure("a/c.1001.exr", "cut"))
    lines = [line.plain for line in [*failure_lines(report), *summary_lines(report)]]
    assert lines[:4] == [
        "failed: a/c.1001.exr: cut",
        "failed: z/c.1001-1003#.exr (3): cut",
        "skipped: a/b.1001-1003#.exr (3): busy",
        "skipped: a/x.exr: busy",
    ]


def test_all_failures_are_counted_even_if_few_are_named() -> None:
    """The numbers on the lines add up."""
    report = BatchReport()
    for index in range(400):
        report.add(failure(f"{index % 40}/name{index % 10}x.exr" + "_" * index, f"reason {index % 60}"))
    lines = [line.plain for line in failure_lines(report)]
    assert len(lines) < 150
    found = [re.search(r"and ([\d,]+) more file", line) for line in lines]
    assert sum(1 if more is None else int(more[1].replace(",", "")) for more in found) == 400


def test_a_dry_run_says_what_it_would_do(shot: Path) -> None:
    """By pairs of compressions, with files and bytes."""
    exrbatch("recompress", shot / "b.1001.exr", "-c", "zips")
    done = exrbatch("recompress", shot, "-n", code=1)
    assert re.search(r"8 files, \d+\.\d kB: NONE → ZIP 7, ZIPS → ZIP 1\n", done.stdout)
    assert "would be recompressed" in done.stdout
    assert "recompressed," not in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_dry_run_finds_folders_that_cannot_be_written(shot: Path) -> None:
    """A real run would fail there."""
    shot.chmod(0o555)
    try:
        assert "can't create files in" in exrbatch("recompress", shot / "b.1001.exr", "-n", code=1).stderr
    finally:
        shot.chmod(0o755)


def test_a_dry_run_finds_unwritable_folders_as_the_system_reports_them(
    shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of an output that does not exist yet is the innermost one that does."""
    asked: list[object] = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((path, mode)))
    report = recompress(shot / "b.1001.exr", dry_run=True, output=shot / "new" / "folder" / "b.exr")
    assert (report.status, report.reason_code) == (Status.FAILED, "storage")
    assert report.reason == f"can't create files in {shot}: Permission denied"
    assert asked == [(str(shot), os.W_OK | os.X_OK)]


def test_records_have_codes_times_and_only_possible_counts(shot: Path, tmp_path: Path) -> None:
    """A comparison recompresses nothing, so it counts nothing of that kind."""
    document = json.loads(exrbatch("recompress", shot, "--json", code=1).stdout)
    assert document["format"] == "exrbatch-run-3"
    assert document["command"] == "recompress"
    assert set(document["summary"]["counts"]) == {"recompressed", "no_gain", "already", "skipped", "failed"}
    (bad,) = [each for each in document["files"] if each["status"] == "failed"]
    assert bad["reason_code"] == "damaged"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["ended_at"]) for each in document["files"])
    other = tmp_path / "other"
    other.mkdir()
    for path in shot.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "b.1001.exr").write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05, seed=1)]))
    document = json.loads(exrbatch("verify", shot, other, "--json", code=1).stdout)
    assert document["summary"]["counts"] == {"equal": 7, "different": 1, "failed": 1}
    assert "bytes_saved" not in document["summary"]
    done = exrbatch("verify", shot, other, code=1)
    assert "9 files: 1 failed, 7 equal, 1 different" in done.stdout
    assert f"different: {shot}/b.1001.exr: part 0" in done.stdout


def test_every_failure_and_skip_has_a_reason_code(tmp_path: Path) -> None:
    """Whatever goes wrong, scripts need not parse words."""
    (tmp_path / "text.exr").write_text("text")
    (tmp_path / "link.exr").symlink_to("text.exr")
    (tmp_path / "empty.exr").touch()
    (tmp_path / "twice.exr").write_bytes(DATA)
    os.link(tmp_path / "twice.exr", tmp_path / "twin")
    os.mkfifo(tmp_path / "pipe.exr")
    document = json.loads(exrbatch("recompress", tmp_path, "--json", code=1).stdout)
    codes = {Path(each["path"]).name: each["reason_code"] for each in document["files"]}
    assert codes == {
        "text.exr": "damaged",
        "link.exr": "link",
        "empty.exr": "damaged",
        "twice.exr": "hard_links",
        "pipe.exr": "not_a_file",
    }


def test_small_savings_are_not_worth_a_new_file(shot: Path) -> None:
    """The file saves 65.6 %: 65 % is reached, 66 % is not."""
    frame = shot / "b.1001.exr"
    assert "1 no gain" in exrbatch("recompress", frame, "--min-savings", "66%").stdout
    assert frame.read_bytes() == DATA
    assert "1 recompressed" in exrbatch("recompress", frame, "--min-savings", "65").stdout


def test_warns_of_checksums_that_will_no_longer_match(shot: Path, tmp_path: Path) -> None:
    """Beside the frames or above them; not if the originals stay."""
    (shot / "b.mhl").write_text("<hashlist/>")
    (tmp_path / "ascmhl").mkdir()
    shown = exrbatch("recompress", shot, code=1).stderr
    assert f"{shot}/b.mhl has checksums of frames" in shown
    assert f"{tmp_path}/ascmhl has checksums of frames" in shown
    assert "has checksums" not in exrbatch("recompress", shot, "-o", tmp_path / "out", code=1).stderr


def test_a_filter_that_matches_nothing_says_so(shot: Path) -> None:
    """A typing error in --include looked like an empty folder (issue 17)."""
    done = exrbatch("recompress", shot, "--include", "beauty")
    assert "no OpenEXR files found; 9 files left out by --include, --exclude or size" in done.stdout


def test_characters_that_a_terminal_lacks_are_replaced(shot: Path) -> None:
    """An arrow becomes -> in ASCII."""
    done = exrbatch_process("recompress", shot / "b.1001.exr", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "9.5 kB -> 3.3 kB" in done.stdout


def test_data_windows_are_shown_as_people_write_them() -> None:
    """Not as `Box(x_min=0, ...)` (issue 17)."""
    assert str(Box(0, 0, 479, 269)) == "480 x 270"
    assert str(Box(-10, 5, 9, 14)) == "20 x 10 at x -10 y 5"
    assert str(Box(3, 3, 2, 2)) == "from x 3 y 3 to x 2 y 2"


def test_a_report_keeps_the_records_of_earlier_runs(shot: Path, tmp_path: Path) -> None:
    """A night that is resumed loses no record, even if the first run was killed while it wrote."""
    report = tmp_path / "done.jsonl"
    exrbatch("recompress", shot, "--report", report, code=1)
    first = report.read_bytes()
    report.write_bytes(first[:-20])  # the last line is torn
    exrbatch("recompress", shot, "--report", report, code=1)
    lines = report.read_text().splitlines()
    before, after = lines[: first.count(b"\n")], lines[first.count(b"\n") :]
    assert report.read_bytes().startswith(first[:-20] + b"\n")
    assert [json.loads(line)["type"] for line in before[:-1]] == ["run"] + ["file"] * 9
    assert [json.loads(line)["type"] for line in after] == ["run"] + ["file"] * 9 + ["summary"]


def test_a_frame_that_nobody_may_write_is_left_alone(shot: Path) -> None:
    """Not even root replaces it without --force: it was locked on purpose."""
    frame = shot / "b.1001.exr"
    frame.chmod(0o444)
    assert "it is write-protected" in exrbatch("recompress", frame, code=1).stdout
    assert frame.read_bytes() == DATA
    exrbatch("recompress", frame, "--force")
    assert frame.stat().st_mode & 0o777 == 0o444


def test_refuses_an_output_without_a_name(shot: Path) -> None:
    """As from a variable that is not set."""
    assert "its path is empty" in exrbatch("recompress", shot, "-o", "", code=2).stderr
    assert "its path is empty" in exrbatch("recompress", shot, "--backup-dir", "", code=2).stderr
