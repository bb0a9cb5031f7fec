"""Run trials with the code of a real run, on copies of the sample in a folder of their own.

The user's files are only read. Each end-to-end trial writes a new output tree and removes it.
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
"""Space that stays free, because other programs write to the same disk."""


class Workbench:
    """A folder with copies of the sample: a context manager that creates and removes them.

    Attributes:
        parent: the folder in which the folder is created.
    """

    def __init__(self, files: Sequence[SampleFile], copies: int, cache_state: CacheState, folder: str | None) -> None:
        """Check the folder and its free space.

        Args:
            files: the sample.
            copies: number of copies of the sample for end-to-end trials.
            cache_state: where the files of a trial come from.
            folder: where to create the copies; None for the system's temp folder.

        Raises:
            OptionsError: the folder does not exist or has too little free space.
        """
        self._files = files
        self._cache = cache_state
        self._copies = copies
        self.parent = folder or tempfile.gettempdir()
        if not os.path.isdir(self.parent):
            raise OptionsError(f"no such folder: {self.parent} (--work-dir)")
        needed = copies * sum(file.size for file in files)
        if cache_state is not CacheState.MEMORY:
            needed += copies * sum(file.raw_size for file in files) + SPARE_BYTES
        free = shutil.disk_usage(self.parent).free
        if needed > free:
            raise OptionsError(
                f"copies and new files need {format_size(needed)} of free space in {self.parent}, but it has only"
                f" {format_size(free)}; name another folder with --work-dir"
            )

    def __enter__(self) -> "Workbench":
        try:
            self._folder = tempfile.mkdtemp(prefix=BENCH_FOLDER, dir=self.parent)
        except OSError as error:
            raise OptionsError(f"can't create a folder in {self.parent}: {error.strerror} (--work-dir)") from None
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
        """Run one trial. Failures of files are part of its result.

        Args:
            trial: the trial.
            number: number of the pass.

        Raises:
            RunStopped: the disk is full, or workers keep dying.
        """
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
    """Drive a run to its end.

    Returns:
        The seconds from when the first file went to a worker until the last report; and all
        reports.

    Raises:
        RunStopped: the disk is full, or workers keep dying.
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
