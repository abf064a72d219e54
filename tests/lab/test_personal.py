"""What notebook 08 draws and measures says what it was given."""

import html
from dataclasses import replace
from functools import partial

import ipywidgets as widgets
import numpy as np
import pytest
import torch

from gantutor.lab import painting, personal
from gantutor.lab.checks import EXERCISES
from gantutor.lab.checks import personal as checks
from gantutor.lab.panels import Panel, png
from gantutor.lab.plots import Sheet
from gantutor.personal.file import PersonalStyle
from gantutor.style.features import load_features
from gantutor.style.generator import SIZE
from gantutor.style.target import Style
from gantutor.tensors import write_tensors
from tests.lab.answers_personal import also_right


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def flat(value):
    """A style of one colour."""
    return Style({SIZE: {"pixels": (torch.full((3,), value), torch.eye(3))}})


@pytest.fixture
def style():
    """Three styles, dark to light, on an axis from black to white."""
    return PersonalStyle(
        styles=[flat(0.2), flat(0.4), flat(0.9)],
        counts=[2, 1, 1],
        tightness=[0.5, 0.5, 0.5],
        found=3,
        answers={3: 1.0},
        weights=[0.5, 0.25, 0.25],
        centres=torch.eye(3),
        radii=[1.0, 1.0, 1.0],
        axes=[(flat(0.0), flat(1.0), 0.34), (flat(0.1), flat(0.3), 0.2)],
        features="bundled",
        features_hash="0" * 16,
        space_hash="0" * 16,
        pictures=["a" * 16] * 4,
    )


class Rehearsal:
    """A painter that paints flat pictures, as light as the style's mean colour."""

    def paint(self, encoding, style, seed=0):
        return style.at(SIZE)["pixels"][0].view(1, 3, 1, 1).expand(1, 3, *encoding).clamp(0, 1)


def test_megabytes_are_summed_by_kind():
    sizes = {"centres": 10**6, "style.0.64.pixels.mean": 2 * 10**6, "style.1.64.x.mean": 10**6, "low.0.256.x.mean": 5}
    found = personal.megabytes(sizes | {"high.2.256.x.mean": 5})
    assert found == {"centres": 1, "statistics of the styles": 3, "poles of the axes": 1e-5}


def test_refusal_says_the_sentence_without_folders_and_decoders_words(tmp_path, style):
    other, half, good = (tmp_path / f"{name}.safetensors" for name in ("other", "half", "good"))
    write_tensors({"weight": torch.zeros(2)}, other, {})
    style.save(good)
    half.write_bytes(good.read_bytes()[:300])
    sentence = personal.refusal(other)
    assert sentence.startswith("other.safetensors is no personal style") and str(tmp_path) not in sentence
    sentence = personal.refusal(half)
    assert sentence == "half.safetensors is damaged or is no safetensors file: make or download it again"
    with pytest.raises(AssertionError, match=r"good\.safetensors was read"):
        personal.refusal(good)


def test_directions_of_lines_planes_and_balls():
    assert personal.directions(torch.eye(7)) == pytest.approx(7)
    assert personal.directions(torch.diag(torch.tensor([3.0, 3.0, 0.0]))) == pytest.approx(2)
    line = torch.tensor([1.0, 2.0, -1.0])
    assert personal.directions(torch.outer(line, line)) == pytest.approx(1)
    one, other = torch.diag(torch.tensor([1.0, 0.0])), torch.diag(torch.tensor([0.0, 1.0]))
    assert personal.directions(one + other) > max(map(personal.directions, (one, other)))


def marks(axes):
    """The lines of an axes as lists of points."""
    return [list(zip(*(map(float, each) for each in line.get_data()), strict=True)) for line in axes.get_lines()]


def test_dots_show_values_means_intervals_and_the_line():
    figure = personal.dots({"a": [1.0, 3.0], "b": np.array([5.0])}, "x", {"a": (1.5, 2.5)}, line=4)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert marks(axes) == [
        [(4, 0), (4, 1)],
        [(1, 0), (3, 0)],
        [(2, -0.3), (2, 0.3)],
        [(1.5, 0), (2.5, 0)],
        [(5, 1)],
        [(5, 0.7), (5, 1.3)],
    ]
    assert axes.get_ylim() == (1.5, -0.5)  # the first row on top


def test_judged_has_a_panel_for_each_measure():
    measures = {"near": {"a": [1.0], "b": [2.0]}, "share": {"a": [0.0], "b": [1.0]}}
    figure = personal.judged(measures, {"near": {"b": (1.5, 2.5)}}, {"share": (0.9, "as hoped")})
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["near", "share"]
    assert second.get_xlabel() == "dashed: as hoped" and first.get_xlabel() == ""
    assert first.get_xlim() != second.get_xlim()
    alike = personal.judged(measures, {}, {}, limits=(0, 3)).axes
    assert [axes.get_xlim() for axes in alike] == [(0, 3)] * 2
    assert [(1.5, 1), (2.5, 1)] in marks(first) and [(0.9, 0), (0.9, 1)] in marks(second)


def test_trade_draws_each_way_in_its_order_and_says_the_strengths():
    figure = personal.trade({"slow": [(0.1, 1.5, "t = 0"), (0.3, 0.7, "t = 1")], "fast": [(0.2, 1.2, "β")]})
    (axes,) = figure.axes
    assert marks(axes)[:2] == [[(0.1, 1.5), (0.3, 0.7)], [(0.2, 1.2)]]
    assert [line.get_marker() for line in axes.get_lines()[:2]] == ["o", "s"]  # not by colour alone
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["slow", "fast"]
    assert {text.get_text(): text.xy for text in axes.texts[:3]} == {
        "t = 0": (0.1, 1.5), "t = 1": (0.3, 0.7), "β": (0.2, 1.2),
    }  # fmt: skip


def test_walks_tell_the_poles_apart_and_join_them():
    figure = personal.walks({"a": np.array([0.5, 0.7]), "b": np.array([-1.0, 0.2, 2.0])}, ["a"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert marks(axes) == [[(0.5, 0), (0.7, 0)], [(-1, 1), (0.2, 1), (2, 1)], [(-1, 1)], [(0.2, 1)], [(2, 1)]]
    assert [line.get_marker() for line in axes.get_lines()] == ["|", "None", "<", "o", ">"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["liked picture", *personal.POLES]


def test_triangle_places_add_up_to_one_and_have_their_corners():
    assert personal.weights_of(0, 0, 4) == [1, 0, 0]
    assert personal.weights_of(4, 0, 4) == [0, 1, 0]
    assert personal.weights_of(4, 4, 4) == [0, 0, 1]
    places = [personal.weights_of(row, column, 4) for row in range(5) for column in range(row + 1)]
    assert len({tuple(place) for place in places}) == 15
    assert all(sum(place) == pytest.approx(1) and min(place) >= 0 for place in places)


def test_triangle_has_a_picture_at_each_place():
    rows = [[torch.full((1, 3, 8, 8), (row + column) / 4) for column in range(row + 1)] for row in range(3)]
    figure = personal.triangle(rows, ["top", "left", "right"])
    assert isinstance(figure, Sheet) and len(figure.axes) == 6
    places = [axes.get_position() for axes in figure.axes]
    assert places[0].y0 > places[1].y0 > places[3].y0
    assert places[0].x0 == pytest.approx((places[1].x0 + places[2].x0) / 2)
    assert [round(float(axes.get_images()[0].get_array()[0, 0, 0]), 2) for axes in figure.axes] == [
        0, 0.25, 0.5, 0.5, 0.75, 1,
    ]  # fmt: skip
    assert [text.get_text() for text in figure.texts] == ["top", "left", "right"]


@pytest.mark.parametrize(
    ("position", "light", "words"),
    [
        (0.0, 0.425, "Painted: the whole collection's mixture."),
        (1.0, 1.0, "Painted: 100% of the way to the right pole."),
        (-0.5, 0.2125, "Painted: 50% of the way to the left pole."),
    ],
)
def test_axis_panel_paints_at_the_place_between_its_ends(style, position, light, words):
    ends = [(torch.full((1, 3, 50, 40), 0.25), torch.full((1, 3, 40, 40), 0.75))] * 2
    canvas, sentence = personal.along(Rehearsal(), (60, 80), style, ends, 1, position)
    assert sentence == f"Axis 1 holds 34% of the liked pictures' variance. {words}"
    assert canvas.shape == (1, 3, 60, 28 + 4 + 80 + 4 + 28)
    torch.testing.assert_close(canvas[0, :, 10, 32 : 32 + 80], torch.full((3, 80), light))
    torch.testing.assert_close(canvas[0, 0, 30, [14, 130]], torch.tensor([0.25, 0.75]))
    mark = (canvas[0, 0, -1] == 0).nonzero().flatten()
    assert len(mark) == 8 and mark[0] == 32 + round((position + 1) / 2 * 72)


def test_axis_panel_redraws(style):
    ends = [(noise(1, 3, 20, 20), noise(1, 3, 20, 20, seed=1))] * 2
    panel = Panel(
        partial(personal.along, Rehearsal(), (64, 64), style, ends),
        axis=widgets.Dropdown(options=[1, 2]),
        position=widgets.FloatSlider(value=0, min=-1, max=1),
    )
    before = panel.image.value
    panel.controls["axis"].value, panel.controls["position"].value = 2, 1.0
    assert panel.error is None and panel.image.value != before
    assert "Axis 2 holds 20%" in panel.note.value


def test_mixing_panel_redraws_with_all_sliders_at_rest(style):
    thumbnails = torch.cat([noise(1, 3, 16, 16, seed=seed) for seed in range(3)])

    def draw(one, two, three):
        return painting.mixing(Rehearsal(), (60, 60), style.styles, [one, two, three], 0, thumbnails)

    panel = Panel(draw, **{name: widgets.FloatSlider(value=0, min=0, max=1) for name in ("one", "two", "three")})
    assert "33%, 33%, 33%" in panel.note.value
    panel.controls["two"].value = 0.5
    assert panel.error is None and "0%, 100%, 0%" in panel.note.value


def test_colour_histogram_counts_colours_and_forgets_places():
    picture = noise(1, 3, 20, 30)
    found = personal.colour_histogram(picture)
    assert found.shape == (64,) and np.linalg.norm(found) == pytest.approx(1)
    np.testing.assert_allclose(personal.colour_histogram(picture.flip(2)), found)
    white = personal.colour_histogram(torch.ones(1, 3, 4, 4))
    assert white[-1] == 1 and white.sum() == 1
    half = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 2, 2)
    np.testing.assert_allclose(personal.colour_histogram(half)[[0, -1]], 0.5**0.5, rtol=1e-6)


def test_content_is_lost_by_another_photo_and_not_by_itself():
    network = load_features()
    cat, temple = (painting.square(f"photos/{name}.jpg", 64) for name in ("cat", "temple"))
    itself, lighter, other = personal.content_lost(network, cat, [cat, (cat + 0.05).clamp(0, 1), temple])
    assert itself == pytest.approx(0, abs=1e-6)
    assert 0 < lighter < 0.2 * other


def pairs():
    """Three pairs of grey pictures by two ways: the fast ones are light."""
    return [("fast", torch.full((1, 3, 8, 8), 0.9), "slow", torch.full((1, 3, 8, 8), 0.1 + 0.1 * n)) for n in range(3)]


def test_blind_test_hides_names_until_all_answers_are_given():
    test = personal.BlindTest(pairs(), seed=1)
    picture, words = test(0, 0)
    assert words == "Pair 1 of 3. Which do you like better?" and test.answers == []
    assert picture.shape == (1, 3, 8, 28)
    left = right = 0
    for number in range(3):  # always the light one
        picture, _ = test(left, right)
        if picture[0, 0, 4, 4] > picture[0, 0, 4, -4]:
            left += 1
        else:
            right += 1
        picture, words = test(left, right)
        assert ("fast" in words) == (number == 2)
    assert test.answers == [("fast", "slow")] * 3
    assert "You liked fast better than slow in 3 of 3: its chance lies between 44% and 100%." in words
    assert left and right  # sides are by lot
    assert test(left + 1, right)[1] == words and len(test.answers) == 3  # nothing more to say


def test_blind_test_counts_each_rivalry():
    test = personal.BlindTest([*pairs()[:1], ("old", noise(1, 3, 8, 8), "new", noise(1, 3, 8, 8))], seed=0)
    test(1, 0)
    words = test(2, 0)[1]
    assert "fast" in words and "slow" in words and "new" in words and words.count("of 1") == 2


def test_blind_panel_counts_clicks():
    test = personal.BlindTest(pairs())
    panel = Panel(test, left=widgets.Button(description="left"), right=widgets.Button(description="right"))
    assert test.answers == [] and "Pair 1 of 3" in panel.note.value
    for name in ("left", "right", "left"):
        panel.controls[name].click()
        assert panel.error is None
    assert len(test.answers) == 3 and "in" in html.unescape(panel.note.value)
    liked = [pair[side][0] for pair, side in zip(test.shown, (0, 1, 0), strict=True)]
    assert [answer[0] for answer in test.answers] == liked


def test_figures_are_pictures(style):
    walks = personal.walks({"a": [0, 1, 2]})
    for figure in (personal.dots({"a": [1.0]}, "x"), personal.trade({"a": [(0, 1, "")]}), walks):
        assert png(figure)


@pytest.mark.parametrize("name", also_right())
def test_other_right_answers_pass(name):
    assert checks.__name__.endswith(name.split(".")[0])
    for answer in also_right()[name]:
        verdict = EXERCISES[name](answer)
        assert verdict.passed, verdict


def test_weights_of_a_style_are_kept_by_the_file(style, tmp_path):
    replace(style, weights=[0.1, 0.8, 0.1]).save(tmp_path / "s.safetensors")
    assert PersonalStyle.load(tmp_path / "s.safetensors").weights == [0.1, 0.8, 0.1]
