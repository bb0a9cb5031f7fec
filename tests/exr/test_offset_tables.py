"""Offset tables give the room of each chunk, and wrong offsets are refused."""

import struct
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exrbatch.errors import InvalidFile
from exrbatch.exr.header import parse_header
from exrbatch.exr.offset_tables import PartChunks, parse_tables, table_counts
from tests.support.build import PartSpec, build
from tests.support.explode import explode, headers
from tests.support.specs import file_specs


@dataclass(frozen=True)
class Table:
    """The offsets of a built file, read plainly.

    Attributes:
        data: the file.
        position: where the tables begin.
        offsets: all of them, part after part.
        counts: chunks of each part.
    """

    data: bytes
    position: int
    offsets: list[int]
    counts: list[int]

    @property
    def end(self) -> int:
        return self.position + 8 * len(self.offsets)


def table_of(data: bytes) -> Table:
    _, _, position = headers(data)
    counts = [len(part.order) for part in explode(data)]
    offsets = list(struct.unpack_from(f"<{sum(counts)}Q", data, position))
    return Table(data, position, offsets, counts)


def parsed(table: Table, offsets: list[int]) -> tuple[PartChunks, ...]:
    header = parse_header(table.data, len(table.data))
    packed = struct.pack(f"<{len(offsets)}Q", *offsets)
    return parse_tables(header, table_counts(header, len(table.data)), packed, len(table.data))


@given(file_specs(), st.integers(0, 3))
def test_chunks_reach_to_the_next_one_in_the_file(specs: list[PartSpec], shuffle: int) -> None:
    """In any file order, each chunk's room ends where the next chunk begins, or with the file."""
    table = table_of(build(specs, shuffle=shuffle))
    ends = sorted([*table.offsets, len(table.data)])
    found = parsed(table, table.offsets)
    assert [len(part.offsets) for part in found] == table.counts
    assert [offset for part in found for offset in part.offsets.tolist()] == table.offsets
    extents = [extent for part in found for extent in part.extents.tolist()]
    assert extents == [ends[ends.index(offset) + 1] - offset for offset in table.offsets]


@given(file_specs(), st.data())
def test_refuses_a_wrong_offset(specs: list[PartSpec], data: st.DataObject) -> None:
    """The error names a chunk whose offset is 0, outside the chunks, or that of another chunk."""
    table = table_of(build(specs))
    index = data.draw(st.integers(0, len(table.offsets) - 1))
    size = len(table.data)
    outside = st.integers(1, table.end - 1) | st.integers(size, (1 << 64) - 1)
    wrong = data.draw(st.just(0) | outside | st.sampled_from(table.offsets))
    assume(wrong != table.offsets[index])
    offsets = [*table.offsets]
    offsets[index] = wrong
    with pytest.raises(InvalidFile) as caught:
        parsed(table, offsets)
    same = [number for number, offset in enumerate(offsets) if offset == wrong]
    names = []
    for number in same:
        part = next(part for part in range(len(specs)) if number < sum(table.counts[: part + 1]))
        names.append(f"part {part}, chunk {number - sum(table.counts[:part])}")
    assert any(name in str(caught.value) for name in names)


def test_refuses_bytes_between_the_tables_and_the_first_chunk() -> None:
    """A gap in front of the chunks is damage, not slack."""
    table = table_of(build([PartSpec()]))
    with pytest.raises(InvalidFile):
        parsed(table, [table.offsets[0] + 1, *table.offsets[1:]])


@given(file_specs(), st.data())
def test_refuses_a_file_that_ends_within_its_tables(specs: list[PartSpec], data: st.DataObject) -> None:
    """Tables that can't be in the file are refused before they are read."""
    table = table_of(build(specs))
    header = parse_header(table.data, len(table.data))
    assert table_counts(header, table.end) == table.counts
    for size in (table.end - 1, data.draw(st.integers(table.position, table.end - 1))):
        with pytest.raises(InvalidFile):
            table_counts(header, size)
