"""`exrbatch verify`: compare two files or two trees, or a tree with a list of content digests.

Two trees are compared with the code that verifies new files.
"""

import argparse
import os
import sys
from typing import Any

from exrbatch.batch.comparison import comparison_options
from exrbatch.batch.digest_list import placed, read_list
from exrbatch.batch.options import Options
from exrbatch.batch.priority import niceness
from exrbatch.batch.run import Run
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.cli.limit_arguments import parse_limits
from exrbatch.cli.shown_run import about, show_run
from exrbatch.errors import OptionsError
from exrbatch.jobs.digest_job import DigestRules
from exrbatch.recompression.choices import Verify
from exrbatch.text import format_count, safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch verify`; return the exit code."""
    of_run = {
        "include": tuple(arguments.include),
        "exclude": tuple(arguments.exclude),
        "jobs": arguments.jobs,
        "file_timeout": arguments.file_timeout,
        "fail_on": FailOn.parse(arguments.fail_on),
        "nice": niceness(arguments.nice),
        "min_size": arguments.min_size,
        "max_size": arguments.max_size,
        "allow_empty": arguments.allow_empty,
        "limits": parse_limits(arguments),
    }
    if arguments.digests is not None:
        if arguments.b is not None:
            raise OptionsError("--digests compares a list with one file or folder, but two are given")
        return _compare_with_list(arguments, of_run)
    if arguments.b is None:
        raise OptionsError("verify compares two files or folders, or one with a list (--digests LIST); name the other")
    options = comparison_options(arguments.a, arguments.b, Verify(arguments.decoder), **of_run)
    return show_run(Run([arguments.a], options, about(arguments)), arguments)


def _compare_with_list(arguments: argparse.Namespace, of_run: dict[str, Any]) -> int:
    """Compare the digests of a file or folder with those of a list."""
    from exrbatch.cli.digest import summary_lines

    path, name = arguments.a, arguments.digests
    if not os.path.exists(path):
        raise OptionsError(f"no such file or folder: {path}")
    entries, torn = read_list(_bytes_of(name), name)
    expected, left_out = placed(entries, path)
    options = Options(rules=DigestRules(expected=expected, name=name), **of_run)
    run_of_all = Run([path], options, about(arguments))
    if torn:
        run_of_all.notes.append(f"{safe_text(name)}: {format_count(torn, 'incomplete record')} ignored")
    if left_out:
        run_of_all.notes.append(f"{safe_text(left_out)} in the list stands for {safe_text(path)}")
    return show_run(run_of_all, arguments, summary_lines)


def _bytes_of(name: str) -> bytes:
    """Return the bytes of a list; `-` is stdin."""
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise OptionsError(f"can't read the list {name}: {error.strerror}") from None
