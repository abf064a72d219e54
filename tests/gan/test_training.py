"""The loop: what its states hold, that it trains, that the seed decides, and how it stops."""

from itertools import islice

import pytest
import torch
from torch import nn

from gantutor.errors import InputError
from gantutor.gan import losses
from gantutor.gan.networks import mlp
from gantutor.gan.penalties import gradient_penalty, r1
from gantutor.gan.training import train
from gantutor.theory.distributions import normal


def networks(width=16):
    return mlp(2, 1, width, seed=1), mlp(1, 1, width, seed=2)


def run(steps, pair=None, **settings):
    """The states of a short training on N(3, 1/4)."""
    settings = {"loss": losses.non_saturating, "latent": 2, "batch": 32} | settings
    return list(islice(train(*(pair or networks()), normal(3.0, 0.5).sample, **settings), steps))


def test_states_count_the_generators_updates():
    states = run(3, discriminator_steps=2)
    assert [state.step for state in states] == [1, 2, 3]
    for state in states:
        assert state.real.shape == state.fake.shape == (32, 1)
        assert state.real_logits.shape == state.fake_logits.shape == (32, 1)
        tensors = (state.real, state.fake, state.real_logits, state.fake_logits)
        assert not any(tensor.requires_grad for tensor in tensors)
        assert state.generator_gradient > 0
        assert state.discriminator_gradient > 0


def test_three_steps_by_hand():
    """The loop written out: the same draws, losses, gradient norms and Adam steps."""
    generator, discriminator = networks()
    states = run(3, (generator, discriminator), rates=(0.01, 0.02), seed=9)
    G, D = networks()
    adam_G = torch.optim.Adam(G.parameters(), 0.01, (0.5, 0.999))
    adam_D = torch.optim.Adam(D.parameters(), 0.02, (0.5, 0.999))
    randomness = torch.Generator().manual_seed(9)

    def descend(network, adam, loss):
        adam.zero_grad()
        loss.backward()
        adam.step()
        return torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()

    for state in states:
        real = normal(3.0, 0.5).sample(32, randomness)
        fake = G(torch.randn(32, 2, generator=randomness)).detach()
        real_logits = D(real)
        loss = losses.non_saturating.discriminator(real_logits, D(fake))
        assert state.discriminator_gradient == pytest.approx(descend(D, adam_D, loss), rel=1e-4)
        assert state.discriminator_loss == pytest.approx(loss.item(), rel=1e-4)
        torch.testing.assert_close(state.real, real)
        torch.testing.assert_close(state.real_logits, real_logits.detach())

        fake = G(torch.randn(32, 2, generator=randomness))
        fake_logits = D(fake)
        loss = losses.non_saturating.generator(fake_logits)
        assert state.generator_gradient == pytest.approx(descend(G, adam_G, loss), rel=1e-4)
        assert state.generator_loss == pytest.approx(loss.item(), rel=1e-4)
        torch.testing.assert_close(state.fake, fake.detach())
        torch.testing.assert_close(state.fake_logits, fake_logits.detach())
    for trained, explicit in ((generator, G), (discriminator, D)):
        torch.testing.assert_close(trained.state_dict(), explicit.state_dict())


def test_it_learns():
    """After 400 steps the fakes have the target's mean, and the deviation is on its way."""
    states = run(400, batch=64, penalty=r1(0.1), rates=(3e-3, 3e-3))
    fake = torch.cat([state.fake for state in states[-50:]])
    assert states[0].fake.mean().item() < 1
    assert fake.mean().item() == pytest.approx(3, abs=0.3)
    assert 0.2 < fake.std().item() < 1


def test_same_seed_same_result():
    def trace(seed):
        torch.manual_seed(seed + 5)  # the global generator has no say
        return [(s.generator_loss, s.discriminator_loss) for s in run(5, penalty=gradient_penalty(1.0), seed=seed)]

    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def test_the_penalty_acts_on_the_discriminator_and_is_not_in_its_loss():
    plain, heavy = run(40)[-1], run(40, penalty=r1(1e3))[-1]
    assert heavy.real_logits.std() < plain.real_logits.std() / 5
    assert run(1)[0].discriminator_loss == run(1, penalty=r1(1e3))[0].discriminator_loss


def test_more_discriminator_steps_give_a_better_discriminator():
    ahead, level = (run(30, discriminator_steps=n, rates=(1e-9, 1e-3))[-1] for n in (10, 1))
    assert ahead.discriminator_loss < level.discriminator_loss - 0.1


def test_images_and_batch_norm():
    """Nothing in the loop knows that samples are points."""
    generator = nn.Sequential(nn.Linear(4, 3 * 64), nn.BatchNorm1d(192), nn.Unflatten(1, (3, 8, 8)), nn.Sigmoid())
    discriminator = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 6)
    )

    def sample(count, randomness):
        return torch.rand(count, 3, 8, 8, generator=randomness)

    settings = {"latent": 4, "batch": 6, "penalty": gradient_penalty(1.0)}
    *_, state = islice(train(generator, discriminator, sample, losses.hinge, **settings), 3)
    assert state.fake.shape == (6, 3, 8, 8)
    assert state.fake_logits.shape == (6, 1, 1, 1)


def test_nan_stops_with_one_sentence():
    def broken(count, randomness):
        return torch.full((count, 1), float("nan"))

    states = train(*networks(), broken, losses.non_saturating, latent=2)
    with pytest.raises(InputError, match=r"loss of step 1 is nan: lower the learning rates"):
        next(states)


def test_a_training_that_explodes_stops():
    states = train(*networks(), normal(3.0).sample, losses.wasserstein, latent=2, batch=16, rates=(1e12, 1e12))
    with pytest.raises(InputError, match="lower the learning rates"):
        list(islice(states, 50))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rates": (0.0, 1e-3)}, "learning rates"),
        ({"rates": (1e-3, -1e-3)}, "learning rates"),
        ({"rates": (float("nan"), 1e-3)}, "learning rates"),
        ({"batch": 0}, "batch 0"),
        ({"latent": 0}, "latent 0"),
        ({"discriminator_steps": 0}, "discriminator_steps 0"),
    ],
)
def test_settings_that_cannot_train_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        run(1, **settings)


@pytest.mark.parametrize("rates", [1e-3, (1e-3,), (1e-3, 1e-3, 1e-3)])
def test_rates_are_two_numbers(rates):
    with pytest.raises(InputError, match="use two positive numbers"):
        next(train(*networks(), normal().sample, losses.minimax, latent=1, rates=rates))


class Point(nn.Module):
    """A generator whose samples are its parameter itself."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.ones(1))

    def forward(self, z):
        return self.place.expand(len(z), 1)


def test_a_state_does_not_change_later():
    states = train(Point(), mlp(1, 1, 8), normal().sample, losses.minimax, latent=1, batch=8, rates=(0.1, 0.1))
    first = next(states)
    before = first.fake.clone()
    next(states)
    torch.testing.assert_close(first.fake, before)
