"""`exrbatch bench`: take a sample, measure it, and report the results."""

import argparse
import json
import sys
import time
from typing import Any

from rich.text import Text

from exrbatch.batch.discovery.discover import check_paths
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.resources import automatic_jobs
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED
from exrbatch.bench import plots
from exrbatch.bench.baseline import check_files
from exrbatch.bench.cache_state import CacheState
from exrbatch.bench.exports import make_document
from exrbatch.bench.figures import make_rows, unmeasured
from exrbatch.bench.goal import Goal
from exrbatch.bench.machine_facts import describe_machine, usable_cores
from exrbatch.bench.matrix import make_trials, parse_jobs, parse_packings
from exrbatch.bench.packing import Packing
from exrbatch.bench.probe import probe
from exrbatch.bench.result import Results
from exrbatch.bench.sample import Sample, take_sample
from exrbatch.bench.session import Session
from exrbatch.bench.workbench import Workbench, work_folder
from exrbatch.cli.bench_outputs import Outputs, read_run
from exrbatch.cli.bench_progress import BenchProgress, announcement
from exrbatch.cli.bench_report import print_corpus, print_left_out, print_results
from exrbatch.cli.console import LastingStream, lasting_console
from exrbatch.cli.interrupts import Interrupts
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.jobs.file_report import Status
from exrbatch.recompression.choices import Permissions
from exrbatch.text import format_duration

MOST = 1000
"""Highest number of passes or files. More would take days, and the figures would be no better."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch bench`; return the exit code."""
    _check(arguments)
    packings = parse_packings(arguments.compression, arguments.effort, arguments.readers)
    jobs = parse_jobs(arguments.jobs, automatic_jobs()) if arguments.cache != CacheState.MEMORY else []
    paths = check_paths(arguments.paths) if arguments.load is None else []
    baseline = read_run(arguments.baseline, "--baseline") if arguments.baseline is not None else None
    if arguments.html is not None:
        plots.check_matplotlib()
    outputs = Outputs(arguments)
    bench = _Bench(arguments, outputs, baseline)
    if arguments.load is not None:
        return bench.show_again()
    interrupts = Interrupts()
    with interrupts.caught():
        try:
            code = bench.measure(paths, packings, jobs)
        except RunStopped as stopped:
            bench.progress.print(Text(f"stopped: {stopped}", style="bold red"))
            return EXIT_STOPPED
        return interrupts.exit_code or code
    return interrupts.exit_code


def _check(arguments: argparse.Namespace) -> None:
    for value, name in ((arguments.passes, "passes"), (arguments.sample, "files in the sample")):
        if not 1 <= value <= MOST:
            raise OptionsError(f"{value} {name}: must be between 1 and {MOST}")
    if arguments.cache == CacheState.MEMORY and arguments.jobs is not None:
        raise OptionsError("-j is for whole runs, which --cache memory does not make: leave out -j or --cache memory")
    if arguments.force_baseline and arguments.baseline is None:
        raise OptionsError("--force-baseline needs a --baseline")
    if arguments.load is not None:
        for name in ("paths", "report", "dry_run"):
            if getattr(arguments, name):
                word = "paths" if name == "paths" else f"--{name.replace('_', '-')}"
                raise OptionsError(f"--load measures nothing: leave out {word} or --load")


class _Bench:
    """The steps of a benchmark, and where their results go.

    Attributes:
        progress: the console for progress, on stderr.
    """

    def __init__(self, arguments: argparse.Namespace, outputs: Outputs, baseline: Results | None) -> None:
        self._arguments = arguments
        self._outputs = outputs
        self._baseline = baseline
        self._goal = Goal(arguments.goal)
        self._permissions = Permissions(include_lossy_sources=arguments.include_lossy_sources)
        self.progress = lasting_console(sys.stderr)
        self._console = self.progress if arguments.json else lasting_console(sys.stdout)

    def show_again(self) -> int:
        """Show the results of an earlier benchmark; return the exit code."""
        results = read_run(self._arguments.load, "--load")
        self._check_baseline(results.sample)
        self._print_sample(results.sample)
        return self._report(results, 0.0)

    def measure(self, paths: list[str], packings: list[Packing], jobs: list[int]) -> int:
        """Take a sample, measure it, and report the results; return the exit code."""
        arguments = self._arguments
        folder = work_folder(arguments.work_dir)
        sample = self._sample(paths)
        self._check_baseline(sample)
        machine = describe_machine(folder)
        self._say("measuring pieces of the sample, to estimate how long the benchmark will take")
        estimate = probe(sample, packings, self._permissions, folder, usable_cores(machine) or 1)
        session = Session(make_trials(packings, jobs), arguments.passes, sample.files, estimate)
        expected = session.total_seconds + session.copying_seconds
        settings: dict[str, Any] = {"passes": arguments.passes, "cache": arguments.cache}
        results = Results(machine, settings, sample, [])
        if arguments.dry_run:
            self._console.print(announcement(session))
            self._print_document(results, expected)
            return EXIT_FAILURES if sample.failures else EXIT_DONE
        if not arguments.quiet:
            self.progress.print(announcement(session))
        began = time.monotonic()
        state = CacheState(arguments.cache)
        with Workbench(sample.files, session.copies, state, folder, self._permissions) as workbench:
            stopped_by = self._run(session, workbench, results)
        if stopped_by is None:
            self._say(f"measured in {format_duration(time.monotonic() - began)}")
        else:
            settings["stopped"] = True
        code = self._report(results, expected)
        if stopped_by is not None:
            self.progress.print(Text(f"stopped before the end{stopped_by}: only finished trials count", "yellow"))
            return EXIT_STOPPED
        return code

    def _sample(self, paths: list[str]) -> Sample:
        arguments = self._arguments
        self._say("choosing sample files of every kind of content")
        selection = Selection(arguments.include, arguments.exclude)
        sample = take_sample(paths, arguments.sample, selection, automatic_jobs(), self._permissions)
        self._print_sample(sample)
        if not sample.files:
            raise OptionsError("found no file that can be measured")
        return sample

    def _print_sample(self, sample: Sample) -> None:
        if not self._arguments.quiet:
            print_corpus(self._console, sample)
        print_left_out(self._console, sample)

    def _check_baseline(self, sample: Sample) -> None:
        if self._baseline is not None and not self._arguments.force_baseline:
            check_files(sample, self._baseline.sample, self._arguments.baseline)

    def _run(self, session: Session, workbench: Workbench, results: Results) -> str | None:
        """Run all trials, and add each to the results and the report when it ends.

        Returns:
            None if all trials ran. Otherwise the reason for stopping early, in brackets, or an
            empty string after a signal.
        """
        self._outputs.begin(results)
        volume = {"quiet": self._arguments.quiet, "verbose": self._arguments.verbose}
        try:
            with BenchProgress(session, self.progress, **volume) as shown:
                for result in session.run(workbench):
                    results.trials.append(result)
                    self._outputs.add(result)
                    shown.update(result)
        except KeyboardInterrupt:
            return ""
        except RunStopped as stopped:
            return f" ({stopped})"
        return None

    def _report(self, results: Results, expected: float) -> int:
        """Write all outputs, print the results, and return the exit code."""
        self._outputs.finish(results, self._baseline, self._goal)
        print_results(self._console, results, self._baseline, self._goal)
        self._print_document(results, expected)
        failed = any(file.status is Status.FAILED for _, file in unmeasured(results))
        return EXIT_FAILURES if failed or results.sample.failures or self._outputs.failed else EXIT_DONE

    def _print_document(self, results: Results, expected: float) -> None:
        if self._arguments.json:
            document: dict[str, Any] = make_document(results, make_rows(results), self._goal, expected)
            stream = LastingStream(sys.stdout)
            stream.write(json.dumps(document) + "\n")
            stream.flush()

    def _say(self, text: str) -> None:
        if not self._arguments.quiet:
            self.progress.print(Text(text, style="dim"))
