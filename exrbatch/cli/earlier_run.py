"""Find an earlier run, and read the arguments of its command from its record."""

import argparse
import os
import shlex
from collections.abc import Collection, Mapping

from exrbatch.cli.commands import build_parser
from exrbatch.errors import OptionsError
from exrbatch.journal.folder import find_journal, last_journal, runs_folder
from exrbatch.journal.history import PastRun, read_runs
from exrbatch.journal.records import FORMAT, read_path
from exrbatch.text import safe_text

REPEATABLE = ("recompress",)
"""Commands whose runs can be continued and retried."""


def past_run(name: str | None, *, of: Collection[str] = ()) -> PastRun:
    """Return an earlier run that has ended.

    Args:
        name: the ID of a run, or the path of a file of records, whose last run is meant; None for
            the last run that has processed a file.
        of: if there is no name, only runs of these commands count; empty for all.

    Raises:
        OptionsError: there is no such run, or it is still going on.
    """
    path = find_journal(name) if name is not None else last_journal(of)
    past = read_runs(path)[-1]
    if past.is_running:
        raise OptionsError(f"the run {safe_text(past.name)} is still going on")
    return past


def with_options(
    command: str, options: Mapping[str, object], given: argparse.Namespace, where: str
) -> argparse.Namespace:
    """Return the arguments of a command with options that were recorded, without settings of today.

    Args:
        command: the command.
        options: the value of each option by its name.
        given: the arguments of the present command; its options replace those that were recorded.
        where: what has recorded them, for messages.

    Raises:
        OptionsError: this version does not know an option.
    """
    arguments = build_parser().parse_args([command, os.curdir])
    if unknown := options.keys() - vars(arguments).keys():
        raise OptionsError(f"{where} has options of another version: {', '.join(sorted(unknown))}")
    replaced = {name: value for name, value in vars(given).items() if name in options and value is not None}
    for name, value in {**options, **replaced}.items():
        setattr(arguments, name, value)
    arguments.files_from, arguments.null = None, False  # its entries are listed in another place
    return arguments


def arguments_of(past: PastRun, given: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments of the command of an earlier run, and go to the folder it ran in.

    Args:
        past: the run.
        given: the arguments of the present command; its options replace those of the run.

    Raises:
        OptionsError: its record does not say enough, or the folder does not exist any more.
    """
    options, command = past.about.get("options"), past.about.get("command")
    if (plan := read_path(past.about, "plan")) is not None:
        shard = f"{shlex.quote(safe_text(plan))} {past.about.get('shard')}"
        raise OptionsError(f"{safe_text(past.name)} ran a shard of a plan; run it again: exrbatch shard run {shard}")
    if past.about.get("format") != FORMAT or not isinstance(options, dict) or not past.roots:
        raise OptionsError(f"{safe_text(past.name)} does not record its options; give the command again")
    if command not in REPEATABLE:
        raise OptionsError(f"{safe_text(past.name)} was a run of {safe_text(str(command))}; give the command again")
    arguments = with_options(str(command), options, given, safe_text(past.name))
    if arguments.on_finish is not None and past.source.parent != runs_folder():
        raise OptionsError(
            f"{safe_text(str(past.source))} would run the command {safe_text(str(arguments.on_finish))}, and anyone who"
            f" can write to that file may have put it there; name the run instead (exrbatch report --list)"
        )
    for name in ("output", "backup_dir"):
        if (path := read_path(past.about, name)) is not None:
            setattr(arguments, name, path)
            arguments.base = read_path(past.about, "base")
    try:
        os.chdir(past.folder)
    except OSError as error:
        raise OptionsError(f"can't go to the folder of that run: {error.strerror}: {safe_text(past.folder)}") from None
    return arguments
