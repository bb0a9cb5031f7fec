"""Files that an earlier run has finished are not read again, and never wrongly called finished."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exrbatch.batch.discovery import finished
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.dashboard import History, Snapshot
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.journal.folder import journals
from tests.support.build import PartSpec, build
from tests.support.explode import explode

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
NOISE = build([PartSpec(window=(0, 0, 63, 63), noise=1.0)])
LONG_AGO = 1_600_000_000_000_000_000


pytestmark = pytest.mark.usefixtures("own_state")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    folder = tmp_path / "shot"
    folder.mkdir()
    for name, data in (("a.exr", DATA), ("b.exr", DATA), ("noise.exr", NOISE)):
        (folder / name).write_bytes(data)
        os.utime(folder / name, ns=(LONG_AGO, LONG_AGO))
    return folder


def reports(shot: Path, **arguments: Any) -> dict[str, FileReport]:
    """Run over a folder; return the report of each file by its name."""
    compression = arguments.pop("compression", "zip")
    run = Run([str(shot)], Options.parse(compression=compression, jobs=1, **arguments))
    totals = run.new_totals()
    found = {}
    for report in run.reports():
        found[os.path.basename(report.path)] = report
        totals.add(report)
    run.complete(totals)
    return found


def codes(found: dict[str, FileReport]) -> dict[str, ReasonCode | None]:
    return {name: report.reason_code for name, report in found.items()}


@pytest.mark.parametrize("compression", ["zip", "auto"])
def test_a_second_run_reads_no_finished_file(shot: Path, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reports(shot, compression=compression)
    assert {report.status for report in first.values()} <= {Status.RECOMPRESSED, Status.NO_GAIN, Status.ALREADY}
    again = reports(shot, compression=compression)
    assert set(codes(again).values()) == {ReasonCode.RECORDED}
    for name, report in again.items():
        wanted = Status.NO_GAIN if first[name].status is Status.NO_GAIN else Status.ALREADY
        assert (report.status, report.tried_size) == (wanted, first[name].tried_size)
        assert report.compressions_after == first[name].compressions_after
    third = reports(shot, compression=compression)  # what the second run has recorded is believed, too
    assert set(codes(third).values()) == {ReasonCode.RECORDED}


def test_progress_of_a_resumed_run_counts_finished_files_on_both_sides(shot: Path) -> None:
    """Once, more bytes were done than found, and the dashboard said 102 % and "0 s left"."""
    (shot / "b.exr").rename(shot.parent / "b.exr")
    reports(shot)
    (shot.parent / "b.exr").rename(shot / "b.exr")
    run, history = Run([str(shot)], Options.parse(compression="zip", jobs=1)), History()
    totals, seen = run.new_totals(), []
    for report in run.events():
        if report is not None:
            totals.add(report)
        seen.append(Snapshot.of(run, totals, history))
    assert all(now.reached_size <= now.found_size and now.worked_size <= len(DATA) for now in seen)
    assert all((now.percent == 100) == (now.remaining == "done") == (now.files == 3) for now in seen if now.is_scanned)
    last = seen[-1]
    assert (last.reached_size, last.worked_files, last.worked_size) == (last.found_size, 1, len(DATA))
    assert last.found_size == sum((shot / name).stat().st_size for name in ("a.exr", "noise.exr")) + len(DATA)


def test_an_output_that_is_as_recorded_is_not_read(shot: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    reports(shot, output=output)
    again = reports(shot, output=output)
    assert set(codes(again).values()) == {ReasonCode.RECORDED}
    assert all(report.destination == str(tmp_path / "out" / name) for name, report in again.items())
    (tmp_path / "out" / "a.exr").unlink()
    (tmp_path / "out" / "b.exr").write_bytes(DATA)
    third = reports(shot, output=output)
    assert third["a.exr"].status is Status.RECOMPRESSED
    assert (third["b.exr"].status, third["b.exr"].reason_code) == (Status.SKIPPED, ReasonCode.OUTPUT_EXISTS)
    assert third["noise.exr"].reason_code is ReasonCode.RECORDED


def rewritten(path: Path) -> None:
    """Write another frame of the same size over a file, and restore its time."""
    size, new = path.stat().st_size, build([PartSpec(window=(0, 0, 63, 63), noise=0.05, seed=5)])
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(new[:size].ljust(size, b"\0"))
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


def replaced(path: Path) -> None:
    """Put another file there, with the same size and time."""
    shutil.copy2(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def restored(path: Path) -> None:
    """Restore the original from a backup that kept its time."""
    path.write_bytes(DATA)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


@pytest.mark.parametrize("change", [rewritten, replaced, restored])
def test_a_file_that_has_changed_is_read(shot: Path, change: Callable[[Path], None]) -> None:
    reports(shot)
    change(shot / "a.exr")
    again = reports(shot)
    assert again["a.exr"].reason_code is not ReasonCode.RECORDED
    assert again["b.exr"].reason_code is ReasonCode.RECORDED
    if change is restored:
        assert again["a.exr"].status is Status.RECOMPRESSED
        assert explode((shot / "a.exr").read_bytes())[0].raw == explode(DATA)[0].raw


@pytest.mark.parametrize("other", [{"compression": "zips"}, {"effort": "high"}, {"force": True}, {"journal": False}])
def test_a_run_with_other_options_reads_the_files(shot: Path, other: dict[str, Any]) -> None:
    reports(shot)
    again = reports(shot, **other)
    assert ReasonCode.RECORDED not in codes(again).values()


def test_a_file_written_just_before_it_was_recorded_is_not_trusted(shot: Path) -> None:
    """It could have been written to once more within the same step of the clock."""
    (shot / "a.exr").write_bytes(DATA)
    reports(shot)
    again = reports(shot)
    assert again["a.exr"].reason_code is None
    assert again["b.exr"].reason_code is ReasonCode.RECORDED


def test_where_states_prove_nothing_the_header_is_read(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on FAT: a file with the recorded size, time and compression is finished."""
    monkeypatch.setattr(finished.FinishedFiles, "_has_reliable_facts", lambda self, folder: False)
    first = reports(shot, compression="auto")
    replaced(shot / "b.exr")
    again = reports(shot, compression="auto")
    assert set(codes(again).values()) == {ReasonCode.RECORDED}
    assert again["noise.exr"].status is first["noise.exr"].status or again["noise.exr"].status is Status.ALREADY
    restored(shot / "a.exr")
    third = reports(shot, compression="auto")
    assert third["a.exr"].status is Status.RECOMPRESSED


def test_a_failure_after_success_makes_a_file_unfinished(shot: Path) -> None:
    """The latest record of a file counts."""
    reports(shot)
    reports(shot)
    for journal in journals()[:1]:
        text = journal.read_text().replace('"status": "already"', '"status": "failed"')
        journal.write_text(text)
    again = reports(shot)
    assert again["a.exr"].reason_code is None


def test_finished_files_count_neither_as_read_nor_as_written(shot: Path) -> None:
    reports(shot)
    run = Run([str(shot)], Options.parse(compression="zip", jobs=1))
    totals = run.new_totals()
    for report in run.reports():
        totals.add(report)
    assert (totals.files, totals.read_size, totals.written_size) == (3, 0, 0)
