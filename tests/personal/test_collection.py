"""Folders of liked pictures: described once, resumed, each picture once, whatever lies among them."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gantutor.errors import InputError
from gantutor.images import load_image, save_image
from gantutor.personal import collection as module
from gantutor.personal.collection import Collection, key_of, picture_hash
from gantutor.personal.space import SIZE, describe_style, space_of
from gantutor.style.networks import VGG


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG(((4,), (4,), (6,), (6,)), "average", "reflect").eval().requires_grad_(False)


@pytest.fixture
def space(network):
    return space_of(network)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUTOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(seed, height=40, width=50):
    few = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(few, (height, width), mode="bicubic").clamp(0, 1)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "liked"
    folder.mkdir()
    for number in range(5):
        save_image(picture(number, 40 + 4 * (number % 2)), folder / f"{number}.png")
    return folder


def described(folder, network, space):
    collection = Collection(folder)
    collection.describe(network, space)
    return collection


@pytest.fixture
def count_descriptions(monkeypatch):
    """How many pictures were described."""
    seen = []

    def counting(network, pictures):
        seen.extend(pictures)
        return describe_style(network, pictures)

    monkeypatch.setattr(module, "describe_style", counting)
    return seen


def test_points_are_those_of_each_picture_alone(folder, network, space):
    collection = described(folder, network, space)
    assert [path.name for path in collection.paths] == [f"{n}.png" for n in range(5)]
    for number, path in enumerate(collection.paths):
        alone = space.embed(network, [load_image(path, SIZE)])
        np.testing.assert_allclose(collection.points[[number]], alone, rtol=1e-3, atol=1e-5)
        assert torch.equal(collection[number], load_image(path, SIZE))
        assert collection.hashes[number] == f"{picture_hash(load_image(path, SIZE)):016x}"
    assert collection.points[1:3].shape == (2, space.matrix.shape[1]) and len(collection.points) == 5
    assert collection.skipped == []


def test_each_picture_is_described_once_for_all_runs(folder, network, space, count_descriptions):
    first = described(folder, network, space).points[:]
    assert len(count_descriptions) == 5
    again = described(folder, network, space)
    assert len(count_descriptions) == 5
    np.testing.assert_array_equal(again.points[:], first)


def test_new_and_changed_pictures_are_described_and_the_others_kept(folder, network, space, count_descriptions):
    before = described(folder, network, space).points[:]
    save_image(picture(9), folder / "0a.png")
    (folder / "1.png").unlink()
    save_image(picture(10), folder / "3.png")
    os.utime(folder / "3.png", (1, 1))  # another time, whatever the clock's steps are
    after = described(folder, network, space)
    assert len(count_descriptions) == 7
    assert [path.name for path in after.paths] == ["0.png", "0a.png", "2.png", "3.png", "4.png"]
    np.testing.assert_array_equal(after.points[[0, 2, 4]], before[[0, 2, 4]])
    assert np.abs(after.points[3:4] - before[3:4]).max() > 1e-3


def test_another_space_has_its_own_points(folder, network, space):
    one = described(folder, network, space).points[:]
    doubled = replace(space, matrix=2 * space.matrix)
    np.testing.assert_allclose(described(folder, network, doubled).points[:], 2 * one, rtol=1e-5)
    np.testing.assert_array_equal(described(folder, network, space).points[:], one)


def test_what_an_interrupted_run_described_is_kept(folder, network, space, count_descriptions):
    collection = Collection(folder)

    def stop(batches, total):
        assert total == 3
        yield next(iter(batches))
        raise KeyboardInterrupt

    module_batch, module.BATCH = module.BATCH, 2
    try:
        with pytest.raises(KeyboardInterrupt):
            collection.describe(network, space, stop)
        assert len(count_descriptions) == 2
        assert len(described(folder, network, space).points) == 5
    finally:
        module.BATCH = module_batch
    assert len(count_descriptions) == 5


KILLED = """
import sys, time, torch
from gantutor.personal.collection import Collection
from gantutor.personal import collection as module
from gantutor.personal.space import space_of
from gantutor.style.networks import VGG

module.BATCH = 1
torch.manual_seed(0)
network = VGG(((4,), (4,), (6,), (6,)), "average", "reflect").eval().requires_grad_(False)

def slowly(batches, total):
    for number, batch in enumerate(batches):
        print(number, flush=True)
        if number == 3:
            time.sleep(600)
        yield batch

Collection(sys.argv[1]).describe(network, space_of(network), slowly)
"""


def test_killed_run_is_resumed(folder, network, space, count_descriptions):
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
    with run:
        for line in run.stdout:
            if line.strip() == "3":
                break
        os.kill(run.pid, signal.SIGKILL)
    found = described(folder, network, space)
    assert len(count_descriptions) == 2  # three of five were done
    for number in range(5):
        alone = space.embed(network, [load_image(found.paths[number], SIZE)])
        np.testing.assert_allclose(found.points[[number]], alone, rtol=1e-3, atol=1e-5)


SHARED = """
import sys, numpy as np, torch
from accelerate import PartialState
from gantutor.personal.collection import Collection
from gantutor.personal.space import space_of
from gantutor.style.networks import VGG

torch.set_num_threads(1)
PartialState(cpu=True)
torch.manual_seed(0)
network = VGG(((4,), (4,), (6,), (6,)), "average", "reflect").eval().requires_grad_(False)
collection = Collection(sys.argv[1])
seen = []

def watch(batches, total):
    for batch in batches:
        seen.extend(batch[0])
        yield batch

collection.describe(network, space_of(network), watch)
state = PartialState()
np.savez(f"{sys.argv[2]}/{state.process_index}.npz", points=collection.points[:], seen=seen, skipped=collection.skipped)
"""


def test_two_processes_share_the_work_and_both_get_the_result(folder, network, space, tmp_path):
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "GANTUTOR_DEVICE": "cpu"}
    done = subprocess.run(
        [*command, str(script), str(folder), str(tmp_path)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    one, two = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    assert sorted([*one["seen"], *two["seen"]]) == [0, 1, 2, 3, 4] and len(one["seen"]) in (2, 3)
    np.testing.assert_array_equal(one["points"], two["points"])
    alone = space.embed(network, [load_image(folder / f"{n}.png", SIZE) for n in range(5)])
    np.testing.assert_allclose(one["points"], alone, rtol=1e-3, atol=1e-5)
    for each in (one, two):
        assert len(each["skipped"]) == 1 and "broken.png" in str(each["skipped"][0])


def test_same_pixels_count_once_and_bad_files_are_said(folder, network, space):
    (folder / "9-copy.png").write_bytes((folder / "1.png").read_bytes())
    Image.open(folder / "2.png").save(folder / "8.bmp")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    save_image(torch.rand(1, 3, 8, 8), folder / "tiny.png")
    collection = described(folder, network, space)
    assert [path.name for path in collection.paths] == [f"{n}.png" for n in range(5)]
    assert len(collection.points) == len(collection.hashes) == len(collection) == 5
    said = " | ".join(collection.skipped)
    assert len(collection.skipped) == 4
    for words in (
        "broken.jpg",
        "tiny.png is 8 x 8 px",
        "9-copy.png is the same picture as",
        "8.bmp is the same picture as",
    ):
        assert words in said


def test_long_thin_picture_is_left_out_before_it_fills_the_memory(folder, network, space):
    Image.new("RGB", (4000, 16)).save(folder / "strip.png")
    collection = described(folder, network, space)
    assert len(collection) == 5
    assert collection.skipped == [f"{folder / 'strip.png'} is more than 8 times as long as it is wide: crop it first"]


def test_numbers_that_are_none_are_found_anew(folder, network, space, cache, count_descriptions):
    one = described(folder, network, space).points[:]
    (file,) = cache.glob("*.points")
    record = np.dtype([("key", "u8"), ("picture", "u8"), ("point", "f4", space.matrix.shape[1])])
    np.memmap(file, record, "r+")["point"][2, 7] = np.nan
    np.testing.assert_allclose(described(folder, network, space).points[:], one, atol=1e-4)
    assert len(count_descriptions) == 6


def test_odd_files_are_pictures_too(folder, network, space):
    grey = Image.fromarray(np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype(np.uint16))
    grey.save(folder / "deep.png")
    Image.open(folder / "0.png").convert("CMYK").rotate(90).save(folder / "print.tif")
    frames = [Image.new("RGB", (50, 40), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    collection = described(folder, network, space)
    assert len(collection) == 8 and not collection.skipped
    assert np.isfinite(collection.points[:]).all()


def test_nothing_of_use(tmp_path, network, space):
    folder = tmp_path / "bad"
    folder.mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        Collection(folder)
    (folder / "broken.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"none of the 1 pictures in .*broken\.png"):
        described(folder, network, space)


def test_cache_file_that_is_no_whole_number_of_records_is_made_anew(folder, network, space, cache):
    one = described(folder, network, space).points[:]
    (file,) = cache.glob("*.points")
    file.write_bytes(file.read_bytes()[:-3])
    np.testing.assert_array_equal(described(folder, network, space).points[:], one)


def test_cache_holds_no_names_and_no_pixels(folder, network, space, cache):
    described(folder, network, space)
    (file,) = cache.glob("*.points")
    data = file.read_bytes()
    assert b"png" not in data and b"liked" not in data
    assert file.stat().st_size == 5 * (16 + 4 * space.matrix.shape[1])


def test_keys_tell_files_and_their_versions_apart(folder):
    keys = {key_of(path) for path in folder.iterdir()}
    assert len(keys) == 5 and 0 not in keys
    before = key_of(folder / "0.png")
    save_image(picture(3), folder / "0.png")
    os.utime(folder / "0.png", (1, 1))  # another time, whatever the clock's steps are
    assert key_of(folder / "0.png") != before


def test_picture_hash_is_of_the_pixels():
    one = picture(0, 20, 30)
    other = one.clone()
    other[0, 0, 0, 0] = (other[0, 0, 0, 0] + 0.5) % 1
    assert picture_hash(one) == picture_hash(one.clone()) != picture_hash(other)
    assert picture_hash(one.contiguous(memory_format=torch.channels_last)) == picture_hash(one)
    assert picture_hash((one * 255).round() / 255) == picture_hash(one)
    assert picture_hash(torch.zeros(1, 3, 20, 30)) != picture_hash(torch.zeros(1, 3, 30, 20))
