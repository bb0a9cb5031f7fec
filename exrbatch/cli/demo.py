"""`exrbatch demo DIR`: write a few uncompressed frames, then recompress them."""

import argparse

from rich.text import Text

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.cli.console import Output
from exrbatch.cli.driving import drive
from exrbatch.cli.shown_run import about
from exrbatch.cli.summary import failure_lines, summary_lines
from exrbatch.demo import HEIGHT, WIDTH, write_frames
from exrbatch.errors import OptionsError
from exrbatch.signals import STOP_SIGNALS, restored


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch demo`; return the exit code."""
    options = Options.parse(
        compression=arguments.compression, effort=arguments.effort, verify="native", jobs=arguments.jobs, min_age=0.0
    )
    if arguments.frames < 1:
        raise OptionsError(f"{arguments.frames} frames: at least 1 is needed")
    output = Output()
    output.progress.print(Text(f"writing {arguments.frames} uncompressed frames of {WIDTH} x {HEIGHT} pixels"))
    write_frames(arguments.directory, arguments.frames)
    with restored(STOP_SIGNALS):
        report = drive(Run([arguments.directory], options, about(arguments)), output.progress)
    for line in [*failure_lines(report), *summary_lines(report)]:
        output.results.print(line)
    return report.exit_code
