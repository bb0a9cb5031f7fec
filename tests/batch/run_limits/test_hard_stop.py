"""A run that is stopped hard reports every file that its workers have reported."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from exrbatch import Status
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
FILES = 40
SOME = 3
"""Number of reports after which the run is stopped: in the midst of those that arrive together."""


@pytest.fixture
def run(tmp_path: Path, own_state: None) -> Run:
    """A run of one worker, which gets several files at once."""
    (tmp_path / "shot").mkdir()
    for index in range(FILES):
        (tmp_path / "shot" / f"{index}.exr").write_bytes(DATA)
    return Run([str(tmp_path / "shot")], Options(jobs=1))


def changed(folder: Path) -> set[str]:
    return {str(path) for path in folder.glob("shot/*.exr") if path.read_bytes() != DATA}


def recompressed(reports: list[FileReport]) -> set[str]:
    return {report.path for report in reports if report.status is Status.RECOMPRESSED}


def until_some_ended(look: Callable[[], None], run: Run) -> Callable[[], None]:
    """Return a look at the limits that stops the run hard as soon as some files have ended."""

    def stop() -> None:
        look()
        if run.limits._files >= SOME:
            raise RunStopped("enough")

    return stop


def test_a_limit_loses_no_report(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports of several small files arrive together, and one of them meets the limit.

    That one was in the journal only, and those after it were nowhere.
    """
    monkeypatch.setattr(run.limits, "look", until_some_ended(run.limits.look, run))
    reports = [report for report in run.events() if report is not None]
    assert SOME < len(reports) < FILES
    assert recompressed(reports) == changed(tmp_path)


def test_an_interrupted_caller_loses_no_report(run: Run, tmp_path: Path) -> None:
    """It has some reports, and takes the others when it has killed the workers."""
    events = run.events()
    reports = list(itertools.islice((report for report in events if report is not None), SOME))
    run.kill()
    reports += run.take_late()
    assert SOME < len(reports) < FILES
    assert recompressed(reports) == changed(tmp_path)
    events.close()
