"""`exrbatch verify A B` as a user runs it."""

import json
import os
from pathlib import Path

from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])


def trees(folder: Path) -> tuple[Path, Path]:
    for name in ("a/x/1.exr", "a/2.exr", "b/x/1.exr", "b/2.exr"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(DATA)
    return folder / "a", folder / "b"


def test_recompressed_copy_is_equal(tmp_path: Path) -> None:
    """The exit code is 0, and neither tree is changed."""
    a, b = trees(tmp_path)
    exrbatch("recompress", b, "-c", "piz")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "2 files: 2 equal" in exrbatch("verify", a, b).stdout
    assert "1 file: 1 equal" in exrbatch("verify", a / "2.exr", b / "2.exr").stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_reports_differences_and_missing_files(tmp_path: Path) -> None:
    """The exit code is 1.

    Each file is named with the place of the difference, on both sides.
    """
    a, b = trees(tmp_path)
    (a / "x/1.exr").write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    (b / "2.exr").unlink()
    (b / "3.exr").write_bytes(DATA)
    done = exrbatch("verify", a, b, "--json", code=1)
    reasons = {record["path"]: record.get("reason") for record in json.loads(done.stdout)["files"]}
    assert reasons == {
        f"{a}/x/1.exr": "part 0, chunk 63, channel R, pixel x 63 y 63",
        f"{a}/2.exr": "the other file is missing",
        f"{b}/3.exr": f"there is no {a}/3.exr to compare it with",
    }


def test_links_pipes_and_unreadable_files_are_failures(tmp_path: Path) -> None:
    """They are named, and the exit code is 1."""
    a, b = trees(tmp_path)
    (b / "2.exr").unlink()
    (b / "2.exr").symlink_to("nothing.exr")
    (a / "x/1.exr").unlink()
    (a / "x/1.exr").symlink_to(b / "x/1.exr")
    os.mkfifo(a / "3.exr")
    os.mkfifo(tmp_path / "pipe")
    assert "3 files: 3 failed" in exrbatch("verify", a, b, code=1).stdout
    exrbatch("verify", b / "x/1.exr", tmp_path / "pipe", code=1)


def test_refuses_wrong_arguments(tmp_path: Path) -> None:
    """The exit code is 2, and nothing is compared."""
    a, b = trees(tmp_path)
    assert "no such file" in exrbatch("verify", a, tmp_path / "c", code=2).stderr
    assert "is a folder" in exrbatch("verify", a, b / "2.exr", code=2).stderr


def test_links_to_folders_are_failures(tmp_path: Path) -> None:
    """A link is not entered, so nothing behind it is compared.

    The command printed "1 equal" and exited with 0 while another picture was behind the link (issue
    13, B10).
    """
    a, b = trees(tmp_path)
    for tree, data in ((a, DATA), (b, DATA[:-1] + bytes([DATA[-1] ^ 1]))):
        (tmp_path / f"behind {tree.name}").mkdir()
        (tmp_path / f"behind {tree.name}" / "3.exr").write_bytes(data)
        (tree / "linked").symlink_to(tmp_path / f"behind {tree.name}")
    done = exrbatch("verify", a, b, code=1)
    assert f"failed: {a}/linked: a link to a folder, which is not followed" in done.stderr
    assert "3 files: 1 failed, 2 equal" in done.stdout
    (a / "linked").unlink()
    assert f"there is no {a}/linked to compare it with" in exrbatch("verify", a, b, code=1).stderr


def test_files_of_only_one_tree_are_failures(tmp_path: Path) -> None:
    """That includes a folder in place of a frame, and a link in place of a folder or a file."""
    a, b = trees(tmp_path)
    (a / "3.exr").mkdir()
    (b / "3.exr").write_bytes(DATA)
    assert f"there is no {a}/3.exr to compare it with" in exrbatch("verify", a, b, code=1).stderr
    (b / "3.exr").unlink()
    (b / "x").rename(tmp_path / "elsewhere")
    (b / "x").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "more.exr").write_bytes(DATA)
    assert f"{b}/x: a link to a folder, which is not followed" in exrbatch("verify", a, b, code=1).stderr
    (b / "2.exr").unlink()
    (b / "2.exr").symlink_to(a / "2.exr")
    assert "the other file is a symbolic link" in exrbatch("verify", a, b, code=1).stderr


def test_comparing_no_files_is_a_failure(tmp_path: Path) -> None:
    """A typing error in a pattern must not look like two equal trees."""
    a, b = trees(tmp_path)
    assert "no OpenEXR files found" in exrbatch("verify", a, b, "--include", "typo*", code=1).stdout


def test_files_that_are_left_out_are_counted_once(tmp_path: Path) -> None:
    """A pattern and a size apply to both trees."""
    a, b = trees(tmp_path)
    total = len([path for path in a.rglob("*") if path.is_file()])
    assert f"{total} files left out" in exrbatch("verify", a, b, "--exclude", "*.exr", code=1).stdout
    (b / "tiny.exr").write_bytes(b"x")
    assert "there is no" in exrbatch("verify", a, b, code=1).stderr
    exrbatch("verify", a, b, "--min-size", "100")
