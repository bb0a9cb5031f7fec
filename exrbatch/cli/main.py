"""The entry point of the command line: parse the arguments, then run the command that was named."""

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
    try:
        options = parse(arguments)
        if options.uses_workers:
            from exrbatch.batch.workers.forkserver import warm_up

            warm_up()
        if options.project_note is not None:
            print(f"exrbatch: {safe_text(options.project_note)}", file=sys.stderr)
        code: int = import_module(options.module).run(options)
    except OptionsError as error:
        print(f"exrbatch: {error}", file=sys.stderr)
        return EXIT_USAGE
    settle_stdout()
    return code
