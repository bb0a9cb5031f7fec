"""The arguments of `exrbatch bench`."""

import argparse
import itertools
import os
from collections.abc import Sequence

from exrbatch.bench.cache_state import CacheState
from exrbatch.bench.goal import Goal
from exrbatch.cli.shared_arguments import (
    DEFAULTS,
    add_lossy_sources,
    add_min_openexr,
    add_selection,
    add_volume,
    one_of,
)
from exrbatch.codecs.effort import Effort

SUMMARY = "compare compressions on your own files and machine"
DESCRIPTION = (
    "Measure compressions on a sample of the files, and recommend one. Sizes, the speed of compression and"
    " decompression, and whole runs on disk with several numbers of jobs are measured. The files themselves are only"
    " read. Results go to stdout, progress to stderr."
)
JSON_IS_A_FLAG = "--json takes no file: it prints one document on stdout; use --report FILE.jsonl to write the trials"
DEFAULT_COMPRESSIONS = "zips,zip,piz,zstd,htj2k32,auto"


def add_bench_arguments(command: argparse.ArgumentParser) -> None:
    """Add all arguments of the command."""
    command.add_argument(
        "paths", metavar="PATH", nargs="*", help="a file, a folder or a frame sequence; not with --load"
    )
    _add_trials(command)
    add_selection(command)
    add_lossy_sources(command, "measure")
    command.add_argument(
        "--work-dir", metavar="DIR", help="put copies and new files below DIR (default: the temp folder)"
    )
    _add_results(command)
    command.add_argument(
        "-n", "--dry-run", action="store_true", help="only say what would be measured, and how long it would take"
    )
    add_volume(command, "trial")


def _add_trials(command: argparse.ArgumentParser) -> None:
    """Add options about what is measured."""
    command.add_argument(
        "-c",
        "--compression",
        default=DEFAULT_COMPRESSIONS,
        metavar="LIST",
        help="names separated by commas; auto is the automatic choice of recompress; all is auto and each compression"
        " that is lossless for half, except none; a lossy one must be named, and gets error figures"
        " (default: %(default)s)",
    )
    command.add_argument(
        "--effort",
        default=str(DEFAULTS.effort),
        metavar="LIST",
        help=f"{', '.join(Effort)}, separated by commas (default: %(default)s)",
    )
    add_min_openexr(command)
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


def _add_results(command: argparse.ArgumentParser) -> None:
    """Add options about what the results are compared with, and how they are reported."""
    command.add_argument(
        "--goal",
        choices=list(Goal),
        type=one_of("goal", Goal),
        default=Goal.BALANCED,
        help="what the advice optimises: archive (small files), balanced, or playback (files that open fast); the"
        " weights are in docs/compressions.md (default: %(default)s)",
    )
    command.add_argument(
        "--baseline",
        metavar="RUN",
        help="print ratios to the results of an earlier run with the same files: its --report file, or what its --json"
        " printed",
    )
    command.add_argument(
        "--force-baseline", action="store_true", help="compare with the baseline even if it is about other files"
    )
    command.add_argument(
        "--load", metavar="RUN", help="measure nothing; show the results of an earlier run again, for example as --html"
    )
    command.add_argument(
        "--report", metavar="FILE.jsonl", help="write each trial as a line of JSON, as soon as it is finished"
    )
    command.add_argument("--json", action="store_true", help="print one JSON document; everything else goes to stderr")
    command.add_argument("--csv", metavar="FILE", help="write all figures as a table")
    command.add_argument("--html", metavar="FILE", help="write an HTML page with plots (needs matplotlib)")


def names_json_file(arguments: Sequence[str]) -> bool:
    """Return whether a file follows `--json`, which took one in earlier versions.

    Args:
        arguments: the command line, without the program's name.
    """
    if any(word.startswith("--json=") for word in arguments):
        return True
    following = [word for option, word in itertools.pairwise(arguments) if option == "--json"]
    return any(
        word.lower().endswith((".json", ".jsonl"))
        or not (word.startswith("-") or os.path.lexists(word) or set("#@%") & set(word))
        for word in following
    )
