import io
from itertools import combinations

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_rgb
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from gantutor.lab import plots
from gantutor.lab.game import VERDICTS
from gantutor.personal.clusters import Clusters

APART = 10  # CIEDE2000 from which two colours are told apart at a glance
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Who looks, as matrices for linear RGB (Machado, Oliveira and Fernandes 2009, table of severity 1)."""
PRINT = {"grey": [[0.2126, 0.7152, 0.0722]] * 3}


def nearest(colours, eyes):
    """The smallest distance between any two of some colours, whoever of `eyes` looks."""
    srgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    found = []
    for matrix in eyes.values():
        light = (linear @ np.transpose(matrix)).clip(0, 1)
        seen = rgb2lab(np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light))
        found += [deltaE_ciede2000(one, other) for one, other in combinations(seen, 2)]
    return min(found)


def pixels(figure):
    """What a notebook would show, as an array."""
    return np.asarray(Image.open(io.BytesIO(figure._repr_jpeg_()[0])).convert("RGB")) / 255


def test_picture_row_shows_the_pictures_in_order_at_one_height():
    red, blue = torch.zeros(2, 1, 3, 20, 40).unbind()
    red[:, 0], blue[:, 2] = 1, 1
    shown = pixels(plots.picture_row([red, blue[..., :20]], ["a", "b"]))
    is_red = (shown[..., 0] > 0.8) & (shown[..., 2] < 0.2)
    is_blue = (shown[..., 2] > 0.8) & (shown[..., 0] < 0.2)
    assert np.nonzero(is_red)[1].max() < np.nonzero(is_blue)[1].min()
    height_red, height_blue = (np.ptp(np.nonzero(mask)[0]) for mask in (is_red, is_blue))
    width_red, width_blue = (np.ptp(np.nonzero(mask)[1]) for mask in (is_red, is_blue))
    assert abs(height_red - height_blue) <= 2
    assert width_red / width_blue == pytest.approx(2, rel=0.05)


def test_contact_sheet_has_a_row_for_each_style_with_the_medoid_first():
    greys = [0.1, 0.2, 0.3, 0.8, 0.9]
    pictures = [torch.full((1, 3, 30, 40), grey) for grey in greys]
    clusters = Clusters(np.array([0, 0, 0, 1, 1]), [1, 4], [0.5, None], {})
    figure = plots.contact_sheet(pictures, clusters)
    rows = np.array(figure.axes).reshape(2, -1)
    first = [row[0].images[0].get_array()[0, 0, 0] for row in rows]
    assert first == pytest.approx([0.2, 0.9], abs=0.01)
    assert [sum(bool(axes.images) for axes in row) for row in rows] == [3, 2]
    titles = [row[0].get_title(loc="left") for row in rows]
    assert titles == ["style 1: 3 of 5 pictures, tightness 0.50", "style 2: 2 of 5 pictures"]


def test_palette_runs_along_the_main_axis_from_dark_to_light():
    mean = torch.tensor([0.5, 0.4, 0.3])
    axis = torch.tensor([-2.0, -1.0, 0.0]) / 5**0.5
    colours = plots.palette(mean, 0.01 * torch.outer(axis, axis) + 1e-4 * torch.eye(3))
    brightness = colours.sum(1)
    assert (np.diff(brightness) > 0).all()
    steps = np.diff(colours, axis=0)
    assert np.allclose(steps, steps[0], atol=1e-5)
    assert steps[0][0] / steps[0][1] == pytest.approx(2, rel=0.01)


def test_saved_figures_are_whole_or_not_there(tmp_path, monkeypatch):
    figure = plots.Drawing(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    plots.save(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (110, 110)
    assert Image.open(io.BytesIO(figure._repr_png_()[0])).format == "PNG"

    def fail(path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(KeyboardInterrupt):
        plots.save(figure, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_figures_say_in_words_what_they_show():
    """Titles, axes and legends, each once; IPython puts the text beside the picture."""
    figure = plots.Drawing()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], label="generator")
    left.plot([1, 0], label="optimiser")
    left.set(xlabel="content lost", ylabel="distance\n(radii)", title="trade")
    left.legend()
    right.set(title="trade")
    text = "Plot: trade: distance (radii) against content lost: generator, optimiser; trade"
    assert plots.alt_text(figure) == text
    assert plots.Drawing()._repr_png_()[1] == {"alt": "Plot"}
    row = plots.picture_row([torch.zeros(1, 3, 4, 4)] * 3, ["photo", "oil", "oil"])
    data, about = InteractiveShell.instance().display_formatter.format(row)
    assert about["image/jpeg"] == {"alt": "Pictures: photo; oil"} and data["image/jpeg"]


def test_palette_is_told_apart_by_colour_blind_readers_and_in_print():
    assert nearest(plots.COLOURS, EYES) > APART
    assert nearest(plots.shades(5), EYES | PRINT) > APART
    assert nearest([plots.BLUE, plots.LIGHT], EYES | PRINT) > APART
    assert nearest([VERDICTS(0.0), VERDICTS(1.0)], EYES | PRINT) > APART  # and white between them is ½


def test_colours_that_look_alike_in_print_have_another_line_style_and_marker():
    assert nearest(plots.COLOURS[:4], PRINT) < APART
    for cues in (plots.STYLES, plots.MARKERS):
        for cue in set(cues):
            same = [colour for colour, of_it in zip(plots.COLOURS, cues, strict=True) if of_it == cue]
            assert nearest(same, PRINT) > APART


def test_red_and_green_are_not_apart():
    assert nearest(["tab:red", "tab:green"], EYES) < APART < nearest(["tab:red", "tab:green"], {"normal": np.eye(3)})


def test_curves_take_the_palette_in_order():
    figure = plots.Drawing()
    for axes in (figure.subplots(1, 2)[1], figure.add_axes((0, 0, 1, 1))):
        lines = [axes.plot([0, 1])[0] for _ in plots.COLOURS]
        assert [line.get_color() for line in lines] == list(plots.COLOURS)
