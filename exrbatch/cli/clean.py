"""`exrbatch clean PATH...`: list what killed runs have left, and remove what nobody needs."""

import argparse
import os
from collections.abc import Iterable, Iterator

from rich.text import Text

from exrbatch.batch.discovery.discover import BENCH_FOLDER, check_paths
from exrbatch.batch.discovery.output_tree import folder_of
from exrbatch.cli.console import Output
from exrbatch.cli.outputs import print_document
from exrbatch.jobs.completeness import is_complete
from exrbatch.replacing import Leftover, find_leftovers, remove_superfluous
from exrbatch.signals import note_beginning
from exrbatch.text import format_count, format_size, printable, safe_text

FORMAT = "exrbatch-clean-1"
EXIT_DONE, EXIT_LEFT = 0, 1


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch clean`; return 0 if nothing is left that needs a decision, else 1."""
    output = Output(is_json=arguments.json)
    found, removed, kept = [], 0, 0
    unread: list[OSError] = []
    for folder, names in _folders(check_paths(arguments.paths), output, unread):
        here = list(find_leftovers(folder, names, is_complete))
        if arguments.yes and any(each.is_superfluous for each in here):
            note_beginning()
            remove_superfluous(folder, is_complete)
        for each in here:
            is_removed = not os.path.lexists(each.path)
            removed += is_removed
            kept += not is_removed and not each.is_superfluous
            found.append(_record(each, is_removed))
            if not arguments.json:
                output.results.print(_line(each, is_removed))
    left = len(found) - removed
    exit_code = EXIT_LEFT if unread or (left if arguments.yes else kept) else EXIT_DONE
    for error in unread:
        words = f"{safe_text(str(error.filename))}: can't list the folder: {error.strerror}"
        output.progress.print(Text(words, style="bold red"))
    if arguments.json:
        document = {"format": FORMAT, "leftovers": found, "removed": removed, "exit_code": exit_code}
        return exit_code if print_document(document) else EXIT_LEFT
    for line in _summary(found, removed, kept, arguments.yes):
        output.results.print(line)
    return exit_code


def _folders(paths: list[str], output: Output, unread: list[OSError]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder once, with the names in it. Links are not followed.

    The errors of folders that can't be listed are added to `unread`.
    """
    seen: set[str] = set()
    for path in paths:
        if os.path.isdir(path):
            walk: Iterable[tuple[str, list[str], list[str]]] = os.walk(path, onerror=unread.append)
        else:
            walk = [(folder_of(path), [], _names(folder_of(path), unread))]
        for folder, folders, names in walk:
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            for each in folders:
                if each.startswith(BENCH_FOLDER):
                    copies = safe_text(os.path.join(folder, each))
                    words = f"{copies}: copies of a benchmark; remove the folder if no benchmark is running"
                    output.progress.print(Text(words, style="yellow"))
            yield folder, names


def _names(folder: str, unread: list[OSError]) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        unread.append(error)
        return []


def _line(leftover: Leftover, is_removed: bool) -> Text:
    word, style = ("removed", "green") if is_removed else ("superfluous", "cyan")
    if not is_removed and not leftover.is_superfluous:
        word, style = "kept", "yellow"
    text = f"{safe_text(leftover.path)}, {format_size(leftover.size)}: {leftover.what}; {leftover.why}"
    return Text(f"{word:<12} ", style=style).append(text, "default")


def _summary(found: list[dict[str, object]], removed: int, kept: int, is_confirmed: bool) -> Iterator[Text]:
    if not found:
        yield Text("nothing is left over", style="bold")
        return
    superfluous = len(found) - removed - kept
    counts = f"{removed:,} removed, {superfluous:,} superfluous, {kept:,} kept"
    yield Text(f"{format_count(len(found), 'file')} left over: {counts}", style="bold")
    if superfluous and not is_confirmed:
        yield Text("nothing was removed; --yes removes those that are superfluous")


def _record(leftover: Leftover, is_removed: bool) -> dict[str, object]:
    return {
        "path": printable(leftover.path),
        "what": leftover.what,
        "why": leftover.why,
        "superfluous": leftover.is_superfluous,
        "removed": is_removed,
        "size": leftover.size,
    }
