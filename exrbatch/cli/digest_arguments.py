"""The arguments of `exrbatch digest`."""

import argparse

from exrbatch.cli.shared_arguments import add_jobs, add_paths, add_reporting, add_selection, add_timeout

SUMMARY = "print a SHA-256 of the header and pixels of each file, which recompression does not change"
DESCRIPTION = (
    "Print a SHA-256 of the header (without compression and chunkCount) and the raw samples of each file. It does not"
    " depend on the compression, so the list can be compared with the files on another machine or in another year:"
    " exrbatch verify --digests LIST PATH. Nothing is changed. docs/digests.md defines the digest."
)
EPILOG = """\
examples:
  exrbatch digest shots/ab010 > ab010.sha256
  exrbatch verify --digests ab010.sha256 /archive/ab010

exit codes:
  0              every file has a digest
  1              some could not be read
  2              wrong usage
  3              stopped early
  129, 130, 143  stopped by a signal"""


def add_digest_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `digest`."""
    add_paths(command)
    command.add_argument(
        "-0", "--null", action="store_true", help="end each line of the list with NUL, and escape nothing in its path"
    )
    add_selection(command)
    add_jobs(command)
    add_timeout(command)
    add_reporting(command)
