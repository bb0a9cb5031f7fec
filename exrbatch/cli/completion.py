"""`exrbatch completion SHELL`: print a script that completes commands, options and values."""

import argparse
from typing import Any

from exrbatch.cli.commands import build_parser
from exrbatch.exr.compression import Compression
from exrbatch.recompression.choices import Prefer

FOLDERS = ("DIR",)
FILES = ("A", "B", "FILE", "FILE.jsonl", "LIST", "PATH", "RUN")
"""Names of values that are completed as paths, as the help shows them."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch completion`; return the exit code."""
    import shtab

    parser = build_parser()
    for command in parser.commands.values():
        for action in command._actions:
            _complete(action, shtab)
    print(shtab.complete(parser, shell=arguments.shell))
    return 0


def _complete(action: argparse.Action, shtab: Any) -> None:
    """Say how the value of an option or argument is completed."""
    if action.dest == "compression":
        action.choices = [*(each.name.lower() for each in Compression), "auto", f"auto:{Prefer.SPEED}"]
    elif action.metavar in FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.metavar in FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
