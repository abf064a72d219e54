"""Statistics of feature maps against closed forms and independent computations."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from gantutor.style.statistics import (
    FLOOR,
    gram_matrix,
    match_palette,
    mean_and_covariance,
    pooled,
    random_directions,
    roots,
    sorted_answers,
    wasserstein2,
    with_colours_of,
)


@pytest.fixture
def features():
    """Two pictures' features: 5 channels that depend on one another, 7 x 9 positions, double precision."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    return torch.einsum("cd,ndhw->nchw", mixing, torch.randn(2, 5, 7, 9, generator=generator, dtype=torch.float64)) + 3


def random_covariance(size, seed):
    root = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.T / size


def shuffled(features):
    """The same features with the positions in another order."""
    n, channels, height, width = features.shape
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(1))
    return features.reshape(n, channels, -1)[:, :, order].reshape(n, channels, height, width)


def test_gram_matrix_is_the_mean_product_of_channels(features):
    expected = torch.einsum("nchw,ndhw->ncd", features, features) / (5 * 7 * 9)
    torch.testing.assert_close(gram_matrix(features), expected)


def test_gram_matrix_of_known_features():
    one = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)  # channels (1, 2) and (3, 4)
    torch.testing.assert_close(gram_matrix(one), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)


@pytest.mark.parametrize(
    "statistic", [gram_matrix, lambda x: mean_and_covariance(x)[0], lambda x: mean_and_covariance(x)[1]]
)
def test_pictures_of_a_batch_do_not_mix_and_places_do_not_matter(statistic, features):
    torch.testing.assert_close(statistic(features)[1], statistic(features[1:])[0])
    torch.testing.assert_close(statistic(shuffled(features)), statistic(features))


@pytest.mark.parametrize("function", [gram_matrix, mean_and_covariance])
def test_gradients(function):
    x = torch.rand(2, 3, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert gradcheck(function, x)


def test_channels_last_gives_the_same(features):
    torch.testing.assert_close(
        gram_matrix(features.contiguous(memory_format=torch.channels_last)), gram_matrix(features)
    )


def test_mean_and_covariance_are_those_of_numpy(features):
    mean, covariance = mean_and_covariance(features)
    for number, picture in enumerate(features.numpy()):
        rows = picture.reshape(5, -1)
        np.testing.assert_allclose(mean[number], rows.mean(1))
        np.testing.assert_allclose(covariance[number], np.cov(rows, bias=True))


def test_covariance_is_accurate_in_single_precision_under_a_strong_mean(features):
    strong = features + 30 * features.std()
    single, double = mean_and_covariance(strong.float())[1], mean_and_covariance(strong)[1]
    assert (single - double).norm() < 1e-3 * double.norm()


def test_pooled_is_the_statistics_of_all_positions_together(features):
    features = features + torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)  # pictures that differ in their means
    mean, covariance = pooled(*mean_and_covariance(features), torch.ones(2, dtype=torch.float64))
    together = torch.cat([features[0], features[1]], 2)[None]
    torch.testing.assert_close((mean, covariance), tuple(s[0] for s in mean_and_covariance(together)))


def test_pooled_weights_count_positions(features):
    weights = torch.tensor([3.0, 1.0], dtype=torch.float64)  # a picture three times as large
    together = torch.cat([features[0]] * 3 + [features[1]], 2)[None]
    expected = tuple(s[0] for s in mean_and_covariance(together))
    torch.testing.assert_close(pooled(*mean_and_covariance(features), weights), expected)
    torch.testing.assert_close(pooled(*mean_and_covariance(features), 10 * weights), expected)


def test_pooled_variance_is_never_negative():
    """Flat pictures of one colour vary nowhere, together as little as alone."""
    for colour in torch.rand(50, 1, 3, generator=torch.Generator().manual_seed(0)):
        mean, covariance = pooled(colour.expand(3, 3), torch.zeros(3, 3, 3), torch.ones(3))
        assert (covariance.diagonal() >= 0).all()
        torch.testing.assert_close(covariance, torch.zeros(3, 3), atol=1e-12, rtol=0)
        torch.testing.assert_close(mean, colour[0])


@pytest.fixture
def photos():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.eye(3) + 0.3 * torch.randn(3, 3, generator=generator)
    return 0.5 + 0.03 * torch.einsum("cd,ndhw->nchw", mixing, torch.randn(2, 3, 20, 24, generator=generator))


def palette(images):
    """Mean and covariance of the colours of a whole batch."""
    return tuple(s[0] for s in mean_and_covariance(torch.cat(list(images), 2)[None]))


def test_match_palette_gives_the_palette_asked_for(photos):
    mean = torch.tensor([0.6, 0.4, 0.5])
    covariance = random_covariance(3, 0).float() * 4e-3
    matched = match_palette(photos, mean, covariance)
    assert matched.min() > 0
    assert matched.max() < 1  # nothing was clamped
    torch.testing.assert_close(palette(matched), (mean, covariance), atol=1e-5, rtol=1e-3)


def test_match_palette_moves_no_more_than_it_must(photos):
    """Of all maps with this result the optimal one costs the Wasserstein distance, and is symmetric."""
    mean, covariance = torch.tensor([0.6, 0.4, 0.5]), random_covariance(3, 0).float() * 4e-3
    moved = (match_palette(photos, mean, covariance) - photos).square().sum(1).mean()
    now = palette(photos)
    least = wasserstein2(now[0][None], now[1][None], mean[None], covariance[None])[0]
    torch.testing.assert_close(moved.double(), least, rtol=1e-3, atol=0)


def test_match_palette_leaves_what_matches(photos):
    torch.testing.assert_close(match_palette(photos, *palette(photos)), photos, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("chroma", "wanted"), [(0.05, 0.002), (0.0003, 0.0003), (0.05, 0.0), (0.01, 0.05)])
def test_match_palette_of_nearly_grey_pictures(chroma, wanted):
    """A grey style makes a colourful photo grey, and does not blow up the faint colours of a grey one."""
    generator = torch.Generator().manual_seed(0)
    grey = 0.3 + 0.4 * torch.rand(2, 1, 40, 40, generator=generator)
    colours = torch.randn(2, 3, 40, 40, generator=generator)
    colours = colours - colours.mean(1, keepdim=True)
    photo, style = grey[:1] + chroma * colours[:1], grey[1:] + wanted * colours[1:]
    matched = match_palette(photo, *palette(style))
    spread = (matched - matched.mean(1, keepdim=True)).std()
    expected = (style - style.mean(1, keepdim=True)).std()
    assert abs(spread - expected) < 0.05 * expected + 3e-4


def test_match_palette_stays_in_range_for_any_picture():
    mean, covariance = torch.tensor([0.9, 0.1, 0.5]), 0.2 * torch.eye(3)
    for photo in (torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), torch.rand(1, 3, 8, 8)):
        matched = match_palette(photo, mean, covariance)
        assert matched.dtype == torch.float32
        assert ((matched >= 0) & (matched <= 1)).all()
    flat = match_palette(torch.zeros(1, 3, 8, 8), mean, covariance)
    torch.testing.assert_close(flat, mean.view(1, 3, 1, 1).expand_as(flat))


def test_wasserstein_distance_of_one_dimensional_gaussians():
    mean, other = torch.tensor([[1.0], [0.0]]), torch.tensor([[4.0], [0.0]])
    variance, other_variance = torch.tensor([[[4.0]], [[9.0]]]), torch.tensor([[[1.0]], [[0.25]]])
    expected = torch.tensor([3.0**2 + (2 - 1) ** 2, (3 - 0.5) ** 2], dtype=torch.float64)
    torch.testing.assert_close(wasserstein2(mean, variance, other, other_variance), expected)


def test_wasserstein_distance_of_independent_channels():
    generator = torch.Generator().manual_seed(0)
    means, deviations = torch.randn(2, 1, 6, generator=generator), torch.rand(2, 1, 6, generator=generator)
    found = wasserstein2(means[0], torch.diag_embed(deviations[0] ** 2), means[1], torch.diag_embed(deviations[1] ** 2))
    expected = (means[0] - means[1]).square().sum(1) + (deviations[0] - deviations[1]).square().sum(1)
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-6)


def test_wasserstein_distance_turns_with_the_axes():
    """Gaussians along common axes, turned: the distance is that of the axes' deviations."""
    turn = torch.linalg.qr(random_covariance(4, 3)).Q
    a, b = torch.tensor([4.0, 1.0, 9.0, 0.0]).double(), torch.tensor([1.0, 1.0, 4.0, 1.0]).double()
    zero = torch.zeros(1, 4)
    found = wasserstein2(zero, (turn * a @ turn.T)[None], zero, (turn * b @ turn.T)[None])
    torch.testing.assert_close(found, (a.sqrt() - b.sqrt()).square().sum()[None])


def test_wasserstein_distance_is_symmetric_and_zero_for_the_same():
    mean, other = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = random_covariance(5, 1)[None], random_covariance(5, 2)[None]
    there, back = wasserstein2(mean, a, other, b), wasserstein2(other, b, mean, a)
    assert there > 1e-3
    torch.testing.assert_close(there, back)
    assert wasserstein2(mean, a, mean, a).item() == pytest.approx(0, abs=1e-6)
    singular = torch.zeros(1, 5, 5, dtype=torch.float64)
    assert wasserstein2(mean, singular, mean, singular).item() == 0


def test_roots():
    covariance = random_covariance(4, 0)
    root, inverse = roots(covariance)
    torch.testing.assert_close(root, root.T)
    torch.testing.assert_close(root @ root, covariance)
    torch.testing.assert_close(root @ inverse, torch.eye(4, dtype=torch.float64))


def test_roots_raise_small_eigenvalues():
    root, inverse = roots(torch.diag(torch.tensor([4.0, 0.0, -1e-9])))
    torch.testing.assert_close(root, torch.diag(torch.tensor([2.0, FLOOR**0.5, FLOOR**0.5])))
    torch.testing.assert_close(inverse, torch.diag(torch.tensor([0.5, FLOOR**-0.5, FLOOR**-0.5])))


def test_roots_of_several_at_once():
    several = torch.stack([random_covariance(4, seed) for seed in range(3)])
    for number, both in enumerate(zip(*roots(several), strict=True)):
        torch.testing.assert_close(both, roots(several[number]))


def test_wasserstein_distance_has_a_true_and_a_finite_gradient():
    mean = torch.zeros(1, 3, dtype=torch.float64)
    target = random_covariance(3, 1)[None]
    other = random_covariance(3, 2)[None].requires_grad_()
    assert gradcheck(lambda c: wasserstein2(mean, target, mean, (c + c.mT) / 2), other)
    singular = torch.diag(torch.tensor([1.0, 0.0, 0.0]).double())[None].requires_grad_()
    wasserstein2(mean, target, mean, singular).sum().backward()
    assert singular.grad.isfinite().all()


def test_random_directions_are_unit_vectors_at_right_angles():
    directions = random_directions(8, (3, 2, 2), seed=0)
    assert directions.shape == (8, 3, 2, 2)
    rows = directions.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8), atol=1e-6, rtol=0)
    assert len(random_directions(99, (3, 2, 2), seed=0)) == 12  # there is room for no more
    assert torch.equal(random_directions(8, (3, 2, 2), seed=0), directions)
    assert not torch.equal(random_directions(8, (3, 2, 2), seed=1), directions)


def test_sorted_answers_are_what_the_kernels_say_in_order():
    x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    kernels = random_directions(2, (3, 1, 1), seed=0)
    answers = sorted_answers(x, kernels)
    assert answers.shape == (2, 2, 20)
    expected = np.sort(np.einsum("kc,ncp->nkp", kernels[..., 0, 0].numpy(), x.flatten(2).numpy()), axis=2)
    torch.testing.assert_close(answers, torch.from_numpy(expected), atol=1e-5, rtol=0)
    assert sorted_answers(x, random_directions(5, (3, 2, 2), seed=0)).shape == (2, 5, 12)  # patches


def test_with_colours_of_keeps_hues_and_takes_luminance():
    photo = 0.4 + 0.2 * torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    painting = 0.4 + 0.2 * torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    kept = with_colours_of(photo, painting)
    weights = torch.tensor([0.299, 0.587, 0.114])

    def luminance(images):
        return torch.einsum("c,nchw->nhw", weights, images)

    torch.testing.assert_close(luminance(kept), luminance(painting))
    torch.testing.assert_close(kept - luminance(kept)[:, None], photo - luminance(photo)[:, None])
    torch.testing.assert_close(with_colours_of(photo, photo), photo)
    white = with_colours_of(photo, torch.ones_like(photo))
    assert white.max() <= 1
