"""The predictor against the plain one in tests/support."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.codecs.predictor import BLOCK, Predictor
from tests.support.build import predict


@given(st.binary(min_size=1, max_size=300))
def test_forward_equals_the_plain_rule(raw: bytes) -> None:
    """Any bytes, odd lengths too, give the same as the rule byte by byte."""
    assert Predictor().forward(np.frombuffer(raw, np.uint8)).tobytes() == predict(raw)


@given(st.lists(st.integers(1, 3 * BLOCK * 2), min_size=1, max_size=4), st.integers(0, 99))
def test_inverse_undoes_forward_with_reused_buffers(sizes: list[int], seed: int) -> None:
    """Lengths around a block, growing and shrinking.

    No bytes of an earlier chunk remain in the buffers.
    """
    predictor, random = Predictor(), np.random.default_rng(seed)
    for size in sizes:
        raw = random.integers(0, 256, size, dtype=np.uint8)
        out = np.empty_like(raw)
        predictor.inverse(predictor.forward(raw).copy(), out)
        assert (out == raw).all()


def test_blocks_give_the_bytes_of_the_plain_rule() -> None:
    """A chunk of several blocks equals the plain rule at and around each border."""
    raw = np.random.default_rng(1).integers(0, 256, 4 * BLOCK + 3, dtype=np.uint8)
    assert Predictor().forward(raw).tobytes() == predict(raw.tobytes())


@given(st.integers(1, 9), st.integers(1, 70), st.integers(0, 99))
def test_many_chunks_at_once_equal_single_chunks(count: int, half: int, seed: int) -> None:
    """Many short chunks give what each gives by itself, and come back, in reused buffers."""
    predictor, random = Predictor(), np.random.default_rng(seed)
    for rows in (count, 1, count + 3):
        raw = random.integers(0, 256, (rows, 2 * half), dtype=np.uint8)
        predicted = predictor.forward_rows(raw).copy()
        assert [row.tobytes() for row in predicted] == [predict(row.tobytes()) for row in raw]
        out = np.empty_like(raw)
        predictor.inverse_rows(predicted, out)
        assert (out == raw).all()
