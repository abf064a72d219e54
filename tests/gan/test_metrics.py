"""Metrics on points whose answer is known."""

import math

import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan.metrics import high_quality, modes_covered, overlap, reverse_kl
from gantutor.theory.distributions import Mixture, grid, mixture, ring


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("make", "modes"), [(ring, 8), (grid, 25)])
def test_the_data_themselves(make, modes):
    """All modes, 98.89 % within 3σ, no divergence."""
    target = make()
    points = target.sample(40_000, seeded())
    assert modes_covered(points, target) == modes
    assert high_quality(points, target) == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert reverse_kl(points, target) == pytest.approx(0, abs=0.001)


def test_a_collapsed_generator():
    target = ring()
    points = target.modes[3] + 0.001 * torch.randn(2500, 2, generator=seeded())
    assert modes_covered(points, target) == 1
    assert high_quality(points, target) == 1
    assert reverse_kl(points, target) == pytest.approx(math.log(8))


def test_overlap_wants_quality_and_coverage():
    """The data themselves, one mode of eight alone, a scatter over everything, half of the points right."""
    target = ring()
    points = target.sample(2500, seeded())
    assert overlap(points, target) == pytest.approx(0.97, abs=0.03)  # even the data do not fill all modes alike
    assert overlap(target.modes[:1].expand(2500, 2), target) == pytest.approx(1 / 8)
    scatter = 4 * torch.rand(2500, 2, generator=seeded()) - 2
    assert overlap(scatter, target) < 0.01
    balanced = target.modes.repeat(100, 1)
    assert overlap(balanced, target) == pytest.approx(1)
    assert overlap(torch.cat([balanced, balanced + 0.05]), target) == pytest.approx(0.5)


def test_three_deviations_are_the_border():
    target = mixture([[0.0, 0.0], [10.0, 0.0]], 0.5)
    points = torch.tensor([[1.49, 0.0], [1.51, 0.0], [10.0, -1.49], [9.0, 1.2]])
    assert high_quality(points, target) == 0.5
    assert modes_covered(points, target) == 2
    assert modes_covered(points[1:2], target) == 0


def test_one_good_point_covers_a_mode():
    target = ring()
    points = torch.cat([target.modes[:1].expand(2499, 2), target.modes[1:2]])
    assert modes_covered(points, target) == 2


def test_reverse_kl_has_the_generated_distribution_first():
    """q = (3/4, 1/4) of p = (1/2, 1/2): Σ q log(q/p) = .1308; the other direction would be .1438."""
    target = mixture([[0.0], [10.0]], 1.0)
    points = torch.tensor([[0.0], [0.0], [4.0], [10.0]])  # 4.0 is of no high quality, and counts
    assert reverse_kl(points, target) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_reverse_kl_is_against_the_mixtures_own_weights():
    target = Mixture(torch.tensor([[0.0], [10.0]]), 1.0, torch.tensor([0.75, 0.25]))
    assert reverse_kl(torch.tensor([[0.0], [0.0], [0.0], [10.0]]), target) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(4, 3), torch.zeros(4)])
def test_points_of_another_shape_are_refused(points):
    with pytest.raises(InputError, match=r"\(N, 2\)"):
        modes_covered(points, ring())


def test_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        high_quality(torch.tensor([[0.0, float("nan")]]), ring())
