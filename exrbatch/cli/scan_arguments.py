"""The arguments of `exrbatch scan`."""

import argparse

from exrbatch.cli.shared_arguments import add_paths, add_selection

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
    command.add_argument("--json", action="store_true", help="print one JSON document; all else goes to stderr")
    command.add_argument("-q", "--quiet", action="store_true", help="show no progress, only the results and errors")
