"""`exrbatch check PATH...`: read and decompress all of every file, and list what is damaged."""

import argparse

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.cli.check_summary import summary_lines
from exrbatch.cli.recompress import show_run
from exrbatch.jobs.check_job import CheckRules
from exrbatch.recompression.choices import Verify


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch check`; return the exit code."""
    options = Options(
        rules=CheckRules(decoder=Verify(arguments.decoder), digests=arguments.digests),
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
    )
    return show_run(Run(arguments.paths, options), arguments, summary_lines)
