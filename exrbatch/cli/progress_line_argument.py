"""The option `--progress-line`, and the lines that it stands for."""

import argparse
import re
from collections.abc import Mapping
from types import MappingProxyType

from exrbatch.cli.shared_arguments import Group
from exrbatch.suggestions import unknown_name

PLACEHOLDER = "{percent}"
TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "openjd": "openjd_progress: {percent}.0",
        "deadline": "Progress: {percent}%",
        "tractor": "TR_PROGRESS {percent}%",
        "afanasy": "PROGRESS: {percent}%",
    }
)
"""The line of each farm. Those of Deadline and Afanasy must have whole numbers."""


def add_progress_line(command: Group) -> None:
    """Add the option."""
    command.add_argument(
        "--progress-line",
        type=_checked,
        metavar="FARM|TEXT",
        help=f"print lines on stdout from which a farm reads the progress: one of {', '.join(TEXTS)}, or a text such as"
        " 'done: {percent}'; all else goes to stderr",
    )


def _checked(value: str) -> str:
    if value.lower() in TEXTS:
        return value.lower()
    if PLACEHOLDER not in value:
        raise argparse.ArgumentTypeError(
            f"{unknown_name('farm', value, TEXTS)}; or give a text that has {PLACEHOLDER} in it"
            if re.fullmatch(r"\w+", value)
            else f"{value!r} has no {PLACEHOLDER} in it, and is none of {', '.join(TEXTS)}"
        )
    if not value.isprintable():
        raise argparse.ArgumentTypeError("the text must be one line without control characters")
    return value
