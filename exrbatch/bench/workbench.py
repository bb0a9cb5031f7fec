"""Does trials: the same engine as a real run, on copies of the sample in a folder of its own.

The user's files are only read. Each trial of an end-to-end run writes a fresh output tree and removes it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType

from exrbatch.batch.discovery.discover import BENCH_FOLDER
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.bench import cache
from exrbatch.bench.cache_state import CacheState
from exrbatch.bench.matrix import Trial
from exrbatch.bench.result import FileResult, TrialResult
from exrbatch.bench.sample import SampleFile
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.measure_job import MeasureRules
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import Permissions
from exrbatch.text import format_size

SPARE_BYTES = 1_000_000_000
"""Left free, as other programs write to that disk, too."""


class Workbench:
    """Copies of the sample, as a context manager that removes them."""

    def __init__(self, files: Sequence[SampleFile], copies: int, cache_state: CacheState, folder: str | None) -> None:
        """`copies`: of the sample, for end-to-end trials.

        `folder`: where to make the copies; None for the system's temp folder. Raises `OptionsError` if there is no
        room.
        """
        self._files = files
        self._cache = cache_state
        self._copies = copies
        self.parent = folder or tempfile.gettempdir()
        if not os.path.isdir(self.parent):
            raise OptionsError(f"no such folder to work in: {self.parent}")
        needed = copies * sum(file.size for file in files)
        if cache_state is not CacheState.MEMORY:
            needed += copies * sum(file.raw_size for file in files) + SPARE_BYTES
        free = shutil.disk_usage(self.parent).free
        if needed > free:
            raise OptionsError(
                f"copies, new files and some room to spare need {format_size(needed)} below {self.parent};"
                f" {format_size(free)} are free (--work-dir)"
            )

    def __enter__(self) -> "Workbench":
        try:
            self._folder = tempfile.mkdtemp(prefix=BENCH_FOLDER, dir=self.parent)
        except OSError as error:
            raise OptionsError(f"can't work in {self.parent}: {error.strerror} (--work-dir)") from None
        self._source = os.path.join(self._folder, "source")
        self._one_copy = os.path.join(self._source, "000")
        try:
            for copy in range(self._copies):
                folder = os.path.join(self._source, f"{copy:03}")
                os.makedirs(folder)
                for index, file in enumerate(self._files):
                    shutil.copyfile(file.path, os.path.join(folder, f"{index:04}.exr"))
        except BaseException as error:
            self._remove()
            if isinstance(error, OSError):
                raise OptionsError(f"can't copy the sample to {self._folder}: {error.strerror}") from None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, trial: Trial, number: int) -> TrialResult:
        """Do one trial, as part of that pass. Failures of files are in its result. Raises `RunStopped`."""
        held = None
        if trial.jobs:
            sources = [os.path.join(folder, name) for folder, _, names in os.walk(self._source) for name in names]
            if self._cache is CacheState.COLD:
                held = cache.empty(sources)
            else:
                cache.fill(sources)
        output = os.path.join(self._folder, "output")
        try:
            run = Run([self._source if trial.jobs else self._one_copy], _options(trial, output))
            seconds, reports = _drive(run)
        finally:
            shutil.rmtree(output, ignore_errors=True)
        files = [FileResult.of(_index(report.path), report, trial.packing.compression) for report in reports]
        return TrialResult(trial=trial, number=number, seconds=seconds, files=files, held=held)


def _index(path: str) -> int:
    return int(os.path.basename(path).partition(".")[0])


def _options(trial: Trial, output: str) -> Options:
    packing, permissions = trial.packing, Permissions(allow_lossy=trial.packing.is_named)
    if not trial.jobs:
        rules = MeasureRules(compression=packing.compression, effort=packing.effort, permissions=permissions)
        return Options(rules=rules, jobs=1)
    forced = RecompressRules(
        compression=packing.compression, effort=packing.effort, permissions=permissions, force=True
    )
    return Options(rules=forced, output=output, jobs=trial.jobs)


def _drive(run: Run) -> tuple[float, list[FileReport]]:
    """Drive a run; return the seconds from when the first file was handed out to the last report, and all reports.

    Raises `RunStopped` where going on made no sense: the disk is full, or workers keep dying.
    """
    reports: list[FileReport] = []
    last = 0.0
    try:
        for report in run.events():
            if report is not None:
                reports.append(report)
                last = time.monotonic()
    except BaseException:
        run.kill()
        raise
    if run.stop.reason is not None:
        raise RunStopped(run.stop.reason)
    return (last - run.started if reports and run.started is not None else 0.0), reports
