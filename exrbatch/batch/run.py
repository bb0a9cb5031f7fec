"""One run from paths to reports: scan, workers and scheduler put together."""

from collections.abc import Iterable, Iterator

from exrbatch.batch import scheduler
from exrbatch.batch.backlog import Backlog
from exrbatch.batch.discover import Selection, check_paths, discover
from exrbatch.batch.machine import automatic_jobs
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Pool, Running
from exrbatch.batch.scheduler import StopRequest
from exrbatch.file.report import FileReport


class Run:
    """A run that begins when `events` is iterated; `backlog` and `running` can be looked at meanwhile."""

    def __init__(self, paths: Iterable[str], options: Options) -> None:
        """Check everything that can be checked before anything starts. Raises `OptionsError`."""
        self.options = options
        self.jobs = options.jobs or automatic_jobs()
        self.stop = StopRequest()
        selection = Selection(options.include, options.exclude)
        found = discover(check_paths(paths, options.output), options.output, selection, sweep=not options.dry_run)
        self.backlog = Backlog(found)
        self._pool: Pool | None = None

    def running(self) -> list[Running]:
        """List the files in flight."""
        return list(self._pool.running()) if self._pool is not None else []

    def events(self) -> Iterator[FileReport | None]:
        """Drive the run: yield each file's report as the file ends, and None when a while passed without one.

        When the iterator is closed, files in flight are finished; on any exception, KeyboardInterrupt
        included, the workers are killed.
        """
        self.backlog.start()
        self._pool = Pool(self.jobs)
        try:
            yield from scheduler.run(self.backlog, self._pool, self.options, self.stop)
        except GeneratorExit:
            self.backlog.stop()
        except BaseException:
            self.backlog.stop()
            self._pool.kill()
            raise
        self._pool.close()

    def reports(self) -> Iterator[FileReport]:
        """Drive the run: yield the reports only."""
        return (report for report in self.events() if report is not None)
