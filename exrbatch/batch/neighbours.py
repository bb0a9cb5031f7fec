"""Notice other runs that work in the same folders, by the temp files that they have there now.

Two runs on one tree harm nobody: each file is replaced once. But the user should know.
"""

import contextlib
import os
import shlex
from collections.abc import Iterable

from exrbatch.replacing import is_left_over, is_of_this_host, parse_temp_name


class Neighbours:
    """The other runs that were noticed."""

    def __init__(self, notices: list[str]) -> None:
        """Begin without neighbours.

        Args:
            notices: gets a line for each other run.
        """
        self._notices = notices
        self._seen: set[int] = set()
        self._is_known = False

    def look(self, folder: str, names: Iterable[str]) -> None:
        """Look at the names in a folder. Those that an ended run has left are no neighbours."""
        for name in names:
            if (made := parse_temp_name(name)) is None:
                continue
            pid = int(made["pid"]) if is_of_this_host(made) else 0
            if pid in self._seen or is_left_over(os.path.join(folder, name)):
                continue
            self._seen.add(pid)
            run = _run_of(pid) if pid else 0
            if run != os.getpid():
                where = f"pid {run} on this host" if pid else "on another host"
                self._note(f"another exrbatch works here ({where})")

    def look_at(self, folder: str) -> None:
        """Look at the names in a folder in which another run has just finished a file."""
        with contextlib.suppress(OSError):
            self.look(folder, os.listdir(folder))
        if not self._is_known:
            self._note("another exrbatch has just worked here")

    def _note(self, notice: str) -> None:
        self._is_known = True
        if notice not in self._notices:
            self._notices.append(notice)


def _run_of(pid: int) -> int:
    """Return the process that started a worker, or the process itself if it is no worker."""
    import psutil  # imported late: most runs have no neighbours

    try:
        ancestors = psutil.Process(pid).parents()
        for process in ancestors:
            if process.pid == os.getpid():
                return process.pid
        servers = [index for index, process in enumerate(ancestors) if "forkserver" in " ".join(process.cmdline())]
        return ancestors[servers[0] + 1].pid if servers else pid
    except (psutil.Error, IndexError):
        return pid


def suspended_command(pid: int) -> str | None:
    """Return the command of a process that is suspended, as by Ctrl-Z; None if it is not."""
    import psutil

    try:
        process = psutil.Process(pid)
        return shlex.join(process.cmdline()) if process.status() == psutil.STATUS_STOPPED else None
    except psutil.Error:
        return None
