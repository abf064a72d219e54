"""Losses: values at known logits, and the gradients with respect to the logit that the docstrings state."""

import math

import pytest
import torch

from gantutor.gan import losses

LOGITS = torch.tensor([-30.0, -6.9068, -1.5, -1.0, 0.3, 1.0, 2.5, 30.0])


def gradient(loss, logits):
    """The gradient of each sample's own loss: the loss is a mean."""
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits), logits)[0] * logits.numel()


def of_real(loss):
    return lambda logits: loss.discriminator(logits, torch.zeros(3))


def of_fake(loss):
    return lambda logits: loss.discriminator(torch.zeros(3), logits)


D = torch.sigmoid(LOGITS)
ONES = torch.ones_like(LOGITS)
DOCUMENTED = {
    "minimax": (losses.minimax, D - 1, D, -D),
    "non_saturating": (losses.non_saturating, D - 1, D, D - 1),
    "least_squares": (losses.least_squares, LOGITS - 1, LOGITS, LOGITS - 1),
    "pearson": (losses.pearson, LOGITS - 1, LOGITS + 1, LOGITS),
    "hinge": (losses.hinge, -(LOGITS < 1).float(), (LOGITS > -1).float(), -ONES),
    "wasserstein": (losses.wasserstein, -ONES, ONES, -ONES),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_gradients_are_as_documented(name):
    loss, real, fake, generator = DOCUMENTED[name]
    for measured, documented in (
        (gradient(of_real(loss), LOGITS), real),
        (gradient(of_fake(loss), LOGITS), fake),
        (gradient(loss.generator, LOGITS), generator),
    ):
        torch.testing.assert_close(measured, documented, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_losses_are_means_over_logits_of_any_shape(name):
    loss = DOCUMENTED[name][0]
    real, fake = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    once = loss.discriminator(real, fake), loss.generator(fake)
    again = loss.discriminator(real.repeat(5), fake.reshape(3, 1, 2, 2)), loss.generator(fake.repeat(2))
    torch.testing.assert_close(again, once)


def test_losses_at_equilibrium():
    """Logits of 0, D = 1/2: the sum of both terms is 2 log 2, the generator's is log 2 (Goodfellow et al. 2014)."""
    zero = torch.zeros(4)
    assert losses.minimax.discriminator(zero, zero).item() == pytest.approx(1.3863, abs=1e-4)
    assert losses.non_saturating.generator(zero).item() == pytest.approx(0.6931, abs=1e-4)
    assert losses.minimax.generator(zero).item() == pytest.approx(-math.log(2), abs=1e-6)


def test_saturation_at_a_confident_discriminator():
    """At D(G(z)) = .001 the minimax generator has a thousandth of the gradient that the non-saturating one has."""
    logit = torch.tensor([math.log(0.001 / 0.999)])
    assert abs(gradient(losses.minimax.generator, logit).item()) == pytest.approx(0.001, rel=1e-4)
    assert abs(gradient(losses.non_saturating.generator, logit).item()) == pytest.approx(0.999, rel=1e-4)


def test_losses_are_finite_at_extreme_logits():
    extreme = torch.tensor([-1e4, 1e4])
    for loss in (losses.minimax, losses.non_saturating, losses.hinge):
        assert torch.isfinite(loss.discriminator(extreme, extreme))
        assert torch.isfinite(loss.generator(extreme))
