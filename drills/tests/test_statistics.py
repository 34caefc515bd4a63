"""The spread over several runs."""

from __future__ import annotations

import pytest

from drill.statistics import Summary, percentile, summary


def test_the_spread_of_ten_runs():
    assert summary([10, 1, 9, 2, 8, 3, 7, 4, 6, 5]) == Summary(10, 1, 5.5, 9, 10, (10, 1, 9, 2, 8, 3, 7, 4, 6, 5))


def test_one_run_is_its_own_spread():
    assert summary([3.0]) == Summary(1, 3, 3, 3, 3, (3,))


def test_runs_without_this_time_are_left_out_and_n_says_so():
    assert summary([None, 2.0, 4.0]) == Summary(2, 2, 3, 4, 4, (2, 4))
    assert summary([None]) is None


@pytest.mark.parametrize(("pct", "value"), [(0, 1), (1, 1), (50, 50), (90, 90), (95, 95), (99.1, 100), (100, 100)])
def test_nearest_rank(pct, value):
    assert percentile(range(1, 101), pct) == value
