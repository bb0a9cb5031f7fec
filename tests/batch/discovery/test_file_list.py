"""Lists of files: entries are literal names of bytes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import OptionsError
from exrbatch.batch.discovery.file_list import parse_file_list, read_file_list

NAMES = st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name), unique=True, max_size=8)


@given(NAMES, st.booleans())
def test_a_list_with_null_bytes_holds_any_name(names: list[bytes], ends: bool) -> None:
    """With blanks, line feeds and bytes that are not UTF-8; the last null byte may be missing."""
    data = b"\0".join(names) + (b"\0" if ends else b"")
    assert [os.fsencode(path) for path in parse_file_list(data, ends_with_null=True)] == names


@given(NAMES)
def test_a_list_of_lines_holds_any_name_without_a_line_feed(names: list[bytes]) -> None:
    """Names that occur twice and empty lines are passed over."""
    names = [name for name in names if b"\n" not in name]
    data = b"\n\n".join(names * 2)
    assert [os.fsencode(path) for path in parse_file_list(data)] == names


def test_says_what_is_wrong_with_a_list() -> None:
    """Lists of another kind are not taken for one very long name."""
    with pytest.raises(OptionsError, match=r"null bytes.*--null"):
        parse_file_list(b"a.exr\0b.exr\0")
    with pytest.raises(OptionsError, match="can't read the list of files /nowhere/list: No such file"):
        read_file_list("/nowhere/list")
