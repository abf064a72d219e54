"""A picture with given features is found, and how well."""

import pytest
import torch

from gantutor.datasets import bundled
from gantutor.images import load_image
from gantutor.style.features import load_features
from gantutor.style.inversion import invert


@pytest.fixture(scope="module")
def network():
    return load_features()


@pytest.fixture(scope="module")
def photo():
    return load_image(bundled("photos/astronaut.jpg"), 48)


def last(states):
    for state in states:
        pass
    return state


def error(state, photo):
    return (state.image - photo).square().mean().sqrt().item()


def test_shallow_features_give_the_photo_back_and_deep_ones_do_not(network, photo):
    shallow, deep = (last(invert(network, layer, photo, steps=60)) for layer in ("relu2_2", "relu5_2"))
    assert error(shallow, photo) < 0.12 < 0.2 < error(deep, photo)
    assert shallow.distance < 0.05 and deep.distance < 0.4
    assert shallow.image.shape == photo.shape and shallow.image.min() >= 0 and shallow.image.max() <= 1


def test_every_step_is_yielded_and_the_distance_is_relative(network, photo):
    states = list(invert(network, "relu2_1", photo, steps=12))
    assert len(states) == 12
    assert states[-1].distance < 0.5 * states[0].distance
    start = torch.zeros_like(photo)
    first = next(invert(network, "relu2_1", photo, start=start))
    with torch.no_grad():
        ours, wanted = (network(picture, ["relu2_1"])["relu2_1"] for picture in (start, photo))
    assert first.distance == pytest.approx(((ours - wanted).square().sum() / wanted.square().sum()).item(), rel=1e-4)
    assert torch.equal(start, torch.zeros_like(photo))  # the start is the caller's


def test_the_seed_decides(network, photo):
    a, b, c = (last(invert(network, "relu1_2", photo, steps=3, seed=seed)).image for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_smoothness_smooths(network, photo):
    rough, smooth = (last(invert(network, "relu4_1", photo, steps=25, smoothness=s)).image for s in (0, 5))
    assert smooth.diff(dim=3).abs().mean() < 0.5 * rough.diff(dim=3).abs().mean()


def test_a_better_start_finds_more(network, photo):
    start = last(invert(network, "relu2_2", photo, steps=60))
    from_noise = last(invert(network, "relu1_2", photo, steps=60))
    from_there = last(invert(network, "relu1_2", photo, steps=60, start=start.image))
    assert from_there.distance < 0.5 * from_noise.distance
