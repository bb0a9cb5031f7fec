"""Simulate runs on a cluster, to see what breaks first. See `benchmarks.scale`, which runs this."""

import argparse
import gc
import os
import random
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import cast

from benchmarks.cluster_model import Clock, Files, Model
from benchmarks.simulated_cluster import SimulatedLink
from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.scheduler import Scheduler
from exrbatch.batch.workers.interface import Setting
from exrbatch.cluster import tokens, workers
from exrbatch.cluster.link import Link
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.journal.writer import Journal, about_run

SIZES = {"show": (17.2, 1.0, 2000), "small": (14.5, 0.5, 0), "tiny": (9.2, 0.3, 0)}
"""Kinds of files: mean and deviation of the logarithm of the size, and one of how many is a giant.

The medians are 30 MB, 2 MB and 10 kB.
"""


def sizes_of(kind: str, count: int, seed: int) -> "array[int]":
    """Draw the sizes of some files."""
    chance = random.Random(seed)
    mean, deviation, giants = SIZES[kind]
    return array(
        "Q",
        (
            int(chance.uniform(1e9, 3e9)) if giants and index % giants == giants - 1 else
            int(chance.lognormvariate(mean, deviation))
            for index in range(count)
        ),
    )  # fmt: skip


class Scan:
    """The scan of a run. It finds so many files a second of the simulated time."""

    def __init__(self, files: Files, rate: float, clock: Clock) -> None:
        """Make a scan.

        Args:
            files: what it finds.
            rate: files per second.
            clock: the simulated clock.
        """
        self._files, self._rate, self._start = files, rate, clock.now
        self._changed = threading.Condition()
        self._given = self._allowed = 0
        self.backlog = Backlog(self._found())
        self.backlog.start()

    def _found(self) -> Iterator[Candidate]:
        count = len(self._files.sizes)
        while self._given < count:
            with self._changed:
                self._changed.wait_for(lambda: self._given < self._allowed)
                allowed = self._allowed
            for index in range(self._given, allowed):
                yield self._files.candidate(index)
            self._given = allowed

    def proceed(self, now: float) -> None:
        """Let the scan find what it finds until now, and wait until the backlog has it."""
        count = len(self._files.sizes)
        wanted = min(count, int(self._rate * (now - self._start + 0.001)) + 1)
        if wanted < count and wanted - self._allowed < max(1, self._rate / 100):  # a hundredth of a second
            return
        if self._allowed < wanted:
            with self._changed:
                self._allowed = wanted
                self._changed.notify()
            while self.backlog.files < wanted or (wanted == count and not self.backlog.is_complete):
                time.sleep(0.0001)


@contextmanager
def simulated(clock: Clock) -> Iterator[None]:
    """Let the modules of our side that look at the time look at a simulated clock."""
    modules = (workers, tokens)
    for module in modules:
        setattr(module, "time", clock)  # noqa: B010  mypy knows that it is another module
    try:
        yield
    finally:
        for module in modules:
            setattr(module, "time", time)  # noqa: B010


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Simulation:
    """One simulated run."""

    def __init__(self, model: Model, kind: str, found: int, scan_rate: float, most: int) -> None:
        """Run it.

        Args:
            model: what is simulated.
            kind: kind of the files, one of `SIZES`.
            found: number of files.
            scan_rate: files per second that the scan finds.
            most: number of files after whose end the simulation ends.
        """
        self.model, self.most = model, most
        gc.collect()
        files = Files(sizes_of(kind, found, model.seed))
        self.clock = Clock()
        scan = Scan(files, scan_rate, self.clock)
        self.link = SimulatedLink(model, files, self.clock, scan.proceed)
        self.totals, self.most_in_flight = BatchReport(), 0
        scan.proceed(self.clock.now)
        self.start, self.waiting = self.clock.now, resident()
        self.memory = 0
        with tempfile.TemporaryDirectory() as folder, simulated(self.clock):
            self._run(folder, scan.backlog)
        self.count = self.totals.files
        assert self.count == min(found, most), self.totals.counts
        self.seconds = self.clock.now - self.start

    def _run(self, folder: str, backlog: Backlog) -> None:
        os.environ["XDG_STATE_HOME"] = folder
        journal = Journal(about_run("benchmark", []), print)
        options = Options()
        rules = cast(RecompressRules, options.rules)
        options = replace(options, rules=replace(rules, journal=journal.path))
        setting = Setting(options, [folder], journal, print)
        self.clock.enter()
        cluster = workers.ClusterWorkers(cast(Link, self.link), setting, 60.0)
        scheduler = Scheduler(backlog, cluster, options, Control())
        for number, report in enumerate(scheduler.run()):
            cluster.set_rate(None)
            if report is not None:
                self.totals.add(report)
                journal.add(report.to_json())
                if self.totals.files == self.most:
                    break
            if number % 1000 == 0:
                self.most_in_flight = max(self.most_in_flight, len(scheduler._in_flight))
                self.memory = max(self.memory, resident())
        else:
            cluster.close()
        self.clock.leave()
        backlog.stop()
        journal.close()

    def shares(self) -> dict[str, float]:
        """Return what fraction of the time each thing was busy."""
        link, time_all, now = self.link, self.seconds, self.clock.now
        return {
            "client": (self.clock.own + self.clock.dask) / time_all,
            "scheduler": link.scheduler.was_busy(now) / time_all,
            "operations": link.operations.was_busy(now) / time_all,
            "bandwidth": link.bandwidth.was_busy(now) / time_all,
            "workers": link.worked / (time_all * self.model.workers),
        }

    def row(self) -> str:
        """Return a row of the table."""
        counts, shares = self.link.counts, self.shares()
        cells = [
            f"{self.model.workers}",
            f"{self.seconds:.0f} s",
            f"{self.count / self.seconds:.0f}",
            f"{self.count / counts['tasks']:.1f}",
            *(f"{100 * share:.0f} %" for share in shares.values()),
            f"{1000 * self.clock.own / self.count:.2f}",
            f"{self.most_in_flight}",
            f"{counts['deaths']}",
        ]
        return "| " + " | ".join(cells) + " |"


HEAD = (
    *("workers", "takes", "files/s", "files a task", "client", "scheduler", "operations", "bandwidth", "workers busy"),
    *("our CPU, ms a file", "files in flight", "deaths"),
)


def measure(arguments: argparse.Namespace, changes: Sequence[str]) -> None:
    """Simulate runs of several sizes, and print a table.

    Args:
        arguments: of the command line.
        changes: values of the model that differ, such as "deaths=1".
    """
    types = {each.name: each.type for each in fields(Model)}
    given = dict(change.split("=", 1) for change in changes)
    values = {name: int(text) if types[name] is int else float(text) for name, text in given.items()}
    print("| " + " | ".join(HEAD) + " |")
    print("|---" * len(HEAD) + "|")
    for number in arguments.workers:
        model = replace(Model(), **{"workers": number, **values})
        run = Simulation(model, arguments.sizes, arguments.files, arguments.scan, arguments.end_after)
        print(run.row(), flush=True)
    grown = (run.memory - run.waiting) / max(1, run.most_in_flight)
    each = run.link.task_bytes[0] / max(1, run.link.task_bytes[1])
    print(
        f"\n{run.link.counts['events'] / run.count:.2f} events and {run.link.counts['tasks'] / run.count:.4f} tasks a"
        f" file; memory of the client {run.memory / 1e6:.0f} MB, {run.waiting / 1e6:.0f} MB before work began,"
        f" {grown:.0f} bytes for each file in flight; a task has {each:.0f} bytes for each file"
    )


def measure_waiting(files: int) -> None:
    """Print the memory that files take which wait."""
    found = Files(array("Q", bytes(8 * files)))
    before = resident()
    cpu = time.process_time()
    backlog = Backlog(found.candidate(index) for index in range(files))
    backlog.start()
    backlog._thread.join()
    held = resident() - before
    print(f"{files} files that wait: {held / 1e6:.0f} MB, {held / files:.0f} bytes each", end="")
    print(f"; {1e6 * (time.process_time() - cpu) / files:.1f} us CPU each")
