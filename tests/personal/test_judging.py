"""Shares, rankings and intervals that judge paintings."""

import numpy as np
import pytest

from gantutor.errors import InputError
from gantutor.personal.judging import (
    average_precision,
    bootstrap_interval,
    chance_precision,
    precision_at,
    share_interval,
    share_within,
)


def test_share_within_counts_the_rim():
    assert share_within([0.2, 1.0, 1.01, 3]) == 0.5
    assert share_within([0.2, 1.0, 1.01, 3], radius=2) == 0.75


def test_interval_holds_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = [low <= 2 <= high for low, high in (bootstrap_interval(rng.normal(2, 1, 30), 1) for _ in range(200))]
    assert 0.88 <= np.mean(held) <= 0.98


def test_interval_narrows_with_more_values_and_with_a_lower_level():
    values = np.random.default_rng(0).normal(size=400)

    def width(*given, **options):
        low, high = bootstrap_interval(*given, **options)
        return high - low

    assert width(values, 0) == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert width(values[:25], 0) > 2.5 * width(values, 0)
    assert width(values, 0, level=0.5) < 0.5 * width(values, 0)
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, 3) != bootstrap_interval(values, 4)
    assert bootstrap_interval([0.5] * 7, 0) == (0.5, 0.5)


def test_average_precision_by_hand():
    relevant = [True, False, True, False]
    assert average_precision([1, 2, 3, 4], relevant) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 9, 2, 8], relevant) == 1
    assert average_precision([4, 1, 3, 2], relevant) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_precision_at():
    assert precision_at([3, 1, 2, 4], [True, True, False, False], 2) == 0.5
    assert precision_at([3, 1, 2, 4], [True, True, False, False], 4) == 0.5
    with pytest.raises(InputError, match="ask for 1 to 2"):
        precision_at([1, 2], [True, False], 3)


@pytest.mark.parametrize(("relevant", "count"), [(1, 1), (1, 9), (4, 20), (19, 20)])
def test_chance_is_the_mean_over_random_orders(relevant, count):
    rng, marks = np.random.default_rng(0), np.arange(count) < relevant
    drawn = np.mean([average_precision(rng.permutation(count), marks) for _ in range(2000)])
    assert chance_precision(relevant, count) == pytest.approx(drawn, abs=0.015)


def test_chance_wants_something_relevant():
    for relevant in (0, 6):
        with pytest.raises(InputError, match="say 1 to 5"):
            chance_precision(relevant, 5)


def test_share_interval_is_wide_for_few_trials_and_never_a_point():
    assert share_interval(0, 0) == (0, 1)
    low, high = share_interval(6, 6)
    assert 0.5 < low < 0.7 and high == pytest.approx(1)
    low, high = share_interval(500, 1000)
    assert low == pytest.approx(0.469, abs=0.002) and high == pytest.approx(0.531, abs=0.002)


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, np.nan]])
def test_what_cannot_be_judged_gives_a_sentence(values):
    for judge in (share_within, lambda given: bootstrap_interval(given, 0)):
        with pytest.raises(InputError, match="cannot be judged"):
            judge(values)


def test_rankings_want_an_answer_for_each_picture():
    with pytest.raises(InputError, match="3 answers do not fit 2 distances"):
        average_precision([1, 2], [True, False, True])
    with pytest.raises(InputError, match="no picture is relevant"):
        average_precision([1, 2], [False, False])
