"""Finding styles among points whose groups are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gantutor.errors import InputError
from gantutor.personal import clusters
from gantutor.personal.clusters import (
    CLEAR,
    FEWEST,
    MOST_STYLES,
    ONE_STYLE,
    by_size,
    find_styles,
    held_out_likelihoods,
    medoid,
    resampled,
    silhouettes,
    stabilities,
)
from gantutor.personal.space import reduce, spread


def blobs(*counts, apart=3.0, within=1.0, seed=0):
    """Points in groups of these sizes, in 40 dimensions, shuffled, and the groups that they come from.

    Two points of a group are `within` apart, root mean square, and two groups about 1.4 times `apart`.
    """
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(range(len(counts)), counts))
    return apart * np.eye(40)[groups] + rng.normal(0, within / np.sqrt(80), (len(groups), 40)), groups


@pytest.mark.parametrize("counts", [(7, 5), (9, 7, 6), (12, 10, 8, 7, 6), (8,) * 8])
def test_groups_are_found_and_numbered_by_size(counts):
    points, groups = blobs(*counts)
    found = find_styles(points, seed=0)
    assert found.count == len(counts)
    assert adjusted_rand_score(groups, found.labels) == 1
    assert [int((found.labels == style).sum()) for style in range(found.count)] == sorted(counts, reverse=True)
    assert found.found == len(counts) == max(found.silhouettes, key=found.silhouettes.get)
    assert next(iter(found.answers)) == len(counts) and found.answers[len(counts)] > 0.5
    assert len(found.tightness) == len(counts)
    assert all(0.6 < tightness <= 1 for tightness in found.tightness)


def test_one_group_is_one_style():
    found = find_styles(blobs(20)[0], seed=0)
    assert found.count == found.found == 1
    assert (found.labels == 0).all()
    assert found.tightness == [None]
    assert max(found.silhouettes.values()) < CLEAR
    assert found.answers == {1: 1.0}
    assert set(found.silhouettes) == set(range(2, MOST_STYLES))  # of 16 pictures, four fifths of them


def test_one_cannot_tell_where_all_pictures_are_far_apart():
    """As many directions as pictures: no groups, and none within reach of another."""
    points = 2 * np.eye(40)[:20]
    assert spread(points) > ONE_STYLE
    found = find_styles(points, seed=0)
    assert found.found == 0 and found.count == 1
    assert found.answers == {0: 1.0}
    # the same points, drawn together, are one style: the unit of the space decides
    assert find_styles(points / 3, seed=0).found == 1


def test_groups_that_touch_are_no_styles():
    points, _ = blobs(10, 10, apart=0.5, within=2.0)
    assert find_styles(points, seed=0).found == 0
    assert find_styles(points, seed=0, clear=0.0).found >= 2


def test_share_of_answers_says_how_sure():
    """Two groups far apart leave no doubt. Of a row of four that nearly touch, parts say this and that."""
    sure = find_styles(blobs(10, 10)[0], 0).answers
    assert sure == {2: 1.0}
    unsure = find_styles(blobs(6, 6, 6, 6, apart=0.75)[0], 0, clear=0.1).answers
    assert len(unsure) > 1 and sum(unsure.values()) == pytest.approx(1)
    assert list(unsure.values()) == sorted(unsure.values(), reverse=True)


def test_of_numbers_that_do_as_well_the_largest_counts():
    points = blobs(10, 10)[0]
    scores = {2: 0.60, 3: 0.59, 4: 0.50}
    assert clusters.answer(points, scores) == 3
    assert clusters.answer(points, scores | {3: 0.57}) == 2
    assert clusters.answer(points, {k: score - 0.3 for k, score in scores.items()}) == 0


def test_three_criteria_agree_on_clear_groups():
    points, groups = blobs(8, 8, 8)
    along = reduce(points)
    scores, trials = silhouettes(along, 0)
    assert adjusted_rand_score(groups, trials[3]) == 1
    likelihoods, stable = held_out_likelihoods(along, 0), stabilities(along, 0)
    for by_k in (scores, likelihoods, stable):
        assert max(by_k, key=by_k.get) == 3
    assert stable[3] == 1 > stable[5]
    assert set(likelihoods) == {1, *scores}


def test_scores_are_means_over_parts_that_leave_out_a_fifth():
    points, _ = blobs(8, 8, 8)
    scores, answers = resampled(points, 0)
    rng, expected = np.random.default_rng(0), []
    for _ in range(clusters.RESAMPLES):
        part = points[rng.permutation(24)[:19]]
        expected.append(silhouettes(reduce(part), 0)[0][3])
    assert scores[3] == pytest.approx(np.mean(expected))
    assert answers == {3: 1.0}


def test_number_of_styles_may_be_given():
    points, groups = blobs(9, 7, 4)
    for k in (1, 2, 3, 5):
        found = find_styles(points, seed=0, k=k)
        assert found.count == k == len(found.medoids) == len(found.tightness) == len(set(found.labels))
        assert found.silhouettes == found.answers == {} and found.found is None
    assert adjusted_rand_score(groups, find_styles(points, seed=0, k=3).labels) == 1


def test_medoid_is_a_member_in_the_middle_of_its_style():
    points, _ = blobs(9, 7, 6)
    along = reduce(points)
    found = find_styles(points, seed=0)
    for style, number in enumerate(found.medoids):
        assert found.labels[number] == style
        members = np.flatnonzero(found.labels == style)
        sums = [np.linalg.norm(along[members] - along[member], axis=1).sum() for member in members]
        assert number == members[int(np.argmin(sums))]


def test_tightness_is_the_mean_silhouette_of_the_style():
    """One group is drawn apart from within: it is the less tight one."""
    points, groups = blobs(8, 6)
    loose = points.copy()
    rng = np.random.default_rng(1)
    loose[groups == 1] += rng.normal(0, 0.3, (6, 40))
    tight, less = find_styles(points, 0, 2).tightness, find_styles(loose, 0, 2).tightness
    assert less[1] < tight[1] - 0.2
    assert less[1] < less[0]


def test_same_seed_same_styles():
    points, _ = blobs(7, 7, 7, apart=0.9)
    one, two = find_styles(points, seed=3), find_styles(points, seed=3)
    assert np.array_equal(one.labels, two.labels)
    assert one.silhouettes == two.silhouettes


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_pictures_are_taken_together_unless_told_otherwise(count):
    assert count < FEWEST
    points = np.random.default_rng(0).random((count, 50))
    found = find_styles(points, seed=0)
    assert found.count == 1 and found.found == 0
    assert found.labels.tolist() == [0] * count
    assert 0 <= found.medoids[0] < count


def test_each_picture_may_be_a_style_of_its_own():
    for count in (1, 2, 3):
        found = find_styles(np.random.default_rng(0).random((count, 50)), seed=0, k=count)
        assert found.labels.tolist() == list(range(count))
        assert found.medoids == list(range(count))
        assert found.tightness == ([None] if count == 1 else [0.0] * count)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_identical_pictures_tell_nothing(count):
    found = find_styles(np.ones((count, 50)), seed=0)
    assert found.count == 1 and found.found == 0
    assert found.medoids == [0]
    assert find_styles(np.ones((count, 50)), seed=0, k=1).count == 1


@pytest.mark.parametrize("error", [0, 0.02])
def test_copies_of_pictures_count_once(error):
    """Each of seven pictures eight times, to the last bit or saved anew: seven far apart are no styles."""
    rng = np.random.default_rng(0)
    copies = np.repeat(2 * np.eye(40)[:7], 8, 0) + error * rng.normal(size=(56, 40))
    assert find_styles(copies, seed=0).found == 0
    points, groups = blobs(9, 8)
    twice = np.repeat(points, 2, 0) + error * rng.normal(size=(34, 40))
    found = find_styles(twice, seed=0)
    assert found.found == 2 and adjusted_rand_score(np.repeat(groups, 2), found.labels) == 1
    assert found.silhouettes == pytest.approx(find_styles(points, seed=0).silhouettes, abs=0.05)


@pytest.mark.parametrize(
    ("points", "k", "sentence"),
    [
        (np.eye(3), 4, r"4 styles cannot be found \(pictures that differ: 3\): ask for 1 to 3"),
        (np.ones((9, 5)), 2, r"2 styles .* differ: 1\)"),
        (np.repeat(np.eye(3), 4, 0), 4, r"4 styles .* differ: 3\)"),
        (np.eye(3), 0, "0 styles cannot be found"),
        (np.eye(3), -1, "-1 styles cannot be found"),
    ],
)
def test_styles_that_cannot_be_found(points, k, sentence):
    with pytest.raises(InputError, match=sentence):
        find_styles(points, seed=0, k=k)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 1, 2, 2, 2], [2, 1, 1, 0, 0, 0]),
        ([2, 2, 0, 0, 1], [0, 0, 1, 1, 2]),  # of two that are as large the first to appear comes first
        ([1, 0, 2], [0, 1, 2]),
        ([7, 7, 3], [0, 0, 1]),
        ([5], [0]),
        ([4, 4, 4], [0, 0, 0]),
    ],
)
def test_by_size(labels, expected):
    assert by_size(np.array(labels)).tolist() == expected


def test_medoid_of_points_on_a_line():
    points = np.array([[0.0], [1.0], [2.0], [10.0], [50.0]])
    assert medoid(points, np.array([True, True, True, True, False])) == 1
    assert medoid(points, np.array([False, False, False, True, True])) == 3
    assert medoid(points, np.array([False, False, False, False, True])) == 4
