"""The PersonalStyle file: learnt, stored, read again, refused; and what it does not hold."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gantutor.datasets import bundled, load_folder
from gantutor.errors import InputError
from gantutor.images import load_image, save_image
from gantutor.painters import paint
from gantutor.personal.file import FORMAT, PLAIN, VERSION, PersonalStyle, unpacked
from gantutor.personal.learning import learn
from gantutor.personal.space import SIZE, space_of
from gantutor.style.features import fingerprint, load_features, save_student
from gantutor.style.networks import BUNDLED_WIDTHS, VGG
from gantutor.style.target import SIZES, Style
from gantutor.tensors import read_tensors, write_tensors

FAMILIES = ("hatching", "halftone")
PHOTOS = ("astronaut", "cat", "coffee", "temple")


@pytest.fixture(scope="module")
def pictures():
    """Seven paintings: four hatched, three printed, in turn."""
    photos = [load_image(bundled(f"photos/{name}.jpg"), 96) for name in PHOTOS]
    return [paint(photos[number // 2], FAMILIES[number % 2], number) for number in range(7)]


@pytest.fixture(scope="module")
def network():
    return load_features()


@pytest.fixture(scope="module")
def learnt(pictures, network):
    return learn(pictures, network, "bundled", seed=0, k=2)


@pytest.fixture(scope="module")
def style(learnt):
    return learnt[0]


@pytest.fixture
def path(style, tmp_path):
    style.save(tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


def toy(counts=(2, 1)):
    """A style with statistics of one small layer, made without a network."""

    def covariance(number):
        root = torch.randn(3, 3, generator=torch.Generator().manual_seed(number))
        return root @ root.T

    def style(number):
        return Style({64: {"pixels": (torch.rand(3), covariance(number))}})

    return PersonalStyle(
        styles=[style(n) for n in range(len(counts))],
        counts=list(counts),
        tightness=[0.5] * len(counts),
        found=len(counts),
        answers={len(counts): 0.75, 0: 0.25},
        weights=[count / sum(counts) for count in counts],
        centres=torch.rand(len(counts), 4),
        radii=[1.0] * len(counts),
        axes=[(style(7), style(8), 0.5), (style(9), style(10), 0.25)],
        features="bundled",
        features_hash="0" * 16,
        space_hash="1" * 16,
        pictures=["a" * 16] * sum(counts),
    )


def test_learning_finds_the_painters(learnt, pictures):
    style, clusters = learnt
    assert clusters.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert style.counts == [4, 3]
    assert style.shares == [4 / 7, 3 / 7]
    assert style.tightness == clusters.tightness
    assert all(tightness > 0 for tightness in style.tightness)
    assert len(set(style.pictures)) == 7


def test_each_style_holds_the_statistics_of_its_own_pictures(style, pictures, network):
    expected = Style.of(network, pictures[1::2])
    assert tuple(style.style(2).levels) == SIZES
    for size, layers in expected.levels.items():
        for layer, statistics in layers.items():
            torch.testing.assert_close(style.style(2).levels[size][layer], statistics)


def test_features_are_recorded_and_found_again(style, network):
    assert (style.features, style.features_hash) == ("bundled", fingerprint(network))
    assert fingerprint(style.network()) == fingerprint(network)


def test_learning_shows_its_progress(pictures):
    torch.manual_seed(0)
    small = VGG(((4,), (4,), (4,), (4,)), "average", "reflect").eval().requires_grad_(False)
    seen = []

    def watch(them):
        for picture in them:
            seen.append(picture)
            yield picture

    learn(pictures[:3], small, "small", k=1, watch=watch)
    assert len(seen) == 3
    with pytest.raises(InputError, match="no pictures"):
        learn([], small, "small")
    with pytest.raises(InputError, match="3 styles cannot be found"):
        learn(pictures[:2], small, "small", k=3)


def test_file_gives_back_all_of_it(style, path):
    again = PersonalStyle.load(path)
    for name in (*PLAIN, "answers", "shares"):
        assert getattr(again, name) == getattr(style, name)
    assert torch.equal(again.centres, style.centres)
    assert len(again.styles) == 2
    assert [share for *_, share in again.axes] == [share for *_, share in style.axes]
    poles = [[pole for *both, _ in each.axes for pole in both] for each in (style, again)]
    for mine, its in zip(style.styles + poles[0], again.styles + poles[1], strict=True):
        assert list(its.levels) == list(mine.levels)
        for size, layers in mine.levels.items():
            assert set(its.levels[size]) == set(layers)
            for layer, (mean, covariance) in layers.items():
                found_mean, found = its.levels[size][layer]
                assert torch.equal(found_mean, mean)
                assert torch.equal(found.triu(), covariance.triu())
                assert torch.equal(found, found.T)


def test_single_style_has_no_tightness_and_no_one_to_mix_with(tmp_path):
    one = toy((3,))
    one.tightness = [None]
    one.save(tmp_path / "one.safetensors")
    again = PersonalStyle.load(tmp_path / "one.safetensors")
    assert again.tightness == [None]
    assert torch.equal(again.mix([2]).levels[64]["pixels"][0], again.style(1).levels[64]["pixels"][0])


def test_neither_names_nor_paths_nor_pixels_are_in_the_file(network, pictures, tmp_path):
    folder = tmp_path / "wedding-album"
    folder.mkdir()
    for number, picture in enumerate(pictures[:3]):
        save_image(picture, folder / f"grandmother-{number}.png")
    loaded, _, _ = load_folder(folder, 256)
    learn(loaded, network, "bundled", k=1)[0].save(tmp_path / "style.safetensors")
    data = (tmp_path / "style.safetensors").read_bytes()
    for secret in (b"wedding", b"album", b"grandmother", b".png", str(tmp_path).encode()):
        assert secret not in data
    for picture in loaded:
        values = picture[0].contiguous().numpy()
        for pixels in (values, (values * 255).round().astype(np.uint8)):
            assert pixels.tobytes()[:64] not in data
    assert len(data) < 2_500_000


@pytest.mark.parametrize("number", [0, 3, -1])
def test_style_that_is_not_there(style, number):
    with pytest.raises(InputError, match=f"no style {number}: this file holds styles 1 to 2"):
        style.style(number)


def test_styles_count_from_one(style):
    assert style.style(1) is style.styles[0]
    assert style.style(2) is style.styles[1]


def test_mixing(style):
    mean = style.mix([1, 3]).levels[64]["pixels"][0]
    one, two = (s.levels[64]["pixels"][0] for s in style.styles)
    torch.testing.assert_close(mean, 0.25 * one + 0.75 * two)
    with pytest.raises(InputError, match="2 styles cannot be mixed"):
        style.mix([1])


def test_along_an_axis():
    style = toy()
    middle = style.mix(style.shares).levels[64]["pixels"][0]
    low, high, _ = style.axes[0]
    at = {place: style.along(1, place).levels[64]["pixels"] for place in (-1, -0.5, 0, 0.25, 1)}
    torch.testing.assert_close(at[0][0], middle)
    torch.testing.assert_close(at[-1][0], low.levels[64]["pixels"][0])
    torch.testing.assert_close(at[1][1], high.levels[64]["pixels"][1])
    torch.testing.assert_close(at[-0.5][0], (middle + low.levels[64]["pixels"][0]) / 2)
    torch.testing.assert_close(at[0.25][0], 0.75 * middle + 0.25 * high.levels[64]["pixels"][0])
    for axis, place, words in ((0, 0, "no axis 0: this file holds 2"), (3, 0, "no axis 3"), (1, 1.5, "off the axis")):
        with pytest.raises(InputError, match=words):
            style.along(axis, place)


def test_axes_have_the_collections_extremes_at_their_poles(style, pictures, network):
    """Of two painters the first axis has one at each end."""
    low, high, share = style.axes[0]
    assert set(low.levels) == {SIZE} and share > 0.3
    space = style.space(network)
    along = space.embed(network, pictures)
    along = (along - along.mean(0)) @ np.linalg.svd(along - along.mean(0), full_matrices=False)[2][0]
    ends = [np.argsort(along)[:2], np.argsort(along)[-2:]]
    expected = [Style.of(network, [pictures[n] for n in end], (SIZE,)).levels[SIZE]["pixels"][0] for end in ends]
    found = [pole.levels[SIZE]["pixels"][0] for pole in (low, high)]
    assert all(torch.allclose(*pair) for pair in zip(found, expected, strict=True)) or all(
        torch.allclose(*pair) for pair in zip(found, expected[::-1], strict=True)
    )


def test_distances_are_in_radii_of_the_styles(style, pictures, network):
    points = style.space(network).embed(network, pictures)
    distances = style.distances(points)
    by_hand = [
        np.linalg.norm(points - points[members].mean(0), axis=1) / radius
        for members, radius in zip((range(0, 7, 2), range(1, 7, 2)), style.radii, strict=True)
    ]
    np.testing.assert_allclose(distances, np.stack(by_hand, 1), rtol=1e-4)
    assert distances.argmin(1).tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_centres_of_another_space(style, network):
    strange = PersonalStyle(**(vars(style) | {"space_hash": "f" * 16}))
    with pytest.raises(InputError, match="another space of styles"):
        strange.space(network)
    assert style.space(network).hash == space_of(network).hash


def test_other_weights_of_the_features(style, tmp_path):
    torch.manual_seed(0)
    other = VGG(BUNDLED_WIDTHS, "average", "reflect")
    save_student(other, tmp_path / "other.safetensors", {})
    strange = PersonalStyle(**(vars(style) | {"features": str(tmp_path / "other.safetensors")}))
    with pytest.raises(InputError, match=r"learnt with other weights of the .*other\.safetensors"):
        strange.network()


@pytest.mark.parametrize("lost", ["pixels", "relu2_2"])
def test_layer_that_is_missing_is_noticed_before_painting(style, path, lost):
    tensors, metadata = read_tensors(path)
    write_tensors({name: t for name, t in tensors.items() if f"style.0.64.{lost}." not in name}, path, metadata)
    with pytest.raises(InputError, match="lacks some layers"):
        PersonalStyle.load(path).network()


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.999])
def test_file_cut_short(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"style\.safetensors is damaged"):
        PersonalStyle.load(path)


def test_file_that_is_missing_or_a_folder(tmp_path):
    for name in ("nowhere.safetensors", ""):
        with pytest.raises(InputError, match="is not a file"):
            PersonalStyle.load(tmp_path / name)


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "gantutor.features.1"}):
        save_file({"x": torch.zeros(3)}, path, metadata)
        with pytest.raises(InputError, match=r"other\.safetensors is no personal style"):
            PersonalStyle.load(path)


def test_file_of_a_newer_version(path):
    tensors, metadata = read_tensors(path)
    write_tensors(tensors, path, metadata | {"version": str(VERSION + 1)})
    with pytest.raises(InputError, match=r"style\.safetensors is of version 3, this gantutor reads 2: upgrade"):
        PersonalStyle.load(path)
    write_tensors(tensors, path, metadata | {"version": "1"})
    with pytest.raises(
        InputError, match=r"is of version 1, this gantutor reads 2: make it again with `gantutor learn`"
    ):
        PersonalStyle.load(path)


def broken(tensors, about):
    """Contents that a sound file would not have: tensors and description."""
    some = "style.0.64.pixels.covariance"
    yield {k: v for k, v in tensors.items() if k != some}, about
    yield tensors | {some: tensors[some][:-1]}, about
    yield tensors | {"0.64.pixels": torch.zeros(3)}, about
    yield {k: v for k, v in tensors.items() if not k.startswith("style.1.")}, about
    yield {k: v for k, v in tensors.items() if not k.startswith("low.0.")}, about
    yield {k: v for k, v in tensors.items() if k != "centres"}, about
    yield tensors | {"centres": tensors["centres"][:1]}, about
    yield tensors | {"centres": tensors["centres"][0]}, about
    yield tensors | {some: tensors[some][:1]}, about  # one number would fill the whole matrix
    yield tensors | {some: tensors[some][None]}, about
    yield tensors | {some: -tensors[some]}, about
    yield tensors | {some: tensors[some].int()}, about
    yield {}, about
    yield tensors | {some: tensors[some] * torch.nan}, about
    for name in ("tightness", "weights", "answers", "axes", "space_hash"):
        yield tensors, {k: v for k, v in about.items() if k != name}
    nan, huge = float("nan"), 10**400
    changes = {"counts": [[1], [3, 0], [huge, 1], [1.5, 1], ["2", "1"]], "tightness": [[0.5], ["x", 0.5], [nan, 0]]}
    changes |= {"weights": [[0.5], [0, 0], [-1, 2], [nan, 1], [huge, 1]], "radii": [[1.0], [0, 1], [nan, 1]]}
    changes |= {
        "axes": [[0.5, 0.25, 0.1], [nan, 0.1]],
        "answers": [[2], [["<b>", "x"]], [[2, "x"]]],
        "found": ["2", -1],
    }
    changes |= {"features": [3], "surprise": [1], "pictures": [5, [1, 2, 3]]}
    for name, values in changes.items():
        for value in values:
            yield tensors, about | {name: value}
    yield tensors, [1, 2]
    yield tensors, None


def test_file_with_parts_missing_or_wrong(tmp_path):
    path = tmp_path / "style.safetensors"
    toy().save(path)
    tensors, metadata = read_tensors(path)
    for number, (parts, about) in enumerate(broken(tensors, json.loads(metadata["about"]))):
        write_tensors(parts, path, metadata | {"about": json.dumps(about)})
        with pytest.raises(InputError, match=r"style\.safetensors is incomplete"):
            pytest.fail(f"variant {number} was read: {PersonalStyle.load(path)}")
    write_tensors(tensors, path, metadata | {"version": "²"})
    with pytest.raises(InputError, match="is of version"):
        PersonalStyle.load(path)
    for about in ({}, {"about": "{not JSON"}):
        write_tensors(tensors, path, {"format": FORMAT, "version": str(VERSION)} | about)
        with pytest.raises(InputError, match="is incomplete"):
            PersonalStyle.load(path)


def test_unwritable_target_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        toy().save(tmp_path / "missing" / "style.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        toy().save(tmp_path / "folder.safetensors")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.safetensors"]


def test_unpacked_is_symmetric_in_the_order_of_saving():
    matrix = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    assert torch.equal(unpacked(torch.arange(1.0, 7.0), 3), matrix)
