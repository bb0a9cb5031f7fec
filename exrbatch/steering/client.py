"""Find the runs of this user on this host, and talk to them."""

import contextlib
import os
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exrbatch.batch.neighbours import suspended_command
from exrbatch.errors import OptionsError
from exrbatch.steering.protocol import FORMAT, MAX_ANSWER, decode, encode, user_of
from exrbatch.steering.runtime_folder import check_private, folders, locked, remove_dead, sockets
from exrbatch.text import safe_text, shortened_end

ANSWER_SECONDS = 3.0
"""How long to wait for an answer. A run that is suspended never answers."""
SHOWN_COMMAND = 60
"""Characters of a command that are shown in a list of runs."""


class NoAnswer(OSError):
    """A run does not answer."""


class Connection:
    """A connection to a run."""

    def __init__(self, path: str) -> None:
        """Connect to a socket.

        Raises:
            OSError: no run listens there, or it belongs to somebody else.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._received = b""
        try:
            self._socket.settimeout(ANSWER_SECONDS)
            self._socket.connect(path)
            if user_of(self._socket) not in (None, os.geteuid()):
                raise PermissionError("the run belongs to another user")
        except BaseException:
            self._socket.close()
            raise

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            OSError: the run is gone, or does not read.
        """
        self._socket.sendall(encode(message))

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message; None if none comes in time.

        Raises:
            OSError: the run is gone.
            ValueError: what it sends is no message.
        """
        end = time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([self._socket], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the run has gone")
            self._received += data
            if len(self._received) > MAX_ANSWER:
                raise ValueError("the answer is too long")
        line, _, self._received = self._received.partition(b"\n")
        return decode(line)

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a message and return the answer.

        Raises:
            OSError: the run is gone or does not answer.
            ValueError: the answer is no message.
        """
        self.send(message)
        if (answer := self.receive(ANSWER_SECONDS)) is None:
            raise NoAnswer("no answer")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run of this user on this host.

    Attributes:
        pid: its process ID.
        path: its socket.
        state: what it says about itself; None if it does not answer.
        suspended: its command if it is suspended, so that it can't answer; else None.
    """

    pid: int
    path: str
    state: dict[str, Any] | None
    suspended: str | None = None

    @property
    def command(self) -> str:
        """The command that started it, safe to print."""
        if self.suspended is not None:
            return safe_text(self.suspended)
        return safe_text(str(self.state.get("command", ""))) if self.state else "does not answer"

    def connect(self) -> Connection:
        """Connect to the run.

        Raises:
            NoAnswer: it is suspended.
            OSError: it is gone.
        """
        if self.suspended is not None:
            raise NoAnswer(f"suspended by Ctrl-Z: use fg, or kill -CONT {self.pid}")
        return Connection(self.path)


def find_runs() -> list[FoundRun]:
    """Find the runs, and remove the sockets of dead ones."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
        return []
    found = []
    for folder in folders():
        with contextlib.suppress(OSError):
            check_private(folder)
            with locked(folder):
                remove_dead(folder)
            found += [run for pid, path in sockets(folder) if (run := _look(pid, path)) is not None]
    return sorted(found, key=lambda run: run.pid)


def _look(pid: int, path: str) -> FoundRun | None:
    """Ask a run for its state; return None if it has just ended."""
    if (command := suspended_command(pid)) is not None:
        return FoundRun(pid, path, None, command)
    try:
        with contextlib.closing(Connection(path)) as connection:
            state = connection.ask({"command": "status"}).get("run")
    except (NoAnswer, TimeoutError, BlockingIOError, ValueError):
        return FoundRun(pid, path, None)
    except OSError:
        return None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        return FoundRun(pid, path, None)
    return FoundRun(int(state.get("pid", pid)), path, state)


def the_run(pid: int | None) -> FoundRun:
    """Return the run that is meant.

    Args:
        pid: its process ID; None for the only one.

    Raises:
        OptionsError: there is no such run, or there are several.
    """
    runs = find_runs()
    listed = ", ".join(f"{run.pid} ({shortened_end(run.command, SHOWN_COMMAND)})" for run in runs)
    if not runs:
        raise OptionsError("no run of yours is going on here" if pid is None else f"no run has the PID {pid}")
    if pid is None and len(runs) > 1:
        raise OptionsError(f"{len(runs)} runs are going on; say which one by its PID: {listed}")
    chosen = runs if pid is None else [run for run in runs if run.pid == pid]
    if not chosen:
        raise OptionsError(f"no run has the PID {pid}; going on: {listed}")
    return chosen[0]
