"""Lists of digests: entries come back as they were written, and find their files."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.batch.digest_list import entry, placed, read_list
from exrbatch.errors import OptionsError

A, B = "a" * 64, "b" * 64
NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(st.dictionaries(NAMES, st.sampled_from([A, B]), min_size=1, max_size=5), st.booleans())
def test_any_path_comes_back(entries: dict[str, str], ends_with_nul: bool) -> None:
    """Names are bytes: with line feeds, backslashes, blanks at the ends, and what is not UTF-8."""
    data = b"".join(entry(digest, path, ends_with_nul=ends_with_nul) for path, digest in entries.items())
    assert read_list(data, "list") == (entries, 0)
    assert data.count(b"\0" if ends_with_nul else b"\n") == len(entries)


def test_entries_are_those_of_sha256sum(tmp_path: Path) -> None:
    """Escapes, too: here, both hash the same bytes."""
    names = [b"plain", b"two  blanks", b"back\\slash", b"line\nfeed", b"return\r", b"\xff"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    done = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert read_list(done.stdout, "list")[0] == {os.fsdecode(name): empty for name in names}
    if b"\\r" in done.stdout:  # GNU coreutils 9 and later
        assert done.stdout == b"".join(entry(empty, os.fsdecode(name)) for name in names)


def test_records_are_lists_too() -> None:
    """The last record of a file counts, names are bytes, and torn records are counted."""
    records: list[dict[str, object]] = [
        {"type": "run", "format": "x"},
        {"type": "file", "path": "a", "content_sha256": A},
        {"type": "file", "path": "failed"},
        {"type": "file", "path": "a", "content_sha256": B},
        {"type": "file", "path": "\ufffd", "path_b64": "/w==", "content_sha256": A},
        {"type": "summary"},
    ]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in records)
    expected = {"a": B, "\udcff": A}
    assert read_list(lines, "list") == (expected, 0)
    assert read_list(lines + b'{"type": "fi', "list") == (expected, 1)
    assert read_list(b'{"type": "fi\n' + lines, "list") == (expected, 1)
    assert read_list(b'{"type": "fi' + lines, "list") == (expected, 0), "a good record behind a torn one"
    document = json.dumps({"format": "x", "files": records}, indent=1).encode()
    assert read_list(document, "list") == (expected, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "list has no digests"),
        (b"\n\n", "list has no digests"),
        (b"hello\n", "list, entry 1 is not a digest and a path: hello"),
        (f"{A}  a\n{A[1:]}  b\n".encode(), "list, entry 2 is not"),
        (f"{A}  \n".encode(), "list, entry 1 is not"),
        (f"{A}  a\n{B}  a\n".encode(), "list, entry 2: a has another digest in an earlier entry"),
        (b'{"type": "run"}\n{"type": "file", "path": "a"}\n', "write it with --digests"),
        (b'{"files": 3}', "write it with --digests"),
        (b'{"files": [3, null]}', "write it with --digests"),
        (b"{" * 50, "write it with --digests"),
        (b'{"a":' * 100_000, "write it with --digests"),
        (b'{"files": [{"content_sha256": 3, "path": "a"}, {"content_sha256": "a"}]}', "write it with --digests"),
        (b"\x1b[2J" * 30, r"entry 1 is not a digest and a path: \\x1b\[2J"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(data: bytes, message: str) -> None:
    """The message says where."""
    with pytest.raises(OptionsError, match=message) as caught:
        read_list(data, "list")
    assert caught.value.message.isprintable()


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each) | st.dictionaries(st.sampled_from(["path", "path_b64", "content_sha256", "files"]), each)
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Never a traceback; what was read can be looked for."""
    with contextlib.suppress(OptionsError):
        entries, _ = read_list(data, "list")
        placed(entries, os.devnull)
        placed(entries, "/")


@pytest.fixture
def tree(tmp_path: Path) -> str:
    """Make a tree with three files."""
    for name in ("x/1.exr", "x/2.exr", "y/x/1.exr"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"")
    return str(tmp_path / "tree")


@pytest.mark.parametrize(
    ("paths", "below", "left_out"),
    [
        (["x/1.exr", "y/x/1.exr"], ["x/1.exr", "y/x/1.exr"], ""),
        (["./x/1.exr", "x//2.exr"], ["x/1.exr", "x/2.exr"], ""),
        (["/mnt/old/x/1.exr", "/mnt/old/y/x/1.exr"], ["x/1.exr", "y/x/1.exr"], "mnt/old"),
        (["../old/x/1.exr", "../old/x/2.exr"], ["x/1.exr", "x/2.exr"], "../old"),
        (["old/x/1.exr", "old/x/gone.exr"], ["x/1.exr", "x/gone.exr"], "old"),
        (["x/gone.exr", "x/lost.exr"], ["x/gone.exr", "x/lost.exr"], ""),
        (["y/x/1.exr"], ["y/x/1.exr"], ""),  # x/1.exr is there, too
    ],
)
def test_paths_are_found_below_the_folder(tree: str, paths: list[str], below: list[str], left_out: str) -> None:
    """With folders in front that all have in common; as few of them as possible are left out."""
    found = placed(dict.fromkeys(paths, A), tree)
    assert found == ({f"{tree}/{path}": A for path in below}, left_out)
    assert list(placed(dict.fromkeys(paths, A), tree + "/")[0]) == list(found[0])


def test_paths_must_not_lead_out_of_the_folder(tree: str) -> None:
    """Nor may two of them be the same file, with two digests."""
    with pytest.raises(OptionsError, match=r"leads out of its folder: x/\.\./\.\./1.exr"):
        placed({"x/1.exr": A, "x/../../1.exr": A}, tree)
    with pytest.raises(OptionsError, match="two digests for"):
        placed({"x/1.exr": A, "./x/1.exr": B}, tree)


def test_a_single_file_is_found_by_its_name(tree: str) -> None:
    """Unless several entries have that name and different digests."""
    path = f"{tree}/x/1.exr"
    assert placed({"old/1.exr": A, "2.exr": B}, path) == ({path: A}, "")
    assert placed({"old/1.exr": A, "1.exr": A}, path) == ({path: A}, "")
    assert placed({"2.exr": B}, path) == ({}, "")
    with pytest.raises(OptionsError, match="several entries of the list may be about"):
        placed({"old/1.exr": A, "1.exr": B}, path)
