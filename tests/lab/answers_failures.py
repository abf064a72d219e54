"""Right and wrong answers to the exercises of notebook 02, for test_checks.py."""

import math

import torch

from gantutor.gan.penalties import r1
from gantutor.theory import dynamics


def minimax_moved(on_theta=lambda *_: 0, on_psi=lambda *_: 0):
    """The minimax field with something added to the velocities."""

    def answer(theta, psi, gamma):
        v_theta, v_psi = dynamics.minimax(theta, psi)
        return v_theta + on_theta(theta, psi, gamma), v_psi + on_psi(theta, psi, gamma)

    return answer


def signs(on_theta, on_psi):
    def answer(theta, psi):
        v_theta, v_psi = dynamics.non_saturating(theta, psi)
        return on_theta * v_theta, on_psi * v_psi

    return answer


def largest_steps(gamma):
    field = dynamics.r1(gamma)
    return tuple(
        dynamics.largest_stable_step(field, update) for update in (dynamics.simultaneous, dynamics.alternating)
    )


def alternating_step(gamma):
    return largest_steps(gamma)[1]


def kl(q, p):
    return torch.xlogy(q, q / p).sum()


SICK = (5e-3, 1e-3)
CURED = {"rates": SICK, "discriminator_steps": 5}

ANSWERS = {
    "failures.field": (
        dynamics.non_saturating,
        [
            (dynamics.minimax, "the saturating generator of minimax"),
            (dynamics.wasserstein, "lacks the slope"),
            (signs(-1, 1), "the sign of θ's velocity"),
            (signs(1, -1), "the sign of ψ's velocity"),
            (lambda theta, psi: dynamics.non_saturating(theta, psi)[::-1], "swapped"),
            (lambda theta, psi: (signs(1, 1)(theta, psi)[0], theta * torch.sigmoid(psi * theta)), "ψ's velocity"),
            (lambda theta, psi: (-theta * torch.sigmoid(psi * theta), theta * torch.sigmoid(-psi * theta)), "θ's"),
            (lambda theta, psi: dynamics.non_saturating(theta, psi)[0], "two things"),
        ],
    ),
    "failures.regularised": (
        minimax_moved(on_psi=lambda theta, psi, gamma: -gamma * psi),
        [
            (minimax_moved(on_psi=lambda theta, psi, gamma: gamma * psi), "rewards a steep"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -2 * gamma * psi), "twice too much"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -gamma / 2 * psi), "half of what it should be"),
            (minimax_moved(), "no penalty yet"),
            (minimax_moved(on_theta=lambda theta, psi, gamma: -gamma * psi), "moves ψ, not θ"),
            (minimax_moved(on_theta=lambda theta, psi, gamma: -gamma * theta), "moves ψ, not θ"),
            (minimax_moved(*[lambda theta, psi, gamma: -gamma * psi] * 2), "the discriminator alone"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -gamma / 2 * psi**2), "the penalty itself"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -gamma * theta), "is ψ, not θ"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -0.3 * psi), "Use gamma"),
            (minimax_moved(on_psi=lambda theta, psi, gamma: -gamma), "neither"),
        ],
    ),
    "failures.largest_steps": (
        largest_steps,
        [
            (lambda gamma: largest_steps(gamma)[::-1], "swapped"),
            (lambda gamma: (4 * gamma, 4 * gamma), "both are the simultaneous one"),
            (lambda gamma: (math.inf, math.inf), "The flow is stable"),
            (lambda gamma: (4 / gamma, 4 / gamma), "2/|Re λ|"),
            (lambda gamma: (2 * gamma, alternating_step(gamma)), "a factor of two"),
            (lambda gamma: (4 * gamma, 4.0), "a step of 4.000 is already unstable"),
            (lambda gamma: (0.9, alternating_step(gamma)), "a step of 0.900 is still stable"),
            (lambda gamma: largest_steps(0.3), "Use gamma"),
            (lambda gamma: 4 * gamma, "two numbers"),
        ],
    ),
    "failures.reverse_kl": (
        kl,
        [
            (lambda q, p: kl(p, q), "the forward KL"),
            (lambda q, p: -kl(q, p), "never negative"),
            (lambda q, p: kl(q, p) / math.log(2), "in bits"),
            (lambda q, p: torch.xlogy(q, q / p).mean(), "Take the sum"),
            (lambda q, p: torch.xlogy(q, q / p), "Add them up"),
            (lambda q, p: (q * (q / p)).sum(), "the logarithm is missing"),
            (lambda q, p: (q / p).log().sum(), "the weights q"),
            (lambda q, p: -torch.xlogy(q, q).sum(), "the entropy"),
            (lambda q, p: (q - p).abs().sum() / 2, "total variation"),
            (lambda q, p: (q * (q / p).log()).sum(), "0 · log 0"),
            (lambda q, p: kl(q, p) + 1, "where 0.395 is right"),
        ],
    ),
    "failures.packed": (
        lambda points, count: points.reshape(len(points) // count, -1),
        [
            (lambda points, count: points.repeat(1, count), "repeats every sample"),
            (lambda points, count: points.reshape(-1, count, points.shape[1]), "below one another"),
            (lambda points, count: points.reshape(-1, 4), "Use count"),
            (lambda points, count: points.reshape(4, -1), "packs of 3 only"),
            (lambda points, count: points.T.reshape(len(points) // count, -1), "mixed"),
            (lambda points, count: points.reshape(count, 4, 2).transpose(0, 1).flatten(1), "another order"),
            (lambda points, count: points[:4].repeat(1, count), "occur twice"),
            (lambda points, count: points, "the shape (12, 2), not (4, 6)"),
        ],
    ),
    "failures.collapse_and_cure": (
        lambda: ({"rates": SICK}, CURED),
        [
            (lambda: ({"rates": (1e-3, 5e-3)}, CURED | {"rates": (1e-3, 5e-3)}), "does not collapse"),
            (lambda: ({"rates": SICK}, {"rates": SICK[::-1]}), "Keep the rates"),
            (lambda: ({"rates": SICK}, {"rates": SICK, "penalty": r1(0.1)}), "another illness"),
            (lambda: ({"rates": (1e-6, 1e-6)}, {"rates": (1e-6, 1e-6)}), "has not learnt anything yet"),
            (lambda: ({"rates": (-1.0, 1e-3)}, {"rates": (-1.0, 1e-3)}), "the first run stopped: learning rates"),
            (lambda: ({"batch": 8}, CURED), "'batch' is no setting"),
            (lambda: ({}, CURED), "both need rates"),
            (lambda: {"rates": SICK}, "two dictionaries"),
        ],
    ),
}
