"""`exrbatch bench`: take a sample, measure it, and report the results."""

import argparse
import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, ClassVar, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from exrbatch.batch.discovery.discover import Selection, check_paths
from exrbatch.batch.limits import automatic_jobs
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED
from exrbatch.bench import page, plots
from exrbatch.bench.cache_state import CacheState
from exrbatch.bench.figures import make_rows, unmeasured
from exrbatch.bench.machine_facts import describe_machine
from exrbatch.bench.matrix import make_trials, parse_jobs, parse_packings
from exrbatch.bench.passes import WARM_UP
from exrbatch.bench.result import BEGINNING, ResultFile, Results, TrialResult, read_results
from exrbatch.bench.sample import Sample, take_sample
from exrbatch.bench.session import Session
from exrbatch.bench.text_tables import CSV_HEADER, make_csv
from exrbatch.bench.workbench import Workbench
from exrbatch.cli.bench_report import print_corpus, print_results
from exrbatch.cli.console import lasting_console
from exrbatch.cli.driving import PLAIN_SECONDS
from exrbatch.cli.outputs import check_output, open_output
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.jobs.file_report import Status
from exrbatch.signals import STOP_SIGNALS, handled
from exrbatch.text import format_duration, safe_text

MOST = 1000
"""Highest number of passes or files. More would take days, and the figures would be no better."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch bench`; return the exit code."""
    _check(arguments)
    packings = parse_packings(arguments.compression, arguments.effort)
    jobs = parse_jobs(arguments.jobs, automatic_jobs()) if arguments.cache != CacheState.MEMORY else []
    paths = check_paths(arguments.paths)
    baseline = _read_baseline(arguments.baseline) if arguments.baseline is not None else None
    if arguments.html is not None:
        plots.check_matplotlib()
    console = lasting_console(sys.stdout)
    outputs = _Outputs(arguments)
    interrupts = _Interrupts()
    with interrupts.caught():
        try:
            sample = _sample(arguments, paths, console)
        except RunStopped as stopped:
            console.print(Text(f"stopped: {stopped}", style="bold red"))
            return EXIT_STOPPED
        session = Session(make_trials(packings, jobs), arguments.passes, sample)
        console.print(_announcement(session))
        if arguments.dry_run:
            return EXIT_FAILURES if sample.failures else EXIT_DONE
        with Workbench(sample.files, session.copies, CacheState(arguments.cache), arguments.work_dir) as workbench:
            results = Results(describe_machine(workbench.parent), _settings(arguments), sample, [])
            stopped_by = _measure(session, workbench, results, outputs, console)
        outputs.finish(results, baseline)
        print_results(console, results, baseline)
        if stopped_by is not None:
            console.print(Text(f"stopped before the end{stopped_by}: only finished trials count", "yellow"))
        failed = any(file.status is Status.FAILED for _, file in unmeasured(results))
        code = EXIT_FAILURES if failed or sample.failures or outputs.failed else EXIT_DONE
        return interrupts.exit_code or (EXIT_STOPPED if stopped_by else code)
    return interrupts.exit_code


class _Interrupts:
    """The signal that ended the benchmark, if there was one.

    Attributes:
        number: signal number; None if no signal arrived.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the signal number; 0 if there was no signal."""
        return 0 if self.number is None else 128 + self.number

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Let Ctrl-C, SIGTERM and SIGHUP end a block of code.

        The block cleans up as after an exception. Signals that are ignored at present stay ignored.
        """
        with contextlib.suppress(KeyboardInterrupt), handled(STOP_SIGNALS, self._handle, keep_ignored=True):
            yield

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        raise KeyboardInterrupt


def _sample(arguments: argparse.Namespace, paths: list[str], console: Console) -> Sample:
    console.print(Text("choosing sample files of every kind of content", style="dim"))
    sample = take_sample(paths, arguments.sample, Selection(arguments.include, arguments.exclude), automatic_jobs())
    print_corpus(console, sample)
    if not sample.files:
        raise OptionsError("found no file that can be measured")
    return sample


def _check(arguments: argparse.Namespace) -> None:
    for value, name in ((arguments.passes, "passes"), (arguments.sample, "files in the sample")):
        if not 1 <= value <= MOST:
            raise OptionsError(f"{value} {name}: must be between 1 and {MOST}")
    if arguments.cache == CacheState.MEMORY and arguments.jobs is not None:
        raise OptionsError("-j is for whole runs, which --cache memory does not make: leave out -j or --cache memory")


def _read_baseline(path: str) -> Results:
    try:
        with open(path, encoding="utf-8") as file:
            return read_results(file, path)
    except OSError as error:
        raise OptionsError(f"can't read the baseline {path}: {error.strerror}") from None


class _Outputs:
    """The result files that the user requested.

    Their paths are checked before the benchmark starts. If a file cannot be written later, a
    message is printed and the benchmark continues.

    Attributes:
        failed: whether a file could not be written.
    """

    BEGINNINGS: ClassVar = {"json": BEGINNING, "csv": CSV_HEADER, "html": page.BEGINNING}

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.failed = False
        self._stream: TextIO | None = None
        self._json: ResultFile | None = None
        self._paths = {name: path for name in self.BEGINNINGS if (path := getattr(arguments, name)) is not None}
        if len({os.path.realpath(path) for path in self._paths.values()}) < len(self._paths):
            raise OptionsError("--json, --csv and --html must name different files")
        for name, path in self._paths.items():
            check_output(path, self.BEGINNINGS[name], f"--{name}")

    def begin(self, results: Results) -> None:
        """Write the head of the JSON file, which is known before the first trial."""
        if "json" in self._paths:
            self._stream = self._open("json")
            self._json = ResultFile(self._stream)
            self._try("json", self._json.begin, results)

    def add(self, result: TrialResult) -> None:
        """Write the result of one trial to the JSON file."""
        if self._json is not None and not self.failed:
            self._try("json", self._json.add, result)

    def finish(self, results: Results, baseline: Results | None) -> None:
        """Write the CSV file and the page, which need all trials, and close the JSON file."""
        if self._stream is not None:
            self._try("json", self._stream.close)
        rows = make_rows(results)
        for name, text in (("csv", make_csv), ("html", functools.partial(page.make_page, results, baseline=baseline))):
            if name in self._paths:
                self._try(name, self._write, name, text(rows))

    def _open(self, name: str) -> TextIO:
        return open_output(self._paths[name], self.BEGINNINGS[name], f"--{name}")

    def _write(self, name: str, text: str) -> None:
        with self._open(name) as stream:
            stream.write(text)

    def _try(self, name: str, step: Callable[..., object], *arguments: object) -> None:
        try:
            step(*arguments)
        except (OSError, OptionsError) as error:
            self.failed = True
            reason = error.strerror if isinstance(error, OSError) else str(error)
            print(f"exrbatch: can't write {safe_text(self._paths[name])}: {reason}", file=sys.stderr)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"passes": arguments.passes, "cache": arguments.cache}


def _announcement(session: Session) -> Text:
    trials = f"{session.trials} trial{'s' * (session.trials > 1)}"
    passes = f"a warm-up and {session.passes} pass{'es' * (session.passes > 1)}"
    return Text(f"{trials}, {passes}: about {format_duration(session.total_seconds)}", style="bold")


def _measure(
    session: Session, workbench: Workbench, results: Results, outputs: _Outputs, console: Console
) -> str | None:
    """Run all trials, and add each to the results and the JSON file when it ends.

    Returns:
        None if all trials ran. Otherwise the reason for stopping early, in brackets, or an empty
        string after a signal.
    """
    outputs.begin(results)
    try:
        with _Shown(session, console) as shown:
            for result in session.run(workbench):
                results.trials.append(result)
                outputs.add(result)
                shown.update()
    except KeyboardInterrupt:
        return ""
    except RunStopped as stopped:
        return f" ({stopped})"
    return None


class _Shown:
    """The display of the present trial and the time left.

    On a terminal it is a progress bar; otherwise a line is printed every `PLAIN_SECONDS`.
    """

    def __init__(self, session: Session, console: Console) -> None:
        self._session = session
        self._console = console
        self._is_live = console.is_terminal and not console.is_dumb_terminal
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]} left")
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task(self._doing(), total=session.total_seconds, left=self._left())
        self._next_line = time.monotonic() + PLAIN_SECONDS

    def __enter__(self) -> "_Shown":
        if self._is_live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self) -> None:
        """Update the display after a trial."""
        total = self._session.total_seconds
        done = total - self._session.remaining_seconds
        self._bar.update(self._task, description=self._doing(), total=total, completed=done, left=self._left())
        if not self._is_live and time.monotonic() >= self._next_line:
            self._next_line += PLAIN_SECONDS
            self._console.print(Text(f"{self._doing()}, {self._left()} left"))

    def _left(self) -> str:
        return format_duration(self._session.remaining_seconds)

    def _doing(self) -> str:
        if self._session.current is None:
            return "done"
        number, trial = self._session.current
        return f"{'warm-up' if number == WARM_UP else f'pass {number} of {self._session.passes}'}: {trial.name}"
