"""Run trials with the code of a real run, on copies of the sample in a folder of their own.

The user's files are only read. Each end-to-end trial writes a new output tree and removes it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from exrbatch.batch.discovery.discover import BENCH_FOLDER
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.bench import cache
from exrbatch.bench.cache_state import CacheState
from exrbatch.bench.matrix import copies_needed
from exrbatch.bench.packing import Trial
from exrbatch.bench.probe import measure_rules
from exrbatch.bench.result import FileResult, TrialResult
from exrbatch.bench.sample import SampleFile
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import Permissions
from exrbatch.text import format_size

SPARE_BYTES = 1_000_000_000
"""Space that stays free, because other programs write to the same disk."""


def work_folder(named: str | None) -> str:
    """Return the folder in which to measure.

    Args:
        named: the folder that the user named; None for the system's temp folder.

    Raises:
        OptionsError: there is no such folder.
    """
    folder = named or tempfile.gettempdir()
    if not os.path.isdir(folder):
        raise OptionsError(f"no such folder: {folder} (--work-dir)")
    return folder


class Workbench:
    """A folder with copies of the sample: a context manager that creates and removes them.

    Attributes:
        parent: the folder in which the folder is created.
    """

    def __init__(
        self,
        files: Sequence[SampleFile],
        copies: int,
        cache_state: CacheState,
        folder: str,
        permissions: Permissions = Permissions(),
    ) -> None:
        """Check the folder and its free space.

        Args:
            files: the sample.
            copies: number of copies of the sample for end-to-end trials.
            cache_state: where the files of a trial come from.
            folder: where to create the copies, from `work_folder`.
            permissions: what the user has allowed. A lossy compression needs none: it was named.

        Raises:
            OptionsError: the folder has too little free space.
        """
        self._files = files
        self._cache = cache_state
        self._copies = copies
        self._permissions = permissions
        self.parent = folder
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
        self._sources = [os.path.join(self._folder, "source", f"{copy:03}") for copy in range(self._copies)]
        try:
            for folder in self._sources:
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
        folders = self._sources[: copies_needed(self._files, trial.jobs)]
        if trial.jobs:
            sources = [os.path.join(folder, name) for folder in folders for name in os.listdir(folder)]
            if self._cache is CacheState.COLD:
                held = cache.empty(sources)
            else:
                cache.fill(sources)
        output = os.path.join(self._folder, "output")
        try:
            run = Run(folders, self._options(trial, output))
            seconds, reports = _drive(run)
        finally:
            shutil.rmtree(output, ignore_errors=True)
        files = [FileResult.of(_index(report.path), report, trial.packing.fixed) for report in reports]
        return TrialResult(trial=trial, number=number, seconds=seconds, files=files, held=held)

    def _options(self, trial: Trial, output: str) -> Options:
        packing = trial.packing
        if not trial.jobs:
            return Options(rules=measure_rules(packing, self._permissions), jobs=1)
        forced = RecompressRules(
            compression=packing.fixed,
            readers=packing.readers,
            effort=packing.effort,
            permissions=replace(self._permissions, allow_lossy=packing.is_named),
            force=True,
        )
        return Options(rules=forced, output=output, jobs=trial.jobs, journal=False)


def _index(path: str) -> int:
    return int(os.path.basename(path).partition(".")[0])


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
