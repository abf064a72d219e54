"""The Dirac-GAN: a GAN with two numbers, and its training as a dynamical system (Mescheder et al. 2018, section 2).

All data lie at 0, all samples at θ, and the discriminator's logit is ψx. The game is L(θ, ψ) = f(ψθ) + f(0) with
f(t) = −log(1 + e^−t): ψ climbs it, θ descends it, and (0, 0) is the equilibrium. As in the paper a positive logit
means "fake" here; with −ψ for ψ these are the losses of `gan.losses`, where it means "real".

A field is a function (θ, ψ) to the velocities of both. `simultaneous` and `alternating` make an update of it, a
function (θ, ψ) to the next (θ, ψ). Both take and give two tensors of one shape; use float64.
"""

import math

import numpy as np
import torch
from scipy.optimize import brentq
from torch.autograd.functional import jacobian as differentiate

from ..errors import InputError

NODES = 64
"""Points of the quadrature over a Gaussian: within 1e-4 as long as |ψσ| is at most 5."""
SMALL = 1e-3
"""A step at which an update is stable if it is stable at any."""
ROUNDING = 1e-9


def minimax(theta, psi):
    """(−ψ f′(ψθ), θ f′(ψθ)), f′(t) = σ(−t). Eigenvalues at (0, 0): ± i/2 (Mescheder et al. 2018, section 2)."""
    slope = torch.sigmoid(-psi * theta)
    return -psi * slope, theta * slope


def non_saturating(theta, psi):
    """(−ψ f′(−ψθ), θ f′(ψθ)): the generator climbs f(−ψθ). The same eigenvalues."""
    return -psi * torch.sigmoid(psi * theta), theta * torch.sigmoid(-psi * theta)


def wasserstein(theta, psi):
    """(−ψ, θ): f is the identity, the weight is not clipped. Eigenvalues ± i (the paper's section 3)."""
    return -psi, theta


def r1(gamma, field=minimax):
    """A field with the penalty γ/2 · E‖∇D‖² = γ/2 · ψ² on real points: ψ's velocity gains −γψ.

    Eigenvalues, of minimax and non-saturating alike: −γ/2 ± √(γ²/4 − 1/4) (Mescheder et al. 2018, section 3). Code
    that multiplies the squared slope by γ, without the half, has 2γ here.
    """
    check_size("gamma", gamma)

    def regularised(theta, psi):
        v_theta, v_psi = field(theta, psi)
        return v_theta, v_psi - gamma * psi

    return regularised


def instance_noise(deviation):
    """The minimax field with noise N(0, σ²) on data and samples alike (Sønderby et al. 2017).

    Eigenvalues: −σ²/4 ± √(σ⁴/16 − 1/4) (Mescheder et al. 2018, section 3). The expectation is a Gauss-Hermite
    quadrature, so nothing here is random.
    """
    check_size("deviation", deviation)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    noise, weights = torch.from_numpy(deviation * nodes), torch.from_numpy(weights / weights.sum())

    def field(theta, psi):
        psi = psi[..., None]
        fake = theta[..., None] + noise
        on_fake, on_real = torch.sigmoid(-psi * fake), torch.sigmoid(psi * noise)
        return (weights * -psi * on_fake).sum(-1), (weights * (fake * on_fake - noise * on_real)).sum(-1)

    return field


def wgan_gp(gamma, target=1.0):
    """The Wasserstein field with the penalty γ/2 · (|ψ| − target)²: ψ's velocity gains −γ (|ψ| − target) sign ψ.

    It jumps at ψ = 0, so it has no eigenvalues at the equilibrium (Mescheder et al. 2018, section 3). Gulrajani et al.
    2017 write λ for γ/2.
    """
    check_size("gamma", gamma)

    def field(theta, psi):
        v_theta, v_psi = wasserstein(theta, psi)
        return v_theta, v_psi - gamma * (psi.abs() - target) * psi.sign()

    return field


def simultaneous(field, step):
    """The update in which both players move at once, by `step` times their velocity."""
    check_step(step)

    def update(theta, psi):
        v_theta, v_psi = field(theta, psi)
        return theta + step * v_theta, psi + step * v_psi

    return update


def alternating(field, step):
    """The update in which the generator moves first and the discriminator answers its new place."""
    check_step(step)

    def update(theta, psi):
        theta = theta + step * field(theta, psi)[0]
        return theta, psi + step * field(theta, psi)[1]

    return update


def trajectory(update, start, count):
    """The points (count + 1, ..., 2) that `count` updates pass, from start (..., 2) on, which may be many starts."""
    point = torch.as_tensor(start, dtype=torch.float64)
    points = [point]
    for _ in range(count):
        point = torch.stack(update(*point.unbind(-1)), -1)
        points.append(point)
    return torch.stack(points)


def jacobian(function, at=(0.0, 0.0)):
    """The derivatives (2, 2) of a field or an update at a point, by automatic differentiation.

    InputError if the function jumps there: what automatic differentiation returns then means nothing.
    """
    at = torch.tensor(at, dtype=torch.float64)
    nearby = at + 1e-7 * torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]])
    values = torch.stack(function(*nearby.unbind(-1)), -1)
    if (values.amax(0) - values.amin(0)).max() > 1e-3:
        raise InputError(f"the field jumps at {tuple(at.tolist())}, so it has no eigenvalues there: show its orbit")
    return differentiate(lambda point: torch.stack(function(*point)), at)


def eigenvalues(function, at=(0.0, 0.0)):
    """The two eigenvalues (complex) of a field's or an update's Jacobian at a point.

    Near an equilibrium the flow of a field contracts if their real parts are negative; repeated updates contract if
    their absolute values are below 1.
    """
    return torch.linalg.eigvals(jacobian(function, at))


def largest_stable_step(field, update=simultaneous):
    """The step below which the update's eigenvalues at (0, 0) lie inside the unit circle; 0 if they never do."""

    def excess(step):
        return eigenvalues(update(field, step)).abs().max().item() - 1

    if excess(SMALL) > -ROUNDING:
        return 0.0
    unstable = 2 * SMALL
    while excess(unstable) < 0:
        unstable *= 2
    return brentq(excess, unstable / 2, unstable)


def check_step(step):
    if not (step > 0 and math.isfinite(step)):
        raise InputError(f"a step of {step} goes nowhere: use a positive one such as 0.2")


def check_size(name, value):
    if not (value >= 0 and math.isfinite(value)):
        raise InputError(f"{name} {value} cannot be used: give a number of at least 0")
