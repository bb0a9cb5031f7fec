"""The promises of cutting files into shards, for any sizes."""

from hypothesis import given
from hypothesis import strategies as st

from exrbatch.farm.balance import Unit, into_shards

SIZES = st.one_of(st.integers(0, 5), st.integers(0, 1000), st.integers(10**6, 10**6 + 1000), st.just(10**13))


@st.composite
def units(draw: st.DrawFn) -> list[Unit]:
    """Draw sequences of files, some of them hard links to one file."""
    found: list[Unit] = []
    for sequence in range(draw(st.integers(1, 12))):
        for size in draw(st.lists(SIZES, min_size=1, max_size=20)):
            names = draw(st.sampled_from((1, 1, 1, 3)))
            found.append(Unit(size * names, sequence, tuple(f"{len(found)}.{name}" for name in range(names))))
    return found


def cuts(shards: list[list[Unit]]) -> int:
    """Count how often a sequence goes on in another shard."""
    places = {(number, unit.sequence) for number, shard in enumerate(shards) for unit in shard}
    return len(places) - len({sequence for _, sequence in places})


@given(units(), st.integers(1, 40))
def test_every_file_is_in_exactly_one_shard(files: list[Unit], count: int) -> None:
    """No shard is empty, units stay whole, and there are as many shards as asked for."""
    shards = into_shards(files, count)
    assert sorted(unit for shard in shards for unit in shard) == sorted(files)
    assert all(shards)
    assert len(shards) == min(count, len(files))


@given(units(), st.integers(1, 40))
def test_no_shard_is_too_large(files: list[Unit], count: int) -> None:
    """It exceeds the mean by no more than 5 %, or one unit, whichever is larger."""
    total, largest = sum(unit.size for unit in files), max(unit.size for unit in files)
    shards = into_shards(files, count)
    for shard in shards:
        size = sum(unit.size for unit in shard)
        assert size * 20 * count <= total * 21 or (size - largest) * count <= total


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 30))
def test_equal_sequences_are_never_cut(each: int, count: int, frames: int) -> None:
    """If the number of sequences is a multiple of that of the shards, each shard has whole ones."""
    files = [
        Unit(100, sequence, (f"{sequence}.{frame}",)) for sequence in range(each * count) for frame in range(frames)
    ]
    shards = into_shards(files, count)
    assert len(shards) == count
    assert cuts(shards) == 0


@given(st.permutations([*[1] * 30, *[2] * 20, *[3] * 10, *[5] * 5]), st.integers(2, 8))
def test_small_sequences_are_packed_whole(frames: list[int], count: int) -> None:
    """In whatever order they come: packing them needs no cut, although their borders do not fit."""
    files = [
        Unit(1, sequence, (f"{sequence}.{frame}",)) for sequence, number in enumerate(frames) for frame in range(number)
    ]
    assert cuts(into_shards(files, count)) == 0


def test_only_a_sequence_that_is_too_large_is_cut() -> None:
    """The others stay whole."""
    frames = [1000, *[7, 13, 22, 31, 40] * 8]
    files = [
        Unit(10, sequence, (f"{sequence}.{frame}",))
        for sequence, number in enumerate(frames)
        for frame in range(number)
    ]
    shards = into_shards(files, 10)
    assert len(shards) == 10
    where = [
        {number for number, shard in enumerate(shards) for unit in shard if unit.sequence == each} for each in range(41)
    ]
    assert len(where[0]) in (6, 7)
    assert [len(each) for each in where[1:]] == [1] * 40


def test_a_large_file_does_not_make_fewer_shards() -> None:
    """The others share what is left; they are cut between sequences where possible."""
    sizes = [1, 1, 1, 1000, 1, 1, 1]
    files = [Unit(size, number // 2, (str(number),)) for number, size in enumerate(sizes)]
    shards = into_shards(files, 4)
    assert [[unit.size for unit in shard] for shard in shards] == [[1, 1], [1, 1000], [1, 1], [1]]


def test_files_without_a_byte_are_spread_by_number() -> None:
    """And no files make no shards."""
    shards = into_shards([Unit(0, number, (str(number),)) for number in range(9)], 3)
    assert [len(shard) for shard in shards] == [3, 3, 3]
    assert into_shards([], 5) == []
