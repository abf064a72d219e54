"""Right and wrong answers to the exercises of notebook 01, for tests/lab/test_checks.py."""

import math

import torch
from torch.nn.functional import logsigmoid, softplus


def right_js(p, q, dx):
    return (torch.xlogy(p, p) + torch.xlogy(q, q) - torch.xlogy(p + q, (p + q) / 2)).sum() * dx / 2


def js_with_half_the_care(p, q, dx):
    m = (p + q) / 2
    return (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() * dx / 2


def js_without_care(p, q, dx):
    m = (p + q) / 2
    return (p * (p / m).log() + q * (q / m).log()).sum() * dx / 2


def right_gradient(theta, z, weight):
    return gradient(theta, z, weight, lambda logit: softplus(-logit), detach=True)


def gradient(theta, z, weight, loss, detach):
    theta = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    x, inside = theta + z, theta.detach() if detach else theta
    (weight * loss(((x - inside) ** 2 - x**2) / 2)).sum().backward()
    return theta.grad


def w1(x, y):
    return (x.sort().values - y.sort().values).abs().mean()


def sorts_in_place(x, y):
    x.copy_(x.sort().values)
    return w1(x, y)


ANSWERS = {
    "minimax.optimal_discriminator": (
        lambda p, q: p / (p + q),
        [
            (lambda p, q: q / (p + q), "1 − D*"),
            (lambda p, q: p / q, "ratio of the densities"),
            (lambda p, q: p.log() - q.log(), "the logit of D*"),
            (lambda p, q: (p > q).double(), "it decides"),
            (lambda p, q: p / (p + q).sum(), "sum over the grid"),
            (lambda p, q: p.sqrt() / (p.sqrt() + q.sqrt()), "off by"),
            (lambda p, q: (p / (p + q)).mean(), "the shape (), not (901,)"),
            (lambda p, q: p / (p + q) * torch.nan, "off by nan"),
        ],
    ),
    "minimax.js": (
        right_js,
        [
            (lambda p, q, dx: 2 * right_js(p, q, dx), "twice too large"),
            (lambda p, q, dx: -right_js(p, q, dx), "sign"),
            (lambda p, q, dx: right_js(p, q, dx) / math.log(2), "in bits"),
            (lambda p, q, dx: right_js(p, q, 1), "not multiplied by dx"),
            (lambda p, q, dx: right_js(p, q, 1 / len(p)), "mean over the grid"),
            (lambda p, q, dx: (p * (p / q).log() + q * (q / p).log()).sum() * dx / 2, "KL(p‖q) and KL(q‖p)"),
            (lambda p, q, dx: (p * (p / q).log() + q * (q / p).log()).sum() * dx, "KL(p‖q) and KL(q‖p)"),
            (lambda p, q, dx: (p * (2 * p / (p + q)).log()).sum() * dx, "only one half"),
            (lambda p, q, dx: (p * 2 * p / (p + q) + q * 2 * q / (p + q)).sum() * dx / 2, "logarithm is missing"),
            (js_without_care, "0 · log 0"),
            (js_with_half_the_care, "0/0"),
            (lambda p, q, dx: 0.9 * right_js(p, q, dx), "nats; yours gives"),
            (lambda p, q, dx: (p - q).abs() * dx, "the shape (901,), not ()"),
        ],
    ),
    "minimax.wasserstein": (
        w1,
        [
            (lambda x, y: (x - y).abs().mean(), "Sort both"),
            (lambda x, y: (x.sort().values - y).abs().mean(), "only one of the samples"),
            (lambda x, y: (x.mean() - y.mean()).abs(), "difference of the means"),
            (lambda x, y: x.mean() - y.mean(), "difference of the means"),
            (lambda x, y: (x.sort().values - y.sort().values).square().mean(), "W2 squared"),
            (lambda x, y: (x.sort().values - y.sort().values).square().mean().sqrt(), "this is W2, the root"),
            (lambda x, y: len(x) * w1(x, y), "adds up all distances"),
            (sorts_in_place, "changes the samples"),
            (lambda x, y: 1.1 * w1(x, y), "yours gives"),
            (lambda x, y: (x.sort().values - y.sort().values).abs(), "the shape (200,), not ()"),
        ],
    ),
    "minimax.generator_loss": (
        lambda logits: softplus(-logits).mean(),
        [
            (lambda logits: -softplus(logits).mean(), "the saturating loss"),
            (lambda logits: (1 - logits.sigmoid()).log().mean(), "the saturating loss"),
            (lambda logits: logsigmoid(logits).mean(), "its sign is wrong"),
            (lambda logits: -logits.sigmoid().mean(), "the logarithm is missing"),
            (lambda logits: (1 - logits.sigmoid()).mean(), "the logarithm is missing"),
            (lambda logits: -logits.mean(), "Wasserstein"),
            (lambda logits: softplus(-logits).sum(), "adds up the batch"),
            (lambda logits: softplus(logits).mean(), "what the discriminator pays"),
            (lambda logits: -logits.sigmoid().mean().log(), "logarithm of the mean"),
            (lambda logits: -logits.sigmoid().log().mean(), "rounds to 0"),
            (lambda logits: softplus(-logits).mean() / 2, "yours gives"),
            (lambda logits: softplus(-logits), "the shape (4,), not ()"),
        ],
    ),
    "minimax.frozen_gradient": (
        right_gradient,
        [
            (lambda *given: -right_gradient(*given), "its sign is wrong"),
            (lambda *given: gradient(*given, lambda logit: softplus(-logit), detach=False), "has moved along"),
            (lambda *given: gradient(*given, lambda logit: -softplus(logit), detach=True), "that of 2 JS"),
            (lambda theta, z, weight: theta, "KL(p_G‖p_data) alone"),
            (lambda *given: right_gradient(*given) / len(given[1]), "divided by the number"),
            (lambda *given: 0.60203, "at θ = 2 it should be 1.55040"),
            (lambda theta, z, weight: z, "the shape (901,), not ()"),
        ],
    ),
    "minimax.weighted_discriminator": (
        lambda p, q, weight: weight * p / (weight * p + q),
        [
            (lambda p, q, weight: p / (p + q), "the weight is missing"),
            (lambda p, q, weight: weight * p / (p + q), "below the fraction bar too"),
            (lambda p, q, weight: p / (p + weight * q), "on the fakes"),
            (lambda p, q, weight: weight * p / (weight * p + (1 - weight) * q), "1 − weight is not in the loss"),
            (lambda p, q, weight: q / (weight * p + q), "this is 1 − D"),
            (lambda p, q, weight: p / (weight * p + q), "off by"),
        ],
    ),
}
