"""Run the command line and keep what it prints: in this process, or in one of its own."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from subprocess import CompletedProcess, run
from typing import TextIO
from unittest import mock

from exrbatch.cli.main import main

COLUMNS = {"COLUMNS": "100"}
"""How wide the terminal of a command seems to be."""


def exrbatch(*arguments: object, code: int = 0, **environment: str) -> "CompletedProcess[str]":
    """Run the command line in this process and check its exit code.

    That saves the start of a Python process, and that of the server which forks the workers: all
    commands share one server. The workers keep the environment with which this server began.
    """
    words = ["exrbatch", *map(_word, arguments)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as printed,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as errors,
        mock.patch.dict(os.environ, COLUMNS | environment),
        mock.patch.object(sys, "argv", words),
    ):
        with _standard_streams(printed, errors):
            try:
                returned = main(words[1:])
            except SystemExit as end:  # as argparse ends
                returned = int(end.code or 0)
        done = CompletedProcess(words, returned, _text(printed), _text(errors))
    assert done.returncode == code, done.stdout + done.stderr
    return done


def exrbatch_process(*arguments: object, code: int = 0, **environment: str) -> "CompletedProcess[str]":
    """Do the same in a new process, for what happens only there: its environment, start and end."""
    command = [sys.executable, "-m", "exrbatch", *map(_word, arguments)]
    done = run(command, check=False, capture_output=True, text=True, env=os.environ | COLUMNS | environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextlib.contextmanager
def _standard_streams(printed: TextIO, errors: TextIO) -> Iterator[None]:
    """Put two files in the place of stdout and stderr, also for what does not print with Python."""
    with contextlib.ExitStack() as undo:
        for name, number, file, handling in (
            ("stdout", 1, printed, "strict"),
            ("stderr", 2, errors, "backslashreplace"),  # as Python opens it
        ):
            getattr(sys, name).flush()
            before = os.dup(number)
            undo.callback(os.close, before)
            undo.callback(os.dup2, before, number)
            os.dup2(file.fileno(), number)
            stream = open(number, "w", encoding="utf-8", errors=handling, newline="", closefd=False)  # noqa: SIM115
            undo.callback(stream.close)
            undo.enter_context(mock.patch.object(sys, name, stream))
        undo.enter_context(mock.patch.object(sys, "stdin", open(os.devnull)))  # noqa: SIM115
        undo.callback(sys.stdin.close)
        yield


def _word(argument: object) -> str:
    return os.fsdecode(argument) if isinstance(argument, bytes) else str(argument)


def _text(file: TextIO) -> str:
    file.seek(0)
    return file.read()
