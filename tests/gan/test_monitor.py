"""Trainings that are made to fail, each of which the monitor names, and healthy ones on which it is silent."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from gantutor.errors import InputError
from gantutor.gan import losses
from gantutor.gan.monitor import PATIENCE, WARM_UP, Bins, Monitor, higher, pull, turns
from gantutor.gan.networks import mlp
from gantutor.gan.penalties import r1
from gantutor.gan.training import train
from gantutor.theory.distributions import normal, ring

EVERY = 20


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def watch(steps, generator, discriminator, sample, loss, held_out=None, **settings):
    """Train in earnest for some steps; the monitor afterwards."""
    monitor = Monitor(loss, EVERY)
    settings = {"latent": 2, "batch": 64, "rates": (1e-3, 1e-3)} | settings
    for state in islice(train(generator, discriminator, sample, loss, **settings), steps):
        with torch.no_grad():
            monitor.update(state, None if held_out is None else discriminator(held_out))
    return monitor


def names(monitor):
    return {finding.name for finding in monitor.findings}


def far_away(loss):
    """Real samples 8 deviations away, and a discriminator that learns thirty times as fast."""
    pair = mlp(2, 1, 32, seed=1), mlp(1, 1, 32, seed=2)
    return watch(400, *pair, normal(8.0).sample, loss, rates=(1e-4, 1e-3), discriminator_steps=3)


def test_a_vanishing_gradient_is_named():
    """The minimax loss saturates. What the fakes miss meanwhile is no finding of its own."""
    monitor = far_away(losses.minimax)
    assert names(monitor) == {"vanishing gradient"}
    assert monitor.signals["pull"] < 0.02


def test_the_non_saturating_loss_has_its_gradient_at_the_same_place():
    assert "vanishing gradient" not in names(far_away(losses.non_saturating))


def eight(rates, penalty=None):
    pair = mlp(2, 2, 32, seed=1), mlp(2, 1, 32, seed=2)
    return watch(600, *pair, ring(8, 2.0, 0.1).sample, losses.non_saturating, rates=rates, penalty=penalty)


def test_mode_collapse_is_named():
    """A generator that learns ten times as fast as the discriminator runs from mode to mode."""
    monitor = eight((5e-3, 5e-4))
    assert "mode collapse" in names(monitor)
    assert monitor.signals["missed"] > 0.5


def test_a_healthy_ring_is_silent():
    assert not eight((2e-3, 2e-3), r1(0.1)).findings


def straight(penalty=None):
    """Both players straight lines under the Wasserstein loss: Dirac's game, which goes round for ever."""
    pair = mlp(1, 1, hidden=0, seed=1), mlp(1, 1, hidden=0, seed=2)
    return watch(1000, *pair, normal(2.0).sample, losses.wasserstein, latent=1, rates=(3e-2, 3e-2), penalty=penalty)


def test_oscillation_is_named():
    assert "oscillation" in names(straight())


def test_r1_stops_the_oscillation():
    assert "oscillation" not in names(straight(r1(1.0)))


def arrived(sample):
    """A generator that begins at its goal, N(0, I) in eight dimensions: only by heart can fakes be told."""
    generator, held_out = nn.Linear(8, 8), torch.randn(64, 8, generator=seeded(1))
    nn.init.eye_(generator.weight)
    nn.init.zeros_(generator.bias)
    rates = (1e-4, 5e-3)
    return watch(400, generator, mlp(8, 1, 64), sample, losses.non_saturating, held_out, latent=8, rates=rates)


def test_discriminator_overfitting_is_named():
    """64 training samples are learnt by heart."""
    data = torch.randn(64, 8, generator=seeded())
    monitor = arrived(lambda count, source: data[torch.randint(64, (count,), generator=source)])
    assert names(monitor) == {"discriminator overfitting"}


def test_a_generator_that_has_arrived_is_silent():
    """Fresh samples cannot be learnt by heart. The generator's gradient is small, and should be."""
    monitor = arrived(lambda count, source: torch.randn(count, 8, generator=source))
    assert not monitor.findings
    assert monitor.signals["memory"] == pytest.approx(0.5, abs=0.1)


@pytest.fixture(scope="module")
def state():
    """Some state, to be changed."""
    pair = mlp(2, 2, 8), mlp(2, 1, 8)
    return next(train(*pair, ring().sample, losses.non_saturating, latent=2, batch=64))


def collapsed(state, steps):
    """States whose fakes are all in one place, though their logits are like those of the real samples."""
    for step in steps:
        real = ring().sample(64, seeded(step))
        yield replace(state, step=step, real=real, fake=ring().modes[:1].expand(64, 2), fake_logits=state.real_logits)


def test_a_finding_takes_its_time_comes_once_and_says_what_to_do(state):
    monitor = Monitor(losses.non_saturating, every=1)
    found = [finding for s in collapsed(state, range(1, 40)) for finding in monitor.update(s)]
    assert [finding.name for finding in found] == ["mode collapse"]
    assert found == monitor.findings
    assert found[0].step == WARM_UP + PATIENCE
    assert found[0].sentence.startswith("step 14, mode collapse: 9")
    assert "use packing" in found[0].sentence


def test_a_generator_that_still_spreads_is_silent(state):
    """Another mode every third check: more than half are missed for longer than PATIENCE after the warm-up."""
    monitor, missed = Monitor(losses.non_saturating, every=1), []
    for s in collapsed(state, range(1, 25)):
        reached = ring().modes[: 1 + max(0, s.step - WARM_UP // 2) // 3]
        monitor.update(replace(s, fake=reached.repeat(64, 1)[:64]))
        missed.append(monitor.signals["missed"])
    assert min(missed[WARM_UP : WARM_UP + PATIENCE]) > 0.4 and not monitor.findings


def test_a_failure_that_comes_back_is_named_again(state):
    monitor = Monitor(losses.non_saturating, every=1)
    for s in collapsed(state, range(1, 60)):
        healthy = 25 < s.step < 40
        monitor.update(replace(s, fake=ring().sample(64, seeded(s.step + 100))) if healthy else s)
    assert [finding.name for finding in monitor.findings] == ["mode collapse"] * 2


def test_it_compares_images_by_what_embed_sees(state):
    """Fakes of another colour: as pixels they miss what they match in brightness."""

    def images(step, channel):
        picture = torch.zeros(64, 3, 4, 4)
        picture[:, channel] = torch.rand(64, 1, 1, generator=seeded(step))
        return picture

    def watched(**how):
        monitor = Monitor(losses.non_saturating, every=1, **how)
        for step in range(1, 20):
            monitor.update(replace(state, step=step, real=images(step, 0), fake=images(step + 50, 2)))
        return names(monitor)

    assert watched() == {"mode collapse"}
    assert not watched(embed=lambda samples: samples.sum((1, 2, 3))[:, None])


def test_bins_see_missed_modes():
    target = ring()
    bins = Bins(target.sample(512, seeded()).numpy())
    fake = target.sample(512, seeded(1))
    assert bins.missed(fake.numpy()) == 0
    half = fake[fake[:, 0] > 0.1]  # three of the eight modes
    assert bins.missed(half.numpy()) == pytest.approx(5 / 8, abs=0.05)


def test_turns_count_swings_and_not_drift_or_noise():
    real = np.random.default_rng(0).normal(size=(512, 2))
    time = np.linspace(0, 1, 40)[:, None]
    direction = np.array([[0.6, 0.8]])
    assert turns(np.sin(2 * np.pi * 3 * time) * direction, real) == 5
    assert turns(3 * time * direction, real) == 1
    assert turns(0.2 * np.sin(2 * np.pi * 3 * time) * direction, real) == 0
    assert turns(np.zeros((1, 2)), real) == 0


def test_higher_is_the_share_of_pairs_in_order():
    assert higher(torch.tensor([3.0, 1.0]), torch.tensor([[2.0], [1.0]])) == (1 + 1 + 0 + 0.5) / 4


def test_pull_is_the_documented_gradient():
    logits = torch.tensor([[-3.0], [1.0]])
    assert pull(losses.minimax, logits) == pytest.approx(torch.sigmoid(logits).mean().item())
    assert pull(losses.non_saturating, logits) == pytest.approx((1 - torch.sigmoid(logits)).mean().item())
    assert pull(losses.wasserstein, nn.Parameter(logits)) == pytest.approx(1)


def test_a_monitor_that_never_checks_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        Monitor(losses.minimax, every=0)
