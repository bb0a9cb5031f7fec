"""Find the files of a plan, and cut them into shards."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import discover
from exrbatch.batch.discovery.output_tree import OutputTree, folder_of, is_output_file
from exrbatch.batch.discovery.roots import find_roots
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.discovery.sequences import group_names
from exrbatch.batch.options import Options
from exrbatch.errors import OptionsError
from exrbatch.farm.balance import Unit, into_shards
from exrbatch.farm.places import Place, places_of
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import absolute
from exrbatch.replacing import Identity, identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found for a plan.

    Attributes:
        units: files that must stay together, in the order of their sequences.
        base: the folder that corresponds to the top of an output or backup tree.
        sources: folders of the files, as this host sees them.
        failures: paths that can't be planned, such as a missing frame.
        skipped: number of paths that are no files to process, such as links.
        left_out: number of files that patterns and limits of size left out.
        links: paths of files that are symbolic links, which the user named.
    """

    units: Sequence[Unit]
    base: str
    sources: tuple[Place, ...]
    failures: Sequence[FileReport]
    skipped: int
    left_out: int
    links: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(unit.size for unit in self.units)

    def shards(self, count: int) -> list[tuple[int, list[str]]]:
        """Cut the files into shards: size in bytes and paths of each."""
        return [
            (sum(unit.size for unit in shard), [path for unit in shard for path in unit.paths])
            for shard in into_shards(self.units, count)
        ]


Progress = Callable[[int, str], None]
"""A function that is called often while files are found, with their number and a path."""


def find_files(
    paths: Iterable[str],
    listed: Iterable[str] | None,
    options: Options,
    progress: Progress = lambda _files, _path: None,
    refuse: Callable[[str], str | None] = lambda _path: None,
) -> Found:
    """Find the files below some paths, as a run would. Nothing is written.

    Args:
        paths: files, folders and frame sequences.
        listed: more files and folders, whose names are taken literally; None if there is no list.
        options: the options of the run.
        progress: called with the number of files found so far, and the path of the last.
        refuse: says why a path of the list that exists fails nevertheless; None if it does not.

    Raises:
        OptionsError: no path exists, or the options can't be used with the paths.
    """
    roots = find_roots(paths, listed, base=options.base, allow_empty=options.allow_empty, refuse=refuse)
    selection = Selection(options.include, options.exclude, options.min_size, options.max_size)
    tree = None
    if options.tree_root is not None and roots.paths:
        if options.output is not None and is_output_file(options.output, roots.paths):
            raise OptionsError("the output of a plan must be a folder")
        written_as = "backup" if options.backup_dir is not None else "output"
        tree = OutputTree(options.tree_root, roots.paths, written_as=written_as, base=roots.base)
        tree.check_writable(roots.paths)
    folders: dict[str, list[tuple[str, Candidate]]] = {}
    failures, skipped, links = list(roots.missing), 0, []
    for number, found in enumerate(discover(roots.paths, tree, selection)):
        progress(number, found.path)
        if isinstance(found, Candidate):
            path = absolute(found.like or found.path)
            if found.like is not None:
                links.append(path)
            folder, name = os.path.split(path)
            folders.setdefault(folder, []).append((name, found))
        elif found.status is Status.FAILED:
            failures.append(found)
        else:
            skipped += 1
    try:
        sources = tuple(places_of(absolute(folder_of(path)) for path in roots.paths))
    except OSError as error:
        raise OptionsError(f"can't read {error.filename}: {error.strerror}") from None
    return Found(
        units=_units(folders),
        base=roots.base,
        sources=sources,
        failures=failures,
        skipped=skipped,
        left_out=selection.left_out,
        links=tuple(links),
    )


def _units(folders: dict[str, list[tuple[str, Candidate]]]) -> list[Unit]:
    """Return the files in the order of their sequences, with hard links to one file together.

    Each folder is removed from `folders` when it is done, because there may be millions of files.
    """
    units: list[Unit] = []
    groups: dict[Identity, int] = {}
    sequence = 0
    for folder in list(folders):
        sizes = {name: (found.size, found.path if found.links > 1 else None) for name, found in folders.pop(folder)}
        for group in group_names(list(sizes)):
            for name in group.names:
                size, linked = sizes[name]
                path = os.path.join(folder, name)
                shared = None if linked is None else identity_of(linked)
                place = len(units) if shared is None else groups.setdefault(shared, len(units))
                if place < len(units):
                    first = units[place]
                    units[place] = Unit(first.size + size, first.sequence, (*first.paths, path))
                else:
                    units.append(Unit(size, sequence, (path,)))
            sequence += 1
    return units


def identity_of(path: str) -> Identity | None:
    """Return what all hard links to a file have in common; None if there is no file."""
    try:
        return identity(os.lstat(path))
    except OSError:
        return None
