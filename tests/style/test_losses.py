"""The losses: zero and flat at their target, positive elsewhere, their targets constant."""

import pytest
import torch
from torch.autograd import gradcheck

from gantutor.style.losses import ContentLoss, GramLoss, MomentLoss, total_variation
from gantutor.style.statistics import gram_matrix, mean_and_covariance

LOSSES = {
    "content": ContentLoss,
    "gram": lambda features: GramLoss(gram_matrix(features)),
    "moments": lambda features: MomentLoss(*mean_and_covariance(features)),
}
STYLE_LOSSES = ["gram", "moments"]


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def features():
    return noise(1, 4, 6, 5)


@pytest.mark.parametrize("name", LOSSES)
def test_zero_and_flat_at_the_target(name, features):
    x = features.clone().requires_grad_()
    loss = LOSSES[name](features)(x)
    loss.backward()
    assert loss.ndim == 0
    assert loss.item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(x.grad, torch.zeros_like(x), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_positive_and_steep_elsewhere(name, features):
    x = noise(1, 4, 6, 5, seed=1).requires_grad_()
    loss = LOSSES[name](features)(x)
    loss.backward()
    assert loss > 1e-4
    assert x.grad.norm() > 1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_grows_with_the_distance(name, features):
    loss = LOSSES[name](features)
    distances = [loss((1 + share) * features + share) for share in (0, 0.25, 0.5, 1)]
    assert distances == sorted(distances)
    assert len(set(distances)) == 4


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_the_true_one(name, features):
    assert gradcheck(LOSSES[name](features[..., :2]), noise(1, 4, 6, 2, seed=1).requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_targets_are_buffers_without_gradient(name, features):
    loss = LOSSES[name](features.clone().requires_grad_() * 2)
    assert list(loss.parameters()) == []
    assert {"target", "scale"} <= set(dict(loss.named_buffers()))
    assert not any(buffer.requires_grad for buffer in loss.buffers())
    assert loss.float()(features.float()).dtype == torch.float32  # targets move with the module


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_style_forgets_where_things_are_and_content_does_not(name, features):
    flipped = features.flip(3)
    assert LOSSES[name](features)(flipped).item() == pytest.approx(0, abs=1e-12)
    assert ContentLoss(features)(flipped) > 1e-2


@pytest.mark.parametrize("name", LOSSES)
def test_scaling_target_and_features_alike_changes_nothing(name, features):
    """So that layers compare, however strong their activations are."""
    other = noise(1, 4, 6, 5, seed=1)
    ratio = LOSSES[name](100 * features)(100 * other) / LOSSES[name](features)(other)
    assert ratio == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_batch_gives_the_mean_of_its_pictures(name, features):
    loss, batch = LOSSES[name](features), noise(3, 4, 6, 5, seed=1)
    torch.testing.assert_close(loss(batch), torch.stack([loss(picture[None]) for picture in batch]).mean())


def test_content_loss_of_known_features():
    target = torch.tensor([1.0, -2.0, 2.0]).view(1, 3, 1, 1)
    assert ContentLoss(target)(torch.zeros_like(target)).item() == pytest.approx(1)
    assert ContentLoss(target)(target + 3).item() == pytest.approx(9 / 3)  # mean square of the target: 3


def test_gram_loss_of_known_features():
    target = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    assert GramLoss(gram_matrix(target))(torch.zeros_like(target)).item() == pytest.approx(1)
    assert GramLoss(gram_matrix(target))(2 * target).item() == pytest.approx(9)  # the Gram matrix is 4 times as large


def test_moment_loss_counts_in_deviations_of_the_target():
    """Channels alike: a shift by d deviations costs in proportion to d², a spread s times as large (s² − 1)²."""
    x = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)
    loss = MomentLoss(*mean_and_covariance(x))
    assert loss(3 * x) == pytest.approx((3**2 - 1) ** 2)
    assert loss(x / 2) == pytest.approx((1 / 4 - 1) ** 2)
    assert 0.4 < loss(x + 1) < 1.1
    assert loss(x + 2) == pytest.approx(4 * loss(x + 1).item())


def test_moment_loss_lets_no_strong_channel_decide_alone():
    """The weaker of two channels is lost: the Gram matrix hardly notices."""
    strength = torch.tensor([4.0, 1.0]).view(1, 2, 1, 1)
    x = strength * torch.randn(1, 2, 40, 40, generator=torch.Generator().manual_seed(0))
    lost = x * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    assert LOSSES["moments"](x)(lost) > 3 * LOSSES["gram"](x)(lost)


def test_channel_silent_in_the_target_does_not_outweigh_the_others():
    x = torch.randn(1, 4, 40, 40, generator=torch.Generator().manual_seed(0))
    audible = torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 4, 1, 1)
    loss = LOSSES["moments"](x * audible)
    assert 0 < loss(x * (audible + 0.2 * (1 - audible))) < loss(x * audible.roll(1))


def test_flat_targets_give_finite_losses_and_gradients():
    """White, black or one colour: nothing varies, so there is no deviation to measure in."""
    for value in (0.0, 0.3, 1.0):
        flat = torch.full((1, 3, 8, 8), value)
        for make in LOSSES.values():
            x = noise(1, 3, 8, 8).float().requires_grad_()
            loss = make(flat)(x)
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(x.grad).all()
            assert make(flat)(flat).item() == pytest.approx(0, abs=1e-6)


def test_total_variation_of_a_constant_is_zero():
    assert total_variation(torch.full((2, 3, 5, 4), 0.7)).item() == 0


def test_total_variation_of_a_checkerboard_is_the_most_there_can_be():
    board = (torch.arange(6)[:, None] + torch.arange(8)) % 2
    board = board.float().expand(2, 3, 6, 8)
    assert total_variation(board).item() == pytest.approx(2)
    assert total_variation(noise(2, 3, 6, 8)) < 2


def test_total_variation_of_stripes_is_seen_in_one_direction():
    stripes = (torch.arange(8) % 2).float().expand(1, 3, 6, 8)
    assert total_variation(stripes).item() == pytest.approx(1)
    assert total_variation(stripes.mT).item() == pytest.approx(1)
