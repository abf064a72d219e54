"""From pictures to a PersonalStyle: in one go, and a large collection by samples and chunks."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from gantutor.datasets import bundled
from gantutor.errors import InputError
from gantutor.images import centre_crop, load_image, save_image
from gantutor.painters import paint
from gantutor.personal import learning
from gantutor.personal.clusters import find_styles
from gantutor.personal.collection import Collection
from gantutor.personal.learning import learn, middle, poles, spread_out
from gantutor.personal.space import Axes, space_of
from gantutor.style.features import load_features
from gantutor.style.target import Style


def blobs(*counts, seed=0):
    """Points in groups 4 apart, and the groups."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(range(len(counts)), counts))
    return 3 * np.eye(30)[groups] + rng.normal(0, 1 / np.sqrt(60), (len(groups), 30)), groups


def test_large_collection_is_grouped_as_if_seen_whole(monkeypatch):
    monkeypatch.setattr(learning, "CHUNK", 64)
    points, groups = blobs(300, 200, 100)
    sample = np.sort(np.random.default_rng(0).permutation(600)[:90])
    found = spread_out(points, sample, find_styles(points[sample], 0), seed=0)
    assert adjusted_rand_score(groups, found.labels) == 1
    assert np.bincount(found.labels).tolist() == [300, 200, 100]
    assert found.found == 3 and len(found.tightness) == 3
    for style, medoid in enumerate(found.medoids):
        assert medoid in sample and found.labels[medoid] == style


def test_large_collection_reads_points_by_chunks(monkeypatch):
    monkeypatch.setattr(learning, "CHUNK", 64)
    points, _ = blobs(300, 200)
    asked = []

    class Counting:
        def __len__(self):
            return len(points)

        def __getitem__(self, numbers):
            asked.append(len(points[numbers]))
            return points[numbers]

    sample = np.arange(0, 500, 6)
    spread_out(Counting(), sample, find_styles(points[sample], 0), seed=0)
    assert max(asked) <= len(sample)


def test_radius_holds_for_pictures_that_were_not_there():
    """Nine tenths of new points of the group lie within, though the centre is of few."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        points = rng.normal(0, 1, (12, 20))
        centre, radius = middle(points, np.arange(12), rng)
        new = rng.normal(0, 1, (50, 20))
        inside.append(np.mean(np.linalg.norm(new - centre, axis=1) <= radius))
    assert 0.8 < np.mean(inside) < 0.95


def test_radius_of_a_few_pictures_is_the_usual_one():
    centre, radius = middle(np.eye(5), np.array([1, 3]), np.random.default_rng(0))
    assert centre.tolist() == [0, 0.5, 0, 0.5, 0] and radius == 1


def test_poles_are_the_ends_of_the_axes():
    rng = np.random.default_rng(0)
    points = rng.normal(0, [5, 2, 1, 0.1], (30, 4))
    chosen = []

    def style_of(numbers, sizes):
        chosen.append(sorted(numbers))
        return sizes

    found = poles(Axes.of(points), points, np.arange(100, 130), style_of)
    assert [share for *_, share in found] == sorted((share for *_, share in found), reverse=True)
    assert sum(share for *_, share in found) == pytest.approx(1, abs=0.01)
    order = np.argsort(points[:, 0])
    ends = [sorted(order[:6] + 100), sorted(order[-6:] + 100)]
    assert sorted(chosen[:2]) == sorted(ends) and len(chosen) == 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve paintings by two painters, in turn, of six photos."""
    folder = tmp_path_factory.mktemp("liked")
    names = ("astronaut", "cat", "coffee", "flower", "rocket", "temple")
    photos = [centre_crop(load_image(bundled(f"photos/{name}.jpg"), 256)) for name in names]
    for number in range(12):
        family = ("pointillism", "stained_glass")[number % 2]
        save_image(paint(photos[number // 2], family, number), folder / f"{number:02}.png")
    return folder


def test_folder_and_list_give_the_same_style(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path))
    network = load_features()
    collection = Collection(folder)
    collection.describe(network, space_of(network))
    one, clusters = learn(collection, network, "bundled")
    two, _ = learn(list(collection), network, "bundled")
    assert one.pictures == two.pictures and one.counts == two.counts and one.answers == two.answers
    torch.testing.assert_close(one.centres, two.centres, rtol=1e-3, atol=1e-4)
    assert one.radii == pytest.approx(two.radii, rel=1e-3)
    for mine, its in zip(one.styles, two.styles, strict=True):
        for layer in mine.levels[256]:
            torch.testing.assert_close(mine.levels[256][layer], its.levels[256][layer])
    assert clusters.labels.tolist() in ([0, 1] * 6, [1, 0] * 6) and one.found == 2
    assert one.weights == one.shares


def test_of_many_pictures_a_style_is_that_of_some(folder, tmp_path, monkeypatch):
    """With limits of a few pictures: those that make a style are its own, and no more."""
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path))
    monkeypatch.setattr(learning, "SAMPLE", 8)
    monkeypatch.setattr(learning, "MEMBERS", 3)
    monkeypatch.setattr(learning, "CHUNK", 12)
    made = []

    def counting(network, pictures, **options):
        made.append(pictures)
        return whole(network, pictures, **options)

    whole = Style.of
    monkeypatch.setattr(Style, "of", counting)
    network = load_features()
    collection = Collection(folder)
    collection.describe(network, space_of(network))
    style, clusters = learn(collection, network, "bundled", k=2)
    assert style.counts == [6, 6] and len(style.pictures) == 12
    assert [len(each) for each in made[:2]] == [3, 3] and max(map(len, made)) <= 3
    pictures = list(collection)
    for label, own in enumerate(made[:2]):
        numbers = [next(n for n, p in enumerate(pictures) if torch.equal(p, each)) for each in own]
        assert set(clusters.labels[numbers]) == {label}


def test_identical_pictures_and_few_pictures_can_be_learnt():
    network = load_features()
    picture = load_image(bundled("photos/cat.jpg"), 64)
    style, _ = learn([picture] * 7, network, "bundled")
    assert style.counts == [7] and style.found == 0 and style.axes == []
    style, _ = learn([picture, load_image(bundled("photos/temple.jpg"), 64)], network, "bundled")
    assert style.counts == [2] and style.found == 0 and style.answers == {0: 1.0}


def test_picture_of_no_numbers_is_refused_in_words():
    with pytest.raises(InputError, match="NaN"):
        learn([torch.full((1, 3, 64, 64), torch.nan)] * 3, load_features(), "bundled")
