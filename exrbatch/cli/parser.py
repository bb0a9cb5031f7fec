"""The arguments of every command.

Each command names the module that runs it, and `main` imports only that module. The commands that
need user interface libraries import them. Defaults and choices of a recompression come from
`RecompressRules`.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from exrbatch.bench.cache_state import CacheState
from exrbatch.cli import check_arguments
from exrbatch.cli.check_arguments import add_check_arguments
from exrbatch.cli.shared_arguments import (
    DEFAULTS,
    add_jobs,
    add_reporting,
    add_run_options,
    add_selection,
    add_timeout,
    one_of,
)
from exrbatch.codecs.effort import Effort
from exrbatch.recompression.choices import READERS, Hardlinks, Verify
from exrbatch.suggestions import unknown_name
from exrbatch.text import safe_text

EXIT_USAGE = 2
EXIT_CODES = (
    "Exit codes: 0 all done; 1 some files failed, or all were skipped for one reason; 2 wrong usage; 3 stopped early,"
    " for example because the disk is full; 129, 130 or 143 stopped by a signal."
)


class _Parser(argparse.ArgumentParser):
    """A parser that escapes control characters in its messages.

    The parsers of the commands are also of this class.

    Attributes:
        commands: names of the commands.
    """

    commands: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Print the message on one line, and exit with 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {safe_text(message)} ({self.prog} --help explains the options)\n")


class _Commands:
    """The commands of a parser.

    Attributes:
        names: names of the commands, in the order in which they were added.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
        self.names: list[str] = []

    def add(
        self, name: str, summary: str, description: str, *, uses_workers: bool = True, epilog: str | None = None
    ) -> argparse.ArgumentParser:
        """Add a command, which the function `run` of the module `exrbatch.cli.NAME` runs.

        Args:
            name: what the user types.
            summary: its line in the list of commands.
            description: the beginning of the command's own help.
            uses_workers: whether to prepare worker processes while the command loads.
            epilog: the end of the command's own help.
        """
        command = self._parsers.add_parser(
            name, help=summary, description=description, epilog=epilog, formatter_class=_help_formatter
        )
        command.set_defaults(module=f"exrbatch.cli.{name}", uses_workers=uses_workers)
        self.names.append(name)
        return command


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. If it is wrong, print why on one line, and exit with 2."""
    parser = build_parser()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in parser.commands:
        parser.error(unknown_name("command", arguments[0], parser.commands))
    return parser.parse_args(arguments)


def build_parser() -> "_Parser":
    """Build the parser of all commands."""
    from exrbatch import __version__

    parser = _Parser(
        prog="exrbatch",
        description="Recompress OpenEXR files losslessly and in place, tens of thousands at a time.",
        epilog="exrbatch COMMAND --help explains a command.",
        formatter_class=_help_formatter,
    )
    parser.add_argument("--version", action="version", version=f"exrbatch {__version__}")
    commands = _Commands(parser)
    _add_recompress(commands)
    _add_verify(commands)
    add_check_arguments(
        commands.add("check", check_arguments.SUMMARY, check_arguments.DESCRIPTION, epilog=check_arguments.EXIT_CODES)
    )
    _add_bench(commands)
    _add_demo(commands)
    _add_doctor(commands)
    commands.add(
        "compressions",
        "list the compressions: what they preserve, and which OpenEXR releases read them",
        "List the compressions: lines per chunk, whether they are lossless, and which OpenEXR releases read them.",
        uses_workers=False,
    )
    parser.commands = commands.names
    return parser


def _add_recompress(commands: _Commands) -> None:
    command = commands.add(
        "recompress",
        "recompress files, folders and frame sequences",
        "Recompress OpenEXR files losslessly. Each new file is read back and compared with the original before it"
        " replaces it.",
        epilog=EXIT_CODES,
    )
    command.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="a file, a folder (searched recursively) or a frame sequence: beauty.####.exr, beauty.%%04d.exr,"
        " beauty.1001-1100x2#.exr",
    )
    add_run_options(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="write the results below DIR, at the same relative paths; leave the originals as they are",
    )
    add_selection(command)
    command.add_argument(
        "--force",
        action="store_true",
        help="replace a file even if the new one is not smaller, if it has this compression already, if it is"
        " write-protected, or if its owner, group, attributes or access control list cannot be kept; overwrite an"
        " output that was made from another file",
    )
    _add_permissions(command)
    _add_safety(command)
    command.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    add_reporting(command)


def _add_permissions(command: argparse.ArgumentParser) -> None:
    """Add options about which files and losses are accepted."""
    command.add_argument(
        "--readers",
        choices=READERS,
        type=one_of("release", READERS),
        default=DEFAULTS.readers,
        help="for auto: the oldest OpenEXR release that must be able to read the result (default: %(default)s)",
    )
    command.add_argument("--allow-lossy", action="store_true", help="allow a compression that changes samples")
    command.add_argument(
        "--include-lossy-sources",
        action="store_true",
        help="also process files whose present compression has changed samples; they usually grow",
    )
    command.add_argument(
        "--allow-aces", action="store_true", help="also process ACES containers, whose standard forbids compression"
    )


def _add_safety(command: argparse.ArgumentParser) -> None:
    """Add options about how a new file is verified, and what happens to the old one."""
    command.add_argument(
        "--verify",
        choices=list(Verify),
        type=one_of("decoder", Verify),
        default=DEFAULTS.verify,
        help="decoder used to verify each new file: library (OpenEXR itself, but our own code for deep data), native"
        " (our own code for NONE, ZIP, ZIPS and ZSTD) or none (default: %(default)s)",
    )
    command.add_argument("--verify-cold", action="store_true", help="verify from disk, not from the page cache (Linux)")
    command.add_argument(
        "--hardlinks",
        choices=list(Hardlinks),
        type=one_of("way to treat hard links", Hardlinks),
        default=DEFAULTS.hardlinks,
        help="what to do with files that have several names: skip them, break (replace only the name that was found)"
        " or relink (replace all names, if all of them are below the given paths) (default: %(default)s)",
    )
    command.add_argument(
        "--backup-dir",
        metavar="DIR",
        help="keep each original below DIR, at the same relative path, as a hard link or a copy, until its new file is"
        " in place",
    )
    command.add_argument("--keep-backups", action="store_true", help="keep the backups for good")
    add_timeout(command)


def _add_verify(commands: _Commands) -> None:
    command = commands.add(
        "verify",
        "compare two files or two trees, and say where they differ",
        "Compare two files, or two folders file by file: every attribute except the compression, and every bit of"
        " every sample. Say where they first differ: part, level, chunk, channel, pixel. Nothing is changed.",
        epilog=EXIT_CODES,
    )
    command.add_argument("a", metavar="A", help="a file, or a folder (searched recursively)")
    command.add_argument("b", metavar="B", help="a file, or a folder with the same files in the same places")
    decoders = [Verify.LIBRARY, Verify.NATIVE]
    command.add_argument(
        "--decoder",
        choices=decoders,
        type=one_of("decoder", decoders),
        default=DEFAULTS.verify,
        help="decoder used to read B: library (OpenEXR itself, but our own code for deep data) or native (our own code"
        " for NONE, ZIP, ZIPS and ZSTD); A is always read by our own code where possible (default: %(default)s)",
    )
    command.add_argument(
        "--native", action="store_const", const=Verify.NATIVE, dest="decoder", help=argparse.SUPPRESS
    )  # the name that --decoder native had at first
    add_selection(command)
    add_jobs(command)
    add_timeout(command)
    add_reporting(command)


def _add_bench(commands: _Commands) -> None:
    command = commands.add(
        "bench",
        "compare compressions on your own files and machine",
        "Measure compressions on a sample of the files, and recommend one. Sizes, the speed of compression and"
        " decompression, and whole runs on disk with several numbers of jobs are measured. The files themselves"
        " are only read.",
    )
    command.add_argument("paths", metavar="PATH", nargs="+", help="a file, a folder or a frame sequence")
    command.add_argument(
        "-c",
        "--compression",
        default="zips,zip,piz,zstd,htj2k32",
        metavar="LIST",
        help="names separated by commas, or all (each that is lossless for half, except none); a lossy one must be"
        " named (default: %(default)s)",
    )
    command.add_argument(
        "--effort",
        default=str(DEFAULTS.effort),
        metavar="LIST",
        help=f"{', '.join(Effort)}, separated by commas (default: %(default)s)",
    )
    command.add_argument(
        "-j", "--jobs", metavar="LIST", help="numbers of workers to try (default: 1, 2, 4 and so on, up to all)"
    )
    command.add_argument(
        "--passes", type=int, default=5, metavar="N", help="passes after the warm-up (default: %(default)s)"
    )
    command.add_argument(
        "--cache",
        choices=list(CacheState),
        type=one_of("state of the cache", CacheState),
        default=CacheState.WARM,
        help="where files are read from: memory (nothing is read or written during a trial), warm (the page cache) or"
        " cold (the disk; Linux) (default: %(default)s)",
    )
    command.add_argument(
        "--sample", type=int, default=12, metavar="N", help="number of files to measure (default: %(default)s)"
    )
    add_selection(command)
    command.add_argument(
        "--work-dir", metavar="DIR", help="put copies and new files below DIR (default: the temp folder)"
    )
    command.add_argument(
        "--baseline", metavar="RUN.json", help="print ratios to the results of an earlier run (its --json file)"
    )
    command.add_argument("--json", metavar="FILE", help="write each trial as a line of JSON, as soon as it is finished")
    command.add_argument("--csv", metavar="FILE", help="write all figures as a table")
    command.add_argument("--html", metavar="FILE", help="write an HTML page with plots (needs matplotlib)")
    command.add_argument(
        "-n", "--dry-run", action="store_true", help="only say what would be measured, and how long it would take"
    )


def _add_demo(commands: _Commands) -> None:
    command = commands.add(
        "demo",
        "write a small uncompressed sequence and recompress it",
        "Write a few realistic uncompressed frames to DIR (about 100 MB), then recompress them there.",
    )
    command.add_argument("directory", metavar="DIR", help="a folder that does not exist yet, or an empty one")
    command.add_argument("--frames", type=int, default=12, metavar="N", help="number of frames (default: %(default)s)")
    add_run_options(command)


def _add_doctor(commands: _Commands) -> None:
    command = commands.add(
        "doctor",
        "find out what exrbatch can do on this machine and in given folders",
        "Print versions, cores and limits, and for each path what its storage can do and what that means for runs in"
        " place, with -o and with backups. Temporary files are created in each folder, and removed. The exit code is 0"
        " if every path can be processed as asked, and 1 if not.",
    )
    command.add_argument("paths", metavar="PATH", nargs="*", help="a folder, a file or a frame sequence")
    command.add_argument("-o", "--output", metavar="DIR", help="ask about a run that writes its results to DIR")
    command.add_argument("--backup-dir", metavar="DIR", help="ask about a run that keeps backups in DIR")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    """Use colours on a terminal only: without them, rich need not be imported."""
    if not sys.stdout.isatty():
        return argparse.HelpFormatter(prog)
    from rich_argparse import RichHelpFormatter

    return RichHelpFormatter(prog)
