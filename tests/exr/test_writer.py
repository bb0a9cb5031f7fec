"""`ExrWriter` lays out a file: header, offset tables, chunks with their leaders."""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from exrbatch.exr.writer import ExrWriter
from tests.support.build import PartSpec, build
from tests.support.explode import explode, headers
from tests.support.specs import file_specs


@dataclass
class Target:
    """A file in memory.

    Attributes:
        content: its bytes.
        writes: offset and number of bytes of each write.
    """

    content: bytearray = field(default_factory=bytearray)
    writes: list[tuple[int, int]] = field(default_factory=list)

    def write(self, data: memoryview, offset: int) -> None:
        self.content.extend(bytes(max(0, offset + len(data) - len(self.content))))
        self.content[offset : offset + len(data)] = data
        self.writes.append((offset, len(data)))


@dataclass(frozen=True)
class Chunk:
    """A chunk of a built file: part, index in its offset table, and the payload's streams."""

    part: int
    index: int
    streams: tuple[bytearray, ...]
    raw_size: int


def chunks_of(data: bytes, specs: Sequence[PartSpec]) -> Iterator[Chunk]:
    """Cut a built file into its chunks, in file order, by its own offset tables."""
    flags, _, position = headers(data)
    numbered = [(part, index) for part, each in enumerate(explode(data)) for index in range(len(each.raw))]
    offsets = struct.unpack_from(f"<{len(numbered)}Q", data, position)
    ordered = sorted(zip(offsets, numbered, strict=True))
    ends = [*(offset for offset, _ in ordered[1:]), len(data)]
    for (offset, (part, index)), end in zip(ordered, ends, strict=True):
        start = offset + 4 * bool(flags & 0x1000) + (16 if specs[part].tiles else 4)
        if specs[part].deep:
            table, _, raw_size = struct.unpack_from("<3Q", data, start)
            split = start + 24 + table
            yield Chunk(part, index, (bytearray(data[start + 24 : split]), bytearray(data[split:end])), raw_size)
        else:
            yield Chunk(part, index, (bytearray(data[start + 4 : end]),), 0)


def writer_for(data: bytes, target: Target) -> ExrWriter:
    header = parse_header(data, len(data))
    return ExrWriter(target.write, header, header.raw, [chunk_grid(part, part.compression) for part in header.parts])


def put(writer: ExrWriter, chunk: Chunk) -> None:
    match chunk.streams:
        case (payload,):
            writer.write_flat(chunk.part, [chunk.index], [payload])
        case (table, samples):
            writer.write_deep(chunk.part, chunk.index, table, samples, chunk.raw_size)


def single_lines(specs: list[PartSpec]) -> list[PartSpec]:
    """Avoid ZIP, so that each chunk of scan lines is one line, as `chunks_of` expects."""
    return [replace(spec, compression=spec.compression % 3) for spec in specs]


@given(file_specs().map(single_lines), st.integers(0, 3), st.sets(st.integers(0, 60)))
def test_writes_every_kind_of_file_byte_for_byte(specs: list[PartSpec], shuffle: int, flushed: set[int]) -> None:
    """Any mix of parts, chunks in any order, flushed anywhere: the file is that of a plain builder.

    After each flush the buffers are overwritten, because they belong to the caller again.
    """
    data = build(specs, shuffle=shuffle)
    target = Target()
    writer = writer_for(data, target)
    given_buffers: list[bytearray] = []
    for number, chunk in enumerate(chunks_of(data, specs)):
        put(writer, chunk)
        given_buffers += chunk.streams
        if number in flushed:
            writer.flush()
            for buffer in given_buffers:
                buffer[:] = b"?" * len(buffer)
            given_buffers.clear()
    assert writer.position == len(data)
    writer.finish()
    assert bytes(target.content) == data


def test_writes_a_small_file_in_one_call() -> None:
    """A file that fits one flush costs one write, which is one round trip on network storage."""
    spec = PartSpec(window=(0, 0, 15, 7))
    data, target = build([spec]), Target()
    writer = writer_for(data, target)
    for chunk in chunks_of(data, [spec]):
        put(writer, chunk)
    writer.finish()
    assert target.writes == [(0, len(data))]


def test_writes_chunks_front_to_back_and_the_tables_last() -> None:
    """Each flush appends; only the offset tables are written into room left before."""
    spec = PartSpec(window=(0, 0, 15, 7))
    data, target = build([spec]), Target()
    table_start = headers(data)[2]
    writer = writer_for(data, target)
    for chunk in chunks_of(data, [spec]):
        put(writer, chunk)
        writer.flush()
    writer.finish()
    *chunks, table = target.writes
    assert [offset for offset, _ in chunks] == [0, *itertools.accumulate(size for _, size in chunks[:-1])]
    assert table == (table_start, 8 * 8)


def test_refuses_to_finish_while_a_chunk_is_missing() -> None:
    """A file with a hole in its offset table is never completed."""
    spec = PartSpec(window=(0, 0, 15, 7))
    data, target = build([spec]), Target()
    writer = writer_for(data, target)
    for chunk in list(chunks_of(data, [spec]))[1:]:
        put(writer, chunk)
    with pytest.raises(AssertionError):
        writer.finish()
    assert not target.writes
