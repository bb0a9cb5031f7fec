"""The commands by which a run is steered, from its own terminal or from another one."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exrbatch.batch.control import BY_USER, FROZEN, PAUSED, Control
from exrbatch.batch.options import MAX_JOBS
from exrbatch.text import format_count


class Name(enum.StrEnum):
    """The commands.

    Attributes:
        PAUSE: finish the files in progress, and start no others.
        FREEZE: stop the files in progress where they are.
        RESUME: go on after one of these.
        JOBS: change the number of workers.
        STOP: finish the files in progress, and end the run.
    """

    PAUSE = "pause"
    FREEZE = "freeze"
    RESUME = "resume"
    JOBS = "jobs"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command.

    Attributes:
        name: what to do.
        jobs: the number of workers to have; None if `change` says it.
        change: by how many workers to change their number.
    """

    name: Name
    jobs: int | None = None
    change: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the command as values that can be written as JSON."""
        return {"command": str(self.name), "jobs": self.jobs, "change": self.change}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Command":
        """Return the command of a record.

        Raises:
            ValueError: the record is no command.
        """
        jobs, change = record.get("jobs"), record.get("change", 0)
        if not (jobs is None or type(jobs) is int) or type(change) is not int:
            raise ValueError("the number of workers must be an integer")
        return cls(name=Name(record.get("command", "")), jobs=jobs, change=change)


def command_of(key: str, pauses: tuple[str, ...]) -> Command | None:
    """Return the command of a key; None if the key has none.

    Args:
        key: one character.
        pauses: why the run is paused at present. The key that has paused a run lets it go on.
    """
    is_paused, is_frozen = PAUSED in pauses, FROZEN in pauses
    if key == "p":
        return Command(name=Name.RESUME if is_paused or is_frozen else Name.PAUSE)
    if key == "P":
        return Command(name=Name.RESUME if is_frozen else Name.FREEZE)
    if key in ("+", "="):
        return Command(name=Name.JOBS, change=1)
    if key in ("-", "_"):
        return Command(name=Name.JOBS, change=-1)
    return Command(name=Name.STOP) if key == "q" else None


KEYS = (
    ("p", "pause after the files in progress; again: go on"),
    ("P", "freeze now, in the middle of files; again: go on"),
    ("+  -", "more or fewer workers"),
    ("s", "savings of each sequence"),
    ("e", "failures and skipped files"),
    ("q", "finish the files in progress and quit"),
    ("?", "this help"),
)
"""The keys of the dashboard and what they do."""
HINTS = ("? keys", "p pause", "q quit", "s sequences", "e failures", "+ - jobs", "P freeze")
"""The same in short, most important first."""


def perform(control: Control, command: Command, source: str) -> str:
    """Do what a command says. Return a short answer for the user.

    Args:
        control: the requests to the run.
        command: the command.
        source: where it came from, in words, such as "q" for that key.
    """
    if command.name is Name.STOP:
        control.finish(f"{BY_USER} ({source})")
        return "finishing the files in progress, then the run ends"
    if control.stop.is_set:
        return "the run is about to end"
    if command.name is Name.JOBS:
        return _change_jobs(control, command)
    if command.name is Name.RESUME:
        if not control.pauses:
            return "not paused"
        control.resume_for_user()
        others = control.pauses
        return f"still waiting: {'; '.join(others)}" if others else "going on"
    control.pause_for_user(now=command.name is Name.FREEZE)
    return "frozen" if command.name is Name.FREEZE else "paused: the files in progress are finished"


def _change_jobs(control: Control, command: Command) -> str:
    wanted = command.jobs if command.jobs is not None else (control.jobs or 1) + command.change
    jobs = control.set_jobs(wanted)
    words = format_count(jobs, "worker")
    if wanted > jobs:
        hint = " (ulimit -n)" if control.most_jobs < MAX_JOBS else ""
        return f"{words}: more are not possible{hint}"
    return f"{words}: at least one is needed" if wanted < 1 else words
