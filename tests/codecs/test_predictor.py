"""The predictor against the plain one of the builders."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.codecs.predictor import BLOCK, Predictor
from tests.support.build import predict


@given(st.binary(min_size=1, max_size=300))
def test_forward_is_the_transform_of_the_format(raw: bytes) -> None:
    """Any bytes, odd lengths too: the same as the byte-by-byte rule."""
    assert Predictor().forward(np.frombuffer(raw, np.uint8)).tobytes() == predict(raw)


@given(st.lists(st.integers(1, 3 * BLOCK * 2), min_size=1, max_size=4), st.integers(0, 99))
def test_inverse_undoes_forward_with_reused_buffers(sizes: list[int], seed: int) -> None:
    """Lengths around and above a block, growing and shrinking: nothing of an earlier chunk shines through."""
    predictor, random = Predictor(), np.random.default_rng(seed)
    for size in sizes:
        raw = random.integers(0, 256, size, dtype=np.uint8)
        out = np.empty_like(raw)
        predictor.inverse(predictor.forward(raw).copy(), out)
        assert (out == raw).all()


def test_block_borders_do_not_show() -> None:
    """A chunk of several blocks gives the bytes of the plain rule at and around each border."""
    raw = np.random.default_rng(1).integers(0, 256, 4 * BLOCK + 3, dtype=np.uint8)
    assert Predictor().forward(raw).tobytes() == predict(raw.tobytes())


@given(st.integers(1, 9), st.integers(1, 70), st.integers(0, 99))
def test_rows_are_the_same_as_one_by_one(count: int, half: int, seed: int) -> None:
    """Many short chunks at a time give what each gives by itself, and come back; buffers are used again."""
    predictor, random = Predictor(), np.random.default_rng(seed)
    for rows in (count, 1, count + 3):
        raw = random.integers(0, 256, (rows, 2 * half), dtype=np.uint8)
        predicted = predictor.forward_rows(raw).copy()
        assert [row.tobytes() for row in predicted] == [predict(row.tobytes()) for row in raw]
        out = np.empty_like(raw)
        predictor.inverse_rows(predicted, out)
        assert (out == raw).all()
