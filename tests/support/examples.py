"""How many examples hypothesis tries: few by default, many by hand (`pytest -m deep_profile`)."""

from hypothesis import HealthCheck, settings

DEEPER = 20
"""How many times as many examples the deep profile tries."""
is_deep = False
"""Whether the deep profile was asked for; `tests/conftest.py` sets it before tests are imported."""


def examples(count: int) -> settings:
    """Return settings for a property whose examples take long, or use fixtures.

    Args:
        count: number of examples by default. Each run of the tests tries others.
    """
    return settings(
        max_examples=count * (DEEPER if is_deep else 1), suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
