"""Many GANs trained at once: the replicas differ in seed and in learning rate, and share every operation.

`train_ensemble` does what `training.train` does, with a leading dimension R on everything: torch.func turns code for
one replica into code for all. `METHODS` holds the plain GAN and the remedies against mode collapse that notebook 02
compares and `benchmarks/mode_collapse.py` measures, all on points in the plane.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap
from torch.nn.functional import normalize

from ..errors import InputError
from .losses import NonSaturating, Wasserstein, non_saturating, wasserstein
from .networks import MinibatchDeviation, Pack, mlp
from .penalties import Penalty, gradient_penalty, norms, r1
from .training import BETAS

WIDTH = 64  # units of a hidden layer, in the generators and the discriminators
EPSILON = 1e-8  # Adam's


def packed(count, seed):
    """A discriminator with three hidden layers, two for each point and one for `count` points at once; plain if 1.

    PacGAN joins the points themselves. This small network would then have to learn what single points look like
    once for each place in the pack, and learns nothing sharp in some thousand steps.
    """
    point = mlp(2, WIDTH, WIDTH, hidden=1, seed=3 * seed + 1)
    pack = mlp(count * WIDTH, 1, WIDTH, hidden=1, seed=3 * seed + 2)
    return nn.Sequential(*point, nn.ReLU(), Pack(count), *pack)


plain = partial(packed, 1)


def with_deviation(seed):
    """The plain discriminator, whose last layer also sees the batch's standard deviation."""
    *body, _ = plain(seed)
    return nn.Sequential(*body, MinibatchDeviation(), *mlp(WIDTH + 1, 1, hidden=0, seed=3 * seed + 2))


@dataclass(frozen=True)
class Method:
    """A way to train a GAN: seed to discriminator, the loss, a penalty, and what changes the loop itself.

    spectral: divide every weight matrix of the discriminator by its largest singular value (Miyato et al. 2018).
    unrolled: steps of the discriminator that the generator looks ahead (Metz et al. 2017).
    slowness: the generator's learning rate in units of the discriminator's.
    batches: of points in a step; a pack of 2 sees as many packs as the plain discriminator sees points (PacGAN).
    """

    discriminator: Callable = plain
    loss: NonSaturating | Wasserstein = non_saturating
    penalty: Penalty | None = None
    spectral: bool = False
    unrolled: int = 0
    slowness: float = 1.0
    batches: int = 1

    def points(self, real, fake, generator):
        """Where the penalty looks at the slope; without a penalty nobody looks."""
        return self.penalty.points(real, fake, generator) if self.penalty else real


METHODS = {
    "plain": Method(),
    "packing 2": Method(partial(packed, 2), batches=2),
    "R1": Method(penalty=r1(0.1)),  # on one seed of the ring, γ = 1, 0.1 and 0.01 did alike
    "minibatch deviation": Method(with_deviation),
    "spectral normalisation": Method(spectral=True),
    # The weight that the paper's own code has for Gaussians in the plane; it takes 5 critic steps, here there is one.
    "WGAN-GP": Method(loss=wasserstein, penalty=gradient_penalty(0.1)),
    "packing 4": Method(partial(packed, 4), batches=4),
    # Metz et al. let the discriminator learn at a tenth of the generator's rate. At equal rates looking ahead does harm
    # here; whether it is the remedy or the rate shows in the line without it.
    "unrolled 5, slow D": Method(unrolled=5, slowness=10.0),
    "plain, slow D": Method(slowness=10.0),
    "plain, twice the batch": Method(batches=2),  # packing 2 sees as many points
}


@dataclass(frozen=True)
class EnsembleState:
    """What one step of `train_ensemble` yields; losses (R,) without the penalty.

    sample(count, torch.Generator) draws (R, count, 2) from the generators as they are now, with one noise for all.
    """

    step: int
    discriminator_loss: torch.Tensor
    generator_loss: torch.Tensor
    sample: Callable


def train_ensemble(method, sample_real, *, seeds, rates, latent=2, batch=100):
    """Train R replicas of a `Method` at once; yields an `EnsembleState` after every generator update, for ever.

    seeds, rates: R of each. Replica r draws weights, data and noise from seeds[r]; its generator learns at
    rates[r]. A replica that diverges goes on as NaN; InputError if all do. sample_real(count, torch.Generator):
    points (count, 2). The generators are mlp(latent, 2, WIDTH).
    """
    if not 0 < len(seeds) == len(rates) or not all(0 < rate < math.inf for rate in rates):
        raise InputError(f"{len(seeds)} seeds and the rates {rates} do not fit: give each seed a positive rate")
    generators = [mlp(latent, 2, WIDTH, seed=3 * seed) for seed in seeds]
    discriminators = [method.discriminator(seed=seed) for seed in seeds]
    G, D = stacked(generators), stacked(discriminators)
    adam_G, adam_D = StackedAdam(G, rates), StackedAdam(D, [rate / method.slowness for rate in rates])
    spectrum = {name: normalize(torch.ones(len(w), w.shape[1]), dim=1) for name, w in matrices(D) if method.spectral}
    game = Game(method, generators[0], discriminators[0])
    learn_D = vmap(grad_and_value(game.for_discriminator, has_aux=True))
    learn_G = vmap(grad_and_value(game.for_generator))
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    points = batch * method.batches

    def noise():
        return torch.stack([torch.randn(points, latent, generator=source) for source in sources])

    def sample(count, source):
        return vmap(game.generate, (0, None))(G, torch.randn(count, latent, generator=source))

    for step in count(1):
        real = torch.stack([sample_real(points, source) for source in sources])
        fake = vmap(game.generate)(G, noise())
        sloped = torch.stack([method.points(*each) for each in zip(real, fake, sources, strict=True)])
        spectrum = power_iteration(D, spectrum)
        gradient, (_, discriminator_loss) = learn_D(D, spectrum, real, fake, sloped)
        adam_D.step(gradient)

        gradient, generator_loss = learn_G(G, D, spectrum, real, noise(), adam_D.scales())
        adam_G.step(gradient)

        if not (discriminator_loss + generator_loss).isfinite().any():
            raise InputError(f"every replica's loss is NaN or infinite at step {step}: lower the learning rates")
        yield EnsembleState(step, discriminator_loss, generator_loss, sample)


@dataclass(frozen=True)
class Game:
    """Both players' losses of one replica as functions of their parameters {name: tensor}."""

    method: Method
    generator: nn.Module
    discriminator: nn.Module

    def generate(self, G, z):
        return functional_call(self.generator, G, (z,))

    def discriminate(self, D, spectrum, x):
        """Logits; a weight W with a left singular vector u in the spectrum counts as W / ‖Wᵀu‖."""
        D = D | {name: D[name] / (u @ D[name]).norm() for name, u in spectrum.items()}
        return functional_call(self.discriminator, D, (x,))

    def for_discriminator(self, D, spectrum, real, fake, points):
        """(loss with the penalty on the slope at `points`, loss without)."""
        logits = partial(self.discriminate, D, spectrum)
        loss = self.method.loss.discriminator(logits(real), logits(fake))
        if not self.method.penalty:
            return loss, loss
        return loss + self.method.penalty.cost(norms(grad(lambda x: logits(x).sum())(points))), loss

    def for_generator(self, G, D, spectrum, real, z, scales):
        """The generator's loss; if it looks ahead, minus the discriminator's after its steps on this batch.

        Gradients flow through these steps, each down the gradient over `scales` (Metz et al. 2017, section 2.3).
        """
        fake = self.generate(G, z)
        if not self.method.unrolled:
            return self.method.loss.generator(self.discriminate(D, spectrum, fake))
        for _ in range(self.method.unrolled):
            gradient, _ = grad(self.for_discriminator, has_aux=True)(D, spectrum, real, fake, real)
            D = {name: weight - gradient[name] / scales[name] for name, weight in D.items()}
        return -self.for_discriminator(D, spectrum, real, fake, real)[1]


class StackedAdam:
    """Adam for parameters {name: (R, ...)}, changed in place, with one learning rate for each replica."""

    def __init__(self, parameters, rates):
        self.parameters = parameters
        self.rates = torch.tensor(rates)
        self.moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in parameters.items()}
        self.steps = 0

    def step(self, gradients):
        """One step down gradients {name: (R, ...)}."""
        self.steps += 1
        first_correction, second_correction = (1 - beta**self.steps for beta in BETAS)
        for name, gradient in gradients.items():
            first, second = self.moments[name]
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            scale = (second / second_correction).sqrt_().add_(EPSILON)
            rate = (self.rates / first_correction).reshape(-1, *[1] * (gradient.ndim - 1))
            self.parameters[name].sub_(first.div(scale).mul_(rate))

    def scales(self):
        """What a gradient is divided by in a step, averaged over each tensor: √(mean v) / rate, {name: (R,)}.

        One number a tensor: Adam's own division by each weight's √v, which may be 0, has no gradient to look through.
        """
        correction = 1 - BETAS[1] ** self.steps
        return {
            n: (v.flatten(1).mean(1) / correction).sqrt() / self.rates + EPSILON for n, (_, v) in self.moments.items()
        }


def stacked(networks):
    """Parameters {name: (R, ...)} of R networks of one kind."""
    return {name: parameter.detach() for name, parameter in stack_module_state(networks)[0].items()}


def matrices(parameters):
    """The weight matrices (name, (R, out, in)) among stacked parameters."""
    return [(name, p) for name, p in parameters.items() if p.ndim == 3]


def power_iteration(parameters, spectrum):
    """One step of each u (R, out) towards its matrix's first left singular vector: u ← W Wᵀ u, normalised."""
    improved = {}
    for name, u in spectrum.items():
        v = normalize(torch.einsum("ro,roi->ri", u, parameters[name]), dim=1)
        improved[name] = normalize(torch.einsum("roi,ri->ro", parameters[name], v), dim=1)
    return improved
