"""Distributions: samples agree with densities, modes lie where the papers put them."""

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from gantutor.errors import InputError
from gantutor.theory.distributions import Mixture, VerticalLine, grid, mixture, normal, ring
from gantutor.theory.divergences import js


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def plane(reach, count):
    """Points (count², 2) of a square grid over [−reach, reach]², and the area of a cell."""
    line = torch.linspace(-reach, reach, count)
    return torch.cartesian_prod(line, line), (2 * reach / (count - 1)) ** 2


def test_normal_density():
    x = torch.tensor([[0.5], [2.0]])
    wanted = torch.distributions.Normal(0.5, 2.0).log_prob(x[:, 0])
    torch.testing.assert_close(normal(0.5, 2.0).log_density(x), wanted)


@pytest.mark.parametrize("target", [ring(deviation=0.2), grid(side=3, deviation=0.3), mixture([[0.5, -1.0]], 0.5)])
def test_density_integrates_to_one(target):
    points, area = plane(5.0, 301)
    assert target.log_density(points).exp().sum() * area == pytest.approx(1, abs=1e-4)


def test_samples_follow_the_density():
    """The entropy, once by samples and once by quadrature, and the mean."""
    target = Mixture(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), 0.4, torch.tensor([0.3, 0.7]))
    samples, (points, area) = target.sample(50_000, generator()), plane(5.0, 301)
    density = target.log_density(points).exp()
    entropy = -torch.special.xlogy(density, density).sum() * area
    assert -target.log_density(samples).mean() == pytest.approx(entropy.item(), abs=0.02)
    torch.testing.assert_close(samples.mean(0), torch.tensor([0.7, 1.4]), atol=0.02, rtol=0)


def test_samples_repeat_with_their_seed():
    assert torch.equal(ring().sample(5, generator(1)), ring().sample(5, generator(1)))
    assert not torch.equal(ring().sample(5, generator(1)), ring().sample(5, generator(2)))


def test_ring_has_eight_distinct_modes_at_equal_distances():
    modes = ring().modes
    torch.testing.assert_close(modes.norm(dim=1), torch.ones(8))
    nearest = torch.cdist(modes, modes).fill_diagonal_(torch.inf).min(1).values
    torch.testing.assert_close(nearest, torch.full((8,), 2 * math.sin(math.pi / 8)))


def test_grid_is_centred():
    modes = grid().modes
    assert modes.shape == (25, 2)
    assert modes.unique(dim=0).tolist() == [[2.0 * (i - 2), 2.0 * (j - 2)] for i in range(5) for j in range(5)]


@pytest.mark.parametrize("target", [ring(), grid()])
def test_share_within_three_deviations(target):
    """98.89 % = 1 − exp(−9/2): the radius of a Gaussian in the plane has Rayleigh's distribution (FACTS.md §1)."""
    points = target.sample(100_000, generator())
    near = torch.cdist(points, target.modes).min(1).values < 3 * target.deviation
    assert 1 - math.exp(-9 / 2) == pytest.approx(0.9889, abs=5e-5)
    assert near.float().mean() == pytest.approx(0.9889, abs=0.0015)


@pytest.mark.parametrize("theta", [-1.0, 0.25, 3.0])
def test_parallel_lines(theta):
    """W1 = |θ| and JS = log 2 (Arjovsky et al. 2017, "Wasserstein GAN", example 1)."""
    here, there = VerticalLine(0.0).sample(200, generator()), VerticalLine(theta).sample(200, generator())
    price = torch.cdist(here, there)
    paid = price[linear_sum_assignment(price)].mean()  # the best transport of these samples
    earned = there[:, 0].mean().sub(here[:, 0].mean()).abs()  # the dual: ±x is 1-Lipschitz
    assert paid == pytest.approx(abs(theta), abs=1e-6)
    assert earned == pytest.approx(abs(theta), abs=1e-6)
    columns = torch.zeros(2, 2, 50)  # the two lines, as all the points that either has
    columns[0, 0] = columns[1, 1] = 1.0
    assert js(*columns, 1 / 50) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mixture([0.0, 1.0], 1.0), r"modes are \(K, d\)"),
        (lambda: normal(0, 0.0), "standard deviation of 0.0 has no density"),
        (lambda: normal(0, math.nan), "standard deviation of nan"),
        (lambda: Mixture(torch.zeros(2, 1), 1.0, torch.tensor([0.5, 0.4])), "sum to 0.900 make no density"),
        (lambda: Mixture(torch.zeros(2, 1), 1.0, torch.tensor([1.5, -0.5])), "make no density"),
        (lambda: mixture(torch.zeros(0, 2), 1.0), "sum to 0.000 make no density"),
    ],
)
def test_bad_mixtures(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 3)])
def test_points_of_another_dimension_are_refused(shape):
    with pytest.raises(InputError, match=r"give \(N, 2\)"):
        ring().log_density(torch.zeros(shape))


def test_modes_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="NaN or infinite"):
        mixture([[math.nan]], 1.0)
