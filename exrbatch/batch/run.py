"""One run from paths to reports. It combines the scan, the workers and the scheduler."""

import os
import shlex
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.files_of_run import files_of_run
from exrbatch.batch.discovery.finished import FinishedFiles
from exrbatch.batch.discovery.folder_watch import FolderWatch
from exrbatch.batch.discovery.output_tree import folder_of
from exrbatch.batch.discovery.roots import Roots, RootWatch, find_roots
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.discovery.undoing import with_restores
from exrbatch.batch.options import Options
from exrbatch.batch.run_limits.limit_watch import LimitWatch
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.scheduler import Scheduler
from exrbatch.batch.storage import check_storage, is_remote
from exrbatch.batch.workers.interface import Engine, Running, RunWorkers, Setting
from exrbatch.batch.workers.main_guard import check_guard
from exrbatch.batch.workers.pool import ThisMachine
from exrbatch.codecs.engine_names import DEFLATED, missing_engines
from exrbatch.errors import ReasonCode, RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.log import log_report, logger
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.jobs.restoring import Restore
from exrbatch.journal.records import Record, list_fields, path_fields
from exrbatch.journal.writer import Journal, about_run
from exrbatch.paths import absolute
from exrbatch.text import format_count, safe_text


class Run:
    """A run over many files. It starts when `events` or `reports` is iterated.

    `backlog` and `running` can be read while it runs, for example by a dashboard.

    Attributes:
        notes: messages for the user from before the start.
        options: the options, with the number of workers at the beginning.
        control: lets the caller pause and stop the run.
        stop: the part of `control` that holds the reason if the run stopped early.
        limits: its limits, and whether they are reached.
        is_remote: whether any source or output is on storage that is not local.
        is_elsewhere: whether its workers are not on this machine.
        backlog: the files that are waiting.
        roots: the paths, as far as they exist.
        selection: which files are taken; it counts those that are not.
        about: the record of the run, for reports and the journal.
        journal: the journal of the run; None if it has none, or before the run has begun.
    """

    def __init__(
        self,
        paths: Iterable[str],
        options: Options,
        about: Record | None = None,
        *,
        listed: Iterable[str] | None = None,
        restore: Mapping[str, Restore] | None = None,
        engine: Engine | None = None,
        refuse: Callable[[str], str | None] = lambda _path: None,
    ) -> None:
        """Check everything that can be checked before anything starts.

        Args:
            paths: files, folders and frame sequences.
            options: what to do with them.
            about: who asks for the run: fields for its record, see `about_run`; None for a program
                that uses the library.
            listed: more files and folders, whose names are taken literally; None if there must be
                a path.
            restore: what each file was before an earlier run, if that run is to be undone.
            engine: starts the workers; None for workers on this machine.
            refuse: says why a path of the list that exists fails nevertheless; None if it does not.

        Raises:
            OptionsError: none of the paths exists, or the options can't be used with them.
        """
        self._engine = engine or ThisMachine()
        self.is_elsewhere = self._engine.is_elsewhere
        jobs, note = self._engine.jobs(options.jobs)
        self.notes = [*filter(None, [note]), *_missing_engines(options)]
        self.options = replace(options, jobs=jobs)
        self.control = Control(jobs, self._engine.most_jobs)
        self.stop = self.control.stop
        self.limits = LimitWatch(options.limits, self.control)
        self.notes += self.limits.notes
        self.roots = find_roots(paths, listed, base=options.base, allow_empty=options.allow_empty, refuse=refuse)
        checked = self.roots.paths
        if listed is not None:
            self.notes += _base_notes(options, self.roots)
        if options.replaces_files:
            check_storage(checked, may_write=options.rules.writes)
        self._folders = [*dict.fromkeys([*map(folder_of, checked), *filter(None, [options.tree_root])])]
        self.is_remote = is_remote(self._folders)
        self.selection = Selection(options.include, options.exclude, options.min_size, options.max_size)
        self._watch = FolderWatch(removes=options.rules.writes, replaces=options.replaces_files)
        self._watch.look_above(checked)
        self._root_watch = RootWatch(self._folders)
        self.journal: Journal | None = None
        self.about = _about(self.options, self.roots, about)
        found = files_of_run(self.roots, options, self.selection, self._watch)
        if restore is not None:
            found = with_restores(found, restore)
        elif isinstance(options.rules, RecompressRules) and options.journal and options.rules.believes_records:
            found = FinishedFiles(self.about).answered(found)
        self.backlog = Backlog(found)
        self._workers: RunWorkers | None = None
        self._scheduler: Scheduler | None = None
        self._late: list[FileReport] = []

    @property
    def jobs(self) -> int:
        """Number of workers. It may change while the run goes on."""
        return self.control.jobs or (1 if self._workers is None else self._workers.jobs)

    @property
    def workers_in_words(self) -> str:
        """How many workers the run begins with, or where they are."""
        return "workers of a cluster" if self.is_elsewhere else format_count(self.jobs, "worker")

    @property
    def paused(self) -> float:
        """Seconds in which nothing went on, because the run was paused, frozen or suspended."""
        return max(0.0, self._workers.paused) if self._workers is not None else 0.0  # two clocks may differ a little

    def freeze(self) -> None:
        """Stop the files in progress where they are, until the run goes on.

        This is for a process that is about to be suspended: its workers shall not go on without it.
        """
        if self._workers is not None:
            self._workers.freeze(True)

    @property
    def notices(self) -> list[str]:
        """Lines for the user about what was noticed on the way; the list grows."""
        return self._watch.notices

    def new_totals(self) -> BatchReport:
        """Return empty totals for this run."""
        return BatchReport(
            rules=self.options.rules,
            mirror=self.options.output,
            needs_files=bool(self.roots.paths),
            fail_on=self.options.fail_on,
        )

    def complete(self, totals: BatchReport) -> None:
        """Add to the totals how the run ended. Call this after the last event."""
        totals.signal_number, totals.stop_reason = self.stop.signal_number, self.stop.reason
        if self.stop.is_cancelled and totals.stop_reason is None:
            totals.stop_reason = "cancelled"
        totals.remaining = max(0, self.backlog.files - totals.files)
        totals.may_remain = self.backlog.was_cut_short
        totals.left_out = self.selection.left_out
        totals.was_begun = self.started is not None
        totals.paused = self.paused
        if self.journal is not None:
            self.journal.end(totals.to_json())
            if self.journal.path is not None and self.about["command"] == "recompress":
                totals.to_continue = f"exrbatch continue {self.journal.run_id}"
        if isinstance(self.options.rules, RecompressRules) and self.options.rules.undoes is not None:
            # Without its name, the last run would be meant, which is this one.
            totals.to_continue = f"exrbatch undo {shlex.quote(safe_text(self.options.rules.undoes))}"

    def running(self) -> list[Running]:
        """List the files that workers are processing now."""
        return list(self._workers.running()) if self._workers is not None else []

    @property
    def started(self) -> float | None:
        """Monotonic time when the first file was handed to a worker; None before that."""
        return self._workers.started if self._workers is not None else None

    def events(self) -> Generator[FileReport | None, None, None]:
        """Drive the run and yield its reports.

        If the iterator is closed, the files in progress are finished. If an exception occurs in
        here, KeyboardInterrupt included, the workers are killed. If the caller is interrupted
        between two events, it must call `kill`.

        Yields:
            the report of each file when the file ends; None if no file has ended for a short time.
        """
        if not self.roots.paths:  # the list of files was empty
            return
        check_guard()
        logger.info("%s, %s", safe_text(self.options.rules.title), self.workers_in_words)
        self._begin_journal()
        limits = self.limits
        limits.begin()
        self.backlog.start()
        self._root_watch.start()
        try:
            self._workers = self._engine.start(
                Setting(self.options, self._folders, self.journal, self._watch.notices.append)
            )
            self._scheduler = Scheduler(self.backlog, self._workers, self.options, self.control)
            limits.look()
            self._workers.set_rate(limits.rate)
            for event in self._scheduler.run():
                if event is not None:
                    self._note(event)
                    limits.note(event)
                yield event  # before anything that may stop the run: it is in the journal
                if self.journal is not None and self.journal.is_status_due:
                    self.journal.add_status(self.status())
                self._stop_if(self._root_watch.lost(event))
                limits.look()
                self._workers.set_rate(limits.rate)
            if self.backlog.is_complete and not self.backlog.was_cut_short:
                limits.finish(self.backlog.files)
            self._stop_if(self._root_watch.look())
        except RunStopped as error:
            self.stop.reason = str(error)
            self.kill()
            yield from self.take_late()
            logger.warning("the run ended early: %s", self.stop.reason)
            return
        except GeneratorExit:
            self.backlog.stop()
        except BaseException:
            self.kill()
            raise
        finally:
            self._root_watch.end()
        if self._workers is not None:
            self._workers.close()
        self._log_end()

    def _begin_journal(self) -> None:
        """Create the journal, unless the run writes nothing or the user wants none."""
        rules = self.options.rules
        if not (isinstance(rules, RecompressRules) and rules.writes and self.options.journal):
            return
        self.journal = Journal(self.about, self._watch.notices.append)
        self.options = replace(self.options, rules=replace(rules, journal=self.journal.path))

    def status(self) -> dict[str, object]:
        """Describe how far the run has come, for records."""
        return {
            "found": self.backlog.files,
            "found_bytes": self.backlog.size,
            "is_scanned": self.backlog.is_complete,
            **list_fields("in_progress", [row.candidate.path for row in self.running()]),
        }

    def _stop_if(self, reason: str | None) -> None:
        """Stop early if there is a reason for it."""
        if reason is not None and self.stop.reason is None:
            self.stop.reason = reason

    def _note(self, report: FileReport) -> None:
        """Log a report, and notice another run if that has finished the file."""
        log_report(report)
        if self.journal is not None:
            self.journal.add(report.to_json(), is_urgent=report.reason_code is not ReasonCode.RECORDED)
        if report.reason_code is ReasonCode.DONE_MEANWHILE:
            self._watch.note_finished_elsewhere(os.path.dirname(report.destination or report.path) or ".")

    def _log_end(self) -> None:
        """Log that the run has ended, and why if it ended early."""
        if self.stop.reason is not None:
            logger.warning("the run ended early: %s", self.stop.reason)
        else:
            logger.info("the run has ended%s", " before all files were processed" if self.stop.is_set else "")

    def kill(self) -> None:
        """Stop immediately: kill the workers, whatever they are doing.

        `take_late` then has the reports of files that they had done.
        """
        self.backlog.stop()
        if self._workers is not None:
            ended = [] if self._scheduler is None else self._scheduler.take_ended()
            for report in [*ended, *self._workers.kill()]:
                self._note(report)
                self._late.append(report)

    def take_late(self) -> list[FileReport]:
        """Return, once, the reports that came to light when the workers were killed."""
        late, self._late = self._late, []
        return late

    def reports(self) -> Iterator[FileReport]:
        """Drive the run and yield its reports only.

        Raises:
            RunStopped: the run ended early; raised after the last report.
        """
        yield from (report for report in self.events() if report is not None)
        if self.stop.reason is not None:
            raise RunStopped(self.stop.reason)


def _missing_engines(options: Options) -> list[str]:
    """Return messages for the user about packages that are not installed here."""
    if not isinstance(options.rules, RecompressRules) or options.rules.compression not in (None, *DEFLATED):
        return []
    return [
        f"the package {engine} is not installed: other engines take its place, slower or with larger files"
        for engine in missing_engines()
    ]


def _base_notes(options: Options, roots: Roots) -> list[str]:
    """Return a message for the user if the places of outputs depend on the list of files."""
    if not roots.paths or options.tree_root is None or options.base is not None:
        return []
    return [
        f"below {safe_text(options.tree_root)}, paths begin at {safe_text(roots.base)}, which the listed"
        " files have in common; another list may have another such folder, so name it with --base"
    ]


def _about(options: Options, roots: Roots, about: Record | None) -> dict[str, object]:
    """Return the fields of the record of a run."""
    record = {**(about_run("library", []) if about is None else about)}
    record |= list_fields("roots", [absolute(path) for path in (*roots.paths, *(each.path for each in roots.missing))])
    record |= path_fields("base", roots.base)
    for key, path in (("output", options.output), ("backup_dir", options.backup_dir)):
        if path is not None:
            record |= path_fields(key, absolute(path))
    if isinstance(options.rules, RecompressRules):
        record["decided_by"] = options.rules.decided_by
    return record | {"replaces_files": options.replaces_files}
