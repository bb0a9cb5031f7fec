"""`exrbatch pause`, `resume`, `jobs` and `stop`: steer a run from another terminal."""

import argparse
import contextlib
import sys

from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES
from exrbatch.steering.client import the_run
from exrbatch.steering.commands import Command, Name
from exrbatch.text import safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run one of the commands; return the exit code."""
    found = the_run(arguments.pid)
    try:
        with contextlib.closing(found.connect()) as connection:
            answer = connection.ask(_command(arguments).to_json())
    except (OSError, ValueError) as error:
        print(f"exrbatch: run {found.pid}: {error}", file=sys.stderr)
        return EXIT_FAILURES
    print(f"run {found.pid}: {safe_text(str(answer.get('message', '')))}")
    return EXIT_DONE if answer.get("ok") else EXIT_FAILURES


def _command(arguments: argparse.Namespace) -> Command:
    name = Name(arguments.steer)
    if name is Name.JOBS:
        return Command(name=name, jobs=arguments.number)
    return Command(name=Name.FREEZE if name is Name.PAUSE and arguments.now else name)
