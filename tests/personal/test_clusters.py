"""Finding styles among points whose groups are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gantutor.errors import InputError
from gantutor.personal.clusters import MOST_STYLES, ONE_STYLE, by_size, find_styles, medoid


def blobs(*counts, apart=10.0, seed=0):
    """Points in groups of these sizes, in 40 dimensions, shuffled: the points and the groups they come from."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(range(len(counts)), counts))
    return (apart * np.eye(40)[groups] + rng.normal(0, 0.3, (len(groups), 40))), groups


@pytest.mark.parametrize("counts", [(5, 3), (9, 6, 4), (12, 10, 8, 6, 4), (8,) * 8])
def test_groups_are_found_and_numbered_by_size(counts):
    points, groups = blobs(*counts)
    found = find_styles(points, seed=0)
    assert found.count == len(counts)
    assert adjusted_rand_score(groups, found.labels) == 1
    assert [int((found.labels == style).sum()) for style in range(found.count)] == sorted(counts, reverse=True)
    assert max(found.silhouettes, key=found.silhouettes.get) == len(counts)
    assert len(found.tightness) == len(counts)
    assert all(0.7 < tightness <= 1 for tightness in found.tightness)


def test_one_group_is_one_style():
    found = find_styles(blobs(20)[0], seed=0)
    assert found.count == 1
    assert (found.labels == 0).all()
    assert found.tightness == [None]
    assert max(found.silhouettes.values()) < ONE_STYLE
    assert set(found.silhouettes) == set(range(2, MOST_STYLES + 1))


def test_number_of_styles_may_be_given():
    points, groups = blobs(9, 6, 4)
    for k in (1, 2, 3, 5):
        found = find_styles(points, seed=0, k=k)
        assert found.count == k == len(found.medoids) == len(found.tightness) == len(set(found.labels))
        assert found.silhouettes == {}
    assert adjusted_rand_score(groups, find_styles(points, seed=0, k=3).labels) == 1


def test_medoid_is_a_member_in_the_middle_of_its_style():
    points, _ = blobs(9, 6, 4)
    found = find_styles(points, seed=0)
    for style, number in enumerate(found.medoids):
        assert found.labels[number] == style
        members = np.flatnonzero(found.labels == style)
        sums = [np.linalg.norm(points[members] - points[member], axis=1).sum() for member in members]
        assert number == members[int(np.argmin(sums))]


def test_tightness_is_the_mean_silhouette_of_the_style():
    """One group is drawn apart from within: it is the less tight one."""
    points, groups = blobs(8, 6)
    loose = points.copy()
    rng = np.random.default_rng(1)
    loose[groups == 1] += rng.normal(0, 1.2, (6, 40))
    tight, less = find_styles(points, 0, 2).tightness, find_styles(loose, 0, 2).tightness
    assert less[1] < tight[1] - 0.2
    assert less[1] < less[0]


def test_same_seed_same_styles():
    points, _ = blobs(7, 7, 7, apart=0.8)
    one, two = find_styles(points, seed=3), find_styles(points, seed=3)
    assert np.array_equal(one.labels, two.labels)
    assert one.silhouettes == two.silhouettes


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_pictures_are_one_style_unless_told_otherwise(count):
    points = np.random.default_rng(0).random((count, 50))
    found = find_styles(points, seed=0)
    assert found.count == 1
    assert found.labels.tolist() == [0] * count
    assert 0 <= found.medoids[0] < count


def test_each_picture_may_be_a_style_of_its_own():
    for count in (1, 2, 3):
        found = find_styles(np.random.default_rng(0).random((count, 50)), seed=0, k=count)
        assert found.labels.tolist() == list(range(count))
        assert found.medoids == list(range(count))
        assert found.tightness == ([None] if count == 1 else [0.0] * count)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_identical_pictures_are_one_style(count):
    found = find_styles(np.ones((count, 50)), seed=0)
    assert found.count == 1
    assert found.medoids == [0]
    assert find_styles(np.ones((count, 50)), seed=0, k=1).count == 1


def test_copies_of_pictures_group_together():
    copies = np.repeat(np.random.default_rng(0).random((3, 50)), 4, 0)
    found = find_styles(copies, seed=0)
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.tightness == pytest.approx([1, 1, 1])


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
