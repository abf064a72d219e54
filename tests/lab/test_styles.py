"""What notebook 07 draws and measures says what it was given."""

import html

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from sklearn.metrics import silhouette_score

from gantutor.lab import styles
from gantutor.lab.panels import Panel, png
from gantutor.lab.plots import BLUE, LIGHT, Drawing, Sheet
from gantutor.painters import paint
from gantutor.personal.clusters import find_styles
from gantutor.personal.preference import Taste
from gantutor.style.features import load_features


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def families(count=3, each=6, dimensions=12, apart=2.0, seed=0):
    """Points in tight groups, `apart` from each other, with labels; one group is about 1 wide."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(count), each)
    scatter = rng.normal(size=(len(labels), dimensions)) * 0.7 / np.sqrt(dimensions)
    return scatter + apart * np.eye(count, dimensions)[labels], labels


def flats(values, size=16):
    return [torch.full((1, 3, size, size), float(value)) for value in values]


def test_repainted_turns_the_hue_and_keeps_to_its_seed():
    photo = torch.tensor([0.8, 0.3, 0.2]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    pictures = [styles.repainted(photo, "stained_glass", [0, number]) for number in (0, 0, 1, 2)]
    assert torch.equal(pictures[0], pictures[1])
    means = torch.stack([picture.mean((0, 2, 3)) for picture in pictures[1:]])
    assert torch.cdist(means, means)[0, 1:].max() > 0.1  # another hue
    assert not torch.equal(pictures[0], paint(photo, "stained_glass", 0))


def test_unrelated_pictures_are_all_different_and_come_again():
    photos = [noise(1, 3, 256, 256, seed=seed) for seed in range(2)]
    first, again = styles.unrelated(photos, 3, 5), styles.unrelated(photos, 3, 5)
    assert [picture.shape for picture in first] == [(1, 3, 256, 256)] * 3
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in first)
    assert (first[0] - first[2]).abs().mean() > 0.02  # of the same photo


def test_random_network_has_the_bundled_shape_and_leaves_the_dice_alone():
    torch.manual_seed(7)
    before = torch.rand(2)
    torch.manual_seed(7)
    network = styles.random_network()
    assert torch.equal(torch.rand(2), before)
    bundled = load_features()
    assert {k: v.shape for k, v in network.state_dict().items()} == {
        k: v.shape for k, v in bundled.state_dict().items()
    }
    assert torch.equal(next(network.parameters()), next(styles.random_network().parameters())) and not torch.equal(
        next(network.parameters()), next(styles.random_network(1).parameters())
    )


def test_baselines_describe_pixels_and_colours():
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, 0, :, :32] = 1  # half red, half black
    histogram = styles.colour_histogram(picture)
    assert histogram.shape == (64,) and histogram[0] == histogram[3 * 16] == 0.5
    assert np.allclose(styles.colour_histogram(torch.ones(1, 3, 8, 8)), np.eye(64)[63])
    pixels = styles.small_pixels(picture).reshape(3, 32, 32)
    assert pixels[0, :, :16].min() == 1 and pixels[0, :, 16:].max() == 0 and pixels[1:].max() == 0


def test_judges_are_one_for_families_and_low_for_chance():
    points, labels = families()
    assert styles.neighbours_agree(points, labels) == styles.rand_index(points, labels) == 1
    shuffled = np.random.default_rng(1).permutation(labels)
    assert styles.neighbours_agree(points, shuffled) < 0.7 and abs(styles.rand_index(points, shuffled)) < 0.3
    assert np.allclose(styles.distances(points).diagonal(), 0)
    line, names = np.array([[0.0], [1], [3], [9]]), np.array([0, 0, 1, 1])
    assert styles.neighbours_agree(line, names) == 0.75  # 3 is nearer to 1 than to 9
    assert styles.retrieval(line[[0, 3]], names[[0, 3]], line[1:3], names[1:3]) == 0.5


def test_interval_holds_the_share_and_narrows():
    low, high = styles.interval(6, 20)
    assert 0 < low < 0.3 < high < 1
    narrow = styles.interval(60, 200)
    assert narrow[1] - narrow[0] < (high - low) / 2
    assert styles.interval(0, 20)[0] == 0 and styles.interval(20, 20)[1] == 1


def test_comparison_has_two_bars_a_form():
    figure = styles.comparison({"a": (0.1, 0.2), "b": (0.3, 0.9)})
    bars = sorted(bar.get_width() for bar in figure.axes[0].patches)
    assert isinstance(figure, Drawing) and bars == [0.1, 0.2, 0.3, 0.9]
    assert [to_hex(bar.get_facecolor()).upper() for bar in figure.axes[0].patches[1:3]] == [BLUE, LIGHT]  # in print too
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_before_and_after_shows_every_hand():
    points, labels = families(dimensions=3)
    figure = styles.before_and_after(points[:, :2], 2 * points[:, :2], labels)
    for axes, factor in zip(figure.axes, (1, 2), strict=True):
        shown = np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])
        assert np.allclose(shown, factor * points[:, :2])


def test_thumbnails_are_framed_in_the_colour_of_their_style():
    thumbs = styles.thumbnails([*flats([0.25]), torch.rand(1, 3, 20, 40)], 10)
    assert thumbs.shape == (2, 10, 10, 3) and np.allclose(thumbs[0], 0.25)
    framed = styles.framed(thumbs, np.array([1, -1]))
    assert framed.shape == (2, 16, 16, 3)
    assert (framed[0, 0, 0] * 255).round().tolist() == [0xD5, 0x5E, 0x00]
    assert (framed[1, -1, 5] * 255).round().tolist() == [0xCC] * 3
    assert np.array_equal(framed[:, 3:-3, 3:-3], thumbs)
    assert np.array_equal(styles.framed(thumbs, None)[0, 0], styles.framed(thumbs, [-1, -1])[0, 0])
    dashes = [(frame[0] == 1).all(1).tolist() for frame in styles.framed(np.zeros((4, 20, 20, 3)), np.arange(4))]
    assert len(set(map(tuple, dashes))) == 4 and not any(dashes[0])  # not by colour alone


def test_apart_parts_what_overlaps_and_stays_inside():
    corners = np.array([[50.0, 50], [52, 50], [50, 50], [300, 20]])
    moved = styles.apart(corners, 20, (100, 400))
    away = np.abs(moved[:, None] - moved).max(2)
    assert away[~np.eye(4, dtype=bool)].min() > 17
    assert np.array_equal(moved[3], corners[3])  # nothing was near
    crowd = styles.apart(np.zeros((30, 2)), 20, (60, 80))
    assert crowd.min() >= 0 and (crowd <= [60, 40]).all()


def test_map_has_pictures_where_the_points_are():
    places = np.array([[-1.0, 0], [1, 0.4], [1, -0.4]])
    page = styles.map_of(places, styles.thumbnails(flats([0, 0.3, 0.6]), 10), np.array([0, 0, 0]), (60, 120))
    assert page.shape == (60, 120, 3) and page.min() == 0 and page[0, 60].tolist() == [1, 1, 1]
    middle = page[..., 1]
    (row, column), (upper, _), (lower, _) = (
        np.argwhere(np.isclose(middle, value)).mean(0) for value in (0.0, 0.3, 0.6)
    )
    assert column < 20 and abs(row - 29.5) <= 1  # leftmost, in the middle of the height
    assert upper < row < lower  # up is up


def test_sheet_of_shows_pages_at_their_proportions():
    figure = styles.sheet_of([np.ones((20, 40, 3)), np.zeros((20, 20, 3))], ["a", "b"])
    assert isinstance(figure, Sheet) and [axes.get_title() for axes in figure.axes] == ["a", "b"]
    assert [axes.get_images()[0].get_array().shape for axes in figure.axes] == [(20, 40, 3), (20, 20, 3)]
    assert len(styles.sheet_of([np.ones((20, 40, 3))]).axes) == 1


def test_in_rows_keeps_the_value_and_never_overlaps():
    values = np.random.default_rng(0).normal(size=25)
    corners = styles.in_rows(values, 20, 200)
    assert np.allclose(corners[:, 0], (values - values.min()) / np.ptp(values) * 180)
    for row in np.unique(corners[:, 1]):
        assert np.diff(np.sort(corners[corners[:, 1] == row, 0])).min(initial=99) >= 20 - 1e-9
    assert (corners[values.argmin()] == 0).all()
    assert styles.in_rows(np.array([2.0]), 20, 200).tolist() == [[0, 0]]


def test_axes_panel_walks_along_axes():
    rng = np.random.default_rng(0)
    coordinates, shares = rng.normal(size=(9, 3)) * [3, 2, 1], np.array([0.5, 0.25, 0.1])
    thumbs = styles.thumbnails(flats(np.linspace(0, 1, 9)), 12)
    panel = Panel(
        lambda axis: styles.along(coordinates, shares, thumbs, None, axis), axis=widgets.IntSlider(1, min=1, max=3)
    )
    assert "Axis 1 holds 50% of the variance, the axes up to it 50%." in html.unescape(panel.note.value)
    panel.controls["axis"].value = 3
    assert panel.error is None
    assert "Axis 3 holds 10% of the variance, the axes up to it 85%." in html.unescape(panel.note.value)
    figure, _ = styles.along(coordinates, shares, thumbs, None, 2)
    page = figure.axes[0].get_images()[0].get_array()
    low = coordinates[:, 1].argmin()
    assert np.allclose(page[5, 5], thumbs[low, 0, 0], atol=0.01)  # the lowest is at the left end
    assert f"from {coordinates[:, 1].min():.1f} to {coordinates[:, 1].max():.1f}" in figure.texts[0].get_text()


def test_scatters_have_a_plot_for_each_title():
    figure = styles.scatters(
        {
            "a": {"one": (np.ones((3, 2)), None), "two": (np.eye(2), np.array([0, 1]))},
            "b": {"x": (np.eye(2), None), "y": (np.eye(2), None)},
        },
        ["first", "second"],
    )
    assert [axes.get_title() for axes in figure.axes] == ["one", "two", "x", "y"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first", "second"]
    assert [[len(dots.get_offsets()) for dots in axes.collections] for axes in figure.axes] == [[3], [1, 1], [2], [2]]
    marks = [dots.get_paths()[0].vertices.tolist() for dots in figure.axes[1].collections]
    assert marks[0] != marks[1]  # not by colour alone
    assert [mark.get_marker() for mark in figure.legends[0].legend_handles] == ["o", "s"]


def test_tree_is_cut_into_as_many_groups():
    points, labels = families(4, 5)
    figure = styles.tree(points, styles.thumbnails(flats([0.5] * 20), 8), labels, 4)
    lines = figure.axes[0].get_lines()
    cut = lines[-1].get_ydata()[0]
    below = [line for line in lines[:-1] if max(line.get_ydata()) < cut]
    assert len(lines) == 20 and len(below) == 19 - 3  # three joins lie above: four groups
    strip = figure.axes[1].get_images()[0].get_array()
    assert strip.shape == (14, 20 * 14, 3)
    two = styles.tree(points, styles.thumbnails(flats([0.5] * 20), 8), labels, 2).axes[0].get_lines()
    assert sum(max(line.get_ydata()) > two[-1].get_ydata()[0] for line in two[:-1]) == 1


def test_criteria_ring_the_best():
    scores = {"a": {"silhouette": {2: 0.2, 3: 0.7}, "held-out likelihood": {1: -3.0, 2: -1.0, 3: -2.0}}}
    figure = styles.criteria(scores)
    rings = [axes.get_lines()[1].get_data() for axes in figure.axes]
    assert [(float(x[0]), float(y[0])) for x, y in rings] == [(3, 0.7), (2, -1)]
    assert [axes.get_ylabel() for axes in figure.axes] == ["silhouette", "held-out likelihood"]


def test_sureness_fills_each_bar():
    figure = styles.sureness({"x": {3: 0.5, 0: 0.3, 1: 0.17, 4: 0.03}, "y": {8: 1.0}})
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([0.3, 0.17, 0.5, 0.03, 1.0])
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["cannot tell", "1", "3 styles", "", "8 styles"]
    assert styles.in_words(1) == "one style"


def test_asked_is_the_package_rule_on_one_look():
    points, labels = families(3)
    found, scores, grouped = styles.asked(points)
    assert found == 3 and styles.adjusted_rand_score(labels, grouped) == 1
    assert scores[3] == pytest.approx(silhouette_score(styles.reduce(points), labels))
    assert styles.asked(points[:6])[0] == 1 and set(styles.asked(points[:6])[2]) == {0}
    assert styles.asked(points[:4])[0] == 0


@pytest.mark.parametrize(
    ("chosen", "each", "words"),
    [
        (("a", "b", "c"), 6, "18 pictures by 3: 3 styles, as a best silhouette of 0."),
        (("b",), 6, "6 pictures by 1: one style. No groups (best silhouette 0."),
        (("a", "c"), 2, "4 pictures by 2: cannot tell, as there are fewer than 6."),
        (("a",), 2, "2 pictures by 1: cannot tell, as there are fewer than 6."),
    ],
)
def test_drawer_draws_and_explains(chosen, each, words):
    points, labels = families(3)
    drawer = styles.Drawer(points, styles.thumbnails(flats([0.5] * 18), 12), np.array(["a", "b", "c"])[labels])
    figure, sentence = drawer(chosen, each, 0)
    assert sentence.startswith(words)
    assert png(figure)
    numbers = drawer.chosen(("a", "b", "c"), 2, 0)
    assert labels[numbers].tolist() == [0, 0, 1, 1, 2, 2] and len(set(numbers)) == 6
    assert any(drawer.chosen(("a", "b", "c"), 2, lot).tolist() != numbers.tolist() for lot in range(1, 5))


def test_drawer_in_a_panel():
    points, labels = families(3)
    drawer = styles.Drawer(points, styles.thumbnails(flats([0.5] * 18), 12), np.array(["a", "b", "c"])[labels])
    panel = Panel(
        drawer,
        families=widgets.SelectMultiple(options=["a", "b", "c"], value=("a", "b")),
        each=widgets.IntSlider(5, min=1, max=6),
        lot=widgets.IntSlider(0, min=0, max=9),
    )
    assert "10 pictures by 2: 2 styles" in html.unescape(panel.note.value)
    picture = panel.image.value
    panel.controls["families"].value = ()
    assert panel.error is None and "a map needs two pictures" in panel.note.value
    assert panel.image.value == picture
    panel.controls["families"].value = ("c",)
    assert panel.error is None and "fewer than 6" in panel.note.value
    panel.controls["each"].value = 6
    assert panel.error is None and "one style" in panel.note.value


def test_explained_names_the_reason():
    points, _ = families(3)
    assert styles.explained(points, 0, {2: 0.3}) == (
        f"cannot tell. No groups (best silhouette 0.30), and {styles.spread(points):.2f} apart: over 1.3."
    )
    assert styles.explained(points[:5], 0, {2: 0.9}) == "cannot tell, as there are fewer than 6."


def test_separations_find_the_layer_that_differs():
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], 20)
    plain = rng.normal(size=(40, 5))
    table = styles.separations({"same": plain, "differs": plain + 5 * labels[:, None] * np.eye(5)[0]}, labels)
    assert table.shape == (2, 2)
    assert np.allclose(table[:, 0], 1, atol=0.35) and (table[:, 1] > 2).all()
    figure = styles.layer_bars(["same", "differs"], table)
    assert sorted(bar.get_height() for bar in figure.axes[0].patches) == sorted(table.ravel())
    assert len({bar.get_hatch() for bar in figure.axes[0].patches}) == 2  # not by colour alone


def test_portraits_go_from_the_medoid_outwards():
    points, _ = families(2, 9)
    clusters = find_styles(points, 0, k=2)
    for style in range(2):
        order = styles.by_distance(points, clusters, style)
        away = np.linalg.norm(points[order] - points[clusters.medoids[style]], axis=1)
        assert order[0] == clusters.medoids[style] and (np.diff(away) >= 0).all()
        assert set(order) == set(np.flatnonzero(clusters.labels == style))
    shades = flats(np.linspace(0, 0.9, 18), 40)
    figure = styles.portraits(shades, points, clusters)
    first = figure.axes[:8]
    assert [axes.get_title() for axes in first] == [
        "medoid", "nearest", "", "", "", "farthest", "", "palette",
    ]  # fmt: skip
    order = styles.by_distance(points, clusters, 0)
    shown = [float(axes.get_images()[0].get_array()[5, 5, 0]) for axes in first[:7]]
    wanted = [float(shades[number][0, 0, 0, 0]) for number in [*order[:5], *order[-2:]]]
    assert shown == pytest.approx(wanted, abs=0.01)


def test_portraits_of_a_small_group_leave_places_free():
    points, _ = families(2, 3)
    figure = styles.portraits(flats([0.5] * 6, 40), points, find_styles(points, 0, k=2))
    assert [len(axes.get_images()) for axes in figure.axes[:8]] == [1, 1, 1, 0, 0, 0, 0, 1]


def test_curves_have_their_bands():
    figure = styles.curves({"a": {1: (0.5, 0.4, 0.6), 2: (0.8, 0.7, 0.9)}}, "pictures")
    axes = figure.axes[0]
    assert axes.get_lines()[0].get_ydata().tolist() == [0.5, 0.8] and axes.get_xlabel() == "pictures"
    band = axes.collections[0].get_paths()[0].vertices
    assert {(1.0, 0.4), (1.0, 0.6), (2.0, 0.7), (2.0, 0.9)} <= {(float(x), float(y)) for x, y in band}


def test_histograms_count_people():
    figure = styles.histograms({"a": np.array([0.71, 0.72, 0.91]), "b": np.array([0.5, 0.52, 0.53])})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a: mean 0.78", "b: mean 0.52"]
    assert [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes] == [3, 3]
    assert [axes.get_lines()[0].get_xdata()[0] for axes in figure.axes] == pytest.approx([0.78, 0.5166667])


def test_histograms_leave_nobody_out():
    (axes,) = styles.histograms({"all": np.array([0.1, 0.4, 0.95, 1.0, 1.0])}).axes
    assert [axes.patches[n].get_height() for n in (0, -1)] == [2, 3]


def test_beliefs_have_a_band_and_the_pictures_asked():
    places, mean = np.arange(4.0), np.array([0.0, 1, 2, 3])
    figure = styles.beliefs(places, {"none": (mean, np.ones(4), []), "one": (mean, np.ones(4), [(3, 1)])})
    assert [axes.get_title() for axes in figure.axes] == ["none", "one"]
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == -1 and band[:, 1].max() == 4
    line, liked, other = figure.axes[1].get_lines()[:3]
    assert line.get_ydata().tolist() == mean.tolist()
    assert (liked.get_xdata().tolist(), other.get_xdata().tolist()) == ([3], [1])


def test_common_colours_are_those_of_the_pixels():
    red, blue = (torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 48, 48) for color in ((1.0, 0, 0), (0, 0, 0.5)))
    assert np.allclose(styles.common_colours([red, blue], 2), [[0, 0, 0.5], [1, 0, 0]])


def test_persons_answer_by_their_likes():
    person = styles.Person([True, False, True, False], 0, erring=0)
    assert all(person.prefers(*pair) == (0, 1) for pair in ((0, 1), (1, 0)) * 5)
    even = [person.prefers(0, 2) for _ in range(200)]
    assert 60 < even.count((0, 2)) < 140
    errs = styles.Person([True, False], 0, erring=0.1)
    wrong = sum(errs.prefers(0, 1) == (1, 0) for _ in range(1000))
    assert 60 < wrong < 140


def test_learnt_taste_knows_new_pictures_and_asks_well():
    points, labels = families(6, 4)
    new, new_labels = families(6, 5, seed=1)
    areas = {}
    for active in (True, False):
        found = []
        for seed in range(8):
            liked = [seed % 6, (seed + 2) % 6]
            person = styles.Person(np.isin(labels, liked), seed, erring=0)
            taste = styles.learnt_taste(points, person, 9, seed, active)
            assert len(taste.pairs) == 9
            found.append(styles.auc(taste, new, np.isin(new_labels, liked)))
        areas[active] = np.mean(found)
    assert areas[True] > areas[False] + 0.03 and areas[True] > 0.85
    assert styles.auc(Taste(points), new, np.isin(new_labels, [0])) == 0.5


def clicker():
    points, labels = families(4, 3)
    clicks = styles.Clicks(points, flats(np.linspace(0, 1, 12)), labels)
    buttons = {name: widgets.Button(description=name) for name in ("this", "that", "undo")}
    return clicks, Panel(clicks, **buttons), buttons


def test_clicks_learn_and_go_back():
    clicks, panel, buttons = clicker()
    first = clicks.pair
    assert "0 comparisons so far" in panel.note.value
    buttons["undo"].click()  # nothing to take back
    assert panel.error is None and clicks.pair == first
    buttons["this"].click()
    assert panel.error is None and "1 comparison so far" in panel.note.value
    assert clicks.taste.pairs == [first] and clicks.taste.mean[first[0]] > 0 > clicks.taste.mean[first[1]]
    second = clicks.pair
    assert set(second) != set(first)
    before = panel.image.value
    buttons["that"].click()
    assert clicks.taste.pairs == [first, second[::-1]] and panel.image.value != before
    buttons["undo"].click()
    assert panel.error is None and clicks.taste.pairs == [first] and set(clicks.pair) == set(second)
    buttons["undo"].click()
    assert clicks.taste.pairs == [] and np.allclose(clicks.taste.mean, 0)


def test_clicks_show_the_pair_the_order_and_the_weights():
    clicks, _, _ = clicker()
    for _ in range(6):  # likes style 2 alone
        clicks.click("this" if clicks.labels[clicks.pair[0]] == 2 else "that")
    figure = clicks.drawn()
    for axes, number in zip(figure.axes[:2], clicks.pair, strict=True):
        assert np.array_equal(axes.get_images()[0].get_array(), clicks.large[number])
    weights = [bar.get_width() for bar in figure.axes[2].patches]
    assert [text.get_text() for text in figure.axes[2].get_yticklabels()] == [f"style {n}" for n in (1, 2, 3, 4)]
    assert weights == pytest.approx(clicks.taste.weights(clicks.labels)) and np.argmax(weights) == 2
    places = figure.axes[3].collections[-1].get_offsets()
    assert (np.diff(places[:, 1]) <= 1e-12).all()  # the best at the left


def test_clicks_say_when_all_pairs_are_asked():
    points, labels = families(2, 1)
    clicks = styles.Clicks(points, flats([0, 1]), labels)
    buttons = {name: widgets.Button(description=name) for name in ("this", "that", "undo")}
    panel = Panel(clicks, **buttons)
    buttons["this"].click()
    assert panel.error is None and "nothing left to ask" in panel.note.value
    assert len(clicks.taste.pairs) == 1
