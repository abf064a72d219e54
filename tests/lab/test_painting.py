"""What notebook 06 draws and measures says what it was given."""

import html
from functools import partial

import ipywidgets as widgets
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from torch import nn

from gantutor.errors import InputError
from gantutor.images import image_grid
from gantutor.lab import painting
from gantutor.lab.panels import Panel, png
from gantutor.lab.plots import BLUE, LIGHT, Sheet
from gantutor.style.features import load_features
from gantutor.style.generator import SIZE, Whitened, ridged, transport
from gantutor.style.statistics import mean_and_covariance
from gantutor.style.target import Style


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_bundled_pictures_are_squares_and_the_same_again():
    assert painting.square("photos/temple.jpg", 40).shape == (1, 3, 40, 40)
    by_painter = painting.by_painter("hatching")
    assert by_painter.shape == (1, 3, SIZE, SIZE)
    assert torch.equal(by_painter, painting.by_painter("hatching"))
    likes = painting.pictures(["liked/01.jpg", "liked/02.jpg"])
    assert likes.levels.shape == (2, 3, SIZE, SIZE) and likes.levels.dtype == torch.uint8
    stripes = painting.stripes(32)
    assert stripes.shape == (1, 3, SIZE, SIZE) and len(stripes[0].flatten(1).unique(dim=1).T) == 2
    assert torch.equal(stripes[..., :32, 32:64], stripes[..., 32:64, :32])  # they slant


def test_tiles_are_of_every_picture_and_mixed():
    tiles = painting.tiles_of(["photos/cat.jpg", "photos/rocket.jpg"], 16, 6)
    assert tiles.shape == (12, 3, 16, 16)
    assert torch.equal(tiles, painting.tiles_of(["photos/cat.jpg", "photos/rocket.jpg"], 16, 6))
    alone = painting.tiles_of(["photos/cat.jpg"], 16, 6)
    is_cat = [any(torch.equal(tile, other) for other in alone) for tile in tiles]
    assert sum(is_cat) == 6 and is_cat != sorted(is_cat, reverse=True)


def test_paintings_are_told_apart_by_their_lightness():
    photos = noise(20, 3, 16, 16)
    assert painting.told_apart(photos, photos) == 1
    assert painting.told_apart(0.3 - 0.2 * photos, photos) == 1  # paler, darker, turned to a negative
    assert painting.told_apart(photos.roll(1, 0), photos) == 0
    assert painting.told_apart(photos[:1].expand(20, -1, -1, -1), photos) == pytest.approx(1 / 20)


def test_repeating_is_one_for_a_grid_and_small_for_noise():
    grid = noise(1, 3, 4, 4).repeat(5, 1, 6, 6)
    assert painting.repeating(grid) == pytest.approx(1)
    assert painting.repeating(noise(8, 3, 48, 48)) < 0.01
    assert painting.repeating(torch.ones(2, 3, 8, 8)) == 0
    mixed = grid + (noise(5, 3, 24, 24) - 0.5)
    assert 0.2 < painting.repeating(mixed) < 0.8
    assert painting.repeating(noise(1, 3, 2, 2).repeat(1, 1, 8, 8)) == pytest.approx(1)  # a period that divides 4


@pytest.mark.parametrize(
    ("kernel", "stride", "sentence"),
    [
        (3, 2, "The counts are uneven: 1, 2, 4."),
        (4, 2, "The counts are even: 4."),
        (5, 3, "The counts are uneven: 1, 2, 4."),
        (2, 3, "The counts are uneven: 0, 1."),
        (3, 1, "The counts are even: 9."),
    ],
)
def test_overlaps_are_counted(kernel, stride, sentence):
    figure, words = painting.overlaps(kernel, stride)
    assert words == sentence
    assert png(figure)
    assert figure.axes[0].get_title() == "inputs that reach a pixel"


def test_schemes_name_the_three_ways():
    figure = painting.schemes()
    assert [axes.get_title() for axes in figure.axes] == ["pix2pix", "CycleGAN", "here"]
    for axes in figure.axes:
        words = [text.get_text() for text in axes.texts]
        assert {"photo", "G", "painting", "D", "real", "fake"} <= set(words)


def test_pull_is_against_the_gradient_and_grey_where_there_is_none():
    gradient = torch.zeros(1, 3, 4, 4)
    gradient[..., 0, 0], gradient[..., 3, 3] = 1.0, -1.0
    shown = painting.pull(gradient)
    assert (shown[..., 0, 0] < 0.5).all() and (shown[..., 3, 3] > 0.5).all() and (shown[..., 1, 1] == 0.5).all()
    assert torch.equal(painting.pull(torch.zeros(1, 3, 2, 2)), torch.full((1, 3, 2, 2), 0.5))


def test_grid_has_a_row_for_each_title_and_names_over_the_columns():
    figure = painting.grid_of({"a": [noise(1, 3, 8, 8)] * 3, "b": [noise(1, 3, 8, 8)]}, names=["one", "two"])
    assert isinstance(figure, Sheet) and len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == ["one", "two", ""]
    assert [figure.axes[n].get_ylabel() for n in (0, 3)] == ["a", "b"]
    assert [len(axes.get_images()) for axes in figure.axes] == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    "title", ["oil", "by somebody with a very long name", "two lines,\none of them somewhat longer"]
)
def test_grid_has_room_for_its_titles(title):
    figure = painting.grid_of({title: [noise(1, 3, 8, 8)] * 2})
    FigureCanvasAgg(figure).draw()
    first = figure.axes[0]
    words, picture = first.yaxis.label.get_window_extent(), first.get_window_extent()
    assert words.x0 >= 0 and words.x1 <= picture.x0


def test_plane_has_its_three_pictures_at_its_corners():
    photo, first, second = (noise(1, 3, 4, 4, seed=seed) for seed in range(3))
    for place, corner in (((0, 0), photo), ((1, 0), first), ((0, 1), second)):
        torch.testing.assert_close(painting.between(photo, first, second, *place), corner)
    beyond = painting.between(photo, first, second, 5, -5)
    assert beyond.min() >= 0 and beyond.max() <= 1


def plane():
    """A plane of 5 x 5 places and terms that are least at the photo, the optimiser's and the generator's."""
    places = torch.linspace(-0.5, 1.5, 5)
    v, u = torch.meshgrid(places, places, indexing="ij")
    terms = {
        "content": u**2 + v**2,
        "style": u**2 + (v - 1) ** 2,
        "adversarial": (u - 1) ** 2 + v**2,
        "smooth": torch.zeros(5, 5),
    }
    return places, terms


def test_landscape_marks_corners_and_least_values():
    places, terms = plane()
    figure = painting.landscape(places, terms)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == list(terms)
    for axes, star in zip(panels[:3], ((0, 0), (0, 1), (1, 0)), strict=True):
        marks = [tuple(float(each[0]) for each in line.get_data()) for line in axes.get_lines()]
        assert marks == [(0, 0), (1, 0), (0, 1), star]


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((1, 0, 0, 1), "u = 0.00, v = 0.00, at the star: a picture of mostly photo."),
        ((0, 1, 0, 1), "u = 0.00, v = 1.00, at the star: a picture of mostly the optimiser's painting."),
        ((0, 0, 1, 1), "u = 1.00, v = 0.00, at the star: a picture of mostly the generator's painting."),
        ((1, 1, 0, 0), "u = 0.00, v = 0.50"),
    ],
)
def test_weighing_shows_the_best_picture_of_the_plane(weights, words):
    corners = [noise(1, 3, 4, 4, seed=seed) for seed in range(3)]
    figure, sentence = painting.weighing(corners, *plane(), *weights)
    assert words in sentence
    u, v = (float(part.split("=")[1].split(",")[0]) for part in sentence.split(":")[0].split("u ")[1].split(", v"))
    shown = torch.from_numpy(figure.axes[1].get_images()[0].get_array().copy()).permute(2, 0, 1)[None]
    torch.testing.assert_close(shown.float(), painting.between(*corners, u, v))


def test_weighing_wants_a_weight():
    corners = [noise(1, 3, 4, 4, seed=seed) for seed in range(3)]
    with pytest.raises(InputError, match="all weights are 0"):
        painting.weighing(corners, *plane(), 0, 0, 0, 0)


def gaussians():
    maps = [torch.einsum("nchw,cd->ndhw", noise(1, 3, 8, 8, seed=s), noise(3, 3, seed=s + 9) + 0.2) for s in range(2)]
    return maps, [(mean, ridged(covariance)) for mean, covariance in map(mean_and_covariance, maps)]


def test_ways_arrive_where_they_say():
    (start, _), ((mean, C), (goal_mean, S)) = gaussians()
    for name, way in painting.WAYS.items():
        matrix, offset = way(mean, C, goal_mean, S)
        torch.testing.assert_close((matrix @ mean[..., None])[..., 0] + offset, goal_mean)
        arrived = matrix @ C @ matrix.mT
        torch.testing.assert_close(arrived.diagonal(dim1=1, dim2=2), S.diagonal(dim1=1, dim2=2), rtol=1e-3, atol=1e-5)
        assert torch.allclose(arrived, S, rtol=1e-3, atol=1e-5) == (name != "adaptive instance normalisation")
    ours = painting.by_transport(*(each.double() for each in (mean, C, goal_mean, S)))  # as the package does inside
    theirs = transport(Whitened(*mean_and_covariance(start)), *mean_and_covariance(gaussians()[0][1]))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=1e-3, atol=1e-4)


def test_recolouring_goes_a_share_of_the_way():
    photo, liked = noise(1, 3, 64, 64), 0.3 * noise(1, 3, 64, 64, seed=1) + 0.5
    none, whole = (painting.recolouring(photo, liked, "optimal transport", share)[1] for share in (0.0, 1.0))
    assert "100% is left; colours moved by 0.000" in none
    assert int(whole.split("covariances ")[1].split("%")[0]) <= 2
    torch.testing.assert_close(painting.recoloured(photo, liked, "optimal transport", 0.0), photo)
    panel = Panel(
        partial(painting.recolouring, photo, liked),
        way=widgets.Dropdown(options=[*painting.WAYS]),
        share=widgets.FloatSlider(value=1, min=0, max=1),
    )
    for way in painting.WAYS:
        panel.controls["way"].value = way
        assert panel.error is None


def test_milliseconds_is_the_shortest_run():
    calls = []
    assert 0 <= painting.milliseconds(lambda: calls.append(1), repeats=4) < 100
    assert len(calls) == 4


def test_halves_are_stacked():
    figure = painting.halves(
        {"128 px": {"encoding": 3.0, "painting": 5.0}, "256 px": {"encoding": 10.0, "painting": 20}}
    )
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [3, 10, 5, 20]
    assert [bar.get_x() for bar in bars] == [0, 0, 3, 10]
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars[1:3]] == [BLUE, LIGHT]  # apart in print too


def test_distances_are_nothing_for_the_photo_and_the_style():
    network = load_features()
    photo, liked = painting.square("photos/cat.jpg", 64), painting.square("liked/16.jpg", 64)
    style = Style.of(network, [liked], [64])
    found = painting.distances(network, photo, style, {"photo": photo, "liked": liked})
    assert found["photo"] == (pytest.approx(0, abs=1e-5), pytest.approx(1))
    assert found["liked"][1] < 0.01 and found["liked"][0] > 0.1


class Rehearsal:
    """A painter that paints flat pictures, as light as the style's mean colour, darker by the seed."""

    def paint(self, encoding, style, seed=0):
        mean = style.at(SIZE)["pixels"][0]
        return (mean.view(1, 3, 1, 1) - seed / 10).expand(1, 3, *encoding).clamp(0, 1)


def flat(value):
    return Style({SIZE: {"pixels": (torch.full((3,), value), torch.eye(3))}})


def test_mixing_shows_weights_thumbnails_and_the_mixture():
    styles, thumbnails = [flat(0.2), flat(0.8)], torch.stack([torch.zeros(3, 8, 8), torch.full((3, 8, 8), 0.5)])
    mix = partial(painting.mixing, Rehearsal(), (60, 60), styles, thumbnails=thumbnails)
    canvas, sentence = mix([0.25, 0.75], 0)
    assert sentence == "The statistics are mixed: 25%, 75%."
    side, gap = 28, painting.GAP
    assert canvas.shape == (1, 3, side + 3 * gap + 60, 60)
    torch.testing.assert_close(canvas[..., -60:, :], torch.full((1, 3, 60, 60), 0.65))
    bar = canvas[0, 0, side + gap]
    assert [(bar[:side] == 0).sum(), (bar[side + gap :] == 0).sum()] == [7, 21]
    assert torch.equal(mix([0.0, 0.0], 0)[0], mix([1.0, 1.0], 0)[0])  # nothing chosen: all alike
    assert not torch.equal(mix([1.0, 0.0], 1)[0], mix([1.0, 0.0], 0)[0])


def test_rows_of_a_sheet_are_the_ones_asked_for():
    values = torch.linspace(0.1, 0.9, 4)
    sheet = image_grid(values.repeat_interleave(2).view(8, 1, 1, 1).expand(8, 3, 16, 16), 2)
    figure = painting.sheet_rows(sheet, ["a", "b", "c", "d e f"], ["d e f", "b"])
    shown = [axes.get_images()[0].get_array() for axes in figure.axes]
    assert [row.shape for row in shown] == [(16, 36, 3)] * 2
    assert [round(float(row[8, 4, 0]), 2) for row in shown] == [0.9, 0.37]
    assert [axes.get_ylabel() for axes in figure.axes] == ["d\ne f", "b"]


def test_overlaps_panel_redraws():
    panel = Panel(painting.overlaps, kernel=widgets.IntSlider(3, 2, 6), stride=widgets.IntSlider(2, 1, 3))
    assert "uneven" in html.unescape(panel.note.value)
    panel.controls["kernel"].value = 4
    assert panel.error is None and "are even" in panel.note.value


def test_a_flat_input_is_woven_by_transposed_convolutions_alone():
    torch.manual_seed(0)
    maps = torch.rand(1, 8, 1, 1).expand(1, 8, 10, 10)
    with torch.no_grad():
        woven = nn.ConvTranspose2d(8, 3, 4, 2, 1)(maps)[..., 4:-4, 4:-4]
    assert painting.repeating(woven) == pytest.approx(1, abs=1e-4)
