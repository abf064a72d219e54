"""The checks of notebook 02."""

import math
from itertools import islice
from statistics import mean

import torch

from ...errors import InputError
from ...gan.losses import non_saturating
from ...gan.metrics import modes_covered, nearest
from ...gan.networks import mlp
from ...gan.training import train
from ...theory import dynamics
from ...theory.distributions import ring
from . import Wrong, exercise, need_tensor

STEPS = 240  # of each run of `collapse_and_cure`
NEARBY = 10  # standard deviations: half the radius of the ring


def points():
    """θ and ψ (20,) in all four quadrants."""
    return 1.5 * torch.randn(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def pair(result, shape):
    """The reader's two tensors of one shape as one (2, ...), or Wrong."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("it does not return two things. End with: return one_for_theta, one_for_psi.")
    for part in result:
        need_tensor(part, shape)
    return torch.stack(tuple(result)).double()


def same(result, *wanted):
    """Whether the reader's pair is the wanted one."""
    wanted = wanted[0] if len(wanted) == 1 else wanted
    return torch.allclose(result, torch.stack(tuple(wanted)).double(), atol=1e-6)


@exercise(hint="The generator climbs f(−ψθ): derive it for θ. ψ has the same velocity as in the minimax game.")
def field(answer):
    """field(theta, psi): the non-saturating velocities (−ψ f′(−ψθ), θ f′(ψθ))."""
    theta, psi = points()
    result = pair(answer(theta, psi), theta.shape)
    right_theta, right_psi = dynamics.non_saturating(theta, psi)
    if same(result, right_theta, right_psi):
        return "Where t = ψθ is large, the discriminator is sure, and this generator moves while minimax stands still."
    v_theta, v_psi = result
    if same(result, dynamics.minimax(theta, psi)):
        raise Wrong("that is the saturating generator of minimax: its slope is f′(ψθ). Here it is f′(−ψθ).")
    if same(result, right_psi, right_theta):
        raise Wrong("the two are swapped: the velocity of θ comes first.")
    for name, found, wanted in (("θ", v_theta, right_theta), ("ψ", v_psi, right_psi)):
        if torch.allclose(found, -wanted, atol=1e-6):
            raise Wrong(f"the sign of {name}'s velocity is turned round: it goes away from what its player wants.")
    for name, found, wanted in (("θ", v_theta, -psi), ("ψ", v_psi, theta)):
        if torch.allclose(found, wanted, atol=1e-6):
            raise Wrong(f"{name}'s velocity lacks the slope f′: without it this is the Wasserstein game.")
    wrong = "ψ" if torch.allclose(v_theta, right_theta, atol=1e-6) else "θ"
    raise Wrong(f"{wrong}'s velocity is another. Derive the player's own goal by its own number, with f′(t) = σ(−t).")


@exercise(hint="D(x) = ψx has the slope ψ everywhere. Derive the penalty γ/2 · ψ² and let ψ go down it.")
def regularised(answer):
    """regularised(theta, psi, gamma): the minimax field with R1."""
    theta, psi = points()
    gamma = 0.3
    result = pair(answer(theta, psi, gamma), theta.shape)
    v_theta, v_psi = dynamics.minimax(theta, psi)
    if same(result, v_theta, v_psi - gamma * psi):
        if not same(pair(answer(theta, psi, 0.7), theta.shape), dynamics.r1(0.7)(theta, psi)):
            raise Wrong("it is right for γ = 0.3 only. Use gamma.")
        return "It is friction: the velocity of ψ loses a share of ψ, whatever the generator does."
    mistakes = [
        (0, gamma * psi, "the sign is wrong: this penalty rewards a steep discriminator. ψ goes down it."),
        (0, -2 * gamma * psi, "it is twice too much: the penalty is γ/2 · ψ². Code without the half has this term."),
        (0, -gamma / 2 * psi, "it is half of what it should be: the derivative of γ/2 · ψ² is γψ."),
        (0, 0 * psi, "there is no penalty yet: this is the plain minimax field."),
        (-gamma * psi, 0, "the penalty is on the discriminator's slope, and it moves ψ, not θ."),
        (-gamma * theta, 0, "the penalty is on the discriminator's slope, and it moves ψ, not θ."),
        (-gamma * psi, -gamma * psi, "the penalty belongs to the discriminator alone: θ keeps its velocity."),
        (-gamma * theta, -gamma * psi, "the penalty belongs to the discriminator alone: θ keeps its velocity."),
        (0, -gamma / 2 * psi**2, "that subtracts the penalty itself. A velocity has its derivative by ψ."),
        (0, -gamma * theta, "the slope of D(x) = ψx with respect to x is ψ, not θ."),
    ]
    for on_theta, on_psi, sentence in mistakes:
        if same(result, v_theta + on_theta, v_psi + on_psi):
            raise Wrong(sentence)
    raise Wrong("it is neither the minimax field nor that with the friction −γψ on ψ.")


@exercise(
    hint="Search: the largest |λ| of r1(gamma)'s update at (0, 0) is below 1 for smaller steps, above for larger."
)
def largest_steps(answer):
    """largest_steps(gamma): (simultaneous, alternating)."""

    def attempt(gamma):
        result = answer(gamma)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("it does not return two numbers. End with: return simultaneous, alternating.")
        return [float(value) for value in result]

    def near(value, wanted):
        return abs(value - wanted) < 0.01 * wanted

    gamma = 0.3
    found = attempt(gamma)
    wanted = 4 * gamma, 4 * (math.sqrt(1 + gamma**2) - gamma)
    if near(found[0], wanted[1]) and near(found[1], wanted[0]):
        raise Wrong("the two are swapped: simultaneous comes first. Turn about, larger steps are stable.")
    if all(near(value, wanted[0]) for value in found):
        raise Wrong("both are the simultaneous one. The alternating update has other eigenvalues.")
    for name, value, right in zip(("simultaneous", "alternating"), found, wanted, strict=True):
        if near(value, right):
            continue
        if not math.isfinite(value):
            raise Wrong(f"the {name} one is {value}. The flow is stable; steps are not, if they are too long.")
        if near(value, 2 / (gamma / 2)):
            raise Wrong(f"the {name} one is 2/|Re λ|: that holds for real eigenvalues. Here |1 + hλ| must be below 1.")
        if near(value, right / 2) or near(value, 2 * right):
            half = "the penalty has a half, γ/2 · ψ², so ψ gains −γψ, and f′(0) = 1/2"
            raise Wrong(f"the {name} one, {value:.3f}, is off by a factor of two: {half}.")
        side = "still stable" if value < right else "already unstable"
        raise Wrong(f"the {name} one: a step of {value:.3f} is {side}, by the eigenvalues of the update.")
    for gamma in (0.1, 0.8):
        wanted = 4 * gamma, 4 * (math.sqrt(1 + gamma**2) - gamma)
        if not all(map(near, attempt(gamma), wanted)):
            raise Wrong(f"it is right for γ = 0.3, and not for γ = {gamma}. Use gamma.")
    return "4γ, up to γ = 1, and 4(√(1 + γ²) − γ). Friction helps the first and harms the second; equal at γ = 1/√3."


@exercise(hint="Σ q log(q/p) over the modes. Where q is 0 the term is 0: torch.xlogy(q, ...) knows that.")
def reverse_kl(answer):
    """reverse_kl(q, p): KL(q‖p) of the samples' shares from the true ones."""

    def attempt(q, p):
        value = answer(q.clone(), p.clone())
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise Wrong("it returns a term for each mode. Add them up.")
        return float(value)

    def kl(q, p):
        return torch.special.xlogy(q, q / p).sum().item()

    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    found, right = attempt(q, p), kl(q, p)
    mistakes = {
        kl(p, q): "that is the forward KL(p‖q). Here the samples' shares q come first.",
        -right: "the sign is wrong: a divergence is never negative.",
        right / math.log(2): "that is in bits: take the natural logarithm.",
        right / 3: "that is the mean over the modes. Take the sum.",
        (q * (q / p)).sum().item(): "the logarithm is missing.",
        (q / p).log().sum().item(): "the weights q are missing: Σ q log(q/p).",
        -(q * q.log()).sum().item(): "that is the entropy of q: p is missing.",
        (q - p).abs().sum().item() / 2: "that is the total variation distance.",
    }
    if abs(found - right) > 1e-4:
        for value, sentence in mistakes.items():
            if abs(found - value) < 1e-4:
                raise Wrong(sentence)
        raise Wrong(f"it gives {found:.3f} nats where {right:.3f} is right. Write the formula as it stands.")
    one, uniform = torch.tensor([1.0, 0, 0, 0]), torch.full((4,), 0.25)
    collapsed = attempt(one, uniform)
    if not abs(collapsed - math.log(4)) < 1e-4:
        raise Wrong(
            f"if all samples lie at one of four modes it gives {collapsed:.3f}, not log 4: 0 · log 0 counts as 0."
        )
    return "It is 0 for equal shares, and log K if one of K equal modes has all. A missed mode itself adds nothing."


@exercise(hint="Reshape (N, d) to (N / count, count · d): neighbours in the batch end up in one row.")
def packed(answer):
    """packed(points, count): rows of `count` samples, joined."""
    samples = torch.arange(24.0).reshape(12, 2)
    count = 3
    result = answer(samples.clone(), count)
    if isinstance(result, torch.Tensor):
        if result.shape == (12, 6):
            raise Wrong("it repeats every sample: a pack holds different samples, so there are N / count of them.")
        if result.shape == (4, 3, 2):
            raise Wrong("the samples of a pack stand below one another. Join them into one row of count · d numbers.")
        if result.shape == (6, 4):
            raise Wrong("the rows have d · 2 numbers, and there are count · d in a pack. Use count.")
    need_tensor(result, (4, 6))
    if torch.equal(result, samples.reshape(4, 6)):
        if answer(samples.clone(), 2).shape != (6, 4):
            raise Wrong("it is right for packs of 3 only. Use count.")
        return (
            "The discriminator now sees whether samples of one pack are too much alike. The generator stays as it is."
        )
    if len(set(result.flatten().tolist())) < 24:
        raise Wrong("some samples occur twice and others not at all.")
    if any(row[k + 1] - row[k] != 1 for row in result.tolist() for k in (0, 2, 4)):
        raise Wrong("the coordinates of different samples are mixed: x and y of a sample stand side by side.")
    raise Wrong("these are the right samples in another order. Let neighbours in the batch form a pack.")


@exercise(hint="Section 3 has rates that collapse, and says which player is at fault. Which setting helps that player?")
def collapse_and_cure(answer):
    """collapse_and_cure(): settings for `train` that collapse, and settings with the same rates that do not."""
    result = answer()
    if not isinstance(result, tuple | list) or len(result) != 2 or not all(isinstance(part, dict) for part in result):
        raise Wrong("it does not return two dictionaries. End with: return sick, cured.")
    sick, cured = result
    allowed = {"rates", "discriminator_steps", "penalty"}
    if extra := sorted((sick.keys() | cured.keys()) - allowed):
        raise Wrong(f"{extra[0]!r} is no setting of this exercise: use {', '.join(sorted(allowed))}.")
    if "rates" not in sick or "rates" not in cured:
        raise Wrong("both need rates, a pair: the generator's and the discriminator's.")
    if tuple(sick["rates"]) != tuple(cured["rates"]):
        raise Wrong("the cure has other rates, so it is another run. Keep the rates and find what else helps.")
    covered, near = outcome("the first run", sick)
    if covered > 3:
        raise Wrong(
            f"the first run does not collapse: it covers {covered:.0f} of 8 modes. Let the generator go faster."
        )
    if near < 0.3:
        raise Wrong("the first run has not collapsed, it has not learnt anything yet. Raise the rates.")
    covered, _ = outcome("the second run", cured)
    if covered < 6.5:
        raise Wrong(f"the second run covers {covered:.0f} of 8 modes. The remedy is for another illness, or too weak.")
    return "The first run collapses, the second keeps the modes, with the same rates."


def outcome(name, settings):
    """Modes covered, and the share of samples near a mode, over the last third of STEPS steps on the ring."""
    target, source = ring(deviation=0.05), torch.Generator().manual_seed(1)
    G, D = mlp(2, 2, width=64, seed=12), mlp(2, 1, width=64, seed=13)
    states = train(G, D, target.sample, non_saturating, latent=2, batch=128, **settings)
    covered, near = [], []
    try:
        for state in islice(states, STEPS):
            if state.step > 2 / 3 * STEPS and state.step % 10 == 0:
                with torch.no_grad():
                    samples = G(torch.randn(500, 2, generator=source))
                covered.append(modes_covered(samples, target))
                near.append((nearest(samples, target)[1] < NEARBY).double().mean().item())
    except InputError as error:
        raise Wrong(f"{name} stopped: {error}.") from None
    return mean(covered), mean(near)
