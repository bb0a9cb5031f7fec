"""What the dashboard knows of the past, what it says about limits, and snapshots as JSON."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from exrbatch import FileReport, Status
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.workers.interface import Running
from exrbatch.cli.sequence_names import sequence_names
from exrbatch.dashboard import Dashboard, History, Snapshot, plain_line
from exrbatch.dashboard.history import MAX_BUCKETS, MAX_SEQUENCES, MAX_TROUBLES, Throughput
from exrbatch.dashboard.limiting import limit_line
from exrbatch.dashboard.snapshot import RunningRow
from exrbatch.dashboard.sparkline import sparkline
from exrbatch.steering.commands import HINTS


@pytest.fixture
def now(tmp_path: Path) -> Snapshot:
    """Return a snapshot with everything in it, names that are hard to show included."""
    run, report, history = Run([str(tmp_path)], Options(jobs=2)), BatchReport(), History()
    run.running = lambda: [Running(0, Candidate("a[/b]\udcff\n.exr", 10_000), 0.5, 1.0)]  # type: ignore[method-assign]
    for each in (
        done("s/beauty.1001.exr", 1000, 400),
        done("s/beauty.1002.exr", 1000, 400),
        FileReport(path="s/[red]\udcff.exr", status=Status.FAILED, reason="cut", size_before=5),
        FileReport(path="link.exr", status=Status.SKIPPED, reason="a symbolic link"),
    ):
        report.add(each)
        history.add(each)
    run.backlog.files, run.backlog.size, run.backlog.is_complete = 10, 20_000, True
    return Snapshot.of(run, report, history)


def done(path: str, before: int = 1000, after: int = 400, seconds: float = 2.0, cpu: float = 1.0) -> FileReport:
    return FileReport(
        path=path, status=Status.RECOMPRESSED, size_before=before, size_after=after, seconds=seconds, cpu_seconds=cpu
    )


@pytest.mark.parametrize(
    "paths",
    [
        ["s/beauty.1001.exr", "s/beauty.1002.exr", "s/beauty.1003.exr"],
        ["s/beauty.0001.exr", "s/beauty.0002.exr"],
        ["s/beauty.0999.exr", "s/beauty.1000.exr"],
        ["s/beauty.9.exr", "s/beauty.10.exr"],
        ["s/v002.exr", "s/v003.exr"],
        ["single.exr"],
        ["s/beauty.0007.exr"],
    ],
)
def test_names_of_sequences_are_those_of_summaries(paths: list[str]) -> None:
    """A name without gaps can be pasted into a command, as those of the summary can."""
    history = History()
    for path in paths:
        history.add(done(path))
    ((name, files),) = sequence_names(paths)
    (row,) = history.sequences(9)
    assert (row.name, row.files) == (name, files)
    assert (row.saved, row.share) == (600 * files, 0.6)


def test_thousands_of_sequences_take_bounded_memory() -> None:
    """Those that have had no file for longest are added up, and nothing is lost from the totals."""
    history = History()
    for number in range(3 * MAX_SEQUENCES):
        history.add(done(f"shot{number:05}x/a.1001.exr"))
        history.add(FileReport(path=f"f{number}x.exr", status=Status.FAILED, reason="x" * 10_000))
    rows = history.sequences(10**9)
    assert len(rows) == MAX_SEQUENCES + 1
    assert history.sequence_count == 6 * MAX_SEQUENCES
    assert sum(row.files for row in rows) == 6 * MAX_SEQUENCES
    assert sum(row.saved for row in rows) == 3 * MAX_SEQUENCES * 600
    assert rows[0].name == f"f{3 * MAX_SEQUENCES - 1}x.exr"
    assert len(history.failures) == MAX_TROUBLES
    assert max(len(each.reason) for each in history.failures) <= 500


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1e12)), max_size=100))
def test_throughput_of_any_length_keeps_all_bytes(steps: list[tuple[float, float]]) -> None:
    """The number of points is bounded, and their sum is what was processed."""
    throughput, seconds, reached = Throughput(), 0.0, 0.0
    for duration, size in steps:
        seconds, reached = seconds + duration, reached + size
        throughput.look(seconds, reached)
    throughput.look(seconds + 2 * throughput.bucket_seconds, reached)
    assert len(throughput.rates()) <= MAX_BUCKETS
    assert sum(throughput.rates()) * throughput.bucket_seconds == pytest.approx(reached)


@given(st.lists(st.floats(0, 1e12), max_size=200), st.integers(0, 100))
def test_curve_fits_its_width(values: list[float], width: int) -> None:
    """Its highest point is full."""
    curve = sparkline(values, width)
    assert len(curve) == min(width, len(values))
    assert "█" in curve or not curve or max(values) == 0 or len(curve) < len(values)
    assert sparkline([0, 1, 2, 4], 4) == "▁▃▅█"


def test_a_snapshot_survives_the_way_to_another_process(now: Snapshot) -> None:
    """As JSON, with names that are not UTF-8. Another version's is refused."""
    sent = json.loads(json.dumps(now.to_json()))
    assert Snapshot.from_json(sent) == now
    for broken in ({}, {**sent, "counts": {"unknown": 1}}, {**sent, "running": [{"x": 1}]}, {**sent, "statuses": 7}):
        with pytest.raises(ValueError, match=r"no snapshot of a run|is not a valid Status"):
            Snapshot.from_json(broken)


def test_limits_in_words(now: Snapshot) -> None:
    """CPU, disk, the scan, the last files, and pauses of all kinds."""
    busy = replace(now, running=(RunningRow(0, "a", 1, 0.5, 1.0), RunningRow(1, "b", 1, 0.5, 1.0)))
    assert limit_line(replace(busy, computing_share=0.9), 0.95).startswith("CPU: workers compute 90 %")
    assert limit_line(replace(busy, computing_share=0.9), 0.3).endswith("; cores are free (+)")
    assert limit_line(replace(busy, computing_share=0.4), 0.3).startswith("disk: workers wait for storage 60 %")
    assert limit_line(replace(busy, computing_share=0.4), 0.99).startswith("CPU, shared with others")
    assert limit_line(replace(busy, computing_share=0.6), None).startswith("CPU and disk")
    assert limit_line(replace(busy, computing_share=None), None) == ""
    assert limit_line(replace(now, is_scanned=False), None).startswith("the scan")
    assert limit_line(replace(now, found=5), None) == "the last files: 1 worker without work"
    far = replace(busy, is_elsewhere=True, computing_share=0.4)
    assert limit_line(far, 0.99).startswith("disk: workers wait"), (
        "this machine's CPU says nothing about workers elsewhere"
    )
    assert limit_line(replace(far, running=(), found=5), 0.99) == "no worker has files"
    throttled = replace(busy, computing_share=1.0, rate_limit=10_000_000, throttled_share=0.6)
    assert limit_line(throttled, 0.3) == "--bwlimit 10 MB/s: workers wait 60 % of their time"
    assert limit_line(replace(throttled, throttled_share=0.0), 0.3).startswith("CPU: ")
    for share in (0.0, 0.6, 1.0):
        for machine in (0.3, 0.99):
            assert len(limit_line(replace(busy, computing_share=share), machine)) <= 65
    paused = replace(busy, pauses=("outside hours 19:00-07:30", "paused by the user"))
    words = "outside hours 19:00-07:30; paused by the user"
    assert limit_line(paused, None) == f"{words}; 2 files in progress"
    assert limit_line(replace(paused, is_frozen=True), None) == words
    assert limit_line(replace(paused, is_stopping=True), None) == ""


def test_pauses_do_not_count_for_speed_and_time_left(now: Snapshot) -> None:
    """Nor does the log claim that a paused run has an end."""
    slow = replace(now, seconds=100.0, paused=90.0, reached_size=10_000, worked_size=10_000, worked_files=9, running=())
    assert slow.rate == 1000.0
    assert slow.seconds_left == 10.0
    paused = replace(slow, pauses=("frozen by the user",), is_frozen=True)
    assert (paused.seconds_left, paused.remaining) == (None, "frozen")
    assert plain_line(paused).endswith("1 failed, frozen by the user")


def test_no_time_left_is_shown_before_a_few_files_have_ended(now: Snapshot) -> None:
    """Nor does a run call itself done while a file is left."""
    early = replace(now, seconds=1.0, reached_size=1000, worked_size=1000, worked_files=1)
    assert (early.remaining, early.seconds_left) == ("estimating", None)
    assert replace(early, worked_files=5).seconds_left == pytest.approx(19.0)
    assert replace(early, reached_size=3000, worked_size=3000).seconds_left is not None
    last = replace(early, reached_size=20_000, worked_size=20_000, files=9)
    assert (last.percent, last.remaining[:8]) == (99, "1 s left")
    assert (replace(last, files=10).percent, replace(last, files=10).remaining) == (100, "done")


def test_progress_never_goes_backwards(tmp_path: Path) -> None:
    """Files of a bundle end before they are reported; files that are given up begin again."""
    run, report, history = Run([str(tmp_path)], Options(jobs=1)), BatchReport(), History()
    run.backlog.files, run.backlog.size, run.backlog.is_complete = 4, 4000, True
    frame = Candidate("a.exr", 1000)

    def reached(*running: Running) -> float:
        run.running = lambda: list(running)  # type: ignore[method-assign]
        return Snapshot.of(run, report, history).reached_size

    assert reached(Running(0, frame, 1.0, 1.0)) == 1000
    assert reached(Running(0, frame, 0.5, 1.0, ended_size=1000)) == 1500
    report.add(done("a.exr"))  # the second file was given up, because the worker has died
    assert reached() == 1500
    report.add(done("b.exr"))
    assert reached(Running(0, frame, 0.5, 1.0)) == 2500


def test_no_key_is_cut_off(now: Snapshot) -> None:
    """A narrow terminal shows fewer keys."""
    for width in (40, 80):
        dashboard = Dashboard()
        dashboard.hints = HINTS
        dashboard.show(now)
        file = io.StringIO()
        Console(file=file, width=width, height=16, force_terminal=True, color_system=None).print(dashboard)
        keys = file.getvalue().splitlines()[-1].strip("╰╯─ ").split("  ")
        assert keys == list(HINTS[: len(keys)])
        assert len(keys) >= 3


def test_limits_of_the_run_are_shown(now: Snapshot) -> None:
    """Where there is room for them."""
    plan = "until 07:30 tomorrow (in 7 h 36 min) · 4 MB/s"
    dashboard = Dashboard()
    dashboard.show(replace(now, plan=plan))
    file = io.StringIO()
    Console(file=file, width=80, height=24, force_terminal=True, color_system=None).print(dashboard)
    assert f"plan     {plan}" in file.getvalue()


@pytest.mark.parametrize("key", ["", "s", "e", "?"])
@pytest.mark.parametrize(("width", "height"), [(40, 5), (40, 16), (80, 8), (80, 24), (200, 50)])
def test_every_view_fits_every_terminal(now: Snapshot, key: str, width: int, height: int) -> None:
    """The frame leaves a line for the cursor, and Esc leads back."""
    rows = tuple(replace(now.sequences[0], name=f"show/{index}/beauty.1001-1100#.exr") for index in range(60))
    dashboard = Dashboard()
    dashboard.help = (("q", "quit after a while " * 9), ("p", "pause"))
    dashboard.show(replace(now, sequences=rows, sequence_count=9000, failures=now.failures * 30))
    assert dashboard.press(key) == bool(key)
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    console.print(dashboard)
    lines = file.getvalue().splitlines()
    assert "dashboard off" not in file.getvalue()
    assert len(lines) < height
    assert {len(line) for line in lines} == {width - 2}
    assert dashboard.press("\x1b") == bool(key)
