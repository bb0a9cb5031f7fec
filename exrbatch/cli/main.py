"""The parser, and which command does what. User interface libraries are imported by the commands that need them."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.text import safe_text

EXIT_USAGE = 2


class _Parser(argparse.ArgumentParser):
    """A parser whose messages can be printed, whatever was typed. Parsers of commands are of the same class."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 2."""
        super().error(safe_text(message))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    from exrbatch import __version__

    parser = _Parser(
        prog="exrbatch",
        description="Recompress OpenEXR files losslessly, in place, by the ten thousand.",
        formatter_class=_help_formatter,
    )
    parser.add_argument("--version", action="version", version=f"exrbatch {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    _add_recompress(commands)
    _add_verify(commands)
    _add_bench(commands)
    _add_demo(commands)
    _add_doctor(commands)
    commands.add_parser(
        "compressions",
        help="list the compressions: what they keep, and who can read them",
        description="List the compressions: lines per chunk, what they keep bit by bit, and who can read them.",
        formatter_class=_help_formatter,
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    if options.command == "compressions":
        from exrbatch.cli.compressions import print_table

        return print_table()
    from exrbatch.batch.workers.forkserver import warm_up

    warm_up()
    try:
        if options.command == "demo":
            from exrbatch.cli.demo import run_demo

            return run_demo(options)
        if options.command == "doctor":
            from exrbatch.cli.doctor import run_doctor

            return run_doctor(options)
        if options.command == "bench":
            from exrbatch.cli.bench import run_bench

            return run_bench(options)
        if options.command == "verify":
            from exrbatch.cli.verify import run_verify

            return run_verify(options)
        from exrbatch.cli.recompress import run_recompress

        return run_recompress(options)
    except OptionsError as error:
        print(f"exrbatch: {error}", file=sys.stderr)
        return EXIT_USAGE


def _add_recompress(commands: Any) -> None:
    command = commands.add_parser(
        "recompress",
        help="recompress files, folders and frame sequences",
        description="Recompress OpenEXR files losslessly. Each new file is read back and compared with the"
        " original before it takes its place.",
        formatter_class=_help_formatter,
    )
    command.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="a file, a folder (walked recursively) or a frame sequence: beauty.####.exr, beauty.%%04d.exr,"
        " beauty.1001-1100x2#.exr",
    )
    _add_run_options(command)
    command.add_argument(
        "-o", "--output", metavar="DIR", help="mirror the tree in DIR and leave the originals as they are"
    )
    _add_selection(command)
    command.add_argument(
        "--force",
        action="store_true",
        help="replace files even if the new one is not smaller, has that compression already, or is write-protected",
    )
    _add_rules(command)
    _add_safety(command)
    command.add_argument("-n", "--dry-run", action="store_true", help="only tell what would be done")
    _add_reporting(command)


def _add_reporting(command: argparse.ArgumentParser) -> None:
    """What is told, and where."""
    command.add_argument("--report", metavar="FILE.jsonl", help="write one JSON record per file, as it ends")
    command.add_argument("--json", action="store_true", help="print one JSON document; progress goes to stderr")
    volume = command.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="no progress, only the summary and errors")
    volume.add_argument("-v", "--verbose", action="store_true", help="a line for each file as it ends")


def _add_selection(command: argparse.ArgumentParser) -> None:
    """Which files of a folder."""
    command.add_argument(
        "--include",
        metavar="PATTERN",
        action="append",
        default=[],
        help="of folders take only files that match (gitignore style, may be given again)",
    )
    command.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[], help="of folders leave out what matches"
    )


def _add_rules(command: argparse.ArgumentParser) -> None:
    """What may be taken, and what may be lost."""
    command.add_argument(
        "--readers",
        default="2.2",
        metavar="RELEASE",
        help="for auto: the oldest OpenEXR that must read the result: 2.2, 3.4 or 3.5 (default: %(default)s)",
    )
    command.add_argument("--allow-lossy", action="store_true", help="allow a compression that changes samples")
    command.add_argument(
        "--include-lossy-sources", action="store_true", help="also files whose compression has changed samples"
    )
    command.add_argument("--allow-aces", action="store_true", help="also ACES containers, which forbid compression")


def _add_safety(command: argparse.ArgumentParser) -> None:
    """How a new file is proved, and what becomes of the old one."""
    _add_judge(command)
    command.add_argument(
        "--verify-cold", action="store_true", help="verify from the disk, not from the page cache (Linux)"
    )
    command.add_argument(
        "--hardlinks",
        default="skip",
        metavar="HOW",
        help="files with several names: skip them, break (only the name found gets the new file) or relink (all names"
        " do, if all are below the paths given) (default: %(default)s)",
    )
    command.add_argument(
        "--backup-dir",
        metavar="DIR",
        help="keep originals in DIR, the tree mirrored, as hard links or copies, until the new file is in place",
    )
    command.add_argument("--keep-backups", action="store_true", help="keep them there for good")
    _add_timeout(command)


def _add_judge(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--verify",
        default="library",
        metavar="HOW",
        help="who unpacks each new file to prove it: library (OpenEXR itself; deep data: our own code), native (our own"
        " code for NONE, RLE, ZIP, ZIPS and ZSTD) or none (default: %(default)s)",
    )


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--file-timeout",
        type=float,
        metavar="SECONDS",
        help="give a file up after so long; 0: never (default: 15 minutes and 10 seconds for each MB)",
    )


def _add_verify(commands: Any) -> None:
    command = commands.add_parser(
        "verify",
        help="compare two files or two trees, and say where they differ",
        description="Compare two files, or two folders file by file: every attribute but the compression, and the bits"
        " of every sample. Says where they differ first: part, level, chunk, channel, pixel. Changes nothing.",
        formatter_class=_help_formatter,
    )
    command.add_argument("a", metavar="A", help="a file, or a folder (walked recursively)")
    command.add_argument("b", metavar="B", help="a file, or a folder that has the same files in the same places")
    command.add_argument(
        "--native",
        action="store_const",
        const="native",
        default="library",
        dest="verify",
        help="unpack B with our own code, too, instead of OpenEXR",
    )
    _add_selection(command)
    _add_jobs(command)
    _add_timeout(command)
    _add_reporting(command)


def _add_bench(commands: Any) -> None:
    command = commands.add_parser(
        "bench",
        help="compare compressions on your own files and machine",
        description="Measure compressions on a sample of the files: size, speed of packing and unpacking, whole runs"
        " with disk by number of jobs. Says which to take. The files themselves are only read.",
        formatter_class=_help_formatter,
    )
    command.add_argument("paths", metavar="PATH", nargs="+", help="a file, a folder or a frame sequence")
    command.add_argument(
        "-c",
        "--compression",
        default="zips,zip,piz,zstd,htj2k32",
        metavar="LIST",
        help="names separated by commas, or all (that keep half floats exactly; a lossy one must be named)"
        " (default: %(default)s)",
    )
    command.add_argument(
        "--effort", default="balanced", metavar="LIST", help="fast, balanced, max (default: %(default)s)"
    )
    command.add_argument(
        "-j", "--jobs", metavar="LIST", help="numbers of workers (default: 1, 2, 4 and so on, up to all)"
    )
    command.add_argument("--passes", type=int, default=5, metavar="N", help="counted passes (default: %(default)s)")
    command.add_argument(
        "--cache",
        default="warm",
        metavar="STATE",
        help="memory (no disk takes part), warm (files are read from the page cache) or cold (from the disk, Linux)"
        " (default: %(default)s)",
    )
    command.add_argument(
        "--sample", type=int, default=12, metavar="N", help="how many files to measure (default: %(default)s)"
    )
    _add_selection(command)
    command.add_argument(
        "--work-dir", metavar="DIR", help="copy the sample and write new files below DIR (default: the temp folder)"
    )
    command.add_argument("--baseline", metavar="RUN.json", help="print ratios against an earlier run's --json")
    command.add_argument("--json", metavar="FILE", help="write each trial as a line of JSON, as it ends")
    command.add_argument("--csv", metavar="FILE", help="write all figures as a table")
    command.add_argument("--html", metavar="FILE", help="write a page with plots (needs the extra: exrbatch[plot])")
    command.add_argument("-n", "--dry-run", action="store_true", help="only tell what would be measured, and how long")


def _add_demo(commands: Any) -> None:
    command = commands.add_parser(
        "demo",
        help="write a small uncompressed sequence and recompress it",
        description="Write a few realistic uncompressed frames to DIR (about 100 MB), then recompress them there.",
        formatter_class=_help_formatter,
    )
    command.add_argument("directory", metavar="DIR", help="a folder to be made, or an empty one")
    command.add_argument("--frames", type=int, default=12, metavar="N", help="how many frames (default: %(default)s)")
    _add_run_options(command)


def _add_doctor(commands: Any) -> None:
    command = commands.add_parser(
        "doctor",
        help="find out what exrbatch will do on this machine and in these folders",
        description="Find out what exrbatch will do: versions, cores and limits; for each path what its storage can do,"
        " and what that means in place, with -o and with backups. Makes temporary files of its own in each folder, and"
        " removes them. Exit code 0 if every path can be worked on as asked, 1 if not.",
        formatter_class=_help_formatter,
    )
    command.add_argument("paths", metavar="PATH", nargs="*", help="a folder, or a file in one")
    command.add_argument("-o", "--output", metavar="DIR", help="ask about a run that writes its outputs to DIR")
    command.add_argument("--backup-dir", metavar="DIR", help="ask about a run that keeps backups in DIR")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_run_options(command: argparse.ArgumentParser) -> None:
    names = ", ".join(compression.name.lower() for compression in Compression)
    command.add_argument(
        "-c",
        "--compression",
        default="zip",
        metavar="NAME",
        help=f"one of {names}; or auto (packs a sample of each file in every lossless way and takes the smallest),"
        " or auto:speed (most bytes saved per CPU second) (default: %(default)s)",
    )
    command.add_argument(
        "--effort",
        choices=[str(effort) for effort in Effort],
        default=str(Effort.BALANCED),
        help="how hard to try; balanced is about the size that OpenEXR itself writes (default: %(default)s)",
    )
    _add_jobs(command)


def _add_jobs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-j",
        "--jobs",
        type=int,
        metavar="N",
        help="worker processes (default: what affinity, control groups and memory allow)",
    )


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    """Colours for a terminal; without one there is nothing to wait for."""
    if not sys.stdout.isatty():
        return argparse.HelpFormatter(prog)
    from rich_argparse import RichHelpFormatter

    return RichHelpFormatter(prog)
