"""`exrbatch verify A B`: compare two files or two trees, with the code that verifies new files."""

import argparse
import os

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.cli.recompress import show_run
from exrbatch.errors import OptionsError
from exrbatch.jobs.compare_job import CompareRules
from exrbatch.recompression.choices import Verify


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch verify`; return the exit code."""
    for path in (arguments.a, arguments.b):
        if not os.path.exists(path):
            raise OptionsError(f"no such file or folder: {path}")
    if os.path.isdir(arguments.a) and not os.path.isdir(arguments.b):
        raise OptionsError(f"{arguments.a} is a folder and {arguments.b} is a file")
    options = Options(
        rules=CompareRules(verify=Verify(arguments.decoder), other=arguments.b),
        other=os.path.realpath(arguments.b) if os.path.isfile(arguments.b) else arguments.b,
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
    )
    return show_run(Run([arguments.a], options), arguments)
