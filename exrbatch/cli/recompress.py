"""`exrbatch recompress`: recompress files, folders and frame sequences."""

import argparse

from exrbatch.batch.options import Options
from exrbatch.batch.priority import niceness
from exrbatch.batch.run import Run
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.cli.cluster_arguments import engine_of
from exrbatch.cli.limit_arguments import parse_limits
from exrbatch.cli.selection_arguments import listed_paths
from exrbatch.cli.shown_run import about, show_run


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch recompress`; return the exit code."""
    listed = listed_paths(arguments)
    with engine_of(arguments) as engine:
        run = Run(arguments.paths, options_of(arguments), about(arguments), listed=listed, engine=engine)
        return show_run(run, arguments)


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the options that the user has given."""
    return Options.parse(
        compression=arguments.compression,
        readers=arguments.readers,
        allow_lossy=arguments.allow_lossy,
        include_lossy_sources=arguments.include_lossy_sources,
        allow_aces=arguments.allow_aces,
        verify=arguments.verify,
        verify_cold=arguments.verify_cold,
        effort=arguments.effort,
        output=arguments.output,
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        force=arguments.force,
        dry_run=arguments.dry_run,
        jobs=arguments.jobs,
        hardlinks=arguments.hardlinks,
        backup_dir=arguments.backup_dir,
        keep_backups=arguments.keep_backups,
        copy_skipped=arguments.copy_skipped,
        min_savings=arguments.min_savings,
        file_timeout=arguments.file_timeout,
        fail_on=FailOn.parse(arguments.fail_on),
        nice=niceness(arguments.nice),
        min_age=arguments.min_age,
        from_compression=arguments.from_compression,
        min_size=arguments.min_size,
        max_size=arguments.max_size,
        base=arguments.base,
        limits=parse_limits(arguments),
        allow_empty=arguments.allow_empty,
        journal=not arguments.no_journal,
        digests=arguments.digests,
    )
