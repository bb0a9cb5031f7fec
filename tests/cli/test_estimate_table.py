"""How `scan --estimate` writes a value and its interval."""

from exrbatch.cli.scan_tables import SIZES, TIMES, with_interval
from exrbatch.inventory.timeline import Interval


def test_a_value_and_its_interval_have_one_unit() -> None:
    """They are rounded, so that the whole table fits in 100 columns."""
    seconds = ((9.4, 16.7, 23.9), (3000.0, 3500.0, 4200.0), (8e4, 1e5, 6e5), (0.0, 0.0, 0.0))
    times = [with_interval(Interval(*each), TIMES) for each in seconds]
    assert times == ["16.7 s (9.4 to 23.9)", "58.3 min (50.0 to 70.0)", "28 h (22 to 167)", "0.0 s (0.0 to 0.0)"]
    numbers = ((-5e6, -2.5e6, 1e5), (200, 300, 400), (9e11, 1.1e12, 1.2e12))
    sizes = [with_interval(Interval(*each), SIZES) for each in numbers]
    assert sizes == ["-2.5 MB (-5.0 to 0.1)", "300 B (200 to 400)", "1.1 TB (0.9 to 1.2)"]
