"""`exrbatch continue`: start an earlier run again, with its folder, paths and options."""

import argparse
import os
from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.discovery.named_paths import is_sequence
from exrbatch.batch.run import Run
from exrbatch.cli.cluster_arguments import engine_of
from exrbatch.cli.console import Output
from exrbatch.cli.earlier_run import REPEATABLE, arguments_of, past_run
from exrbatch.cli.recompress import options_of
from exrbatch.cli.shown_run import about, show_run
from exrbatch.text import safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch continue`; return the exit code."""
    past = past_run(arguments.run, of=REPEATABLE)
    again = arguments_of(past, arguments)
    sequences, literal = sequences_of(past.roots)
    Output(is_json=again.json).progress.print(Text(f"continuing {safe_text(past.name)} in {safe_text(os.getcwd())}"))
    with engine_of(again) as engine:
        described = {**about(again), "continues": past.name}
        run = Run(sequences, options_of(again), described, listed=literal, engine=engine)
        return show_run(run, again)


def sequences_of(roots: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell frame sequences from paths that are literal.

    Patterns were replaced by what they matched when the run began. So what is gone by now must not
    be taken for a pattern that matches other files.
    """
    sequences = [root for root in roots if not os.path.lexists(root) and is_sequence(root)]
    return sequences, [root for root in roots if root not in set(sequences)]
