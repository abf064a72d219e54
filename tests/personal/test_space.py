"""Pictures as points: what a descriptor holds, and that styles lie apart."""

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score

from gantutor.datasets import bundled, list_images
from gantutor.errors import InputError
from gantutor.images import load_image, resize
from gantutor.painters import paint
from gantutor.personal.space import SIZE, describe_style, embed, reduce, style_layers
from gantutor.style.features import load_features
from gantutor.style.networks import VGG
from gantutor.style.statistics import mean_and_covariance


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


def test_distances_are_those_of_the_normalised_covariances(small):
    """Each layer of length one; the triangle stands for the whole matrix."""
    pictures = [picture(60, 80, seed) for seed in (0, 1)]
    vectors = embed(small, pictures)
    squared = 0
    for layer in style_layers(small):
        one, two = (mean_and_covariance(small(resize(p, SIZE), [layer])[layer])[1][0].double() for p in pictures)
        squared += (one / one.norm() - two / two.norm()).square().sum().item()
    assert vectors.shape == (2, 8 * 9 // 2 + 5 * 6 // 2)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.sqrt(2))  # two layers
    assert np.linalg.norm(vectors[0] - vectors[1]) == pytest.approx(squared**0.5, rel=1e-5)


def test_size_of_the_file_does_not_matter(small):
    large = picture(512, 640, 0)
    one, two, other = (describe_style(small, p) for p in (large, resize(large, 300), picture(512, 640, 1)))
    assert np.linalg.norm(one - two) < 0.1 * np.linalg.norm(one - other)


def test_flat_picture_has_a_descriptor(small):
    for value in (0.0, 1.0):
        assert np.isfinite(describe_style(small, torch.full((1, 3, 40, 40), value))).all()


def test_embedding_takes_a_generator_in_order(small):
    pictures = [picture(40, 40, seed) for seed in range(3)]
    vectors = embed(small, (p for p in pictures))
    for vector, p in zip(vectors, pictures, strict=True):
        assert np.array_equal(vector, describe_style(small, p))


def test_no_pictures(small):
    with pytest.raises(InputError, match="no pictures"):
        embed(small, [])


def test_styles_lie_apart_whatever_the_photo():
    """With the bundled features paintings gather by painter, not by what they show."""
    photos = [load_image(path, 128) for path in list_images(bundled("photos"))[:3]]
    families = ("oil", "hatching", "halftone")
    paintings = [paint(photo, family, 0) for family in families for photo in photos]
    points = reduce(embed(load_features(), paintings))
    by_style, by_photo = np.repeat(range(3), 3), np.tile(range(3), 3)
    assert silhouette_score(points, by_style) > 0.2
    assert silhouette_score(points, by_photo) < 0


def test_reduced_points_are_centred_and_keep_all_distances_of_few_pictures():
    vectors = np.random.default_rng(0).random((6, 50))
    points = reduce(vectors)
    assert points.shape == (6, 5)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
    for one, two in zip(vectors, points, strict=True):
        np.testing.assert_allclose(np.linalg.norm(vectors - one, axis=1), np.linalg.norm(points - two, axis=1))


@pytest.mark.parametrize(("shape", "expected"), [((100, 60), 32), ((100, 4), 4), ((2, 60), 1)])
def test_number_of_axes(shape, expected):
    assert reduce(np.random.default_rng(0).random(shape)).shape == (shape[0], expected)
