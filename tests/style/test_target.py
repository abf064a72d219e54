"""A style's statistics: of one picture, of several, between styles, and by size."""

from functools import partial

import pytest
import torch

from gantutor.errors import InputError
from gantutor.images import resize
from gantutor.style.losses import GramLoss, MomentLoss, PatchLoss, SlicedLoss, Wasserstein2Loss
from gantutor.style.networks import VGG
from gantutor.style.statistics import mean_and_covariance
from gantutor.style.target import PIXELS, SIZES, Exemplar, Patches, Regions, Style, describe


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG(((4,), (6,), (8,), (8,)), "average", "reflect").eval().requires_grad_(False)


def picture(height, width, seed):
    few = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(few, (height, width), mode="bicubic").clamp(0, 1)


def style(network, seed):
    return Style.of(network, [picture(60, 80, seed)], sizes=(32, 64))


def assert_same(style, other):
    assert style.levels.keys() == other.levels.keys()
    for size, layers in style.levels.items():
        for layer, statistics in layers.items():
            torch.testing.assert_close(statistics, other.levels[size][layer])


def test_describe_counts_the_picture_as_a_layer(network):
    images = torch.cat([picture(40, 50, 0), picture(40, 50, 1)])
    described = describe(network, images, [PIXELS, "relu3_1"])
    assert list(described) == [PIXELS, "relu3_1"]
    torch.testing.assert_close(described[PIXELS], mean_and_covariance(images))
    torch.testing.assert_close(described["relu3_1"], mean_and_covariance(network(images, ["relu3_1"])["relu3_1"]))


def test_style_of_one_picture_is_its_description_at_each_size(network):
    photo = picture(90, 70, 0)
    found = Style.of(network, [photo], sizes=(32, 48))
    assert list(found.levels) == [32, 48]
    for size in (32, 48):
        described = describe(network, resize(photo, size), [PIXELS, *network.style_layers])
        assert found.levels[size].keys() == described.keys()
        for layer, (mean, covariance) in described.items():
            torch.testing.assert_close(found.levels[size][layer], (mean[0], covariance[0]))


def test_standard_sizes(network):
    found = Style.of(network, [picture(40, 40, 0)])
    assert tuple(found.levels) == SIZES
    assert all(not t.requires_grad for layers in found.levels.values() for pair in layers.values() for t in pair)


def test_style_of_several_is_that_of_all_positions_together(network):
    dark, light = picture(48, 48, 0) * 0.3, 0.7 + picture(48, 48, 1) * 0.3
    mean, covariance = Style.of(network, [dark, light], sizes=(48,)).levels[48][PIXELS]
    together = mean_and_covariance(torch.cat([dark, light], 3))
    torch.testing.assert_close((mean, covariance), (together[0][0], together[1][0]))
    single = Style.of(network, [dark], sizes=(48,)).levels[48][PIXELS][1]
    assert covariance.trace() > 2 * single.trace()  # pictures that differ in their means vary more together


def test_each_picture_counts_alike_whatever_its_shape(network):
    pictures = [picture(48, 48, 0), picture(48, 160, 1)]
    both = Style.of(network, pictures, sizes=(48,)).levels[48][PIXELS][0]
    torch.testing.assert_close(both, sum(p.mean((0, 2, 3)) for p in pictures) / 2)
    assert_same(Style.of(network, pictures[::-1], sizes=(32,)), Style.of(network, pictures, sizes=(32,)))
    assert_same(Style.of(network, pictures[:1] * 3, sizes=(32,)), Style.of(network, pictures[:1], sizes=(32,)))


def test_mixing_with_all_the_weight_on_one_gives_that_one(network):
    first, second = style(network, 0), style(network, 1)
    assert_same(Style.mixed([first, second], (1, 0)), first)
    assert_same(Style.mixed([first, second], (0, 5)), second)


def test_mixing_is_linear_and_weights_are_shares(network):
    first, second = style(network, 0), style(network, 1)
    mixed = Style.mixed([first, second], [3, 1])
    for size, layers in mixed.levels.items():
        for layer, statistics in layers.items():
            for kind in (0, 1):
                expected = 0.75 * first.levels[size][layer][kind] + 0.25 * second.levels[size][layer][kind]
                torch.testing.assert_close(statistics[kind], expected)
    assert_same(Style.mixed([first, second], [0.3, 0.1]), mixed)


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (), (0, 0), (2, -1), (float("nan"), 1), (float("inf"), 1)])
def test_weights_that_cannot_be(network, weights):
    with pytest.raises(InputError, match=r"2 styles cannot be mixed by .*one weight"):
        Style.mixed([style(network, 0), style(network, 1)], weights)


def test_styles_of_different_sizes_are_not_mixed(network):
    one = style(network, 0)
    fewer = Style({size: layers for size, layers in list(one.levels.items())[:1]})
    for pair in ([one, fewer], [fewer, one]):
        with pytest.raises(InputError, match="different sizes cannot be mixed"):
            Style.mixed(pair, [1, 1])


def test_nothing_to_mix():
    with pytest.raises(InputError, match="0 styles cannot be mixed"):
        Style.mixed([], [])


@pytest.mark.parametrize(("side", "nearest"), [(16, 32), (32, 32), (47, 32), (48, 32), (49, 64), (64, 64), (1000, 64)])
def test_at_gives_the_nearest_size(network, side, nearest):
    known = style(network, 0)
    assert known.at(side) is known.levels[nearest]
    turned = Style(dict(reversed(known.levels.items())))
    assert turned.at(side) is known.levels[nearest]


def test_to_a_device(network):
    known = style(network, 0)
    assert_same(known.to("cpu"), known)
    moved = known.to("meta")
    assert {t.device.type for layers in moved.levels.values() for pair in layers.values() for t in pair} == {"meta"}


@pytest.mark.parametrize("loss", [GramLoss, MomentLoss, Wasserstein2Loss])
def test_style_compares_with_the_loss_it_was_given(network, loss):
    picture_, other = picture(60, 80, 0), picture(50, 50, 1)
    style = Style.of(network, [picture_], sizes=(32, 64), loss=loss)
    for kept in (style, style.to("cpu"), Style.mixed([style, style], (1, 1))):
        losses = kept.losses(32)
        assert losses.keys() == {PIXELS, *network.style_layers}
        assert all(type(one) is loss for one in losses.values())
    own, strange = (network(resize(p, 32), ["relu2_1"])["relu2_1"] for p in (picture_, other))
    assert style.losses(32)["relu2_1"](own).item() == pytest.approx(0, abs=1e-5)
    assert style.losses(32)["relu2_1"](strange) > 1e-3


def test_style_takes_any_function_of_the_moments(network):
    photo = picture(40, 40, 0)
    losses = Style.of(network, [photo], (32,), partial(GramLoss.from_moments, scale="gatys")).losses(32)
    assert losses[PIXELS].scale == 0.25


def test_styles_of_different_losses_cannot_be_mixed(network):
    one, other = (Style.of(network, [picture(40, 40, 0)], (32,), loss) for loss in (GramLoss, MomentLoss))
    with pytest.raises(InputError, match="different losses cannot be mixed"):
        Style.mixed([one, other], (1, 1))


def test_exemplar_keeps_the_features_of_each_size(network):
    photo = picture(60, 80, 0)
    exemplar = Exemplar.of(network, photo, sizes=(32, 64))
    losses = exemplar.losses(40)
    assert losses.keys() == {PIXELS, *network.style_layers}
    assert all(type(one) is SlicedLoss for one in losses.values())
    small = resize(photo, 32)
    assert losses[PIXELS](small).item() == pytest.approx(0, abs=1e-9)
    assert losses["relu3_1"](network(small, ["relu3_1"])["relu3_1"]).item() == pytest.approx(0, abs=1e-9)
    assert losses[PIXELS](1 - small) > 1e-3
    fine = exemplar.losses(64)
    assert fine[PIXELS](resize(photo, 64)).item() == pytest.approx(0, abs=1e-9)
    assert fine[PIXELS](small) > 1e-6


def test_patches_need_no_network():
    photo = picture(60, 80, 0)
    losses = Patches(photo).losses(40)
    assert list(losses) == [PIXELS]
    assert type(losses[PIXELS]) is PatchLoss
    assert losses[PIXELS](resize(photo, 40)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("make", [lambda network, p: Style.of(network, [p]), Exemplar.of, lambda _, p: Patches(p)])
def test_recoloured_has_the_pictures_palette(network, make):
    liked, photo = 0.3 + 0.4 * picture(64, 64, 0), 0.3 + 0.4 * picture(40, 50, 1)
    mean, covariance = mean_and_covariance(make(network, liked).recoloured(photo, 64))
    wanted_mean, wanted = mean_and_covariance(liked)
    torch.testing.assert_close(mean, wanted_mean, atol=0.01, rtol=0)
    assert (covariance - wanted).norm() < 0.1 * wanted.norm()


def halves(height, width):
    """Masks of the left and of the right half."""
    left = torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    return left, 1 - left


def test_regions_look_at_their_own_part_alone(network):
    """A picture made of two halves: each half fits its own style, and the other way round it does not."""
    one, two = picture(64, 32, 0), 1 - picture(64, 32, 1)
    both = torch.cat([one, two], 3)
    left, right = halves(64, 64)
    styles = [Style.of(network, [resize(p, 64)], sizes=(64,)) for p in (one, two)]
    right_way = Regions([(styles[0], left), (styles[1], right)]).losses(64)[PIXELS](both)
    wrong_way = Regions([(styles[1], left), (styles[0], right)]).losses(64)[PIXELS](both)
    assert right_way < 0.1 * wrong_way


def test_a_region_of_everything_is_the_style(network):
    photo, mask = picture(40, 50, 1), torch.ones(1, 1, 80, 100)
    whole = style(network, 0)
    regions = Regions([(whole, mask)])
    torch.testing.assert_close(regions.recoloured(photo, 40), whole.recoloured(photo, 40))
    features = network(photo, network.style_layers) | {PIXELS: photo}
    for layer, loss in regions.losses(40).items():
        torch.testing.assert_close(loss(features[layer]), whole.losses(40)[layer](features[layer]))


def test_regions_count_by_their_area_and_colour_their_own(network):
    photo = picture(48, 48, 1)
    mask = torch.zeros(1, 1, 48, 48)
    mask[..., :12] = 1
    part = Regions([(style(network, 0), mask)])
    alone = style(network, 0).losses(48)[PIXELS](photo[..., :12])
    torch.testing.assert_close(part.losses(48)[PIXELS](photo), alone / 4)
    coloured = part.recoloured(photo, 48)
    assert torch.equal(coloured[..., 12:], photo[..., 12:])
    assert not torch.equal(coloured[..., :12], photo[..., :12])


def test_a_region_too_small_for_a_layer_is_left_out_there(network):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :3, :3] = 1
    losses = Regions([(style(network, 0), mask)]).losses(64)
    features = network(picture(64, 64, 1), network.style_layers)
    assert losses["relu4_1"](features["relu4_1"]) == 0
    assert losses[PIXELS](picture(64, 64, 1)) > 0


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (torch.full((1, 1, 8, 8), torch.nan), "mask 1 is no tensor"),
        (torch.full((1, 1, 8, 8), 255), "mask 1 is no tensor .* of values from 0 to 1"),
        (torch.ones(1, 3, 8, 8), r"mask 1 is no tensor \(1, 1, H, W\)"),
        (torch.ones(8, 8), "mask 1 is no tensor"),
    ],
)
def test_masks_that_cannot_be(network, mask, sentence):
    with pytest.raises(InputError, match=sentence):
        Regions([(style(network, 0), mask)])


def test_regions_that_cannot_be(network):
    with pytest.raises(InputError, match="no region"):
        Regions([])
    with pytest.raises(InputError, match="a region has no patches"):
        Regions([(Patches(picture(40, 40, 0)), torch.ones(1, 1, 40, 40))])


@pytest.mark.parametrize(
    ("mask", "photo", "fits"),
    [
        ((40, 80), (50, 50), False),
        ((100, 150), (20, 30), True),
        ((3, 4), (21, 28), True),
        ((61, 41), (21, 14), True),  # rounding is no other shape
        ((1, 1), (20, 64), False),
        ((100, 104), (100, 100), False),
    ],
)
def test_masks_of_other_proportions(network, mask, photo, fits):
    regions = Regions([(style(network, 0), torch.ones(1, 1, *mask))])
    if fits:
        regions.check(torch.rand(1, 3, *photo))
    else:
        with pytest.raises(InputError, match="give it the photo's proportions"):
            regions.check(torch.rand(1, 3, *photo))


def test_a_region_without_a_pixel_is_refused(network):
    mask = torch.zeros(1, 1, 400, 400)
    mask[..., :3, :3] = 1
    regions = Regions([(style(network, 0), mask)])
    regions.check(picture(400, 400, 0))
    with pytest.raises(InputError, match="mask 1 covers no pixel at 40 x 40 px: draw a larger region"):
        regions.check(picture(40, 40, 0))


def test_where_masks_overlap_the_later_gives_the_colours(network):
    photo, mask = picture(48, 48, 1), torch.ones(1, 1, 48, 48)
    one, two = style(network, 0), style(network, 3)
    both = Regions([(one, mask), (two, mask)]).recoloured(photo, 48)
    torch.testing.assert_close(both, Regions([(two, mask)]).recoloured(photo, 48), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, p: Style.of(n, [p]),
        Exemplar.of,
        lambda _, p: Patches(p),
        lambda n, p: Regions([(Style.of(n, [p]), torch.ones(1, 1, 8, 8))]),
    ],
)
def test_all_that_can_be_painted_in_moves_to_a_device(network, make):
    known = make(network, picture(40, 40, 0))
    moved, photo = known.to("cpu"), picture(40, 40, 1)
    assert type(moved) is type(known)
    torch.testing.assert_close(moved.recoloured(photo, 40), known.recoloured(photo, 40))
    torch.testing.assert_close(moved.losses(40)[PIXELS](photo), known.losses(40)[PIXELS](photo))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_style_pictures_with_values_that_are_no_numbers(network, value):
    bad = picture(40, 40, 0)
    bad[0, 1, 2, 3] = value
    for make in (lambda p: Style.of(network, [picture(40, 40, 1), p]), lambda p: Exemplar.of(network, p), Patches):
        with pytest.raises(InputError, match="NaN or infinite"):
            make(bad)
