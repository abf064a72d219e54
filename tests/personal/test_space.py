"""Pictures as points: what a descriptor holds, and that styles lie apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score

from gantutor.datasets import bundled, list_images
from gantutor.errors import InputError
from gantutor.images import load_image, resize
from gantutor.painters import paint
from gantutor.personal.space import (
    BINS,
    DIMENSIONS,
    SIZE,
    Axes,
    StyleSpace,
    describe_style,
    embed,
    fold,
    reduce,
    space_of,
    spread,
    style_layers,
)
from gantutor.style.features import fingerprint, load_features
from gantutor.style.networks import VGG
from gantutor.style.statistics import mean_and_covariance
from gantutor.tensors import read_tensors, write_tensors


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return VGG(((4,), (6,), (8,), (5,)), "average", "reflect").eval().requires_grad_(False)


def picture(height, width, seed):
    few = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(few, (height, width), mode="bicubic").clamp(0, 1)


def test_shallow_layers_are_left_out(small):
    assert style_layers(small) == ("relu3_1", "relu4_1")
    assert len(style_layers(load_features())) == 3


def test_descriptor_is_the_normalised_covariances_folded(small):
    """Each layer of length one; the triangle stands for the whole matrix."""
    pictures = torch.cat([picture(60, 80, seed) for seed in (0, 1)])
    rows, grams = [], []
    for layer in style_layers(small):
        covariances = mean_and_covariance(small(resize(pictures, SIZE), [layer])[layer])[1].double()
        covariances = covariances / covariances.flatten(1).norm(dim=1)[:, None, None]
        grams.append(covariances.flatten(1) @ covariances.flatten(1).T)
        upper = torch.triu_indices(*covariances.shape[1:])
        weights = torch.where(upper[0] == upper[1], 1.0, 2**0.5)
        rows.append(covariances[:, upper[0], upper[1]] * weights)
    rows = torch.cat(rows, 1).numpy()
    np.testing.assert_allclose(rows @ rows.T, sum(grams).numpy(), rtol=1e-6)
    vectors = describe_style(small, pictures)
    assert vectors.shape == (2, BINS)
    np.testing.assert_allclose(vectors, fold(rows), rtol=1e-5, atol=1e-9)


def test_folding_keeps_inner_products_nearly():
    rows = np.random.default_rng(0).normal(size=(40, 20_000))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    error = fold(rows, 512) @ fold(rows, 512).T - rows @ rows.T
    assert np.abs(error.mean()) < 0.01
    assert error[np.triu_indices(40, 1)].std() == pytest.approx(np.sqrt(1 / 512), rel=0.15)
    assert error.diagonal().std() < 0.1


def test_folding_is_linear_and_the_same_everywhere():
    """The hash of the first places, as splitmix64 gives it."""
    one, two = np.random.default_rng(0).random((2, 3, 100))
    np.testing.assert_allclose(fold(one + 2 * two, 16), fold(one, 16) + 2 * fold(two, 16))
    mask = 2**64 - 1
    for place in range(5):
        x = (place + 1) * 0x9E3779B97F4A7C15 & mask
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        x ^= x >> 31
        folded = fold(np.eye(5)[place : place + 1], 64)[0]
        assert np.flatnonzero(folded).tolist() == [x % 64]
        assert folded[x % 64] == (-1 if x >> 63 else 1)


def test_size_of_the_file_does_not_matter(small):
    large = picture(512, 640, 0)
    one, two, other = (describe_style(small, p)[0] for p in (large, resize(large, 300), picture(512, 640, 1)))
    assert np.linalg.norm(one - two) < 0.1 * np.linalg.norm(one - other)


def test_flat_picture_has_a_descriptor(small):
    for value in (0.0, 1.0):
        assert np.isfinite(describe_style(small, torch.full((1, 3, 40, 40), value))).all()


def test_embedding_takes_a_generator_in_order(small):
    pictures = [picture(40, 40, seed) for seed in range(3)]
    vectors = embed(small, (p for p in pictures))
    for vector, p in zip(vectors, pictures, strict=True):
        assert np.array_equal(vector, describe_style(small, p)[0])


def test_no_pictures(small):
    with pytest.raises(InputError, match="no pictures"):
        embed(small, [])


def test_styles_lie_apart_whatever_the_photo():
    """With the bundled features paintings gather by painter, not by what they show."""
    photos = [load_image(path, 128) for path in list_images(bundled("photos"))[:3]]
    families = ("oil", "hatching", "halftone")
    paintings = [paint(photo, family, 0) for family in families for photo in photos]
    network = load_features()
    points = space_of(network).embed(network, paintings)
    by_style, by_photo = np.repeat(range(3), 3), np.tile(range(3), 3)
    assert silhouette_score(points, by_style) > 0.2
    assert silhouette_score(points, by_photo) < 0


def toys(seed=0, groups=5, each=30):
    """Descriptors of five hands, which differ in the first places and vary, all alike, in the last; and the hands."""
    rng, labels = np.random.default_rng(seed), np.repeat(range(groups), each)
    rows = np.zeros((len(labels), BINS))
    rows[:, :groups] = np.eye(groups)[labels]
    rows[:, 100:104] = rng.normal(0, [3.0, 1.0, 0.5, 0.2], (len(labels), 4))
    rows[:, 200:220] = rng.normal(0, 0.1, (len(labels), 20))
    return rows, labels


def test_in_the_measured_space_one_hand_is_one_apart_in_all_directions():
    rows, labels = toys()
    space = StyleSpace.measured(rows, labels, toys(1)[0], "f" * 16)
    points = space.points(rows)
    assert points.shape == (150, DIMENSIONS)
    squares = [spread(points[labels == hand]) ** 2 for hand in range(5)]
    assert np.mean(squares) == pytest.approx(1)
    within = np.mean([np.cov(points[labels == hand].T) for hand in range(5)], 0)
    before = np.mean([np.cov(rows[labels == hand].T) for hand in range(5)], 0)
    # what varied most within a hand counts as much as the rest, not nine times as much
    assert before[100, 100] > 5 * before[101, 101]
    largest = np.linalg.eigvalsh(within)[::-1]
    assert largest[0] < 1.5 * largest[2]


def test_measured_space_tells_hands_apart_that_their_variation_hides():
    rows, labels = toys(2)
    space = StyleSpace.measured(*toys(0), toys(1)[0], "f" * 16)
    assert silhouette_score(rows, labels) < 0.1
    assert silhouette_score(space.points(rows), labels) > 0.5


def test_space_is_stored_and_read(tmp_path):
    space = StyleSpace.measured(*toys(), toys(1)[0], "f" * 16)
    space.save(tmp_path / "space.safetensors", {"command": "x"})
    again = StyleSpace.load(tmp_path / "space.safetensors")
    assert again.features_hash == "f" * 16 and again.calibrated
    rows = toys(3)[0]
    np.testing.assert_allclose(again.points(rows), space.points(rows), atol=0.02)
    assert (tmp_path / "space.safetensors").stat().st_size < 600_000


def test_files_that_hold_no_space(tmp_path):
    path = tmp_path / "space.safetensors"
    StyleSpace.measured(*toys(), toys(1)[0], "f" * 16).save(path, {})
    tensors, metadata = read_tensors(path)
    variants = [
        ({}, metadata, "damaged"),
        (tensors | {"matrix": tensors["matrix"][1:].clone()}, metadata, "damaged"),
        (tensors | {"matrix": tensors["matrix"] * torch.nan}, metadata, "damaged"),
        (tensors | {"mean": tensors["mean"] * torch.nan}, metadata, "damaged"),
        (tensors, metadata | {"about": "{}"}, "damaged"),
        (tensors, metadata | {"format": "gantutor.space.9"}, "no style space of this version"),
    ]
    for parts, about, words in variants:
        write_tensors(parts, path, about)
        with pytest.raises(InputError, match=words):
            StyleSpace.load(path)


def test_bundled_features_have_their_space_and_others_the_plain_one(small):
    network = load_features()
    space = space_of(network)
    assert space.calibrated and space.features_hash == fingerprint(network)
    plain = space_of(small)
    assert not plain.calibrated and plain.hash != space.hash
    rows = np.random.default_rng(0).random((3, BINS))
    np.testing.assert_allclose(spread(plain.points(rows)), spread(rows) / 1.4)


def test_spaces_are_told_apart_by_each_of_their_parts():
    space = StyleSpace.measured(*toys(), toys(1)[0], "f" * 16)
    others = [replace(space, features_hash="0" * 16), replace(space, mean=space.mean + 1)]
    others.append(replace(space, matrix=2 * space.matrix))
    assert len({each.hash for each in (space, *others)}) == 4
    assert replace(space).hash == space.hash


def test_reduced_points_are_centred_and_keep_all_distances_of_few_pictures():
    vectors = np.random.default_rng(0).random((6, 50))
    points = reduce(vectors)
    assert points.shape == (6, 5)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
    for one, two in zip(vectors, points, strict=True):
        np.testing.assert_allclose(np.linalg.norm(vectors - one, axis=1), np.linalg.norm(points - two, axis=1))


@pytest.mark.parametrize(("shape", "expected"), [((100, 60), 10), ((100, 4), 4), ((2, 60), 1)])
def test_number_of_axes(shape, expected):
    assert reduce(np.random.default_rng(0).random(shape)).shape == (shape[0], expected)


def test_axes_are_those_of_largest_variance():
    rng = np.random.default_rng(0)
    points = rng.normal(0, [5.0, 1.0, 3.0], (200, 3)) + 7
    axes = Axes.of(points)
    assert np.abs(axes.directions.T).argmax(1).tolist() == [0, 2, 1]
    np.testing.assert_allclose(axes.coordinates(points).var(0, ddof=1), axes.variances)
    np.testing.assert_allclose(axes.coordinates(points.mean(0)[None]), 0, atol=1e-9)


def test_points_that_are_all_the_same_have_an_axis_that_leads_nowhere():
    assert not reduce(np.ones((4, 7))).any() and reduce(np.ones((4, 7))).shape == (4, 1)
    assert reduce(np.ones((1, 7))).shape == (1, 1)


def test_spread_is_the_root_mean_square_distance_of_pairs():
    assert spread(np.array([[0.0], [3.0], [4.0]])) == pytest.approx(np.sqrt((9 + 16 + 1) / 3))
    assert spread(np.zeros((1, 3))) == 0
