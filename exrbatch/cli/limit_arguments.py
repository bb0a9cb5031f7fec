"""The arguments about the limits of a run, and the limits that they stand for."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from exrbatch.cli.shared_arguments import Group, duration
from exrbatch.errors import OptionsError

if TYPE_CHECKING:
    from exrbatch.batch.run_limits.limits import Limits

_Value = TypeVar("_Value", str, float)


def add_limits(command: Group) -> None:
    """Add limits of the run as a whole."""
    command.add_argument(
        "--stop-at",
        type=_checked("stop_at", str),
        metavar="TIME",
        help="time of day, such as 07:30, before which the run must end: start no file that would probably not be"
        " finished by then; the exit code is 3",
    )
    command.add_argument(
        "--max-duration",
        type=_checked("max_duration", duration),
        metavar="TIME",
        help="the same after some time, such as 90m or 8h",
    )
    command.add_argument(
        "--stop-grace",
        type=duration,
        default=600.0,
        metavar="TIME",
        help="how much longer files in progress may take before the run is stopped hard, which is safe for the files"
        " (default: 10m)",
    )
    command.add_argument(
        "--hours",
        type=_checked("hours", str),
        metavar="HOURS",
        help="start files only at these hours, such as 19:00-07:30 or 'mon-fri 19:00-07:30, sat-sun'; pause in between",
    )
    command.add_argument(
        "--max-failures",
        type=_checked("max_failures", str),
        metavar="N|P%",
        help="stop if more than N files fail, or more than P%% of the files that have ended; the exit code is 3",
    )
    command.add_argument(
        "--bwlimit",
        type=_checked("bwlimit", str),
        metavar="RATE",
        help="read and write no more than this many bytes per second on average, such as 200M; or a timetable, such as"
        " '08:00,20M 19:00,off'",
    )
    command.add_argument(
        "--nice",
        type=nice_value,
        metavar="N",
        help="priority of the workers, from 19 (they run when nothing else wants to; the default, unless a farm has"
        " started the run) to 0 (leave the priority alone)",
    )
    command.add_argument(
        "--yield", action="store_true", dest="give_way", help="pause while other programs keep the machine busy"
    )


def _checked(name: str, convert: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Return the argparse type of a limit, so that the message about a wrong one names its option.

    Args:
        name: name of the limit, as in `Limits.parse`.
        convert: returns the value as it is kept.
    """

    def checked(text: str) -> _Value:
        from exrbatch.batch.run_limits.limits import Limits  # imported late: few runs have limits

        value = convert(text)
        try:
            Limits.parse(**{name: value})  # type: ignore[arg-type]
        except OptionsError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return checked


def nice_value(text: str) -> int:
    """Parse a priority of the workers."""
    from exrbatch.batch.priority import LOWEST

    if not text.strip().isdecimal() or int(text) > LOWEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {LOWEST}")
    return int(text)


def parse_limits(arguments: argparse.Namespace) -> "Limits":
    """Return the limits that the arguments stand for.

    Raises:
        OptionsError: one is invalid.
    """
    from exrbatch.batch.run_limits.limits import Limits

    return Limits.parse(
        stop_at=arguments.stop_at,
        max_duration=arguments.max_duration,
        stop_grace=arguments.stop_grace,
        hours=arguments.hours,
        max_failures=arguments.max_failures,
        bwlimit=arguments.bwlimit,
        give_way=arguments.give_way,
    )
