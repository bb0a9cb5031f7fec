"""The dashboard and the summary at fixed widths, with a fake clock."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from exrbatch import FileReport, Status
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.workers.interface import Running
from exrbatch.cli.summary import failure_lines, file_line, release_note, summary_lines
from exrbatch.dashboard import Dashboard, Snapshot, plain_line
from exrbatch.jobs.compare_job import CompareRules
from exrbatch.jobs.job import Rules
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.text import format_duration, format_saving, format_size, safe_text, shortened


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, BatchReport]:
    """Make a run in progress.

    4 GB of 10 GB done in 100 s, two workers, one failure with markup in its name.
    """
    run = Run([str(tmp_path_factory.mktemp("empty"))], Options(jobs=2))
    run.backlog.files, run.backlog.size, run.backlog.is_complete = 1000, 10_000_000_000, True
    monkeypatch.setattr(
        run,
        "running",
        lambda: [
            Running(
                0, Candidate("/show/shot/" + "long_folder_name/" * 20 + "beauty.1001.exr", 50_000_000, None), 0.5, 1.0
            ),
            Running(1, Candidate("/show/[red]\n.exr", 50_000_000, None), 0.0, 0.1),
        ],
    )
    clock = Clock()
    report = BatchReport(clock)
    clock.now = 100.0
    for index in range(398):
        report.add(
            FileReport(path=f"{index}.exr", status=Status.RECOMPRESSED, size_before=10_000_000, size_after=4_000_000)
        )
    report.add(
        FileReport(
            path="n.exr", status=Status.NO_GAIN, size_before=10_000_000, size_after=10_000_000, tried_size=11_000_000
        )
    )
    report.add(
        FileReport(path="a[/b]\udcff.exr", status=Status.FAILED, reason="part 0, chunk 3: cut", size_before=10_000_000)
    )
    return run, report  # fmt: skip


def dashboard_of(run: Run, report: BatchReport) -> Dashboard:
    """Return a dashboard that knows of the failures and skipped files in the totals."""
    dashboard = Dashboard()
    for each in [*report.failures, *report.skipped]:
        dashboard.history.add(each)
    dashboard.update(run, report)
    return dashboard


def drawn(renderable: object, width: int, height: int = 50) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    console.print(renderable)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_frame_fits_the_terminal_and_shows_the_totals(state: tuple[Run, BatchReport], width: int) -> None:
    """Every line leaves room for the ^C that the terminal echoes."""
    lines = drawn(dashboard_of(*state), width)
    assert {len(line) for line in lines} == {width - 2}, "\n".join(lines)
    text = "\n".join(lines)
    assert "dashboard off" not in text
    if width >= 80:
        assert "40 %  4.0 GB of 10.0 GB" in text
        assert re.search(r"2 min left, ends \d\d:\d\d", text)
        assert "400 of 1,000 · 398 recompressed · 1 no gain · 1 failed" in text
        assert "read 4.0 GB · written 1.6 GB · saved 2.4 GB (60.0 %)" in text
        assert "4.0 files/s · 40.2 MB/s · 1:40 elapsed" in text
        assert "beauty.1001.exr" in text
        assert r"/show/[red]\n.exr" in text
        assert r"a[/b]\xff.exr: part 0, chunk 3: cut" in text


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_frame_fits_short_terminals_with_many_workers(
    state: tuple[Run, BatchReport], monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    """The notice is at the top, failures stay, and the bar and the frame numbers can be read."""
    run, report = state
    frames = [Candidate(f"/show/ab010_beauty_v003.{1001 + index}.exr", 50_000_000) for index in range(24)]
    monkeypatch.setattr(run, "running", lambda: [Running(i, frame, 0.5, 1.0) for i, frame in enumerate(frames)])
    run.stop.signal_number = 2
    lines = drawn(dashboard_of(run, report), width, height)
    text = "\n".join(lines)
    assert len(lines) < height, text
    assert {len(line) for line in lines} == {width - 2}, text
    assert "finishing files in progress" in lines[1]
    assert any("━━━" in line and "46 %" in line for line in lines[2:4]), text
    assert r"failed " in text
    assert "dashboard off" not in text
    if height > 12:
        assert "beauty_v003.1001.exr" in text or "uty_v003.1001.exr" in text
    shown = sum("_v003." in line for line in lines)
    assert shown == 24 or height <= 24
    assert shown == 24 or not shown or f"and {24 - shown} more workers" in text


def test_a_comparison_shows_what_is_equal_and_different(tmp_path: Path) -> None:
    """It has nothing to recompress or to save (issue 17)."""
    run, report = Run([str(tmp_path)], Options(jobs=1)), BatchReport(Clock(), rules=CompareRules())
    report.add(FileReport(path="a.exr", status=Status.EQUAL, size_before=1000))
    report.add(FileReport(path="b.exr", status=Status.DIFFERENT, reason="part 0, chunk 1", size_before=1000))
    text = "\n".join(drawn(dashboard_of(run, report), 100))
    assert "1 equal · 1 different · 0 failed" in text
    assert "recompressed ·" not in text
    assert "saved" not in text
    assert "different b.exr: part 0, chunk 1" in text
    assert "saved" not in plain_line(Snapshot.of(run, report))


def test_an_error_in_the_dashboard_does_not_stop_the_run(
    state: tuple[Run, BatchReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only says that it is off."""
    monkeypatch.setattr(state[0], "running", lambda: 1 // 0)
    assert drawn(dashboard_of(*state), 80) == ["dashboard off: ZeroDivisionError: integer division or modulo by zero"]


def test_plain_line_shows_the_totals(state: tuple[Run, BatchReport]) -> None:
    """For logs: the same in one line."""
    line = re.sub(r"\d\d:\d\d$", "HH:MM", plain_line(Snapshot.of(*state)))
    assert line == "400 of 1,000 files, 40 %, saved 2.4 GB, 40.2 MB/s, 1 failed, 2 min left, ends HH:MM"


def test_summary_repeats_failures_and_adds_up(state: tuple[Run, BatchReport]) -> None:
    """Failures again, counts that add up, sizes and speed."""
    lines = [line.plain for line in [*failure_lines(state[1]), *summary_lines(state[1])]]
    assert lines == [
        r"failed: a[/b]\xff.exr: part 0, chunk 3: cut",
        "400 files: 398 recompressed, 1 no gain, 1 failed",
        "4.0 GB → 1.6 GB, saved 2.4 GB (60.0 %) in 1:40 (4.0 files/s, 40.0 MB/s)",
    ]
    assert state[1].counts.total() == state[1].files == 400
    assert state[1].exit_code == 1


def test_files_that_grew_are_not_negative_savings(tmp_path: Path) -> None:
    """Dashboard, plain line and summary say by how much a forced run made files larger."""
    run, report = Run([str(tmp_path)], Options(jobs=1)), BatchReport(Clock())
    report.add(FileReport(path="a.exr", status=Status.RECOMPRESSED, size_before=1_000_000, size_after=6_870_000))
    assert "grew by 5.9 MB (587.0 %)" in "\n".join(drawn(dashboard_of(run, report), 100))
    assert "grew by 5.9 MB" in plain_line(Snapshot.of(run, report))
    assert summary_lines(report)[-1].plain.startswith("1.0 MB → 6.9 MB, grew by 5.9 MB (587.0 %) in ")


def test_a_stopped_run_does_not_claim_that_there_are_no_files() -> None:
    """It may have been stopped before the scan found the first one."""
    report = BatchReport(Clock())
    assert summary_lines(report)[0].plain == "no OpenEXR files found"
    report.signal_number = 2
    lines = [line.plain for line in summary_lines(report)]
    assert lines[0] == "no file was processed"
    assert lines[-1].startswith("stopped before the end")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [(RecompressRules(), "nothing was recompressed; finished in "), (CompareRules(), "compared 0 B in ")],
)
def test_failures_alone_are_no_claim_about_the_disk(rules: Rules, expected: str) -> None:
    """The last line of a run in which every file failed, for example in verification."""
    report = BatchReport(Clock(), rules=rules)
    report.add(FileReport(path="a.exr", status=Status.FAILED, reason="the new file differs", size_before=1000))
    assert summary_lines(report)[-1].plain.startswith(expected)


@pytest.mark.parametrize(
    ("compression", "readers", "expected"),
    [
        ("zip", "2.2", None),
        ("htj2k32", "2.2", "HTJ2K32 needs OpenEXR 3.4 or newer to be read"),
        ("auto", "2.2", None),
        ("auto", "3.4", "auto may choose a compression that needs OpenEXR 3.4 or newer to be read"),
    ],
)
def test_release_note(compression: str, readers: str, expected: str | None) -> None:
    """Which OpenEXR is needed to read the result, if not every release can."""
    note = release_note(Options.parse(compression=compression, readers=readers).rules)
    assert (note and note.plain) == expected


def test_file_line_shows_status_path_and_sizes() -> None:
    """The line that -v prints."""
    report = FileReport(
        path="a.exr",
        status=Status.RECOMPRESSED,
        size_before=2000,
        size_after=500,
        notes=("a note",),
        compressions_before=("NONE", "PIZ", "NONE"),
        compressions_after=("ZIP", "ZIP", "ZIP"),
    )
    assert file_line(report).plain == "recompressed a.exr: NONE+PIZ → ZIP, 2.0 kB → 500 B (-75.0 %) [a note]"


def test_formats_sizes_durations_and_names() -> None:
    """Decimal units, durations, odd names on one line, and the end of long names."""
    assert [format_size(size) for size in (0, 999, 1000, 999_949, 999_950, 1.5e9, 2e15, -2500)] == [
        "0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 GB", "2000.0 TB", "-2.5 kB",
    ]  # fmt: skip
    assert [format_duration(seconds) for seconds in (0.04, 59.9, 60, 3599.6, 36000)] == [
        "0.0 s", "59.9 s", "1:00", "1:00:00", "10:00:00",
    ]  # fmt: skip
    assert [format_saving(2500), format_saving(-2500), format_saving(0, 0.0), format_saving(-2500, -1.25)] == [
        "saved 2.5 kB", "grew by 2.5 kB", "saved 0 B (0.0 %)", "grew by 2.5 kB (125.0 %)",
    ]  # fmt: skip
    assert safe_text("a\n\x1b[31m\udcff.exr") == r"a\n\x1b[31m\xff.exr"
    assert shortened("/a/b/c.exr", 6) == "…c.exr"
