"""Reads a file from end to end in a child process, and reports outcome, memory and time."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

from exrbatch import Compression, Status, recompress
from exrbatch.errors import ExrbatchError
from exrbatch.exr.reader import open_exr
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import cut_spans

MOST_BYTES = 512 << 20
"""By how much a reader may grow above its start."""
PATIENCE = 20.0
"""Seconds after which a reader hangs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the reading of one file ended.

    `error`: class name, empty if all was read; `grown`: bytes at the peak.
    """

    error: str
    words: str
    grown: int
    on_purpose: bool = True

    @property
    def is_finding(self) -> bool:
        """Whether the file did what no file may do."""
        return not self.on_purpose or self.grown > MOST_BYTES


def read_all(path: str) -> int:
    """Read every chunk of a file in the spans of a recompression; return the number of bytes."""
    total = 0
    with open_exr(path) as file:
        grids = [table.grid for table in file.parts]
        reader = RawReader(file)
        for span in cut_spans(file, grids):
            total += len(reader.read(span.part, span.source))
    return total


def repack(path: str) -> int:
    """Do a whole job, packing into what takes most memory; return the new size."""
    report = recompress(path, Compression.ZSTD, force=True)
    assert report.status is Status.RECOMPRESSED, report.reason
    return report.size_after


class Watched:
    """A child that reads one file after the other. One that hangs or dies is replaced."""

    def __init__(self, patience: float = PATIENCE, work: Callable[[str], int] = read_all) -> None:
        self._patience = patience
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, path: str) -> Outcome:
        """Let the child read a file."""
        self._connection.send(path)
        if not self._connection.poll(self._patience):
            self.restart()
            return Outcome("hang", f"no answer within {self._patience} seconds", 0, on_purpose=False)
        try:
            outcome = self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.restart()
            return Outcome("death", f"the process died with exit code {code}", 0, on_purpose=False)
        assert isinstance(outcome, Outcome)
        return outcome

    def restart(self) -> None:
        """Go on with a fresh child."""
        self._stop()
        self._start()

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        self._process.start()
        theirs.close()
        assert self._connection.recv() == "ready"

    def _stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, work: Callable[[str], int]) -> None:
    import OpenEXR  # noqa: F401  its pages are no cost of the first file

    start = _resident()
    connection.send("ready")
    while True:
        try:
            path = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(path, start, work))


def _outcome(path: str, start: int, work: Callable[[str], int]) -> Outcome:
    _forget_peak()
    error: BaseException | None = None
    try:
        work(path)
    except BaseException as caught:  # noqa: BLE001  any exception is reported to the parent
        error = caught
    name = type(error).__name__ if error is not None else ""
    on_purpose = error is None or isinstance(error, ExrbatchError)
    return Outcome(name, str(error or ""), _peak() - start, on_purpose)


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


def _resident() -> int:
    return _status("VmRSS:") if os.path.exists("/proc/self/status") else _peak()


def _peak() -> int:
    """Return the peak of resident bytes.

    On Linux it is that of this program alone. `getrusage` includes the parent before exec.
    """
    if os.path.exists("/proc/self/status"):
        return _status("VmHWM:")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _forget_peak() -> None:
    """Let the peak begin anew (Linux)."""
    if os.path.exists("/proc/self/clear_refs"):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
