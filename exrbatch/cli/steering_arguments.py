"""The arguments of the commands that steer runs from another terminal."""

import argparse
from collections.abc import Callable

from exrbatch.cli.shared_arguments import number_of_jobs

PS = (
    "ps",
    "list the runs that are going on",
    "List your runs on this host: how far each one is, and whether it is paused.",
)
ATTACH = (
    "attach",
    "show the dashboard of a run that is going on",
    "Show the live dashboard of a run that another terminal, cron or nobody has. Its keys work, too. Press d or Ctrl-C"
    " to leave: the run goes on.",
)
PAUSE = (
    "pause",
    "pause a run",
    "Pause a run after the files in progress, until exrbatch resume.",
)
RESUME = ("resume", "let a paused run go on", "Let a run go on that was paused or frozen by its user.")
JOBS = (
    "jobs",
    "change the number of workers of a run",
    "Change the number of workers of a run that is going on. Fewer: workers end after their files.",
)
STOP = (
    "stop",
    "end a run after the files in progress",
    "Finish the files in progress of a run, and end it with exit code 3. The same command goes on later.",
)


def add_ps_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch ps`."""
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_pid(command: argparse.ArgumentParser) -> None:
    """Add the run that is meant."""
    command.add_argument(
        "pid", metavar="PID", nargs="?", type=_pid, help="process ID of the run (needed only if several are going on)"
    )


def add_pause_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch pause`."""
    add_pid(command)
    command.add_argument("--now", action="store_true", help="freeze the files in progress where they are, too")


def add_jobs_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `exrbatch jobs`."""
    add_pid(command)
    command.add_argument(
        "number", metavar="N", type=number_of_jobs, help="number of workers; -2: all but two; 50%%: half of them"
    )


def _pid(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise argparse.ArgumentTypeError(f"{value!r} is not a process ID (exrbatch ps lists them)")
    return int(value)


COMMANDS: dict[tuple[str, str, str], Callable[[argparse.ArgumentParser], None]] = {
    PS: add_ps_arguments,
    ATTACH: add_pid,
    PAUSE: add_pause_arguments,
    RESUME: add_pid,
    JOBS: add_jobs_arguments,
    STOP: add_pid,
}
"""Name, summary and description of each command, with the function that adds its arguments."""
