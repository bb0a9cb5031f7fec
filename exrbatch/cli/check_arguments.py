"""The arguments of `exrbatch check`."""

import argparse

from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.selection_arguments import add_file_selection
from exrbatch.cli.shared_arguments import add_decoder, add_digests, add_jobs, add_paths, add_reporting, add_timeout

SUMMARY = "read and decompress every chunk, and say which files are damaged, and where"
DESCRIPTION = (
    "Read and decompress every chunk of every part and level of the files, and say which files are damaged: part,"
    " chunk and byte. Nothing is changed."
)
EPILOG = """\
example:
  exrbatch check /archive/ab010 --report damage.jsonl

exit codes:
  0              all files are sound
  1              some are damaged or could not be checked
  2              wrong usage
  3              stopped early
  129, 130, 143  stopped by a signal"""


def add_check_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    add_paths(command, is_required=False)
    add_decoder(
        command,
        "what decompresses the files: library (our own code for NONE, ZIP, ZIPS, ZSTD and deep data, and OpenEXR"
        " itself for all flat data that it can process) or native (OpenEXR only for everything else)",
    )
    add_file_selection(command.add_argument_group("which files"))
    add_jobs(command)
    add_timeout(command)
    add_digests(command)
    add_limits(command.add_argument_group("limits of the run"))
    add_reporting(command)
