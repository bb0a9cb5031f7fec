"""The workers of a cluster as a run sees them: which can be used, and why others can't.

A worker joins and leaves whenever it likes. Before it gets files, it is probed: it must have the
same releases of exrbatch and OpenEXR, and see the folders of the run.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exrbatch.journal.writer import openexr_version
from exrbatch.replacing import host_hash
from exrbatch.text import format_count, safe_text
from exrbatch.version import __version__

SHOWN_FOLDERS = 3
"""Number of folders that a line about a worker names at most."""


@dataclass(eq=False, slots=True)
class Member:
    """A worker that was probed.

    Attributes:
        address: its address, which no other worker of this scheduler has at the same time.
        number: a number for the user, 0 or more; free numbers are used again.
        host: name of its machine.
        machine: identifies its machine and PID namespace.
        memory: bytes of memory that were available on its machine when it was probed.
        has_journal: whether it can write to the journal of the run.
        bundle: number of the bundle that it has; None if it is free.
    """

    address: str
    number: int
    host: str
    machine: str
    memory: int
    has_journal: bool
    bundle: int | None = None


@dataclass(slots=True)
class Members:
    """All workers.

    Attributes:
        usable: those that get files, by address.
        set_aside: why others get none, by address.
        asked: addresses of those that have not answered the probe yet.
    """

    notice: Callable[[str], None]
    usable: dict[str, Member] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    _noted: set[tuple[str, str]] = field(default_factory=set)

    def take_answer(self, address: str, answer: dict[str, Any] | None, error: str = "") -> None:
        """Take in a worker that has answered the probe, or set it aside.

        Args:
            address: its address.
            answer: the values of `remote.probe`; None if that failed.
            error: why it failed, in words.
        """
        if address not in self.asked:  # it has left
            return
        self.asked.discard(address)
        if answer is None:
            self.set_worker_aside(address, f"it can't run exrbatch: {error}")
            return
        host = safe_text(str(answer["host"]))
        if (why := _why_unusable(answer)) is not None:
            self.set_worker_aside(address, why, host)
            return
        if answer["threads"] != 1:
            self._note_once(
                host,
                f"a worker on {host} has {answer['threads']} threads, of which one is used; start workers with"
                " exrbatch worker",
            )
        self.set_aside.pop(address, None)
        taken = {member.number for member in self.usable.values()}
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        # On another machine, the same numbers may belong to another disk, and over NFS, lines that
        # two machines append at the same time overwrite each other.
        has_journal = answer["has_journal"] and answer["machine"] == host_hash()
        self.usable[address] = Member(address, number, host, answer["machine"], answer["memory"], has_journal)

    def set_worker_aside(self, address: str, why: str, host: str = "") -> None:
        """Give a worker no more files, and say why, once for each host.

        Args:
            address: its address.
            why: the reason in words.
            host: name of its machine, if it has said so.
        """
        self.usable.pop(address, None)
        self.set_aside[address] = why
        name = f"{host} ({safe_text(address)})" if host else safe_text(address)
        self._note_once(host or address, f"the worker {name} gets no files: {why}", why)

    def remove(self, address: str) -> Member | None:
        """Remove a worker that has left; return it if it was usable."""
        self.set_aside.pop(address, None)
        self.asked.discard(address)
        return self.usable.pop(address, None)

    def best_free(self) -> Member:
        """Return a free worker, on the machine that has the least to do."""
        busy = Counter(member.machine for member in self.usable.values() if member.bundle is not None)
        free = (member for member in self.usable.values() if member.bundle is None)
        return min(free, key=lambda member: (busy[member.machine], member.number))

    @property
    def share(self) -> int:
        """Bytes of memory that each worker can have, on the machine that has the least for each."""
        counts = Counter(member.machine for member in self.usable.values())
        return min((member.memory // counts[member.machine] for member in self.usable.values()), default=0)

    def why_none(self) -> str:
        """Say why no worker can be used, in words."""
        if not self.set_aside:
            return (
                f"{format_count(len(self.asked), 'worker')} did not answer" if self.asked else "the scheduler has none"
            )
        reasons = [*dict.fromkeys(self.set_aside.values())]
        return f"{format_count(len(self.set_aside), 'worker')} can't be used: {'; '.join(reasons[:SHOWN_FOLDERS])}"

    def _note_once(self, host: str, line: str, why: str = "") -> None:
        if (host, why) not in self._noted:
            self._noted.add((host, why))
            self.notice(line)


def _why_unusable(answer: dict[str, Any]) -> str | None:
    """Return why a worker can't be used, or None if it can."""
    for name, ours, theirs in (
        ("exrbatch", __version__, answer["exrbatch"]),
        ("OpenEXR", openexr_version(), answer["openexr"]),
    ):
        if ours != theirs:
            return f"it has {name} {safe_text(str(theirs))}, and this machine has {ours}"
    if unseen := answer["unseen"]:
        more = f" and {len(unseen) - SHOWN_FOLDERS} more" if len(unseen) > SHOWN_FOLDERS else ""
        shown = ", ".join(safe_text(folder) for folder in unseen[:SHOWN_FOLDERS])
        return f"it does not see {shown}{more} as this machine does (is it mounted there?)"
    return None
