"""Header bytes to values and back to the same bytes; damaged headers are refused with a place."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, InvalidFile
from exrbatch.exr.channel import PixelType
from exrbatch.exr.header import MoreBytesNeeded, parse_header
from exrbatch.exr.part import Storage
from tests.support.build import PartSpec, attribute, build
from tests.support.examples import examples
from tests.support.explode import explode
from tests.support.specs import file_specs


@given(file_specs())
def test_parsing_keeps_bytes_and_attributes(specs: list[PartSpec]) -> None:
    """`raw` is the beginning of the file, byte for byte.

    Each attribute is found with its value, in order.
    """
    data = build(specs)
    header = parse_header(data, len(data))
    assert data.startswith(header.raw)
    assert [[(a.name, a.type, a.value) for a in part.attributes] for part in header.parts] == [
        part.attributes for part in explode(data)
    ]
    for part, spec in zip(header.parts, specs, strict=True):
        assert part.storage is Storage(spec.storage)
        assert part.compression == spec.compression
        assert {(c.name, c.pixel_type, c.x_sampling, c.y_sampling) for c in part.channels} == {
            (name, PixelType(kind), x, y) for name, kind, x, y in spec.channels
        }
        assert [c.name.encode() for c in part.channels] == sorted(c.name.encode() for c in part.channels)


@given(file_specs(), st.data())
def test_recompressed_changes_only_compression_and_chunk_count(specs: list[PartSpec], data: st.DataObject) -> None:
    """The length and every other byte stay the same."""
    content = build(specs)
    header = parse_header(content, len(content))
    targets = [Compression(data.draw(st.integers(0, 13))) for _ in specs]
    patched = header.recompressed(targets, [7] * len(specs))
    again = parse_header(patched, len(patched))
    assert [part.compression for part in again.parts] == targets
    allowed = set()
    for part in header.parts:
        for name in ("compression", "chunkCount"):
            if found := part.find(name):
                allowed |= set(range(found.offset, found.offset + len(found.value)))
    assert {i for i, (a, b) in enumerate(zip(header.raw, patched, strict=True)) if a != b} <= allowed


@examples(8)
@given(file_specs())
def test_distinguishes_a_cut_file_from_a_short_read(specs: list[PartSpec]) -> None:
    """Cut anywhere in the header, a short buffer asks for more bytes.

    A short file is refused.
    """
    data = build(specs)
    end = len(parse_header(data, len(data)).raw)
    for cut in range(end):
        with pytest.raises(InvalidFile):
            parse_header(data[:cut], cut)
        with pytest.raises(MoreBytesNeeded) as caught:
            parse_header(data[:cut], len(data))
        assert cut < caught.value.size


GOOD = build([PartSpec()])


def patched(name: str, value: bytes, kind: str | None = None, data: bytes = GOOD) -> bytes:
    """Put another value of the same size into the attribute `name`."""
    for key, old_kind, old in explode(GOOD)[0].attributes:
        if key == name:
            return data.replace(attribute(key, old_kind, old), attribute(key, kind or old_kind, value))
    raise KeyError(name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not an OpenEXR file"),
        (b"\x76\x2f", "not an OpenEXR file"),
        (GOOD[:6], "truncated header: the version field at byte 4"),
        (GOOD[:4] + b"\x03" + GOOD[5:], "file format version 3"),
        (GOOD[:4] + struct.pack("<I", 0x2002) + GOOD[8:], "unknown version flags 0x2000"),
        (GOOD[:4] + struct.pack("<I", 0x1202) + GOOD[8:], "contradictory version flags"),
        (GOOD[:4] + struct.pack("<I", 0x802) + GOOD[8:], "no attribute 'type'"),
        (GOOD[:4] + struct.pack("<I", 0x1002) + GOOD[8:], "no attribute 'name', 'type'"),
        (GOOD[:4] + struct.pack("<I", 0x202) + GOOD[8:], "no attribute 'tiles'"),
        (patched("compression", b"\x63"), "unknown compression 99"),
        (patched("lineOrder", b"\x03"), "unknown lineOrder 3"),
        (patched("dataWindow", struct.pack("<4i", 5, 0, 4, 9)), "is empty"),
        (patched("dataWindow", struct.pack("<4i", 0, 0, 1 << 30, 9)), r"beyond 2\^30"),
        (patched("dataWindow", bytes(16), kind="box2f"), "attribute 'dataWindow' has type 'box2f'"),
        (patched("channels", b"\0"), "no channels"),
        (patched("channels", b"R\0" + bytes(3)), "the channel list is truncated"),
        (patched("channels", b"R\0" + struct.pack("<4i", 3, 0, 1, 1) + b"\0"), "unknown pixel type of channel 'R' 3"),
        (patched("channels", b"R\0" + struct.pack("<4i", 1, 0, 3, 1) + b"\0"), "does not divide the data window"),
        (patched("channels", b"R\0" + struct.pack("<4i", 1, 0, 0, 1) + b"\0"), "has the sampling 0 x 1"),
        (patched("channels", 2 * (b"R\0" + struct.pack("<4i", 1, 0, 1, 1)) + b"\0"), "two channels are named 'R'"),
        (build([PartSpec(attributes=(("compression", "compression", b"\3"),))]), "two attributes 'compression'"),
        (build([PartSpec(attributes=(("type", "string", b"deepscanline"),))]), "contradicts the version flags"),
        (build([PartSpec(attributes=(("type", "string", b"scanline"),))]), "unknown part type 'scanline'"),
        (build([PartSpec(attributes=(("a" * 256, "int", bytes(4)),))]), "longer than 255 bytes"),
        (GOOD[:8] + b"a\0int\0" + struct.pack("<i", -1), "negative size -1"),
        (GOOD[:8] + b"a\0int\0" + struct.pack("<i", 1 << 30), "needs 1073741824 bytes"),
    ],
)  # fmt: skip
def test_refuses_bad_headers_with_a_reason(data: bytes, message: str) -> None:
    """The message says what is wrong, and where (issue 2, point 7)."""
    with pytest.raises(InvalidFile, match=message):
        parse_header(data, len(data))
