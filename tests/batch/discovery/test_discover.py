"""Discovery turns paths into candidates: which files, in which order, and which are refused."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exrbatch import FileReport, OptionsError, Status
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import check_paths, discover, only_in_tree
from exrbatch.batch.discovery.folder_watch import FolderWatch
from exrbatch.batch.discovery.output_tree import OutputTree
from exrbatch.batch.discovery.selection import Selection
from exrbatch.errors import ReasonCode
from exrbatch.replacing import temp_files


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))


def found(paths: list[Path | str], **selection: Any) -> list[str]:
    """Return candidates as paths, and reports as status and path, in the order of discovery."""
    result = []
    for item in discover(check_paths(map(str, paths)), None, Selection(**selection)):
        result.append(item.path if isinstance(item, Candidate) else f"{item.status}: {item.path}")
    return result


def mirrored(paths: list[str], output: Path) -> list[Candidate | FileReport]:
    mirror = OutputTree(str(output), checked := check_paths(paths), written_as="output")
    mirror.check_writable(checked)
    return list(discover(checked, mirror, watch=FolderWatch(removes=True, replaces=False)))


def bare(item: Candidate | FileReport) -> Candidate | FileReport:
    """Return a candidate without the fields that depend on the file system."""
    return item._replace(inode=0, links=1, like=None, mtime_ns=0, ctime_ns=0) if isinstance(item, Candidate) else item


def test_walks_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    """Walk depth first, in sorted order, and take only OpenEXR names.

    Temp files, .nfs files and the side files of macOS are passed over.
    """
    make(tmp_path, "b/2.exr", "b/1.EXR", "a.exr", "c.jpg", "._a.exr", ".exrbatch-1-2.tmp", ".nfs0001", "x.exr/y.sxr")
    assert found([tmp_path]) == [f"{tmp_path}/{name}" for name in ("a.exr", "b/1.EXR", "b/2.exr", "x.exr/y.sxr")]


def test_takes_a_named_file_whatever_its_name(tmp_path: Path) -> None:
    """A file that the user names is processed even if its name does not end in .exr."""
    make(tmp_path, "frame")
    assert found([tmp_path / "frame"]) == [f"{tmp_path}/frame"]


def test_finds_each_file_once(tmp_path: Path) -> None:
    """A path that lies below another path is left out.

    Otherwise two workers would process the same file at the same time.
    """
    make(tmp_path, "a/1.exr", "a/2.exr")
    expected = [f"{tmp_path}/a/1.exr", f"{tmp_path}/a/2.exr"]
    assert found([tmp_path, tmp_path / "a", tmp_path / "a/1.exr", f"{tmp_path}/."]) == expected
    assert found([tmp_path / "a/1.exr", tmp_path / "a", tmp_path]) == expected
    assert found([tmp_path, tmp_path / "a/1-2#.exr", tmp_path / "a/1.exr", tmp_path / "a/../a/2.exr"]) == expected


def test_patterns_do_not_apply_to_named_files(tmp_path: Path) -> None:
    """Include patterns and the rules for names apply only to files that a walk finds."""
    make(tmp_path, "a/1.exr", "a/2.exr", "a/frame")
    assert found([tmp_path, tmp_path / "a/frame", tmp_path / "a/1.exr"], exclude=["1.exr"]) == [
        f"{tmp_path}/a/frame",
        f"{tmp_path}/a/1.exr",
        f"{tmp_path}/a/2.exr",
    ]


def test_sweeps_the_folders_of_named_files_and_of_outputs(tmp_path: Path) -> None:
    """Leftovers of a killed run are removed from every folder that the next run uses."""
    make(tmp_path, "in/1.exr", "out/keep")
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process.pid)
        left = temp_files.temp_name("1.exr", os.stat(tmp_path / "in/1.exr"))
    make(tmp_path, f"in/{left}", f"out/{left}")
    assert len(mirrored([f"{tmp_path}/in/1.exr"], tmp_path / "out")) == 1
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["1.exr", "keep"]


def test_skips_links_in_a_walk_and_follows_named_links(tmp_path: Path) -> None:
    """A walk skips symbolic links with a reason; a named link stands for its target."""
    make(tmp_path, "real/a.exr")
    (tmp_path / "link.exr").symlink_to(tmp_path / "real/a.exr")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.exr")
    assert found([tmp_path]) == [
        f"skipped: {tmp_path}/link.exr",
        f"skipped: {tmp_path}/loop",
        f"skipped: {tmp_path}/pipe.exr",
        f"{tmp_path}/real/a.exr",
    ]
    assert found([tmp_path / "link.exr"]) == [f"{tmp_path}/real/a.exr"]


@pytest.mark.parametrize(
    ("pattern", "frames"),
    [
        ("b.####.exr", [1001, 1002, 1004]),
        ("b.%04d.exr", [1001, 1002, 1004]),
        ("b.#.exr", [1001, 1002, 1004]),
        ("b.1001-1002#.exr", [1001, 1002]),
        ("b.1002-1004x2####.exr", [1002, 1004]),
    ],
)
def test_expands_frame_sequences(tmp_path: Path, pattern: str, frames: list[int]) -> None:
    """Sequences can be written as in Nuke, in Houdini and for printf."""
    make(tmp_path, *(f"b.{frame}.exr" for frame in (1001, 1002, 1004)), "b.txt")
    assert found([tmp_path / pattern]) == [f"{tmp_path}/b.{frame}.exr" for frame in frames]


def test_reports_missing_frames_and_sequences_as_failed(tmp_path: Path) -> None:
    """A frame that was asked for and does not exist is reported by name."""
    make(tmp_path, "b.1001.exr")
    assert found([tmp_path / "b.1001-1002#.exr"]) == [f"{tmp_path}/b.1001.exr", f"failed: {tmp_path}/b.1002.exr"]
    assert found([tmp_path / "c.####.exr"]) == [f"failed: {tmp_path}/c.####.exr"]


def test_filters_a_walk_by_gitignore_patterns(tmp_path: Path) -> None:
    """Patterns match paths relative to the folder that is walked."""
    make(tmp_path, "a/beauty.1.exr", "a/depth.1.exr", "old/beauty.1.exr", "b/beauty.2.exr")
    assert found([tmp_path], include=["beauty.*"], exclude=["old/", "*.2.exr"]) == [f"{tmp_path}/a/beauty.1.exr"]


def test_output_has_the_tree_of_the_sources(tmp_path: Path) -> None:
    """One folder gives its content, several folders the tree below their common parent.

    The output folder itself is not walked.
    """
    make(tmp_path, "in/a/1.exr", "in/b/2.exr", "in/out/old.exr")
    output = tmp_path / "in/out"

    def destinations(*paths: str) -> list[str]:
        items = mirrored([str(tmp_path / path) for path in paths], output)
        return [os.path.relpath(item.counterpart or "", output) for item in items if isinstance(item, Candidate)]

    assert destinations("in") == ["a/1.exr", "b/2.exr"]
    assert destinations("in/a", "in/b") == ["a/1.exr", "b/2.exr"]
    assert destinations("in/a") == ["1.exr"]
    assert destinations("in/a/1.exr") == ["1.exr"]


def test_refuses_bad_arguments_before_the_run(tmp_path: Path) -> None:
    """A typing error is a usage error, not a run without files."""
    make(tmp_path, "a.exr", "sub/b.exr", "real/c.exr")
    (tmp_path / "sub" / "link.exr").symlink_to(tmp_path / "real" / "c.exr")
    for paths, output, message in (
        ([tmp_path / "nothing"], None, "no such file or folder"),
        ([tmp_path / "b.1001:1004#.exr"], None, "read differently by different tools"),
        ([], None, "no path given"),
        ([tmp_path], tmp_path, "holds the source .*; leave out -o"),
        ([tmp_path / "sub"], tmp_path, "holds the source .*; leave out -o"),
        ([tmp_path / "a.exr"], tmp_path, "holds the source .*; leave out -o"),
        ([tmp_path / "sub" / "link.exr"], tmp_path / "real", "holds the source .*; leave out -o"),
        ([tmp_path], tmp_path / "a.exr", "has the name of a file"),
    ):
        with pytest.raises(OptionsError, match=message):
            mirrored([str(path) for path in paths], output or tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_reports_an_unlistable_folder_as_failed(tmp_path: Path) -> None:
    """Otherwise its files would be missing from the run without a message."""
    (tmp_path / "closed").mkdir(mode=0)
    (report,) = discover([str(tmp_path)])
    assert isinstance(report, FileReport)
    assert report.status is Status.FAILED


def test_writes_nothing_outside_the_output(tmp_path: Path) -> None:
    """A named link gets its own place in the output.

    A link inside the output that leads out of it is not followed.
    """
    make(tmp_path, "a/c/x.exr", "a/b/keep", "A/1.exr", "B/1.exr", "out/keep")
    (tmp_path / "a/b/link.exr").symlink_to("../c/x.exr")
    (tmp_path / "out/A").symlink_to("../A")
    (link,) = mirrored([f"{tmp_path}/a/b/link.exr"], tmp_path / "o1/o2")
    assert bare(link) == Candidate(f"{tmp_path}/a/c/x.exr", 9, f"{tmp_path}/o1/o2/link.exr")
    refused, fine = mirrored([f"{tmp_path}/A", f"{tmp_path}/B"], tmp_path / "out")
    assert isinstance(refused, FileReport)
    assert "leads out of it" in (refused.reason or "")
    assert bare(fine) == Candidate(f"{tmp_path}/B/1.exr", 7, f"{tmp_path}/out/B/1.exr")


def test_groups_all_hard_links_of_a_file_into_one_candidate(tmp_path: Path) -> None:
    """To relink a file, every name must be known.

    A file that has another name elsewhere is left alone, however many of its names are found.
    """
    make(tmp_path, "in/a/1.exr", "in/2.exr", "in/3.exr")
    os.link(tmp_path / "in/a/1.exr", tmp_path / "in/b.exr")
    os.link(tmp_path / "in/2.exr", tmp_path / "elsewhere.exr")
    items = list(discover([f"{tmp_path}/in"], relink=True))
    assert {bare(item) for item in items if isinstance(item, Candidate)} == {
        Candidate(f"{tmp_path}/in/3.exr", 8),
        Candidate(f"{tmp_path}/in/b.exr", 10, None, (f"{tmp_path}/in/a/1.exr",)),
    }
    assert {(item.path, item.status, item.reason) for item in items if isinstance(item, FileReport)} == {
        (f"{tmp_path}/in/a/1.exr", Status.SKIPPED, "another hard link to a file that is done under its first name"),
        (f"{tmp_path}/in/2.exr", Status.SKIPPED, "some of its hard links lie outside the paths given"),
    }


def test_reports_files_that_only_the_other_tree_has(tmp_path: Path) -> None:
    """A comparison of two trees includes files that the first tree lacks."""
    make(tmp_path, "a/x/1.exr", "b/x/1.exr", "b/x/2.exr")
    mirror = OutputTree(f"{tmp_path}/b", paths := [f"{tmp_path}/a"], written_as=None)
    assert list(map(bare, discover(paths, mirror))) == [Candidate(f"{tmp_path}/a/x/1.exr", 9, f"{tmp_path}/b/x/1.exr")]
    (report,) = only_in_tree(paths, mirror, Selection())
    assert (report.path, report.status) == (f"{tmp_path}/b/x/2.exr", Status.FAILED)


def test_gives_a_link_and_its_target_separate_outputs(tmp_path: Path) -> None:
    """In place, a named link and its target are one file; in an output they have two places."""
    make(tmp_path, "in/x.exr")
    (tmp_path / "in/a.exr").symlink_to("x.exr")
    paths = [f"{tmp_path}/in/a.exr", f"{tmp_path}/in/x.exr"]
    assert len(found([Path(path) for path in paths])) == 1
    places = [item.counterpart for item in mirrored(paths, tmp_path / "out") if isinstance(item, Candidate)]
    assert places == [f"{tmp_path}/out/a.exr", f"{tmp_path}/out/x.exr"]


def test_resolves_dots_behind_a_link_as_the_system_does(tmp_path: Path) -> None:
    """`link/..` is the folder that holds the link's target.

    So two such folders never share a place in the output.
    """
    make(tmp_path, "far/src/1.exr", "src/1.exr")
    (tmp_path / "far/deep").mkdir()
    (tmp_path / "link").symlink_to("far/deep")
    items = mirrored([f"{tmp_path}/link/../src", f"{tmp_path}/src"], tmp_path / "out")
    places = [item.counterpart for item in items if isinstance(item, Candidate)]
    assert sorted(places) == [f"{tmp_path}/out/far/src/1.exr", f"{tmp_path}/out/src/1.exr"]  # type: ignore[type-var]


@pytest.mark.parametrize("pattern", ["a[1].####.exr", "a?.####.exr", f"a.%{'9' * 5000}d.exr"])
def test_a_sequence_that_fileseq_cannot_take_is_missing(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises a `ValueError`, which ended the run with a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a1.0001.exr").touch()
    (report,) = discover(check_paths([pattern]))
    assert isinstance(report, FileReport)
    assert report.reason_code is ReasonCode.MISSING


def test_the_output_folder_is_never_walked_even_if_it_appears_during_the_walk(tmp_path: Path) -> None:
    """The run itself makes it, inside its sources; its files were mirrored once more."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.exr").touch()
    (tmp_path / "z").mkdir()
    output = tmp_path / "z" / "out"
    tree = OutputTree(str(output), [str(tmp_path)], written_as="output")
    found = []
    for each in discover([str(tmp_path)], tree):
        found.append(each.path)
        output.mkdir(exist_ok=True)
        (output / "1.exr").touch()
    assert found == [str(tmp_path / "a" / "1.exr")]
