"""Paths -> candidates: what is found, in which order, and what is told apart."""

import os
import subprocess
from pathlib import Path

import pytest

from exrbatch import FileReport, OptionsError, Status
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import Selection, check_paths, discover, only_in_tree
from exrbatch.batch.discovery.output_tree import OutputTree
from exrbatch.replacing import temp_files


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))


def found(paths: list[Path | str], **selection: list[str]) -> list[str]:
    """Candidates as paths, reports as status and path, in the order of discovery."""
    result = []
    for item in discover(check_paths(map(str, paths)), None, Selection(**selection)):
        result.append(item.path if isinstance(item, Candidate) else f"{item.status}: {item.path}")
    return result


def mirrored(paths: list[str], output: Path) -> list[Candidate | FileReport]:
    mirror = OutputTree(str(output), checked := check_paths(paths), written_as="output")
    mirror.check_writable(checked)
    return list(discover(checked, mirror))


def bare(item: Candidate | FileReport) -> Candidate | FileReport:
    """Without what the file system decides."""
    return item._replace(inode=0, links=1, like=None) if isinstance(item, Candidate) else item


def test_a_folder_is_walked_in_the_order_of_names(tmp_path: Path) -> None:
    """Depth first, names sorted; only OpenEXR names; no temp, .nfs or macOS side files."""
    make(tmp_path, "b/2.exr", "b/1.EXR", "a.exr", "c.jpg", "._a.exr", ".exrbatch-1-2.tmp", ".nfs0001", "x.exr/y.sxr")
    assert found([tmp_path]) == [f"{tmp_path}/{name}" for name in ("a.exr", "b/1.EXR", "b/2.exr", "x.exr/y.sxr")]


def test_a_named_file_may_be_called_anything(tmp_path: Path) -> None:
    """A file that is named is meant, whatever its name."""
    make(tmp_path, "frame")
    assert found([tmp_path / "frame"]) == [f"{tmp_path}/frame"]


def test_nothing_is_found_twice(tmp_path: Path) -> None:
    """A path that another one covers is left out: two workers on one file would disturb each other."""
    make(tmp_path, "a/1.exr", "a/2.exr")
    expected = [f"{tmp_path}/a/1.exr", f"{tmp_path}/a/2.exr"]
    assert found([tmp_path, tmp_path / "a", tmp_path / "a/1.exr", f"{tmp_path}/."]) == expected
    assert found([tmp_path / "a/1.exr", tmp_path / "a", tmp_path]) == expected
    assert found([tmp_path, tmp_path / "a/1-2#.exr", tmp_path / "a/1.exr", tmp_path / "a/../a/2.exr"]) == expected


def test_a_named_file_is_done_whatever_holds_for_its_folder(tmp_path: Path) -> None:
    """Patterns, and the names that a walk takes, are for files that nobody named."""
    make(tmp_path, "a/1.exr", "a/2.exr", "a/frame")
    assert found([tmp_path, tmp_path / "a/frame", tmp_path / "a/1.exr"], exclude=["1.exr"]) == [
        f"{tmp_path}/a/frame",
        f"{tmp_path}/a/1.exr",
        f"{tmp_path}/a/2.exr",
    ]


def test_folders_of_named_files_and_of_the_mirror_are_swept(tmp_path: Path) -> None:
    """What a killed run left goes wherever the next run works."""
    make(tmp_path, "in/1.exr", "out/keep")
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process.pid)
        left = temp_files.temp_name("1.exr", os.stat(tmp_path / "in/1.exr"))
    make(tmp_path, f"in/{left}", f"out/{left}")
    assert len(mirrored([f"{tmp_path}/in/1.exr"], tmp_path / "out")) == 1
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["1.exr", "keep"]


def test_links_and_special_files_are_told_apart(tmp_path: Path) -> None:
    """Symbolic links in a walk are skipped with a reason; one that is named stands for its target."""
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
def test_sequences(tmp_path: Path, pattern: str, frames: list[int]) -> None:
    """The ways to write a sequence that Nuke, Houdini and printf users expect."""
    make(tmp_path, *(f"b.{frame}.exr" for frame in (1001, 1002, 1004)), "b.txt")
    assert found([tmp_path / pattern]) == [f"{tmp_path}/b.{frame}.exr" for frame in frames]


def test_missing_frames_and_sequences_fail_by_name(tmp_path: Path) -> None:
    """A frame that was asked for and is not there is no silence."""
    make(tmp_path, "b.1001.exr")
    assert found([tmp_path / "b.1001-1002#.exr"]) == [f"{tmp_path}/b.1001.exr", f"failed: {tmp_path}/b.1002.exr"]
    assert found([tmp_path / "c.####.exr"]) == [f"failed: {tmp_path}/c.####.exr"]


def test_include_and_exclude(tmp_path: Path) -> None:
    """Gitignore style, on paths below the folder that is walked."""
    make(tmp_path, "a/beauty.1.exr", "a/depth.1.exr", "old/beauty.1.exr", "b/beauty.2.exr")
    assert found([tmp_path], include=["beauty.*"], exclude=["old/", "*.2.exr"]) == [f"{tmp_path}/a/beauty.1.exr"]


def test_output_mirrors_the_tree(tmp_path: Path) -> None:
    """One folder: its content; several paths: the tree below what they have in common. The output is not walked."""
    make(tmp_path, "in/a/1.exr", "in/b/2.exr", "in/out/old.exr")
    output = tmp_path / "in/out"

    def destinations(*paths: str) -> list[str]:
        items = mirrored([str(tmp_path / path) for path in paths], output)
        return [os.path.relpath(item.counterpart or "", output) for item in items if isinstance(item, Candidate)]

    assert destinations("in") == ["a/1.exr", "b/2.exr"]
    assert destinations("in/a", "in/b") == ["a/1.exr", "b/2.exr"]
    assert destinations("in/a") == ["1.exr"]
    assert destinations("in/a/1.exr") == ["1.exr"]


def test_bad_arguments_are_refused_before_anything_starts(tmp_path: Path) -> None:
    """A typo is a usage error, not an empty run."""
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
        ([tmp_path], tmp_path / "a.exr", "the output is not a folder"),
    ):
        with pytest.raises(OptionsError, match=message):
            mirrored([str(path) for path in paths], output or tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_fails_by_name(tmp_path: Path) -> None:
    """Its files would otherwise be missing from the run without a word."""
    (tmp_path / "closed").mkdir(mode=0)
    (report,) = discover([str(tmp_path)])
    assert isinstance(report, FileReport)
    assert report.status is Status.FAILED


def test_nothing_is_written_outside_the_output(tmp_path: Path) -> None:
    """A named link keeps its own place; a link inside the output that leads out of it is not followed."""
    make(tmp_path, "a/c/x.exr", "a/b/keep", "A/1.exr", "B/1.exr", "out/keep")
    (tmp_path / "a/b/link.exr").symlink_to("../c/x.exr")
    (tmp_path / "out/A").symlink_to("../A")
    (link,) = mirrored([f"{tmp_path}/a/b/link.exr"], tmp_path / "o1/o2")
    assert bare(link) == Candidate(f"{tmp_path}/a/c/x.exr", 9, f"{tmp_path}/o1/o2/link.exr")
    refused, fine = mirrored([f"{tmp_path}/A", f"{tmp_path}/B"], tmp_path / "out")
    assert isinstance(refused, FileReport)
    assert "leads out of it" in (refused.reason or "")
    assert bare(fine) == Candidate(f"{tmp_path}/B/1.exr", 7, f"{tmp_path}/out/B/1.exr")


def test_all_names_of_a_file_make_one_candidate(tmp_path: Path) -> None:
    """To relink, every name must be known; a file with a name elsewhere is left alone, whatever is found of it."""
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


def test_what_only_the_other_tree_has_is_told(tmp_path: Path) -> None:
    """A comparison of two trees must not pass over files that the first one lacks."""
    make(tmp_path, "a/x/1.exr", "b/x/1.exr", "b/x/2.exr")
    mirror = OutputTree(f"{tmp_path}/b", paths := [f"{tmp_path}/a"], written_as=None)
    assert list(map(bare, discover(paths, mirror))) == [Candidate(f"{tmp_path}/a/x/1.exr", 9, f"{tmp_path}/b/x/1.exr")]
    (report,) = only_in_tree(paths, mirror, Selection())
    assert (report.path, report.status) == (f"{tmp_path}/b/x/2.exr", Status.FAILED)


def test_in_an_output_each_name_has_its_place(tmp_path: Path) -> None:
    """A link that is named, and its target: in place that is one file, in an output there are two places."""
    make(tmp_path, "in/x.exr")
    (tmp_path / "in/a.exr").symlink_to("x.exr")
    paths = [f"{tmp_path}/in/a.exr", f"{tmp_path}/in/x.exr"]
    assert len(found([Path(path) for path in paths])) == 1
    places = [item.counterpart for item in mirrored(paths, tmp_path / "out") if isinstance(item, Candidate)]
    assert places == [f"{tmp_path}/out/a.exr", f"{tmp_path}/out/x.exr"]


def test_dots_behind_a_link_lead_where_the_system_goes(tmp_path: Path) -> None:
    """`link/..` is the folder that holds the link's target, so two such folders never share a place."""
    make(tmp_path, "far/src/1.exr", "src/1.exr")
    (tmp_path / "far/deep").mkdir()
    (tmp_path / "link").symlink_to("far/deep")
    items = mirrored([f"{tmp_path}/link/../src", f"{tmp_path}/src"], tmp_path / "out")
    places = [item.counterpart for item in items if isinstance(item, Candidate)]
    assert sorted(places) == [f"{tmp_path}/out/far/src/1.exr", f"{tmp_path}/out/src/1.exr"]  # type: ignore[type-var]
