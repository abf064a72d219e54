"""The losses: zero and flat at their target, positive elsewhere, their targets constant."""

import pytest
import torch
from torch.autograd import gradcheck

from gantutor.errors import InputError
from gantutor.style.losses import (
    GRAM_SCALES,
    ContentLoss,
    GramLoss,
    MomentLoss,
    PatchLoss,
    SlicedLoss,
    Wasserstein2Loss,
    total_variation,
)
from gantutor.style.statistics import gram_matrix, mean_and_covariance, wasserstein2

LOSSES = {
    "content": ContentLoss,
    "gram": lambda features: GramLoss(gram_matrix(features)),
    "moments": lambda features: MomentLoss(*mean_and_covariance(features)),
    "wasserstein2": lambda features: Wasserstein2Loss(*mean_and_covariance(features)),
    "sliced": SlicedLoss,
    "patches": lambda features: PatchLoss(features, side=2),
}
POSITIONLESS = ["gram", "moments", "wasserstein2", "sliced"]  # patches know their neighbours
FROM_MOMENTS = ["gram", "moments", "wasserstein2"]


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
    assert any(buffer.startswith("target") for buffer, _ in loss.named_buffers())
    assert not any(buffer.requires_grad for buffer in loss.buffers())
    assert loss.float()(features.float()).dtype == torch.float32  # targets move with the module


@pytest.mark.parametrize("name", POSITIONLESS)
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


@pytest.mark.parametrize("name", FROM_MOMENTS)
def test_a_batch_gives_the_mean_of_its_pictures(name, features):
    loss, batch = LOSSES[name](features), noise(3, 4, 6, 5, seed=1)
    torch.testing.assert_close(loss(batch), torch.stack([loss(picture[None]) for picture in batch]).mean())


@pytest.mark.parametrize("name", FROM_MOMENTS)
def test_from_moments_is_the_same_loss(name, features):
    """A style file keeps a mean (C,) and a covariance (C, C) alone."""
    mean, covariance = mean_and_covariance(features)
    loss, x = LOSSES[name](features), noise(1, 4, 5, 5, seed=1)
    make = getattr(type(loss), "from_moments", type(loss))
    torch.testing.assert_close(make(mean[0], covariance[0])(x), loss(x))


def test_gram_scales_by_their_papers():
    """Each convention in its own words, from the matrix that nobody divided."""
    x, y = noise(1, 4, 6, 5), noise(1, 4, 6, 5, seed=1)
    channels, positions = 4, 30
    raw = [torch.einsum("ip,jp->ij", f.flatten(2)[0], f.flatten(2)[0]) for f in (x, y)]
    square = (raw[1] - raw[0]).square().sum()
    expected = {
        "gatys": square / (4 * channels**2 * positions**2),
        "johnson": ((raw[1] - raw[0]) / (channels * positions)).square().sum(),
        "mean": ((raw[1] - raw[0]) / (channels * positions)).square().mean(),
        "relative": square / raw[0].square().sum(),
    }
    assert expected.keys() == GRAM_SCALES.keys()
    for name, value in expected.items():
        torch.testing.assert_close(GramLoss(gram_matrix(x), name)(y), value)
        moments = (moment[0] for moment in mean_and_covariance(x))
        torch.testing.assert_close(GramLoss.from_moments(*moments, scale=name)(y), value)
    with pytest.raises(InputError, match="no scale is called 'gatis': choose one of gatys, johnson"):
        GramLoss(gram_matrix(x), "gatis")


def test_wasserstein2_loss_is_the_distance_over_the_targets_second_moment():
    x, y = noise(1, 4, 6, 5), 2 * noise(1, 4, 3, 5, seed=1)
    second = x.square().mean((2, 3)).sum()
    distance = wasserstein2(*mean_and_covariance(x), *mean_and_covariance(y))
    torch.testing.assert_close(
        Wasserstein2Loss(*mean_and_covariance(x))(y), (distance / second).squeeze(), rtol=1e-5, atol=0
    )


def test_sliced_loss_sees_more_than_two_moments():
    """Two values, or a normal distribution of the same mean and variance: the Gram matrix cannot tell them apart."""
    coins = torch.randint(0, 2, (1, 2, 60, 60), generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    bells = torch.randn(1, 2, 60, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = {name: LOSSES[name](coins)(bells).item() for name in ("moments", "wasserstein2", "sliced")}
    assert near["moments"] < 0.01
    assert near["wasserstein2"] < 0.01
    assert near["sliced"] > 0.05


def test_sliced_loss_of_a_shift():
    """Everything moved by v: directions at right angles see |v|² together."""
    x = noise(1, 3, 8, 8)
    shift = torch.tensor([3.0, 0.0, 0.0]).double().view(1, 3, 1, 1)
    loss = SlicedLoss(x)
    assert len(loss.kernels) == 3  # there are no more
    assert (loss(x + shift) * loss.scale).item() == pytest.approx(9 / 3, rel=1e-5)


@pytest.mark.parametrize("make", [SlicedLoss, PatchLoss])
def test_sliced_losses_are_one_function_from_their_seed(make):
    x, target = noise(1, 40, 9, 9, seed=1), noise(1, 40, 9, 9, seed=2)
    one, two, other = make(target), make(target), make(target, seed=1)
    assert one(x) == one(x) == two(x)
    assert one(x) != other(x)


def test_patches_know_their_neighbours():
    """Stripes of another direction have the same pixels: only patches see it."""
    stripes = (torch.arange(24) % 4 < 2).double().expand(1, 3, 24, 24)
    turned = stripes.mT.contiguous()
    assert SlicedLoss(stripes)(turned) < 1e-12
    assert PatchLoss(stripes)(turned) > 0.01


def test_sliced_losses_take_other_sizes():
    """The same distribution at another number of positions is no distance, whichever is larger."""
    x = noise(1, 3, 40, 40)
    for target, other in ((x, x[..., ::2]), (x[..., ::2], x)):
        assert SlicedLoss(target)(other) < 0.01 * SlicedLoss(target)(other + 1)


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
