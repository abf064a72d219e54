"""The Dirac-GAN's reference figures, from Mescheder et al. 2018 (arXiv 1801.04406), sections 2 and 3, or computed."""

import cmath
import math

import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan import losses
from gantutor.theory import dynamics
from gantutor.theory.dynamics import alternating, eigenvalues, largest_stable_step, simultaneous, trajectory

SMOOTH = {
    "minimax": dynamics.minimax,
    "non-saturating": dynamics.non_saturating,
    "wasserstein": dynamics.wasserstein,
    "r1": dynamics.r1(0.3),
    "non-saturating r1": dynamics.r1(0.3, dynamics.non_saturating),
    "instance noise": dynamics.instance_noise(0.7),
}


def assert_eigenvalues(function, middle, root):
    """The eigenvalues are middle ± √root."""
    found = sorted(eigenvalues(function).tolist(), key=lambda value: (value.real, value.imag))
    wanted = sorted((middle + sign * cmath.sqrt(root) for sign in (-1, 1)), key=lambda value: (value.real, value.imag))
    assert found == pytest.approx(wanted, abs=1e-6)


def radius(update, count=500, start=(1, 1)):
    return trajectory(update, start, count)[-1].norm().item()


@pytest.mark.parametrize("field", [dynamics.minimax, dynamics.non_saturating])
def test_unregularised_eigenvalues_are_half_i(field):
    assert_eigenvalues(field, 0, -1 / 4)


def test_wasserstein_eigenvalues_are_i():
    assert_eigenvalues(dynamics.wasserstein, 0, -1)


@pytest.mark.parametrize("field", [dynamics.minimax, dynamics.non_saturating])
@pytest.mark.parametrize("gamma", [0, 0.3, 0.9, 1.5])
def test_r1_eigenvalues(field, gamma):
    assert_eigenvalues(dynamics.r1(gamma, field), -gamma / 2, gamma**2 / 4 - 1 / 4)


@pytest.mark.parametrize("sigma", [0, 0.5, 1, 2])
def test_instance_noise_eigenvalues(sigma):
    assert_eigenvalues(dynamics.instance_noise(sigma), -(sigma**2) / 4, sigma**4 / 16 - 1 / 4)


@pytest.mark.parametrize(("make", "critical"), [(dynamics.r1, 1), (dynamics.instance_noise, math.sqrt(2))])
def test_beyond_the_critical_size_nothing_turns(make, critical):
    """Critical γ = 1, critical σ = √2."""
    assert eigenvalues(make(0.99 * critical)).imag.abs().min() > 0
    assert eigenvalues(make(1.01 * critical)).imag.abs().max() == 0


@pytest.mark.parametrize("gamma", [0.5, 1])
def test_wgan_gp_has_an_orbit_and_no_eigenvalues(gamma):
    field = dynamics.wgan_gp(gamma)
    with pytest.raises(InputError, match=r"jumps at \(0.0, 0.0\)"):
        eigenvalues(field)
    assert eigenvalues(field, at=(0.5, 0.5)).shape == (2,)
    for update in (simultaneous, alternating):
        radii = trajectory(update(field, 0.05), (1, 1), 2000)[-500:].norm(dim=-1)
        assert 0.1 < radii.max() < 3  # it neither arrives nor leaves


def test_growth_in_one_step():
    """Step .2: |λ| = 1.004988 simultaneous, 1 alternating."""
    for update, wanted in ((simultaneous, 1.004988), (alternating, 1)):
        assert eigenvalues(update(dynamics.minimax, 0.2)).abs().tolist() == pytest.approx([wanted] * 2, abs=1e-6)


@pytest.mark.parametrize(
    ("field", "plain", "regularised"),
    [(dynamics.minimax, 3.0969, 2.64e-6), (dynamics.non_saturating, 0.6402, 2.21e-6)],
)
def test_radii_after_500_steps(field, plain, regularised):
    """From (1, 1), simultaneous, step .2, without R1 and with γ = .3: computed."""
    assert radius(simultaneous(field, 0.2)) == pytest.approx(plain, abs=5e-5)
    assert radius(simultaneous(dynamics.r1(0.3, field), 0.2)) == pytest.approx(regularised, abs=5e-9)


@pytest.mark.parametrize("gamma", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("field", [dynamics.minimax, dynamics.non_saturating])
def test_largest_stable_steps(field, gamma):
    """γ = .3: 4γ = 1.2 simultaneous, 4(√(1 + γ²) − γ) = 2.976 alternating: computed."""
    field = dynamics.r1(gamma, field)
    assert largest_stable_step(field) == pytest.approx(4 * gamma, abs=1e-6)
    wanted = 4 * (math.sqrt(1 + gamma**2) - gamma)
    assert largest_stable_step(field, alternating) == pytest.approx(wanted, abs=1e-6)
    if gamma == 0.3:
        assert wanted == pytest.approx(2.976, abs=5e-4)


@pytest.mark.parametrize("update", [simultaneous, alternating])
def test_orbits_agree_with_the_largest_stable_step(update):
    field = dynamics.r1(0.3)
    step = largest_stable_step(field, update)
    assert radius(update(field, 0.95 * step), start=(0.01, 0)) < 1e-3
    assert radius(update(field, 1.05 * step), start=(0.01, 0)) > 0.1


@pytest.mark.parametrize("update", [simultaneous, alternating])
@pytest.mark.parametrize("field", [dynamics.minimax, dynamics.non_saturating, dynamics.wasserstein])
def test_without_a_regulariser_no_step_is_stable(field, update):
    assert largest_stable_step(field, update) == 0


def test_flow_of_minimax_turns_and_that_of_non_saturating_shrinks():
    """d(r²)/dt = 2 (θ v_θ + ψ v_ψ): 0, and −2t tanh(t/2) with t = ψθ, of fourth order in the radius."""
    points = torch.randn(2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    t = points.prod(0)
    for field, wanted in ((dynamics.minimax, 0 * t), (dynamics.non_saturating, -2 * t * (t / 2).tanh())):
        growth = 2 * (points * torch.stack(field(*points))).sum(0)
        torch.testing.assert_close(growth, wanted)


@pytest.mark.parametrize("step", [0.1, 0.2])
def test_non_saturating_orbit_ends_at_the_root_of_twice_the_step(step):
    """From inside it grows, from outside it shrinks: growth h²r²/4 and shrinking h r⁴/8 a step balance at r = √(2h)."""
    balance = math.sqrt(2 * step)
    update = simultaneous(dynamics.non_saturating, step)
    inside, outside = trajectory(update, [(balance / 2, 0), (2 * balance, 0)], int(40 / step**2)).norm(dim=-1).unbind(1)
    turn = int(4 * math.pi / step)
    assert inside[turn] > inside[0] and outside[turn] < outside[0]
    for radii in (inside, outside):
        assert radii[-turn:].mean().item() == pytest.approx(balance, rel=0.01)


@pytest.mark.parametrize("name", SMOOTH)
def test_alternating_moves_the_generator_first(name):
    field, (theta, psi) = SMOOTH[name], torch.tensor([0.7, -0.4], dtype=torch.float64)
    moved = theta + 0.3 * field(theta, psi)[0]
    assert alternating(field, 0.3)(theta, psi) == (moved, psi + 0.3 * field(moved, psi)[1])


@pytest.mark.parametrize("name", SMOOTH)
def test_jacobian_is_the_finite_difference(name):
    at, h = torch.tensor([0.4, -0.9], dtype=torch.float64), 1e-5
    steps = h * torch.eye(2, dtype=torch.float64)
    columns = [(torch.stack(SMOOTH[name](*(at + e))) - torch.stack(SMOOTH[name](*(at - e)))) / (2 * h) for e in steps]
    torch.testing.assert_close(dynamics.jacobian(SMOOTH[name], at.tolist()), torch.stack(columns, 1))


@pytest.mark.parametrize(
    ("field", "loss"),
    [
        (dynamics.minimax, losses.minimax),
        (dynamics.non_saturating, losses.non_saturating),
        (dynamics.wasserstein, losses.wasserstein),
    ],
)
def test_fields_descend_the_losses(field, loss):
    """The losses call a positive logit real, the Dirac-GAN fake: the logit here is −ψx."""
    theta, psi = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, -1.2))
    fake, real = -psi * theta, -psi * torch.zeros(())
    (v_theta,) = torch.autograd.grad(-loss.generator(fake), theta, retain_graph=True)
    (v_psi,) = torch.autograd.grad(-loss.discriminator(real, fake), psi)
    torch.testing.assert_close((v_theta, v_psi), tuple(v.detach() for v in field(theta, psi)))


def test_instance_noise_is_the_mean_over_noise():
    sigma, (theta, psi) = 0.8, torch.tensor([0.5, 1.2], dtype=torch.float64)
    noise = sigma * torch.randn(2, 400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fake, real = theta + noise[0], noise[1]
    slope, slope_real = torch.sigmoid(-psi * fake), torch.sigmoid(psi * real)
    wanted = torch.stack([(-psi * slope).mean(), (fake * slope - real * slope_real).mean()])
    torch.testing.assert_close(torch.stack(dynamics.instance_noise(sigma)(theta, psi)), wanted, atol=5e-3, rtol=0)


def test_wgan_gp_descends_its_loss():
    theta, psi = torch.tensor(0.7), torch.tensor(-1.2, requires_grad=True)
    (gradient,) = torch.autograd.grad(-psi * theta + 0.5 / 2 * (psi.abs() - 0.3) ** 2, psi)
    assert dynamics.wgan_gp(0.5, target=0.3)(theta, psi.detach())[1].item() == pytest.approx(-gradient.item())


def test_trajectory_takes_many_starts():
    update = simultaneous(dynamics.r1(0.3), 0.2)
    starts = torch.tensor([[1.0, 1.0], [0.0, -2.0]])
    both = trajectory(update, starts, 7)
    assert both.shape == (8, 2, 2)
    torch.testing.assert_close(both[:, 1], trajectory(update, starts[1], 7))


@pytest.mark.parametrize("step", [0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("update", [simultaneous, alternating])
def test_step_must_be_positive(update, step):
    with pytest.raises(InputError, match=f"a step of {step} goes nowhere: use a positive one"):
        update(dynamics.minimax, step)


@pytest.mark.parametrize("make", [dynamics.r1, dynamics.instance_noise, dynamics.wgan_gp])
def test_sizes_must_not_be_negative(make):
    with pytest.raises(InputError, match="at least 0"):
        make(-0.1)
