"""`exrbatch check PATH...`: read and decompress all of every file, and list what is damaged."""

import argparse

from exrbatch.batch.options import Options, parse_compressions
from exrbatch.batch.priority import niceness
from exrbatch.batch.run import Run
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.cli.check_summary import summary_lines
from exrbatch.cli.limit_arguments import parse_limits
from exrbatch.cli.selection_arguments import listed_paths
from exrbatch.cli.shown_run import about, show_run
from exrbatch.jobs.check_job import CheckRules
from exrbatch.recompression.choices import Verify


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch check`; return the exit code."""
    options = Options(
        rules=CheckRules(
            decoder=Verify(arguments.decoder),
            digests=arguments.digests,
            min_age=arguments.min_age or 0.0,
            from_compressions=parse_compressions(arguments.from_compression),
        ),
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
        fail_on=FailOn.parse(arguments.fail_on),
        nice=niceness(arguments.nice),
        min_size=arguments.min_size,
        limits=parse_limits(arguments),
        max_size=arguments.max_size,
        allow_empty=arguments.allow_empty,
    )
    run = Run(arguments.paths, options, about(arguments), listed=listed_paths(arguments))
    return show_run(run, arguments, summary_lines)
