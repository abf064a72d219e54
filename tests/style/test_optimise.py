"""Painting by optimisation: sizes and ranges of what comes out, what the weights do, what is refused."""

from itertools import pairwise

import pytest
import torch

from gantutor.datasets import bundled
from gantutor.errors import InputError
from gantutor.images import load_image, resize
from gantutor.painters import paint
from gantutor.style import optimise as module
from gantutor.style.features import load_features
from gantutor.style.networks import VGG
from gantutor.style.optimise import STILL, WORSE, TotalLoss, descent, levels, optimise, total_steps
from gantutor.style.statistics import mean_and_covariance
from gantutor.style.target import PIXELS, Exemplar, Patches, Regions, Style


@pytest.fixture(scope="module")
def small():
    """A random network, for what does not depend on good features."""
    torch.manual_seed(0)
    return VGG(((4,), (6,), (8,), (8,)), "average", "reflect").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def photo():
    return load_image(bundled("photos/astronaut.jpg"), 64)[..., :64, :48]


@pytest.fixture(scope="module")
def painted(photo):
    return paint(load_image(bundled("photos/coffee.jpg"), 96), "oil", 3)


def last(states):
    for state in states:
        pass
    return state


def fine_part(image):
    """What is lost when an image is halved and doubled, as one vector."""
    coarse = resize(resize(image, min(image.shape[2:]) // 2), min(image.shape[2:]))
    return (image - coarse).flatten()


def test_a_finer_size_starts_with_the_photos_details(small, painted):
    photo = load_image(bundled("photos/astronaut.jpg"), 128)[..., :128, :96]
    states = optimise(small, photo, Style.of(small, [painted]), 96)
    first = next(state.image.clone() for state in states if state.image.shape[2:] == (128, 96))
    details = fine_part(resize(photo, 96)), fine_part(first)
    assert torch.corrcoef(torch.stack(details))[0, 1] > 0.5  # enlarging the coarse painting alone: 0.26


@pytest.mark.parametrize("size", [32, 64, 65, 100, 128, 256, 300, 512, 1000])
def test_plan_goes_from_coarse_to_the_size(size):
    plan = levels(size)
    sides = [side for side, _ in plan]
    assert sides[-1] == size
    assert sides == sorted(set(sides))
    assert all(steps > 0 for _, steps in plan)
    assert all(finer <= 2 * coarser for coarser, finer in pairwise(sides))
    assert total_steps(size) == sum(steps for _, steps in plan)


def test_states_count_up_and_end_at_the_size(small, photo, painted):
    """Over two levels: each state is a picture in range, in the photo's shape."""
    style, size = Style.of(small, [painted]), 70
    states = 0
    for state in optimise(small, photo, style, size):
        states += 1
        assert state.step == states
        assert state.step <= state.steps <= total_steps(size)
        assert state.image.isfinite().all()
        assert ((state.image >= 0) & (state.image <= 1)).all()
        assert not state.image.requires_grad
        assert isinstance(state.content, float)
        assert state.content >= 0
        assert state.style >= 0
    assert states == state.steps
    assert state.image.shape == (1, 3, round(size * 64 / 48), size)


def test_each_level_has_the_statistics_of_its_size(small, photo, painted):
    class Watched(Style):
        def losses(self, size):
            asked.append(size)
            return super().losses(size)

    asked, style = [], Watched(Style.of(small, [painted]).levels)
    last(optimise(small, photo, style, 70))
    assert asked == [side for side, _ in levels(70)]


def test_style_comes_nearer(photo, painted):
    """Much nearer than the photo, and nearer than its palette alone brings it, with which painting starts."""
    network = load_features()
    style, content = Style.of(network, [painted]), resize(photo, 40)
    states = optimise(network, photo, style, 40)
    first = next(states)
    final = last(states)
    unpainted = TotalLoss(network, content, style.losses(40))(content)[1].item()
    assert first.style < unpainted
    assert final.style < 0.75 * first.style
    assert final.style < 0.5 * unpainted
    assert first.content < final.content < 1


def test_distances_reported_are_those_of_the_loss(small, photo, painted):
    """At the start the picture is the photo in the style's colours; before the first step both are known."""
    style = Style.of(small, [painted])
    first = next(optimise(small, photo, style, 32, strength=0))
    content = resize(photo, 32)
    expected = TotalLoss(small, content, style.losses(32))(content)
    assert first.content == pytest.approx(expected[0].item(), abs=1e-6)
    assert first.style == pytest.approx(expected[1].item(), rel=1e-4)


def test_strength_orders_the_style_distance(small, photo, painted):
    style = Style.of(small, [painted])
    finals = [last(optimise(small, photo, style, 32, strength=strength)) for strength in (0, 0.05, 2)]
    assert finals[0].style > finals[1].style > finals[2].style
    assert finals[0].content < finals[1].content < finals[2].content


def test_strength_zero_stays_near_the_photo(photo, painted):
    network = load_features()
    style, content = Style.of(network, [painted]), resize(photo, 40)

    def away(**options):
        return (last(optimise(network, photo, style, 40, **options)).image - content).square().mean().sqrt()

    assert away(strength=0, smooth=0) < 1e-3
    assert away(strength=0) < 0.6 * away(strength=1)


def test_a_texture_grows_from_noise(small, painted):
    """Without content: the palette becomes the style's, whatever the noise was."""
    noise = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    style = Style.of(small, [painted])
    state = last(optimise(small, noise, style, 40, alpha=0, smooth=0))
    mean, covariance = mean_and_covariance(state.image)
    wanted_mean, wanted = style.at(40)[PIXELS]
    torch.testing.assert_close(mean[0], wanted_mean, atol=0.05, rtol=0)
    assert (covariance[0] - wanted).norm() < 0.3 * wanted.norm()


def test_same_input_same_picture(small, photo, painted):
    style = Style.of(small, [painted])
    one, two = (last(optimise(small, photo, style, 32)).image for _ in range(2))
    assert torch.equal(one, two)


def test_photo_and_style_are_left_as_they_were(small, photo, painted):
    style = Style.of(small, [painted])
    before = photo.clone(), [t.clone() for layers in style.levels.values() for pair in layers.values() for t in pair]
    last(optimise(small, photo, style, 48))
    assert torch.equal(photo, before[0])
    after = [t for layers in style.levels.values() for pair in layers.values() for t in pair]
    assert all(torch.equal(a, b) for a, b in zip(after, before[1], strict=True))


@pytest.mark.parametrize("colour", [0.0, 1.0, 0.4])
def test_flat_photo_and_flat_style(small, painted, photo, colour):
    """Black, white, grey: nothing to divide by, and yet no NaN."""
    flat = torch.full((1, 3, 40, 40), colour)
    assert last(optimise(small, flat, Style.of(small, [painted]), 32)).image.isfinite().all()
    state = last(optimise(small, photo, Style.of(small, [flat]), 32))
    assert state.image.isfinite().all()
    assert (state.image - colour).abs().mean() < 0.6 * (photo - colour).abs().mean()  # nearly as flat as its style


@pytest.mark.parametrize("shape", [(3, 40, 40), (2, 3, 40, 40), (1, 1, 40, 40), (1, 4, 40, 40)])
def test_photos_of_other_shapes(small, painted, shape):
    with pytest.raises(InputError, match="a photo has the shape"):
        next(optimise(small, torch.rand(shape), Style.of(small, [painted]), 32))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_photo_with_values_that_are_no_numbers(small, painted, value):
    photo = torch.rand(1, 3, 40, 40)
    photo[0, 1, 2, 3] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        next(optimise(small, photo, Style.of(small, [painted]), 32))


def test_photo_too_small_and_size_too_small(small, painted):
    style = Style.of(small, [painted])
    with pytest.raises(InputError, match="40 x 15 px"):
        next(optimise(small, torch.rand(1, 3, 15, 40), style, 32))
    with pytest.raises(InputError, match="size 31 is too small"):
        next(optimise(small, torch.rand(1, 3, 40, 40), style, 31))


def test_total_loss_is_zero_for_a_photo_in_its_own_style(small, photo):
    style = Style.of(small, [photo], sizes=(48,))
    content, style_distance = TotalLoss(small, photo, style.losses(48))(photo)
    assert content.item() == pytest.approx(0, abs=1e-6)
    assert style_distance.item() == pytest.approx(0, abs=1e-4)


def test_a_size_whose_loss_no_longer_falls_is_done_early(small, photo, painted):
    """At strength 0 nothing pulls: the first size is the photo, and ends as soon as that can be told."""
    states = list(optimise(small, photo, Style.of(small, [painted]), 70, strength=0))
    at_64 = [state for state in states if min(state.image.shape[2:]) == 64]
    assert len(at_64) == STILL[0] + 1 < dict(levels(70))[64]
    assert states[-1].step == states[-1].steps == len(states) < total_steps(70)
    assert list(optimise(small, photo, Style.of(small, [painted]), plan=[(48, 12)]))[-1].steps == 12  # it still falls


def test_plan_replaces_the_levels_and_counts(small, photo, painted):
    states = list(optimise(small, photo, Style.of(small, [painted]), plan=[(32, 3), (48, 2)]))
    assert [min(state.image.shape[2:]) for state in states] == [32] * 3 + [48] * 2
    assert [(state.step, state.steps) for state in states] == [(n, 5) for n in range(1, 6)]


def test_start_is_where_it_begins(small, photo, painted):
    """Before anything has moved far: noise, or the photo in its own colours."""
    style = Style.of(small, [painted])
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))
    for start in (noise, photo):
        first = next(optimise(small, photo, style, plan=[(48, 1)], start=start))
        assert (first.image - start).abs().mean() < 0.05
    assert (next(optimise(small, photo, style, plan=[(48, 1)])).image - photo).abs().mean() > 0.05


@pytest.mark.parametrize(
    "make",
    [lambda network, p: Style.of(network, [p]), Exemplar.of, lambda _, p: Patches(p)],
    ids=["style", "ex", "patch"],
)
def test_whatever_can_be_painted_in_comes_nearer(small, photo, painted, make):
    states = list(optimise(small, photo, make(small, painted), plan=[(48, 15)], strength=10))
    assert states[-1].style < 0.9 * states[0].style
    assert states[-1].image.isfinite().all()


def test_regions_are_painted_each_in_its_style(small, photo, painted):
    """Dark on the left, light on the right, and outside the masks the photo's own colours."""
    dark, light = Style.of(small, [0.1 * painted]), Style.of(small, [0.9 + 0.1 * painted])
    left = torch.zeros(1, 1, 64, 48)
    left[..., :16] = 1
    right = left.flip(3)
    image = last(optimise(small, photo, Regions([(dark, left), (light, right)]), plan=[(48, 30)], strength=3)).image
    assert image[..., :16].mean() < 0.25
    assert image[..., 32:].mean() > 0.75
    moved = (image - resize(photo, 48)).abs().mean((0, 1, 2))
    assert moved[18:30].mean() < 0.6 * moved[:14].mean()


def test_a_mask_of_another_shape_is_refused(small, photo, painted):
    regions = Regions([(Style.of(small, [painted]), torch.ones(1, 1, 40, 80))])
    with pytest.raises(InputError, match="the mask is 80 x 40 px, the photo 32 x 43"):
        next(optimise(small, photo, regions, 32))


def valley(target, rough=0.0):
    """A loss in the place of TotalLoss: content is a long valley, style a roughness that misleads any step."""

    def loss(picture):
        away = picture - target
        stretch = torch.linspace(1, 30, picture.shape[3]) * away
        return stretch.square().sum(), rough * torch.sin(300 * away).sum()

    return loss


def test_descent_finds_the_bottom_of_a_long_valley():
    target, start = torch.full((1, 3, 4, 8), 0.6), torch.rand(1, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    totals = [
        terms["total"] for _, (_, terms) in zip(range(40), descent(valley(target), (1, 0, 0), start), strict=False)
    ]
    assert totals[-1] < 1e-4 * totals[0]


def test_descent_takes_back_what_made_things_worse():
    """No picture that is yielded is much worse than the one before, in a landscape that misleads."""
    target, start = torch.full((1, 3, 4, 8), 0.6), torch.rand(1, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    loss = valley(target, rough=0.5)
    tried, totals = [], []

    def watched(picture):
        content, style = loss(picture)
        tried.append((content + 20 + style).item())
        return content + 20, style

    for _, (picture, terms) in zip(range(60), descent(watched, (1, 1, 0), start), strict=False):
        totals.append(terms["total"])
        content, style = loss(picture)
        assert terms["total"] == pytest.approx((content + 20 + style).item(), rel=1e-4)  # the terms are this picture's
    assert any(after > WORSE * before for before, after in pairwise(tried))  # it was misled
    assert all(after <= WORSE * before for before, after in pairwise(totals))
    assert totals[-1] < 0.5 * totals[0]


def test_descent_goes_back_from_where_there_are_no_numbers():
    target, start = torch.full((1, 3, 4, 8), 0.6), torch.zeros(1, 3, 4, 8)
    loss, seen = valley(target), []

    def cliff(picture):
        content, style = loss(picture)
        seen.append(picture)
        return content * (torch.nan if len(seen) in (4, 5) else 1), style

    states = [state for _, state in zip(range(30), descent(cliff, (1, 0, 0), start), strict=False)]
    assert all(picture.isfinite().all() and terms["total"] >= 0 for picture, terms in states)
    assert states[-1][1]["total"] < 0.1 * states[0][1]["total"]


def test_states_are_the_callers_to_keep(small, photo, painted):
    style, content = Style.of(small, [painted]), resize(photo, 32)
    states = list(optimise(small, photo, style, 32))
    again = TotalLoss(small, content, style.losses(32))(states[3].image)
    assert states[3].style == pytest.approx(again[1].item(), rel=1e-3)
    assert not torch.equal(states[3].image, states[4].image)


@pytest.mark.parametrize("quick", [True, False])
def test_the_network_alone_computes_in_bfloat16_where_that_is_quick(small, photo, painted, monkeypatch, quick):
    monkeypatch.setattr(module, "fast_bfloat16", lambda device: quick)
    seen = []

    class Watched(torch.nn.Module):
        style_layers, content_layers = small.style_layers, small.content_layers

        def forward(self, images, layers):
            features = small(images, layers)
            seen.extend(maps.dtype for maps in features.values())
            return features

    state = last(optimise(Watched(), photo, Style.of(small, [painted]), plan=[(48, 3)]))
    assert set(seen) == {torch.bfloat16 if quick else torch.float32}
    assert state.image.dtype == torch.float32


def test_log_keeps_a_far_layer_from_drowning_the_others(small, photo, painted):
    losses = Style.of(small, [painted]).losses(48)
    features = small(resize(photo, 48), small.style_layers) | {PIXELS: resize(photo, 48)}
    parts = torch.stack([loss(features[layer]) for layer, loss in losses.items()])
    found = TotalLoss(small, resize(photo, 48), losses)(resize(photo, 48))[1]
    torch.testing.assert_close(found, torch.log1p(parts).mean(), rtol=0.02, atol=0.01)


@pytest.mark.parametrize(
    ("objectives", "done"),
    [
        ([5.0] * 10, False),
        ([5.0] * 11, True),
        ([5 * 0.99**n for n in range(40)], False),
        ([5.0, *[7.0 - 0.2 * n for n in range(10)]], True),  # it rose, and is not back
        ([5.0, *[7.0 - 0.5 * n for n in range(10)]], False),
        ([9.0, 5.0, *[4.99 + 0.01 * (n % 2) for n in range(10)]], True),
    ],
)
def test_when_the_total_loss_no_longer_falls(objectives, done):
    assert module.still(objectives) == done


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (torch.full((1, 3, 64, 48), torch.nan), "NaN or infinite"),
        (torch.rand(1, 3, 64, 50), r"start has the shape \(1, 3, 64, 50\), the photo \(1, 3, 64, 48\)"),
        (torch.rand(2, 3, 64, 48), "a photo has the shape"),
    ],
)
def test_starts_that_cannot_be(small, photo, painted, start, sentence):
    with pytest.raises(InputError, match=sentence):
        next(optimise(small, photo, Style.of(small, [painted]), 48, start=start))
