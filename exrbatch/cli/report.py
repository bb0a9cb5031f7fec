"""`exrbatch report`: what earlier runs have done."""

import argparse
import contextlib
import sys

from rich.text import Text

from exrbatch.cli.console import Output
from exrbatch.cli.outputs import open_output, print_document
from exrbatch.cli.report_figures import Figures, run_json
from exrbatch.cli.report_page import BEGINNING, make_page
from exrbatch.cli.report_text import report_lines, run_line
from exrbatch.errors import OptionsError
from exrbatch.journal.folder import find_journal, journals
from exrbatch.journal.history import PastRun, read_runs

EXIT_FAILED = 1


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch report`; return the exit code."""
    if arguments.list:
        return _list(arguments)
    runs = [run for name in arguments.runs or [None] for run in read_runs(find_journal(name))]
    figures = Figures.of(list({(run.name, run.began): run for run in runs}.values()))
    if arguments.html is not None:
        _write_page(arguments.html, figures)
    if arguments.json:
        return 0 if print_document(figures.to_json()) else EXIT_FAILED
    if arguments.html is not None:
        return 0
    output = Output()
    for line in report_lines(figures):
        output.results.print(line)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    """Print a line for each run that has a journal, the latest first."""
    if arguments.runs or arguments.html is not None:
        raise OptionsError("--list lists all runs; leave out RUN and --html")
    runs: list[PastRun] = []
    for path in journals():
        with contextlib.suppress(OptionsError):  # empty, because the disk was full
            runs += read_runs(path)
    if arguments.json:
        document = {"format": "exrbatch-runs-1", "runs": [run_json(each) for each in runs]}
        return 0 if print_document(document) else EXIT_FAILED
    output = Output()
    for each in runs:
        output.results.print(Text(run_line(each, has_figures=True)))
    return 0


def _write_page(path: str, figures: Figures) -> None:
    """Write the page, unless another kind of file is at its path.

    Raises:
        OptionsError: it can't be written.
    """
    try:
        with open_output(path, BEGINNING, "--html") as stream:
            stream.write(make_page(figures))
            stream.flush()
    except OSError as error:
        raise OptionsError(f"can't write the page {path}: {error.strerror}") from None
    print(f"the page is {path}", file=sys.stderr)
