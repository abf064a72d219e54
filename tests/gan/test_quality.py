"""KID and FID with features of one's own."""

import pytest
import torch
from torch import nn

from gantutor.errors import InputError
from gantutor.gan.quality import Inception, LayerMeans, frechet_distance, kernel_distance
from gantutor.style.networks import VGG

LAYERS = ("relu1_1", "relu2_1")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG(((4,), (6,), (8,), (8,)), "average", "reflect").eval().requires_grad_(False)


def pictures(count, seed, bright=0.0):
    return 0.5 * torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) + bright


class Colour(nn.Module):
    """Three features: the mean colour."""

    num_features = 3

    def forward(self, images):
        return images.mean((2, 3))


def test_layer_means_are_the_channels_means_and_count_alike(network):
    real = pictures(5, 0)
    taps = network(real, LAYERS)
    plain = LayerMeans(network, LAYERS)(real)
    torch.testing.assert_close(plain, torch.cat([taps[layer].mean((2, 3)) for layer in LAYERS], 1))
    scaled = LayerMeans.of(network, LAYERS, real)(real)
    assert scaled.shape == (5, 10)
    for part in scaled.split([4, 6], 1):
        assert part.square().mean().item() == pytest.approx(1, rel=1e-4)


def test_inception_gets_bytes(monkeypatch):
    monkeypatch.setattr(Inception, "__init__", lambda self: nn.Module.__init__(self))
    features, seen = Inception(), []
    features.network = lambda pictures: seen.append(pictures)
    features(torch.tensor([-0.5, 0.0, 0.5, 1.5]))
    assert seen[0].dtype == torch.uint8 and seen[0].tolist() == [0, 0, 128, 255]


def test_kernel_distance_is_near_zero_for_the_same_kind_and_grows_with_the_difference():
    real = pictures(200, 0)
    distances = [kernel_distance(Colour(), real, pictures(200, 1, bright))[0] for bright in (0, 0.2, 0.5)]
    assert abs(distances[0]) < 0.01 * distances[1]
    assert distances[1] < distances[2]


def test_kernel_distance_is_that_of_its_formula():
    """Of all pictures at once, unbiased: mean k(x, x') + mean k(y, y') − 2 mean k(x, y), k = (x·y/d + 1)³."""
    real, fake = pictures(60, 0), pictures(60, 1, 0.3)
    x, y = Colour()(real).double(), Colour()(fake).double()

    def kernel(a, b):
        return (a @ b.T / 3 + 1) ** 3

    def apart(k):
        return (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))

    expected = apart(kernel(x, x)) + apart(kernel(y, y)) - 2 * kernel(x, y).mean()
    mean, _ = kernel_distance(Colour(), real, fake)
    assert mean == pytest.approx(expected.item(), rel=0.1)


def test_kernel_distance_deviates_as_it_does_with_other_pictures():
    found = [kernel_distance(Colour(), pictures(60, seed), pictures(60, 100 + seed, 0.3)) for seed in range(30)]
    distances, deviations = torch.tensor(found, dtype=torch.float64).unbind(1)
    assert deviations.mean().item() == pytest.approx(distances.std().item(), rel=0.5)


def test_kernel_distance_draws_from_its_seed_alone():
    real, fake = pictures(40, 0), pictures(40, 1)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two, other = (kernel_distance(Colour(), real, fake, seed) for seed in (0, 0, 1))
    assert one == two != other
    assert torch.equal(torch.get_rng_state(), before)


def test_too_few_pictures():
    with pytest.raises(InputError, match="3 real and 10 generated pictures are too few"):
        kernel_distance(Colour(), pictures(3, 0), pictures(10, 1))


def test_frechet_distance_of_shifted_pictures():
    """The same pictures, brighter: the covariances agree, the means differ by 0.3 in three colours."""
    real = pictures(100, 0)
    assert frechet_distance(Colour(), real, real + 0.3) == pytest.approx(3 * 0.3**2, rel=0.01)
    assert frechet_distance(Colour(), real, real) == pytest.approx(0, abs=1e-4)
