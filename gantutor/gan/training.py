"""The loop that trains a GAN, as a generator of states: take as many as you want, draw them, stop."""

import math
from dataclasses import dataclass
from itertools import count

import torch

from ..errors import InputError

BETAS = (0.5, 0.999)  # Adam's; 0.9 lets the game swing (Radford et al. 2016, section 3)


@dataclass(frozen=True)
class GanState:
    """What one step of `train` yields. Tensors are detached; the losses are without the penalty.

    `step` counts the generator's updates. The gradients are norms over all parameters of a network, penalty
    included. `real` and `real_logits` are of the last discriminator update, `fake` and `fake_logits` of the
    generator's update: each was computed just before the update that it caused.
    """

    step: int
    discriminator_loss: float
    generator_loss: float
    discriminator_gradient: float
    generator_gradient: float
    real: torch.Tensor
    fake: torch.Tensor
    real_logits: torch.Tensor
    fake_logits: torch.Tensor


def train(
    generator,
    discriminator,
    sample_real,
    loss,
    *,
    latent,
    batch=256,
    rates=(1e-3, 1e-3),
    discriminator_steps=1,
    penalty=None,
    seed=0,
):
    """Train both networks in place, in turn; yields a `GanState` after every generator update, for ever.

    generator: z (N, latent) to samples (N, ...), z ~ N(0, I). discriminator: samples to logits.
    sample_real(count, torch.Generator): real samples (count, ...). loss: one of gan.losses.
    rates: Adam's learning rate of the generator, of the discriminator. penalty: one of gan.penalties.
    Every draw of data and noise comes from `seed`; a loss that is not finite ends the training with an InputError.
    """
    check_settings(latent, batch, rates, discriminator_steps)
    randomness = torch.Generator().manual_seed(seed)
    device = next(generator.parameters()).device
    generator_adam, discriminator_adam = (
        torch.optim.Adam(network.parameters(), rate, BETAS)
        for network, rate in zip((generator, discriminator), rates, strict=True)
    )
    for step in count(1):
        for _ in range(discriminator_steps):
            real = sample_real(batch, randomness).to(device)
            with torch.no_grad():
                fake = generator(torch.randn(batch, latent, generator=randomness).to(device))
            real_logits = discriminator(real)
            discriminator_loss = loss.discriminator(real_logits, discriminator(fake))
            extra = penalty(discriminator, real, fake, randomness) if penalty else 0
            discriminator_gradient = update(discriminator, discriminator_adam, discriminator_loss + extra, step)

        fake = generator(torch.randn(batch, latent, generator=randomness).to(device))
        fake_logits = discriminator(fake)
        generator_loss = loss.generator(fake_logits)
        generator_gradient = update(generator, generator_adam, generator_loss, step)

        yield GanState(
            step,
            discriminator_loss.item(),
            generator_loss.item(),
            discriminator_gradient,
            generator_gradient,
            real.clone(),  # it may be a view of the data, and the fakes one of the generator's parameters
            fake.detach().clone(),
            real_logits.detach(),
            fake_logits.detach(),
        )


def update(network, optimiser, loss, step):
    """One step of the network's parameters down the loss; the norm of its gradient."""
    if not math.isfinite(loss.item()):
        raise InputError(f"the loss of step {step} is {loss.item()}: lower the learning rates or the penalty's weight")
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters)  # not backward(): the other network needs no gradient
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    return torch.nn.utils.get_total_norm(gradients).item()


def check_settings(latent, batch, rates, discriminator_steps):
    """One clear sentence for settings with which nothing can be trained."""
    if not (isinstance(rates, tuple | list) and len(rates) == 2 and all(0 < rate < math.inf for rate in rates)):
        raise InputError(f"learning rates {rates} do not train: use two positive numbers such as (1e-3, 1e-3)")
    for name, number in (("latent", latent), ("batch", batch), ("discriminator_steps", discriminator_steps)):
        if number < 1:
            raise InputError(f"{name} {number} is too small: use at least 1")
