"""The entry point of the command line: parse the arguments, then run the command that was named."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from exrbatch.cli.argument_parser import EXIT_USAGE
from exrbatch.cli.outputs import settle_stdout
from exrbatch.cli.parser import parse
from exrbatch.errors import OptionsError
from exrbatch.text import safe_text


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = None
    try:
        options = parse(arguments)
        if options.uses_workers and getattr(options, "cluster", None) is None:
            from exrbatch.batch.workers.forkserver import warm_up

            warm_up()
        if options.project_note is not None:
            print(f"exrbatch: {safe_text(options.project_note)}", file=sys.stderr)
        code: int = import_module(options.module).run(options)
    except OptionsError as error:
        print(_harmless(f"exrbatch: {error}", options), file=sys.stderr)
        return EXIT_USAGE
    settle_stdout()
    return code


def _harmless(message: str, options: argparse.Namespace | None) -> str:
    """Change a message so that a farm can't take a name in it for its own."""
    farm = getattr(options, "progress_line", None)
    if farm is None:
        return message
    from exrbatch.cli.progress_line import ProgressLine

    return ProgressLine(farm).harmless(message)
