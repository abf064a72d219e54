"""The eight painters: sizes, ranges, seeds, and whether a painting still shows its photo."""

import functools
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage

from gantutor.datasets import bundled
from gantutor.errors import InputError
from gantutor.images import load_image
from gantutor.painters import FAMILIES, HELD_OUT, paint

EIGHT = ["oil", "pointillism", "hatching", "watercolour", "stained_glass", "ukiyo_e", "halftone", "cubism"]
PHOTOS = ("astronaut", "cat", "temple")
every_family = pytest.mark.parametrize("family", EIGHT)


def blobs(height, width, seed=0):
    """A photo of soft colours."""
    few = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(few, (height, width), mode="bicubic").clamp(0, 1)


@functools.cache
def photo(name, size=96):
    return load_image(bundled(f"photos/{name}.jpg"), size)


@functools.cache
def painting(name, family, seed=0):
    return paint(photo(name), family, seed)


def check(picture, photos):
    assert picture.shape == photos.shape
    assert picture.dtype == photos.dtype
    assert torch.isfinite(picture).all()
    assert ((picture >= 0) & (picture <= 1)).all()


def test_families():
    assert list(FAMILIES) == EIGHT
    assert set(HELD_OUT) == {"cubism", "watercolour"}


@every_family
@pytest.mark.parametrize("shape", [(61, 97), (97, 61), (16, 16), (17, 33), (16, 120)])
def test_any_size(family, shape):
    photos = blobs(*shape)
    check(paint(photos, family, 0), photos)


@every_family
def test_same_seed_same_picture_and_other_seeds_others(family):
    photos = blobs(40, 52)
    one, two, other = (paint(photos, family, seed) for seed in (7, 7, 8))
    assert torch.equal(one, two)
    assert (one - other).abs().mean() > 0.01


@every_family
def test_each_photo_of_a_batch_has_its_own_parameters(family):
    photos = blobs(32, 40).expand(2, -1, -1, -1)
    pictures = paint(photos, family, 0)
    assert torch.equal(pictures[:1], paint(photos[:1], family, 0))
    assert not torch.equal(pictures[0], pictures[1])


@every_family
@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.4, 0.4, 0.4), (0.2, 0.5, 0.9)])
def test_photos_of_one_colour(family, colour):
    photos = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 36, 48)
    for seed in range(2):
        check(paint(photos, family, seed), photos)


@every_family
def test_photo_of_two_halves(family):
    """Half black, half white: a hard edge, and the least palette that there is."""
    photos = (torch.arange(48) >= 24).float().expand(1, 3, 32, 48)
    picture = paint(photos, family, 0)
    check(picture, photos)
    assert picture[..., 30:].mean() > picture[..., :18].mean() + 0.1


@every_family
def test_global_randomness_is_neither_used_nor_changed(family):
    photos = blobs(24, 24)
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    one = paint(photos, family, 0)
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    np.random.seed(1)
    assert torch.equal(paint(photos, family, 0), one)


def luminance(picture):
    """The light of a picture seen from afar: blurred over several strokes."""
    grey = np.tensordot([0.299, 0.587, 0.114], picture[0].numpy(), 1)
    return ndimage.gaussian_filter(grey, 5).ravel()


@every_family
def test_painting_shows_its_photo(family):
    least = 0.55 if family == "stained_glass" else 0.7  # each pane of glass has a light of its own
    for name in PHOTOS:
        likeness = np.corrcoef(luminance(photo(name)), luminance(painting(name, family)))[0, 1]
        assert likeness > least, name


@every_family
def test_painting_is_not_its_photo(family):
    for name in PHOTOS:
        assert (painting(name, family) - photo(name)).abs().mean() > 0.04


def marks(picture):
    """Chroma, detail of three sizes, edges of colour, share of dark and of light pixels: seven numbers."""
    rgb = picture[0].permute(1, 2, 0).numpy()
    grey, chroma = rgb.mean(2), np.ptp(rgb, axis=2)
    blurred = [ndimage.gaussian_filter(grey, sigma) for sigma in (0.5, 1, 2, 4)]
    detail = [np.abs(fine - coarse).mean() for fine, coarse in pairwise(blurred)]
    edges = np.abs(chroma - ndimage.gaussian_filter(chroma, 1)).mean()
    return np.array([chroma.mean(), *detail, edges, (rgb.max(2) < 0.25).mean(), (rgb.min(2) > 0.8).mean()])


def test_families_are_told_apart_by_simple_marks():
    """Nearest family mean, each photo judged by the paintings of the others; chance would find 3 of 24."""
    points = np.array([[marks(painting(name, family)) for family in EIGHT] for name in PHOTOS])
    points /= points.std((0, 1))
    found = 0
    for number, paintings in enumerate(points):
        means = np.delete(points, number, 0).mean(0)
        distances = np.linalg.norm(paintings[:, None] - means[None], axis=2)
        found += (distances.argmin(1) == np.arange(8)).sum()
    assert found >= 12

    chroma, finest = (dict(zip(EIGHT, points.mean(0)[:, column], strict=True)) for column in (0, 1))
    assert max(chroma, key=chroma.get) == "stained_glass"
    assert max(finest, key=finest.get) == "hatching"


@pytest.mark.parametrize("family", ["fresco", "Oil", "", None])
def test_unknown_family(family):
    with pytest.raises(InputError, match=r"no painter is called .*oil, pointillism"):
        paint(blobs(32, 32), family, 0)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 4, 32, 32), (1, 32, 32, 3), (0, 3, 32, 32)])
def test_photos_of_other_shapes(shape):
    with pytest.raises(InputError, match=r"float photos \(N, 3, H, W\)"):
        paint(torch.rand(shape), "oil", 0)


def test_photos_in_bytes():
    with pytest.raises(InputError, match="uint8"):
        paint(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "oil", 0)


@pytest.mark.parametrize("shape", [(1, 3, 15, 40), (1, 3, 40, 3)])
def test_photos_too_small(shape):
    with pytest.raises(InputError, match="at least 16 px a side"):
        paint(torch.rand(shape), "oil", 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1, 255])
def test_photos_with_values_out_of_range(value):
    photos = blobs(32, 32)
    photos[0, 1, 2, 3] = value
    with pytest.raises(InputError, match=r"NaN or values outside \[0, 1\]"):
        paint(photos, "oil", 0)


def test_precision_of_the_photo_is_kept():
    for dtype in (torch.float64, torch.bfloat16):
        photos = blobs(24, 24).to(dtype)
        check(paint(photos, "halftone", 0), photos)
