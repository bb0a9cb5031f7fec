"""Set up the scan of a run: which files it finds, and the place of each in an output tree."""

import itertools
from collections.abc import Iterator

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import as_failed, discover, only_in_tree
from exrbatch.batch.discovery.folder_watch import FolderWatch
from exrbatch.batch.discovery.listed import with_listed
from exrbatch.batch.discovery.output_tree import OutputTree
from exrbatch.batch.discovery.roots import Roots
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.options import Options
from exrbatch.jobs.file_report import FileReport


def files_of_run(
    roots: Roots, options: Options, selection: Selection, watch: FolderWatch
) -> Iterator[Candidate | FileReport]:
    """Set up the scan.

    Raises:
        OptionsError: the output or backup folder can't be used; raised at once, not during the
            scan.
    """
    paths, tree, compares = roots.paths, None, options.other is not None
    if options.tree_root is not None and paths:
        name = "backup" if options.backup_dir is not None else "output"
        tree = OutputTree(options.tree_root, paths, written_as=None if compares else name, base=roots.base)
        if not compares:
            tree.check_writable(paths)
    found = discover(paths, tree, selection, watch=watch, relink=options.rules.relinks)
    if compares and tree is not None:
        of_tree = Selection(options.include, options.exclude, options.min_size, options.max_size)  # counts by itself
        found = itertools.chain(found, only_in_tree(paths, tree, of_tree))
    if options.rules.listed is not None:
        found = with_listed(found, options.rules.listed, paths[0], Selection(options.include, options.exclude))
    found = itertools.chain(roots.missing, found)
    return map(as_failed, found) if options.rules.must_do_all else found
