"""The roots of a run: some may be missing, and a folder may disappear."""

import os
import time
from pathlib import Path

import pytest

from exrbatch import FileReport, OptionsError, Status
from exrbatch.batch.discovery import roots as roots_module
from exrbatch.batch.discovery.roots import RootWatch, find_roots
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.errors import ReasonCode
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 31, 31), noise=0.05)])


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Make two shots with a frame each."""
    for name in ("shots/a/1.exr", "shots/b/1.exr"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(DATA)
    return tmp_path / "shots"


def test_a_missing_root_is_a_failure_among_others(shots: Path) -> None:
    """The others are processed. If none exists, that is an error at once."""
    roots = find_roots([f"{shots}/a", f"{shots}/c", f"{shots}/*.jpg"])
    assert roots.paths == [f"{shots}/a"]
    assert [(each.path, each.status, each.reason_code) for each in roots.missing] == [
        (f"{shots}/c", Status.FAILED, ReasonCode.MISSING),
        (f"{shots}/*.jpg", Status.FAILED, ReasonCode.MISSING),
    ]
    with pytest.raises(OptionsError, match=r"no such file or folder: .*/c \(and 1 more path"):
        find_roots([f"{shots}/c"], [f"{shots}/d"])


def test_listed_paths_are_literal(shots: Path) -> None:
    """A pattern or a sequence in a list stands for nothing but a file of that name."""
    (shots / "x.####.exr").write_bytes(DATA)
    roots = find_roots([], [f"{shots}/a/*.exr", f"{shots}/x.####.exr", f"{shots}/b/#.exr"])
    assert roots.paths == [f"{shots}/x.####.exr"]
    assert [each.path for each in roots.missing] == [f"{shots}/a/*.exr", f"{shots}/b/#.exr"]


def test_an_empty_list_is_nothing_to_do() -> None:
    """Nobody asked for anything; but without a list, a path is needed."""
    assert find_roots([], []).paths == []
    with pytest.raises(OptionsError, match="no path given"):
        find_roots([])


def test_an_empty_folder_looks_like_a_missing_mount(shots: Path) -> None:
    """A folder with any entry does not."""
    (shots / "c").mkdir()
    with pytest.raises(OptionsError, match=r"/c is empty: .*--allow-empty"):
        find_roots([str(shots / "a"), str(shots / "c")], allow_empty=False)
    assert len(find_roots([str(shots / "a"), str(shots / "c")]).paths) == 2
    (shots / "c" / "notes").write_text("x")
    assert len(find_roots([str(shots / "c")], allow_empty=False).paths) == 1


def test_missing_roots_do_not_move_the_outputs(shots: Path) -> None:
    """The base is the same, whether all roots exist or not."""
    both = find_roots([f"{shots}/a", f"{shots}/b"]).base
    assert both == str(shots)
    assert find_roots([f"{shots}/a", f"{shots}/nothing"]).base == both
    assert find_roots([f"{shots}/a/1.exr", f"{shots}/nothing/1.exr"]).base == both


def test_a_base_holds_all_sources(shots: Path) -> None:
    """With a base, a part of a tree is mirrored to the same place as with the whole."""
    assert find_roots([f"{shots}/a"], base=str(shots)).base == str(shots)
    for base, message in ((shots / "b", "does not lie below the base"), (shots / "c", "base is not a folder")):
        with pytest.raises(OptionsError, match=message):
            find_roots([f"{shots}/a"], base=str(base))


def test_notices_a_root_that_was_replaced(shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder of the same name is what remains after a file system was unmounted."""
    watch = RootWatch([str(shots / "a"), str(shots / "out")])
    assert watch.look() is None
    (shots / "out").mkdir()
    assert watch.look() is None, "an output folder may appear during the run"
    os.rename(shots / "a", shots / "elsewhere")
    fine = FileReport(path="x", status=Status.RECOMPRESSED)
    gone = FileReport(path="x", status=Status.SKIPPED, reason="removed", reason_code=ReasonCode.CHANGED)
    monkeypatch.setattr(roots_module, "LOOK_SECONDS", 1e6)
    watch.start()
    assert watch.lost(fine) is None, "no look without a reason"
    while (reason := watch.lost(gone)) is None:
        time.sleep(0.01)
    watch.end()
    assert "/a is gone" in reason
    (shots / "a").mkdir()
    watch = RootWatch([str(shots / "a")])
    os.rename(shots / "a", shots / "b2")
    (shots / "a").mkdir()
    assert "/a is no longer the same folder" in (watch.look() or "")


def test_a_root_that_disappears_stops_the_run(shots: Path) -> None:
    """The exit code is 3, even though no file has failed."""
    run = Run([str(shots)], Options(jobs=1))
    totals = run.new_totals()
    for event in run.events():
        if event is not None:
            totals.add(event)
            if totals.files == 1:
                os.rename(shots, f"{shots}-moved")
    run.complete(totals)
    assert totals.exit_code == 3
    assert f"{shots} is gone" in (totals.stop_reason or "")


def test_min_and_max_size_apply_to_all_files(shots: Path) -> None:
    """Also to those that the user names; they are counted as left out."""
    (shots / "a" / "large.exr").write_bytes(DATA + bytes(999))
    run = Run([str(shots / "b"), str(shots / "a" / "large.exr")], Options(jobs=1, max_size=len(DATA)))
    assert [report.path for report in run.reports()] == [str(shots / "b" / "1.exr")]
    assert run.selection.left_out == 1
