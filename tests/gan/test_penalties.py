"""Penalties against discriminators whose slope is known, and against an explicit computation."""

import pytest
import torch
from torch import nn

from gantutor.errors import InputError
from gantutor.gan.networks import mlp
from gantutor.gan.penalties import between, gradient_penalty, r1


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(*weights):
    """A discriminator of constant slope."""
    layer = nn.Linear(len(weights), 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weights]))
    return layer


REAL, FAKE = torch.randn(2, 7, 2, generator=seeded())


def test_r1_of_a_linear_discriminator():
    """Slope 5: γ/2 · 25."""
    assert r1(0.2)(linear(3.0, 4.0), REAL, FAKE, seeded()).item() == pytest.approx(2.5)


def test_gradient_penalty_of_a_linear_discriminator():
    """Slope 5: weight · (5 − 1)²; and nothing at slope 1."""
    assert gradient_penalty(10.0)(linear(3.0, 4.0), REAL, FAKE, seeded()).item() == pytest.approx(160)
    assert gradient_penalty(10.0)(linear(0.6, 0.8), REAL, FAKE, seeded()).item() == pytest.approx(0, abs=1e-8)


def explicit_slope(discriminator, point):
    """‖∇D‖ at one point by central differences."""
    step, slope = 1e-3, []
    for axis in torch.eye(2, dtype=torch.float64) * step:
        slope.append((discriminator(point + axis) - discriminator(point - axis)) / (2 * step))
    return torch.cat(slope).norm()


def test_penalties_equal_an_explicit_computation():
    discriminator = nn.Sequential(*mlp(2, 8, hidden=0, seed=3), nn.Tanh(), *mlp(8, 1, hidden=0, seed=4)).double()
    real, fake = REAL.double(), FAKE.double()
    slopes = torch.stack([explicit_slope(discriminator, x) for x in real])
    explicit = 1.5 * slopes.square().mean().item()
    assert r1(3.0)(discriminator, real, fake, seeded()).item() == pytest.approx(explicit, 1e-3)
    share = torch.rand(7, 1, generator=seeded(5))
    slopes = torch.stack([explicit_slope(discriminator, x) for x in share * real + (1 - share) * fake])
    explicit = 10 * (slopes - 1).square().mean().item()
    assert gradient_penalty(10.0)(discriminator, real, fake, seeded(5)).item() == pytest.approx(explicit, 1e-3)


def test_between_lies_on_the_lines_and_mixes_each_pair_once():
    real, fake = torch.zeros(50, 3, 4, 4), torch.ones(50, 3, 4, 4)
    points = between(real, fake, seeded())
    assert torch.equal(points, points[:, :1, :1, :1].expand_as(points))
    shares = points[:, 0, 0, 0]
    assert 0 <= shares.min() < 0.1
    assert 0.9 < shares.max() <= 1


@pytest.mark.parametrize("penalty", [r1(1.0), gradient_penalty(1.0)])
def test_penalties_have_gradients_for_the_discriminator_alone(penalty):
    discriminator = mlp(2, 1, width=8)
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    penalty(discriminator, real, fake, seeded()).backward()
    assert discriminator[0].weight.grad.abs().sum() > 0
    assert real.grad is None
    assert fake.grad is None


@pytest.mark.parametrize("penalty", [r1(1.0), gradient_penalty(1.0)])
def test_a_dead_discriminator_gives_no_nan(penalty):
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        discriminator[0].bias.fill_(-100)
    value = penalty(discriminator, REAL, FAKE, seeded())
    value.backward()
    assert all(torch.isfinite(p.grad).all() for p in discriminator.parameters() if p.grad is not None)


@pytest.mark.parametrize("make", [r1, gradient_penalty])
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_negative_weights_are_refused(make, weight):
    with pytest.raises(InputError, match="reward"):
        make(weight)


def test_penalties_work_on_images_with_batch_norm_and_spectral_norm():
    convolution = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))
    discriminator = nn.Sequential(convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 1))
    images = torch.randn(2, 5, 3, 8, 8, generator=seeded())
    assert gradient_penalty(1.0)(discriminator, *images, seeded()).item() > 0
