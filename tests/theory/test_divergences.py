"""Divergences against closed forms and the published figures; the game's value; what bad densities say."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from gantutor.errors import InputError
from gantutor.gan import losses
from gantutor.theory import divergences
from gantutor.theory.distributions import mixture, normal
from gantutor.theory.divergences import game_value, js, kl, optimal_discriminator, pearson, total_variation, wasserstein

X = torch.linspace(-20, 28, 2401, dtype=torch.float64)
DX = (X[1] - X[0]).item()
DIVERGENCES = [kl, js, total_variation, wasserstein, pearson]
JS_OF_NORMALS = {0: 0.0, 1: 0.11142, 2: 0.33683, 4: 0.63272, 8: 0.69305}  # N(0, 1) and N(δ, 1); FACTS.md §1
FROZEN_GRADIENTS = {1: 0.60203, 2: 1.55040}  # Arjovsky and Bottou 2017, theorem 2.5; FACTS.md §1


def gaussian(mean, deviation=1.0):
    return (-(((X - mean) / deviation) ** 2) / 2).exp() / (deviation * math.sqrt(2 * math.pi))


def box(begin, end):
    """Uniform on [begin, end), which are multiples of DX."""
    centre, width = (begin + end - DX) / 2, end - begin
    return ((X - centre).abs() < width / 2).double() / width


def phi(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("delta", [0.5, 1, 2, 4])
def test_closed_forms_of_shifted_normals(delta):
    p, q = gaussian(0), gaussian(delta)
    assert kl(p, q, DX) == pytest.approx(delta**2 / 2)
    assert total_variation(p, q, DX) == pytest.approx(2 * phi(delta / 2) - 1, abs=1e-4)
    assert wasserstein(p, q, DX) == pytest.approx(delta)
    assert pearson(p, q, DX) == pytest.approx(math.exp(delta**2) - 1)


def test_direction_of_kl_and_pearson():
    narrow, wide = gaussian(0, 1), gaussian(0, 2)
    assert kl(narrow, wide, DX) == pytest.approx(math.log(2) + 1 / 8 - 1 / 2)
    assert kl(wide, narrow, DX) == pytest.approx(-math.log(2) + 2 - 1 / 2)
    assert pearson(narrow, wide, DX) == pytest.approx(4 / math.sqrt(7) - 1)  # σ_q²/(σ_p √(2σ_q² − σ_p²)) − 1


@pytest.mark.parametrize("delta", JS_OF_NORMALS)
def test_js_of_normals(delta):
    assert js(gaussian(0), gaussian(delta), DX) == pytest.approx(JS_OF_NORMALS[delta], abs=5e-6)


def test_disjoint_supports():
    p, q = box(0, 1), box(3, 4)
    assert js(p, q, DX) == pytest.approx(math.log(2))  # .69315: Goodfellow et al. 2014
    assert total_variation(p, q, DX) == pytest.approx(1)
    assert wasserstein(p, q, DX) == pytest.approx(3)
    assert kl(p, q, DX) == pearson(p, q, DX) == torch.inf


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_zero_for_equal_densities_even_with_holes(divergence):
    assert divergence(box(0, 1), box(0, 1), DX) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_finite_where_only_p_has_holes(divergence):
    assert 0 < divergence(box(0, 1), gaussian(0.5), DX) < 3


def test_plane():
    p, q = (torch.outer(gaussian(m), gaussian(0)) for m in (0, 1))
    assert kl(p, q, DX**2) == pytest.approx(0.5)
    assert js(p, q, DX**2) == pytest.approx(JS_OF_NORMALS[1], abs=5e-6)
    with pytest.raises(InputError, match=r"on a line, not \(2401, 2401\): use samples"):
        wasserstein(p, q, DX**2)


@pytest.mark.parametrize("delta", JS_OF_NORMALS)
def test_value_at_the_optimal_discriminator(delta):
    """V(D*, G) = 2 JS − log 4 (Goodfellow et al. 2014, theorem 1): −1.38629 at p_data = p_G."""
    p, q = gaussian(0), gaussian(delta)
    value = game_value(optimal_discriminator(p, q), p, q, DX)
    assert value == pytest.approx(2 * js(p, q, DX).item() - math.log(4))
    if delta == 0:
        assert value == pytest.approx(-1.38629, abs=5e-6)


def test_any_other_discriminator_is_worse():
    p, q = gaussian(0), gaussian(1)
    best = optimal_discriminator(p, q)
    value = game_value(best, p, q, DX)
    for change in (0.01, -0.01):
        assert game_value((best.logit() + change).sigmoid(), p, q, DX) < value
        assert game_value((best.logit() * (1 + change)).sigmoid(), p, q, DX) < value


def test_optimal_discriminator():
    p, q = torch.tensor([0.0, 0.2, 0.3, 0.0]), torch.tensor([0.5, 0.6, 0.3, 0.0])
    torch.testing.assert_close(optimal_discriminator(p, q), torch.tensor([0, 0.25, 0.5, 0.5]))


def test_a_sure_and_wrong_discriminator_costs_a_hundred_nats():
    p, q = box(0, 1), box(3, 4)
    assert game_value(1 - optimal_discriminator(p, q), p, q, DX) == pytest.approx(-200)


def test_losses_at_equilibrium():
    """1.3863 and .6931: D = ½, logits 0."""
    zeros = torch.zeros(5)
    assert losses.minimax.discriminator(zeros, zeros) == pytest.approx(1.3863, abs=5e-5)
    assert losses.non_saturating.generator(zeros) == pytest.approx(0.6931, abs=5e-5)


def test_gradient_at_a_confident_discriminator():
    """.001 and .999 at D(G(z)) = .001."""
    for loss, magnitude in ((losses.minimax, 0.001), (losses.non_saturating, 0.999)):
        logit = torch.tensor(0.001).logit().requires_grad_()
        loss.generator(logit).backward()
        assert -logit.grad == pytest.approx(magnitude, abs=1e-6)


def frozen_gradient(loss, theta):
    """d/dθ E_z loss(l*(θ + z)), the logit l* = log p/q of D* being frozen: p = N(0, 1), q = N(θ, 1)."""
    z, weight = X, gaussian(0) * DX
    theta = torch.tensor(float(theta), dtype=torch.float64, requires_grad=True)
    x, frozen = theta + z, theta.detach()
    logit = ((x - frozen) ** 2 - x**2) / 2
    (weight * loss(logit)).sum().backward()
    return theta.grad.item()


def divergence_gradient(divergence, theta):
    theta = torch.tensor(float(theta), dtype=torch.float64, requires_grad=True)
    divergence(gaussian(0), gaussian(theta)).backward()
    return theta.grad.item()


@pytest.mark.parametrize("theta", FROZEN_GRADIENTS)
def test_expected_gradient_of_the_non_saturating_loss(theta):
    gradient = frozen_gradient(lambda logit: softplus(-logit), theta)
    wanted = divergence_gradient(lambda p, q: kl(q, p, DX) - 2 * js(p, q, DX), theta)
    assert gradient == pytest.approx(wanted)
    assert gradient == pytest.approx(FROZEN_GRADIENTS[theta], abs=5e-6)


def test_expected_gradient_of_the_saturating_loss_is_that_of_js():
    gradient = frozen_gradient(lambda logit: -softplus(logit), 1)
    assert gradient == pytest.approx(divergence_gradient(lambda p, q: 2 * js(p, q, DX), 1))


def least_squares_value(loss, p, q):
    """½ E_p (D* − c)² + ½ E_q (D* − c)² with the loss's best discriminator (Mao et al. 2017, section 3.2)."""
    best = (loss.b * p + loss.a * q) / (p + q)
    return ((p + q) * (best - loss.c) ** 2).sum() * DX / 2


@pytest.mark.parametrize("delta", [0.5, 1, 3])
def test_least_squares_value_is_pearson_with_the_right_labels_only(delta):
    """χ² of 2 p_G from p_data + p_G, halved: Mao et al. 2017, theorem 1 (b − c = 1, b − a = 2)."""
    p, q = gaussian(0), gaussian(delta)
    halved = pearson(q, (p + q) / 2, DX).item()  # both arguments halved: so is the divergence
    assert least_squares_value(losses.pearson, p, q) == pytest.approx(halved)
    usual = least_squares_value(losses.least_squares, p, q)
    assert usual != pytest.approx(halved, abs=0.01)
    assert usual == pytest.approx(1 / 4 + halved / 4)  # another number, with the same minimum


ESTIMATES = {  # estimate of (p, q, count, generator), by quadrature
    divergences.sampled_kl: kl,
    divergences.sampled_js: js,
    divergences.sampled_total_variation: total_variation,
    divergences.sampled_pearson: pearson,
}


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_estimates_by_samples_are_unbiased(estimate):
    """Their mean over 400 small samples is within four standard errors of the integral."""
    wide, narrow = mixture([[-1.0], [1.0]], 0.8), mixture([[0.2]], 1.2)
    values = [d.log_density(X[:, None]).exp() for d in (wide, narrow)]
    exact = ESTIMATES[estimate](*values, DX)
    drawn = torch.stack([estimate(wide, narrow, 20, generator(seed)) for seed in range(400)])
    error = drawn.std() / math.sqrt(len(drawn))
    assert drawn.mean() == pytest.approx(exact.item(), abs=4 * error.item())
    assert error < 0.15 * exact


def test_wasserstein_of_samples_is_consistent_and_too_large_on_average():
    p, q = normal(0), normal(0.5)

    def mean(count, seeds):
        draws = (
            divergences.sampled_wasserstein(p.sample(count, generator(s)), q.sample(count, generator(1000 + s)))
            for s in range(seeds)
        )
        return sum(draws).item() / seeds

    few, many = mean(10, 200), mean(20_000, 5)
    assert few > 0.58
    assert many == pytest.approx(0.5, abs=0.02)


def test_autograd_goes_through():
    shift = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(kl(gaussian(0), gaussian(shift), DX), shift)
    assert gradient == pytest.approx(0.7)


@pytest.mark.parametrize("function", [*DIVERGENCES, lambda p, q, dx: game_value(optimal_discriminator(p, q), p, q, dx)])
@pytest.mark.parametrize(
    ("p", "q", "dx", "words"),
    [
        (0.9 * gaussian(0), gaussian(1), DX, "p integrates to 0.9 and not to 1 within 0.001: use a wider or finer"),
        (gaussian(0), gaussian(27), DX, "q integrates to 0.84"),
        (gaussian(0), gaussian(0), 2 * DX, "p integrates to 2 "),
        (gaussian(0), gaussian(1)[1:], DX, r"p has the shape \(2401,\) and q \(2400,\): evaluate both on one grid"),
        (gaussian(0).log(), gaussian(1), DX, "p has values that are negative, infinite or NaN: give a density, not"),
        (gaussian(0), gaussian(1) * torch.nan, DX, "q has values that are negative, infinite or NaN"),
        (gaussian(0), gaussian(1), -DX, "dx is -0.02: give the length of a grid cell, which is positive"),
    ],
)
def test_bad_densities(function, p, q, dx, words):
    with pytest.raises(InputError, match=words):
        function(p, q, dx)


def test_densities_within_the_tolerance_are_taken():
    assert kl(gaussian(0), 1.0005 * gaussian(1), DX) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("D", [gaussian(0) - 0.1, 1 + gaussian(0), gaussian(0)[1:], gaussian(0) * torch.nan])
def test_bad_discriminator(D):
    with pytest.raises(InputError, match="D must hold probabilities, one at each"):
        game_value(D, gaussian(0), gaussian(1), DX)


def test_the_values_gradient_is_finite_where_fakes_never_fall():
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    p = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    q = (x.abs() < 1).double()
    p, q = (d / (d.sum() * 0.01) for d in (p, q))
    p.requires_grad_()
    game_value(optimal_discriminator(p, q), p, q, 0.01).backward()
    assert p.grad.isfinite().all()
