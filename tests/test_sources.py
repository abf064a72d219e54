"""Pictures to train on: decoded once, cached, the same from a seed, damaged files left out and said."""

import os

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from gantutor import datasets, sources
from gantutor.errors import InputError
from gantutor.images import load_image, save_image
from gantutor.sources import Pictures, open_source, painting_tiles, style_paintings, tile


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        x = torch.rand(1, 3, 40, 30 + 5 * number, generator=torch.Generator().manual_seed(number))
        save_image(x, folder / f"{number}.png")
    return folder


def levels(count=6, size=8):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=source, dtype=torch.uint8)


def test_a_batch_is_the_pictures_asked_for_some_turned():
    pictures = Pictures(levels())
    batch = pictures.batch(torch.tensor([4, 0]), torch.tensor([False, True]))
    torch.testing.assert_close(batch[0], levels()[4] / 255)
    torch.testing.assert_close(batch[1], levels()[0].flip(2) / 255)
    assert (len(pictures), pictures.size) == (6, 8)


def test_split_keeps_the_last_to_judge_with():
    train, held_out = Pictures(levels(10)).split(0.2)
    assert torch.equal(train.levels, levels(10)[:8])
    assert torch.equal(held_out.levels, levels(10)[8:])
    with pytest.raises(InputError, match="1 pictures cannot be split"):
        Pictures(levels(1)).split()


def test_paintings_are_made_once_and_are_the_same_from_a_seed(photos, cache, monkeypatch):
    paths, calls = datasets.list_images(photos), []
    paintings = datasets.paintings

    def counted(*given):
        calls.append(given)
        return paintings(*given)

    monkeypatch.setattr(datasets, "paintings", counted)
    first, again = (painting_tiles(16, 3, 2, seed=0, photos=paths) for _ in range(2))
    assert first.levels.shape == (6, 3, 16, 16)
    assert torch.equal(first.levels, again.levels)
    assert len(calls) == 1
    assert len(list(cache.iterdir())) == 1
    next(cache.iterdir()).unlink()
    assert torch.equal(painting_tiles(16, 3, 2, seed=0, photos=paths).levels, first.levels)
    assert not torch.equal(painting_tiles(16, 3, 2, seed=1, photos=paths).levels, first.levels)
    assert len({t.numpy().tobytes() for t in first.levels}) == 6


def test_painting_source_takes_bundled_photos_and_all_families(monkeypatch):
    seen = []

    def fake(paths, families, count, seed):
        seen.append((len(paths), families, count))
        return iter([Image.new("RGB", (40, 40))])

    monkeypatch.setattr(datasets, "paintings", fake)
    open_source("paintings", 16)
    assert seen == [(7, list(sources.FAMILIES), sources.PAINTINGS)]


def test_style_paintings_are_whole_pictures_by_the_painters_that_are_not_held_out(photos, cache, monkeypatch):
    families = []

    def paintings(paths, chosen, count, seed, size):
        families.extend(chosen)
        yield from really(paths, chosen, count, seed, size)

    really = datasets.paintings
    monkeypatch.setattr(datasets, "paintings", paintings)
    paths = datasets.list_images(photos)
    first, again = (style_paintings(paths, 3, size=32) for _ in range(2))
    assert first.levels.shape == (3, 3, 32, 32) and torch.equal(first.levels, again.levels)
    (photos / "0.png").write_bytes(b"damaged")  # another folder now, and a photo that cannot be used
    assert len(style_paintings(paths, 3, size=32)) == 3
    assert len(families) == 12 and not {"cubism", "watercolour"} & set(families)  # and made once


def test_tiles_are_squares_of_the_size_from_anywhere():
    picture = torch.linspace(0, 1, 200).expand(1, 3, 150, 200)
    rng = np.random.default_rng(0)
    tiles = torch.cat([tile(picture, 16, rng) for _ in range(60)])
    assert tiles.shape == (60, 3, 16, 16)
    width = (tiles[..., -1] - tiles[..., 0]).abs().amax((1, 2)) * 200
    assert width.min() < 32 and width.max() > 96  # of the picture's px
    turned = tiles[:, 0, 0, 0] > tiles[:, 0, 0, -1]
    assert 10 < turned.sum() < 50
    assert tile(torch.rand(1, 3, 10, 20), 16, rng).shape == (1, 3, 16, 16)  # smaller than the tile: enlarged


def test_folder_is_decoded_once_and_damaged_files_are_said(photos, cache):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 and then nothing")
    found = open_source(photos, 24)
    assert found.levels.shape == (4, 3, 24, 24)
    assert len(found.skipped) == 1
    assert "broken.jpg" in found.skipped[0]
    folder = datasets.Folder(photos, 24)
    torch.testing.assert_close(found.batch(torch.tensor([1])), folder[1][None], atol=0.5 / 255, rtol=0)
    assert torch.equal(open_source(photos, 24).levels, found.levels)
    assert open_source(photos, 24).skipped == found.skipped
    save_image(torch.rand(1, 3, 40, 40), photos / "9.png")
    assert len(open_source(photos, 24)) == 5  # the folder has changed


def test_folder_of_nothing_that_can_be_used(tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    for _ in range(2):  # the failure is not cached
        with pytest.raises(InputError, match=r"none of the pictures in .* can be used; the first: .*a\.png"):
            open_source(folder, 16)


def test_torchvision_sets_by_name(monkeypatch):
    monkeypatch.setitem(
        sources.TORCHVISION, "FakeData", lambda root: torchvision.datasets.FakeData(5, (3, 40, 30), random_offset=3)
    )
    found = open_source("torchvision:FakeData", 16)
    assert found.levels.shape == (5, 3, 16, 16)
    with pytest.raises(InputError, match="no data set is called 'LSUN' here: choose one of CIFAR10"):
        open_source("torchvision:LSUN", 16)


def test_torchvision_set_that_cannot_be_had(monkeypatch, cache):
    def offline(root):
        raise OSError("no route to host")

    monkeypatch.setitem(sources.TORCHVISION, "CIFAR10", offline)
    with pytest.raises(InputError, match=r"CIFAR10 could not be had \(no route to host\): go online"):
        open_source("torchvision:CIFAR10", 16)
    assert not [path for path in cache.iterdir() if path.is_file()]


def test_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=r"cannot be made .* GANTUTOR_CACHE"):
        sources.cache()


def test_cache_that_is_protected_is_read_and_not_written(photos, cache, monkeypatch):
    paths = datasets.list_images(photos)
    kept = painting_tiles(16, 3, 2, seed=0, photos=paths).levels
    monkeypatch.setattr(sources.os, "access", lambda path, mode: path != cache)
    assert torch.equal(painting_tiles(16, 3, 2, seed=0, photos=paths).levels, kept)
    with pytest.raises(InputError, match=r"the cache .* is protected: name another place in GANTUTOR_CACHE"):
        painting_tiles(16, 3, 2, seed=1, photos=paths)


def test_tiles_are_made_anew_when_a_photo_changes(photos, cache):
    paths = datasets.list_images(photos)
    first = painting_tiles(16, 3, 2, seed=0, photos=paths).levels
    for path in paths:
        save_image(1 - load_image(path), path)
        os.utime(path, (1, 1))  # another time, whatever the clock's steps are
    assert not torch.equal(painting_tiles(16, 3, 2, seed=0, photos=paths).levels, first)


def test_an_interrupted_cache_file_is_not_left(cache):
    def made():
        yield torch.rand(1, 3, 8, 8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.cached(("key",), 8, made)
    assert list(cache.iterdir()) == []
