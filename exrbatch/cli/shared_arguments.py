"""Arguments that several commands share, and the type of an argument with choices."""

import argparse
import re
from collections.abc import Callable, Iterable

from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import READERS, Verify
from exrbatch.suggestions import unknown_name

Group = argparse._ActionsContainer
"""A parser, or a group of options in its help."""
DEFAULTS = RecompressRules()
"""The source of all defaults for options of a recompression."""
_DURATION = re.compile(
    r"(?:(\d+)\s*d(?:ays?)?\s*)?(?:(\d+)\s*h(?:ours?|rs?)?\s*)?(?:(\d+)\s*m(?:in(?:ute)?s?)?\s*)?"
    r"(?:(\d+(?:\.\d+)?)\s*(?:s(?:ec(?:ond)?s?)?)?)?"
)


def add_paths(command: Group, *, is_required: bool = True) -> None:
    """Add the files to process."""
    command.add_argument(
        "paths",
        metavar="PATH",
        nargs="+" if is_required else "*",
        help="a file, a folder (searched recursively) or a frame sequence: beauty.####.exr, beauty.%%04d.exr,"
        " beauty.1001-1100x2#.exr",
    )


def add_decoder(command: Group, meaning: str) -> None:
    """Add the decoder of a comparison or a check.

    Args:
        command: where to add it.
        meaning: what each choice means.
    """
    decoders = [Verify.LIBRARY, Verify.NATIVE]
    command.add_argument(
        "--decoder",
        choices=decoders,
        type=one_of("decoder", decoders),
        default=DEFAULTS.verify,
        help=f"{meaning} (default: %(default)s)",
    )


def add_min_openexr(command: Group) -> None:
    """Add the oldest OpenEXR release that must read what auto chooses."""
    command.add_argument(
        "--min-openexr",
        dest="readers",
        choices=READERS,
        type=one_of("release", READERS),
        default=DEFAULTS.readers,
        help="for auto: the oldest OpenEXR release that must be able to read the result (default: %(default)s)",
    )


def add_lossy_sources(command: Group, verb: str) -> None:
    """Add the permission to take lossy sources; `verb` says what is done to them."""
    command.add_argument(
        "--include-lossy-sources",
        action="store_true",
        help=f"also {verb} files whose present compression has changed samples; they usually grow",
    )


def add_run_options(command: Group) -> None:
    """Add options about the target compression."""
    names = ", ".join(compression.name.lower() for compression in Compression)
    command.add_argument(
        "-c",
        "--compression",
        default="zip",
        metavar="NAME",
        help=f"one of {names}; or auto (tries each lossless one on a sample of the file and takes the smallest), or"
        " auto:speed (takes the one that saves the most bytes per CPU second) (default: %(default)s)",
    )
    command.add_argument(
        "--effort",
        choices=list(Effort),
        type=one_of("effort", Effort),
        default=DEFAULTS.effort,
        help="compression strength; balanced gives about the size that OpenEXR itself writes (default: %(default)s)",
    )


def add_jobs(command: Group) -> None:
    """Add the number of workers."""
    command.add_argument(
        "-j",
        "--jobs",
        type=number_of_jobs,
        metavar="N",
        help="number of worker processes; -2: all but two; 50%%: half of them (default: what CPU affinity, control"
        " groups, farm variables and memory allow)",
    )


def add_selection(command: Group) -> None:
    """Add options about which files of a folder are processed."""
    command.add_argument(
        "--include",
        metavar="PATTERN",
        action="append",
        default=[],
        help="when walking folders, process only files that match PATTERN (gitignore style; can be repeated)",
    )
    command.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="when walking folders, leave out what matches PATTERN (gitignore style; can be repeated)",
    )


def add_digests(command: Group) -> None:
    """Add the content digests in the records."""
    command.add_argument(
        "--digests",
        action="store_true",
        help="add the content digest of each file to its record (docs/digests.md); files that are finished already are"
        " read for it",
    )


def add_timeout(command: Group) -> None:
    """Add the time limit of a file."""
    command.add_argument(
        "--file-timeout",
        type=duration,
        metavar="TIME",
        help="time limit for each file, such as 90, 5m or 2h; 0: none (default: 15 minutes plus 10 seconds for each MB;"
        " with recompress --effort max, 40 seconds for each MB)",
    )


def add_reporting(command: Group) -> None:
    """Add options about what is reported, and where."""
    command.add_argument(
        "--report", metavar="FILE.jsonl", help="write one JSON record for each file, as soon as it is finished"
    )
    command.add_argument("--json", action="store_true", help="print one JSON document; all else goes to stderr")
    command.add_argument(
        "--log", metavar="FILE", help="append lines about progress and failures to FILE, with date and time"
    )
    add_fail_on(command)
    command.add_argument(
        "--on-finish",
        metavar="CMD",
        help="command line to run in a shell when the run has ended, with the summary in variables named EXRBATCH_RUN_*"
        " and as JSON on stdin",
    )
    add_volume(command, "file")


def add_fail_on(command: Group) -> None:
    """Add what makes the exit code 1."""
    command.add_argument(
        "--fail-on",
        type=_share_of_failures,
        metavar="WHEN",
        default="any",
        help="how many files must fail for the exit code to be 1: any, none, a number, or a share of all files such as"
        " 5%% (default: %(default)s)",
    )


def add_volume(command: Group, item: str) -> None:
    """Add options about how much is printed; `item` is what --verbose prints a line for."""
    volume = command.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="show no progress, only the results and errors")
    volume.add_argument(
        "-v", "--verbose", action="store_true", help=f"print a line for each {item}, as soon as it is finished"
    )


def number_of_jobs(value: str) -> int:
    """Parse a number of workers: 8, -2 (all but two) or 50%."""
    from exrbatch.batch.resources import automatic_jobs  # imported late: it takes time, and only this option needs it

    match = re.fullmatch(r"(-?\d+)|(\d+(?:\.\d+)?)%", value)
    if match is None:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of workers such as 8, -2 or 50%")
    if match[2] is not None:
        return max(1, int(automatic_jobs() * float(match[2]) / 100))
    number = int(match[1])
    if number == 0:
        raise argparse.ArgumentTypeError("0 jobs: must be 1 or more")
    return max(1, automatic_jobs() + number) if number < 0 else number


def _share_of_failures(value: str) -> str:
    """Check how many files must fail, and return it as it is."""
    from exrbatch.batch.run_limits.limits import FailOn

    try:
        FailOn.parse(value)
    except OptionsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def duration(value: str) -> float:
    """Parse a duration into seconds: 90, 90s, 5m, 10min, 2h, 8hours, 1h30m or 2d."""
    if value.strip().startswith("-"):
        raise argparse.ArgumentTypeError(f"{value!r}: must be 0 or more")
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None or not any(each is not None for each in match.groups()):
        raise argparse.ArgumentTypeError(f"{value!r} is not a duration such as 90, 5m or 2h")
    return sum(size * float(number or 0) for size, number in zip((86400, 3600, 60, 1), match.groups(), strict=True))


def duration_text(seconds: float) -> str:
    """Return a duration as `duration` parses it: 1h30m, or 0."""
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        number, seconds = divmod(seconds, size)
        parts += [f"{number:.0f}{unit}"] if number else []
    return "".join([*parts, f"{seconds:g}s"] if seconds else parts) or "0"


def percentage(value: str) -> float:
    """Parse a percentage, with or without its sign, into a fraction."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", value.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{value!r} is not a percentage such as 2%")
    return float(match[1]) / 100


def one_of(what: str, known: Iterable[str]) -> Callable[[str], str]:
    """Return the argparse type of an option with choices.

    For an unknown value, the error message suggests the closest choice.

    Args:
        what: what the value stands for, such as "effort".
        known: the choices, in lower case.
    """
    names = list(known)

    def checked(value: str) -> str:
        if value.lower() not in names:
            raise argparse.ArgumentTypeError(unknown_name(what, value, names))
        return value.lower()

    return checked
