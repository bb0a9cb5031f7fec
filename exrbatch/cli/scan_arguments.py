"""The arguments of `exrbatch scan`."""

import argparse

from exrbatch.cli.shared_arguments import (
    DEFAULTS,
    add_jobs,
    add_lossy_sources,
    add_min_openexr,
    add_paths,
    add_selection,
    duration,
)
from exrbatch.codecs.effort import Effort

SUMMARY = "list sequences with gaps, sizes and compressions, and estimate what a run would save"
DESCRIPTION = (
    "List what is below some paths: frame sequences with their gaps, bytes, compressions, storage, channels, lossy"
    " sources, ACES containers, links and broken headers. Nothing is written."
)
EPILOG = """\
examples:
  exrbatch scan shots
  exrbatch scan shots --headers --json
  exrbatch scan shots/ab010 --estimate -c zip,zstd,auto

exit codes:
  0    everything could be looked at; gaps, links and files that a run would skip are no errors
  1    some files are broken or can't be read, a folder can't be listed, or a frame that was named is missing
  2    wrong usage, for example a path that does not exist
  3    an estimate was stopped early, because workers keep dying
  129, 130, 143  stopped by a signal"""


def add_scan_arguments(command: argparse.ArgumentParser) -> None:
    """Add all arguments of the command."""
    add_paths(command)
    command.add_argument(
        "--headers",
        action="store_true",
        help="read the header and the chunk tables of every file, not one header of each sequence; this finds frames"
        " that are incomplete or differ from the others",
    )
    add_selection(command)
    _add_estimate(command.add_argument_group("what a run would save"))
    command.add_argument("--json", action="store_true", help="print one JSON document; all else goes to stderr")
    command.add_argument("-q", "--quiet", action="store_true", help="show no progress, only the results and errors")


def _add_estimate(group: argparse._ArgumentGroup) -> None:
    """Add the options of an estimate."""
    group.add_argument(
        "--estimate",
        action="store_true",
        help="compress a sample of the frames in memory, and predict bytes saved, CPU time and duration of a run",
    )
    group.add_argument(
        "-c",
        "--compression",
        metavar="LIST",
        help="with --estimate: names separated by commas, such as zip,zstd,auto; all is auto and each compression that"
        " is lossless for half, except none (default: zip)",
    )
    group.add_argument(
        "--effort",
        metavar="LIST",
        default=str(DEFAULTS.effort),
        help=f"{', '.join(Effort)}, separated by commas (default: %(default)s)",
    )
    add_min_openexr(group)
    add_lossy_sources(group, "measure")
    group.add_argument("--allow-aces", action="store_true", help="also measure ACES containers")
    add_jobs(group)
    group.add_argument(
        "--sample-time",
        type=duration,
        default=60.0,
        metavar="TIME",
        help="about how long to measure, such as 30, 5m or 1h; it ends earlier if the interval is narrow enough"
        " (default: 60 s)",
    )
