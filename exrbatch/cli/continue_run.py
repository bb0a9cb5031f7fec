"""`exrbatch continue`: start an earlier run again, with its folder, paths and options."""

import argparse
import os

from rich.text import Text

from exrbatch.cli import recompress
from exrbatch.cli.console import Output
from exrbatch.cli.earlier_run import arguments_of, past_run
from exrbatch.text import safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch continue`; return the exit code."""
    past = past_run(arguments.run)
    again = arguments_of(past)
    again.paths = past.roots
    Output(is_json=again.json).progress.print(Text(f"continuing {safe_text(past.name)} in {safe_text(os.getcwd())}"))
    return recompress.run(again)
