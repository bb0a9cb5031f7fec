"""Runs of exrbatch: to the end, two at once, killed, and while a program has frames open."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

RUN_SECONDS = 300.0
"""A run of a few dozen frames that takes longer hangs."""


@dataclass
class Ended:
    """How a run ended.

    Attributes:
        code: exit code; negative if a signal ended it.
        output: what it printed, both streams.
        reports: the records of `--report`, by path.
    """

    code: int
    output: str
    reports: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[str]:
        """How many files ended with each status."""
        return Counter(str(report["status"]) for report in self.reports.values())

    def __str__(self) -> str:
        """Sum it up for a line of the results."""
        shown = ", ".join(f"{count} {status}" for status, count in sorted(self.counts.items()))
        reasons = sorted({str(report["reason"]) for report in self.reports.values() if "reason" in report})
        last = self.output.strip().splitlines()[-1:] if not self.reports else []
        return "; ".join([f"exit {self.code}", shown or "no files", *reasons[:3], *last])


class Run:
    """`exrbatch recompress` in a process group of its own."""

    _number = 0

    def __init__(self, logs: Path, *arguments: object) -> None:
        Run._number += 1
        self.report = logs / f"run-{Run._number}.jsonl"
        self._log = logs / f"run-{Run._number}.log"
        command = [sys.executable, "-m", "exrbatch", "recompress", *map(str, arguments), "--report", str(self.report)]
        with self._log.open("w") as log:
            log.write(f"{command}\n")
            log.flush()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def files_ended(self) -> int:
        """Return of how many files the run has written a record so far."""
        return len(_records(self.report))

    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self._process.poll() is None

    def wait(self) -> Ended:
        """Wait for the end; a run that hangs is killed, which its code shows."""
        try:
            self._process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        output = self._log.read_text(errors="replace").partition("\n")[2]
        return Ended(
            self._process.returncode, output, {str(record["path"]): record for record in _records(self.report)}
        )

    def kill(self) -> None:
        """Kill -9 the whole process group, workers too, and wait until none of them is left."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + 60
        while _group_lives(self._process.pid):
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.05)


def _records(report: Path) -> list[dict[str, object]]:
    if not report.exists():
        return []
    lines = report.read_text().splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]  # a killed run may leave half a line
    return [record for record in records if record.get("type") == "file"]


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(logs: Path, *arguments: object) -> Ended:
    """Run `exrbatch recompress` to its end."""
    return Run(logs, *arguments).wait()


def kill_while_working(started: Run, chance: random.Random, files: int) -> bool:
    """Kill a run after some random frames and time; return whether it was still running."""
    lines = chance.randrange(files)
    while started.is_running() and started.files_ended() < lines:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.3))
    return kill(started)


def kill(started: Run) -> bool:
    """Kill a run; return whether it was still running."""
    was_running = started.is_running()
    if was_running:
        started.kill()
    return was_running


@contextmanager
def reader(folder: Path) -> Iterator[dict[str, str]]:
    """Hold the frames of a folder open during a block of code.

    Afterwards the dict has the digests of the open files, by name.
    """
    found: dict[str, str] = {}
    command = [sys.executable, "-m", "tests.storage.reader", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield found
        output, _ = process.communicate(timeout=60)
        found.update(json.loads(output))
