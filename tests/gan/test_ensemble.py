"""Replicas trained at once do what each would do alone; each remedy does what its paper says."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.func import functional_call

from gantutor.errors import InputError
from gantutor.gan.ensemble import (
    METHODS,
    WIDTH,
    Game,
    StackedAdam,
    matrices,
    packed,
    plain,
    power_iteration,
    stacked,
    train_ensemble,
)
from gantutor.gan.networks import mlp
from gantutor.gan.training import train
from gantutor.theory.distributions import ring

STEPS = 12


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def last(states, steps=STEPS):
    *_, state = islice(states, steps)
    return state


def alone(method, seed, rate):
    """The generator and the last state of the ordinary loop."""
    generator, discriminator = mlp(2, 2, WIDTH, seed=3 * seed), method.discriminator(seed=seed)
    states = train(
        generator,
        discriminator,
        ring().sample,
        method.loss,
        latent=2,
        batch=20 * method.batches,
        rates=(rate, rate / method.slowness),
        penalty=method.penalty,
        seed=seed,
    )
    return generator, last(states)


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if not (m.unrolled or m.spectral)])
def test_replicas_equal_the_ordinary_loop(name):
    """Three replicas of two seeds and two rates: the same losses and the same samples as three runs of train."""
    method, seeds, rates = METHODS[name], (4, 4, 7), (1e-3, 1e-2, 1e-3)
    state = last(train_ensemble(method, ring().sample, seeds=seeds, rates=rates, batch=20))
    samples = state.sample(50, seeded())
    assert samples.shape == (3, 50, 2)
    noise = torch.randn(50, 2, generator=seeded())
    for number, (seed, rate) in enumerate(zip(seeds, rates, strict=True)):
        generator, one = alone(method, seed, rate)
        assert state.step == one.step
        assert state.discriminator_loss[number].item() == pytest.approx(one.discriminator_loss, abs=1e-4)
        assert state.generator_loss[number].item() == pytest.approx(one.generator_loss, abs=1e-4)
        torch.testing.assert_close(samples[number], generator(noise), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_result(name):
    def run():
        return last(train_ensemble(METHODS[name], ring().sample, seeds=(1, 2), rates=(1e-3, 1e-3), batch=20), 5)

    assert torch.equal(run().sample(9, seeded()), run().sample(9, seeded()))


def test_power_iteration_finds_the_largest_singular_value():
    weights = {"w": torch.randn(3, 8, 5, generator=seeded()), "b": torch.zeros(3, 8)}
    assert [name for name, _ in matrices(weights)] == ["w"]
    spectrum = {"w": torch.ones(3, 8)}
    for _ in range(200):
        spectrum = power_iteration(weights, spectrum)
    found = (spectrum["w"][:, None] @ weights["w"]).norm(dim=(1, 2))
    torch.testing.assert_close(found, torch.linalg.matrix_norm(weights["w"], 2), rtol=1e-4, atol=1e-4)


def test_spectral_normalisation_bounds_the_slope():
    """Weights of spectral norm 1 and ReLU between: the logit is 1-Lipschitz; without the spectrum it is not."""
    module = plain(seed=0)
    D = {name: 5 * value for name, value in stacked([module]).items()}
    spectrum = {name: torch.ones(1, w.shape[1]) for name, w in matrices(D)}
    for _ in range(200):
        spectrum = power_iteration(D, spectrum)
    D, spectrum = ({name: value[0] for name, value in some.items()} for some in (D, spectrum))
    game = Game(METHODS["spectral normalisation"], module, module)
    points = torch.randn(2, 500, 2, generator=seeded()) * 3
    distance = (points[0] - points[1]).norm(dim=1, keepdim=True)

    def slopes(spectrum):
        a, b = (game.discriminate(D, spectrum, x) for x in points)
        return (a - b).abs() / distance

    assert slopes(spectrum).max() <= 1.0001
    assert slopes({}).max() > 1.5


def test_gradient_of_a_normalised_weight_is_that_of_pytorchs():
    """σ depends on W, also in the gradient: as torch.nn.utils.parametrizations.spectral_norm has it."""
    linear = torch.nn.Linear(4, 3)
    x = torch.randn(6, 4, generator=seeded())
    D = {name: p.detach().clone().requires_grad_() for name, p in linear.named_parameters()}
    module = torch.nn.utils.parametrizations.spectral_norm(linear, n_power_iterations=50)
    module(x).square().sum().backward()
    spectrum = {"weight": module.parametrizations.weight[0]._u}
    plain_linear = torch.nn.Linear(4, 3)
    game = Game(METHODS["spectral normalisation"], plain_linear, plain_linear)
    gradient = torch.autograd.grad(game.discriminate(D, spectrum, x).square().sum(), D["weight"])[0]
    torch.testing.assert_close(gradient, module.parametrizations.weight.original.grad, rtol=1e-3, atol=1e-4)


def test_unrolled_generator_sees_the_discriminator_after_its_steps():
    """The loss and its gradient equal those of two explicit descent steps, differentiated through."""
    method = replace(METHODS["unrolled 5, slow D"], unrolled=2)
    generator, discriminator = mlp(2, 2, 8, seed=1), plain(seed=2)
    game = Game(method, generator, discriminator)
    G = {name: p.detach().clone().requires_grad_() for name, p in generator.named_parameters()}
    D = {name: p.detach().clone().requires_grad_() for name, p in discriminator.named_parameters()}
    real, z = torch.randn(2, 10, 2, generator=seeded())
    scales = {name: torch.tensor(3.0 + number) for number, name in enumerate(D)}
    loss = game.for_generator(G, D, {}, real, z, scales)

    fake, ahead = functional_call(generator, G, (z,)), dict(D)
    for _ in range(2):
        logits = [functional_call(discriminator, ahead, (x,)) for x in (real, fake)]
        gradient = torch.autograd.grad(method.loss.discriminator(*logits), list(ahead.values()), create_graph=True)
        ahead = {n: w - g / scales[n] for (n, w), g in zip(ahead.items(), gradient, strict=True)}
    explicit = -method.loss.discriminator(*(functional_call(discriminator, ahead, (x,)) for x in (real, fake)))

    torch.testing.assert_close(loss, explicit)
    both = (torch.autograd.grad(value, list(G.values())) for value in (loss, explicit))
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    now = -method.loss.discriminator(*(functional_call(discriminator, D, (x,)) for x in (real, fake)))
    assert abs(loss.item() - now.item()) > 1e-3


def test_stacked_adam_is_adam_with_a_rate_for_each_replica():
    start, rates = torch.randn(2, 3, 4, generator=seeded()), (1e-1, 1e-3)
    ours = {"w": start.clone()}
    stacked_adam = StackedAdam(ours, rates)
    theirs = [start[r].clone().requires_grad_() for r in range(2)]
    adams = [torch.optim.Adam([w], rate, (0.5, 0.999)) for w, rate in zip(theirs, rates, strict=True)]
    for step in range(5):
        gradient = torch.randn(2, 3, 4, generator=seeded(step))
        stacked_adam.step({"w": gradient})
        for r in range(2):
            theirs[r].grad = gradient[r]
            adams[r].step()
    torch.testing.assert_close(ours["w"], torch.stack(theirs).detach())


def test_scales_are_steps_of_adams_size():
    """A constant gradient g, divided by the scale, is a step of the rate, as in Adam."""
    adam = StackedAdam({"w": torch.zeros(2, 3, 4)}, (1e-1, 1e-3))
    for _ in range(3):
        adam.step({"w": torch.full((2, 3, 4), -7.0)})
    torch.testing.assert_close(7 / adam.scales()["w"], torch.tensor([1e-1, 1e-3]))


def test_a_packed_discriminator_gives_a_logit_a_pack():
    assert packed(4, seed=0)(torch.zeros(20, 2)).shape == (5, 1)
    assert plain(seed=0)(torch.zeros(20, 2)).shape == (20, 1)


@pytest.mark.parametrize(("seeds", "rates"), [((1, 2), (1e-3,)), ((1,), (0.0,)), ((1,), (-1e-3,))])
def test_seeds_and_rates_that_do_not_fit_are_refused(seeds, rates):
    with pytest.raises(InputError, match="positive rate"):
        next(train_ensemble(METHODS["plain"], ring().sample, seeds=seeds, rates=rates))


def test_nan_in_every_replica_stops_with_one_sentence():
    def broken(count, generator):
        return torch.full((count, 2), torch.nan)

    with pytest.raises(InputError, match="every replica's loss is NaN or infinite at step 1"):
        next(train_ensemble(METHODS["plain"], broken, seeds=[0, 1], rates=[1e-3, 1e-3]))


def test_an_ensemble_needs_a_seed():
    with pytest.raises(InputError, match="give each seed a positive rate"):
        next(train_ensemble(METHODS["plain"], ring().sample, seeds=[], rates=[]))


def test_spectral_normalisation_follows_the_weights_in_training(monkeypatch):
    def loss():
        states = train_ensemble(METHODS["spectral normalisation"], ring().sample, seeds=[0], rates=[5e-3])
        return [state.discriminator_loss.item() for state in islice(states, 10)][-1]

    followed = loss()
    monkeypatch.setattr("gantutor.gan.ensemble.power_iteration", lambda parameters, spectrum: spectrum)
    assert abs(loss() - followed) > 1e-4  # without the iteration it would divide by the norm of a fixed direction
