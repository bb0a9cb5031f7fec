"""hypothesis strategies for files of every storage kind."""

from hypothesis import strategies as st

from tests.support.build import PartSpec

_NAMES = ("A", "B", "G", "R", "Z", "left.R", "diffuse.a_very_long_layer_name_of_more_than_31_bytes.G", "é")


@st.composite
def windows(draw: st.DrawFn, x: int = 1, y: int = 1, most: int = 40) -> tuple[int, int, int, int]:
    """A data window whose edges are divisible by the samplings; negative and offset ones too."""
    x_min, y_min = draw(st.integers(-20, 20)) * x, draw(st.integers(-20, 20)) * y
    width, height = draw(st.integers(1, max(1, most // x))) * x, draw(st.integers(1, max(1, most // y))) * y
    return x_min, y_min, x_min + width - 1, y_min + height - 1


@st.composite
def channel_lists(draw: st.DrawFn, subsampled: bool) -> tuple[tuple[str, int, int, int], ...]:
    """One to four channels of any pixel type, not sorted by name."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    sampling = st.sampled_from([1, 2, 3]) if subsampled else st.just(1)
    return tuple((name, draw(st.integers(0, 2)), draw(sampling), draw(sampling)) for name in names)


@st.composite
def part_specs(draw: st.DrawFn, index: int = 0) -> PartSpec:
    """One part of any kind, in one of the four byte compressions."""
    storage = draw(st.sampled_from(["scanlineimage", "tiledimage", "deepscanline", "deeptile"]))
    deep, tiled = storage.startswith("deep"), "tile" in storage
    channels = draw(channel_lists(subsampled=storage == "scanlineimage"))
    tiles = None
    if tiled:
        tiles = (draw(st.integers(1, 20)), draw(st.integers(1, 20)), draw(st.integers(0, 2)), draw(st.integers(0, 1)))
    return PartSpec(
        storage=storage,
        channels=channels,
        window=draw(windows(x=6, y=6) if not (tiled or deep) else windows(most=24)),
        compression=draw(st.sampled_from([0, 1, 2] if deep else [0, 1, 2, 3])),
        line_order=draw(st.integers(0, 2 if tiled else 1)),
        tiles=tiles,
        name=f"part{index}",
        attributes=draw(st.sampled_from([(), _ODD_ATTRIBUTES])),
        chunk_count=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
        noise=draw(st.sampled_from([0.0, 0.05, 0.3, 1.0])),
    )


_ODD_ATTRIBUTES = (
    ("owner", "string", b"caf\xe9 in latin-1, \0 and a NUL"),
    ("multiView", "stringvector", b"\4\0\0\0left\5\0\0\0right"),
    ("studioThing", "com.studio.private.type", bytes(range(256))),
    ("preview", "preview", b"\1\0\0\0\1\0\0\0\1\2\3\4"),
    ("an_attribute_name_that_is_longer_than_31_bytes", "int", b"\0\0\0\0"),
    ("emptyString", "string", b""),
)


@st.composite
def file_specs(draw: st.DrawFn) -> list[PartSpec]:
    """One to three parts of mixed kinds."""
    return [draw(part_specs(index)) for index in range(draw(st.integers(1, 3)))]
