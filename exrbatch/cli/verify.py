"""`exrbatch verify A B`: compare two files or two trees, with the code that verifies new files."""

import argparse

from exrbatch.batch.comparison import comparison_options
from exrbatch.batch.run import Run
from exrbatch.cli.limit_arguments import parse_limits
from exrbatch.cli.recompress import show_run
from exrbatch.recompression.choices import Verify


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch verify`; return the exit code."""
    options = comparison_options(
        arguments.a,
        arguments.b,
        Verify(arguments.decoder),
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
        min_size=arguments.min_size,
        limits=parse_limits(arguments),
        max_size=arguments.max_size,
        allow_empty=arguments.allow_empty,
    )
    return show_run(Run([arguments.a], options), arguments)
