"""Pictures from folders and from the painters."""

from multiprocessing import get_all_start_methods

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from gantutor.datasets import Folder, bundled, collate, list_images, load_folder, loader, painting, paintings
from gantutor.errors import InputError
from gantutor.images import centre_crop, from_pil, load_image, resize


def save(path, width=40, height=30, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(path)
    return path


def test_bundled_data_can_be_read():
    assert len(list_images(bundled("liked"))) >= 20
    assert len(list_images(bundled("photos"))) >= 4
    assert load_image(bundled("photos/astronaut.jpg")).shape[1] == 3


def test_bundled_data_that_are_not_there():
    with pytest.raises(InputError, match=r"no bundled data 'unicorns': .*liked"):
        bundled("unicorns")


def test_pictures_are_listed_by_suffix_in_order(tmp_path):
    wanted = ["B.png", "a.jpg", "deep/er/c.webp", "deep/x.gif", "upper.JPEG", "z.tiff"]
    for name in wanted[::-1]:
        save(tmp_path / name)
    for name in ("notes.txt", "weights.safetensors", "jpg", "style.json"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert list_images(tmp_path) == [tmp_path / name for name in sorted(wanted)]
    assert list_images(str(tmp_path)) == list_images(tmp_path)


def test_hidden_files_are_left_out(tmp_path):
    save(tmp_path / "seen.png")
    save(tmp_path / ".thumbnails" / "small.png")
    save(tmp_path / "deep" / "._seen.png")
    assert list_images(tmp_path) == [tmp_path / "seen.png"]


def test_a_hidden_folder_itself_may_be_asked_for(tmp_path):
    path = save(tmp_path / ".mine" / "a.png")
    assert list_images(tmp_path / ".mine") == [path]


def test_a_folder_that_is_missing_a_file_or_without_pictures(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"a\.png is a file: give a folder"):
        list_images(save(tmp_path / "full" / "a.png"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match="empty holds no pictures"):
        list_images(tmp_path / "empty")


def test_folder_is_loaded_in_order_and_shrunk(tmp_path):
    save(tmp_path / "b.png", 80, 40, "blue")
    save(tmp_path / "a.png", 20, 30, "red")
    pictures, paths, skipped = load_folder(tmp_path, size=25)
    assert paths == [tmp_path / "a.png", tmp_path / "b.png"]
    assert [tuple(picture.shape) for picture in pictures] == [(1, 3, 30, 20), (1, 3, 25, 50)]  # never enlarged
    assert [picture[0, :, 5, 5].tolist() for picture in pictures] == [[1, 0, 0], [0, 0, 1]]
    assert skipped == []


def test_damaged_and_tiny_pictures_are_skipped_with_a_sentence(tmp_path):
    save(tmp_path / "good.png")
    whole = save(tmp_path / "cut.jpg", 200, 200).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    save(tmp_path / "tiny.png", 3, 15)
    pictures, paths, skipped = load_folder(tmp_path, size=64)
    assert paths == [tmp_path / "good.png"]
    assert len(pictures) == 1
    assert [sentence.split(" is ")[0] for sentence in skipped] == [
        str(tmp_path / n) for n in ("cut.jpg", "empty.png", "tiny.png")
    ]
    assert "3 x 15 px" in skipped[2]
    assert load_folder(tmp_path, size=64, smallest=3)[1] == [tmp_path / "good.png", tmp_path / "tiny.png"]


def test_only_damaged_pictures(tmp_path):
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture at all")
    with pytest.raises(InputError, match=r"none of the 2 pictures in .* can be used; the first: .*a\.png"):
        load_folder(tmp_path, size=64)


def test_paintings_are_decided_by_the_seed():
    """The same in processes of their own as in this one."""
    paths, families = list_images(bundled("photos"))[:2], ["halftone", "hatching"]
    found = list(paintings(paths, families, 3, seed=5, size=48))
    threads = torch.get_num_threads()
    again = [painting((paths, families[number % 2], 5, number, 48, 0.0)) for number in range(3)]
    torch.set_num_threads(threads)
    assert [picture.size for picture in found] == [(48, 48)] * 3
    assert [picture.tobytes() for picture in found] == [picture.tobytes() for picture in again]
    assert len({picture.tobytes() for picture in found}) == 3
    # the families come in turn: a pen draws with one ink, a printer with four
    chroma = [np.ptp(np.asarray(picture, float), axis=2).mean() for picture in found]
    assert chroma[1] < 0.7 * min(chroma[0], chroma[2])


def test_hues_are_turned_before_painting():
    """Oil keeps the photo's colours, so its hue moves, and its light and dark stay."""
    paths, threads = list_images(bundled("photos"))[:1], torch.get_num_threads()
    plain, turned, again = (from_pil(painting((paths, "oil", 5, 0, 48, hue))) for hue in (0.0, 0.5, 0.5))
    torch.set_num_threads(threads)
    assert (plain.mean((2, 3)) - turned.mean((2, 3))).abs().max() > 0.03
    assert torch.equal(turned, again)


def test_painting_by_a_painter_that_does_not_exist():
    with pytest.raises(InputError, match="no painter is called 'fresco'"):
        painting((list_images(bundled("photos")), "fresco", 0, 0, 48, 0.0))


def ruler(path, width, height):
    """A picture whose red grows to the right and whose green grows downwards, by 1 a px."""
    row, column = np.mgrid[:height, :width]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([column, row, 0 * row], 2).astype(np.uint8)).save(path)
    return path


def place(square):
    """Where the middle of a square lies in its `ruler`, and px of the ruler for one of its own: x, y, across, down."""
    red, green = 255 * square[:2, 2:-2, 2:-2]
    step = (red[0, -1] - red[0, 0]).abs() / (red.shape[1] - 1), (green[-1, 0] - green[0, 0]) / (green.shape[0] - 1)
    return red.mean().item(), green.mean().item(), step[0].item(), step[1].item()


def test_folder_gives_central_squares_without_distortion(tmp_path):
    ruler(tmp_path / "wide.png", 200, 100)
    ruler(tmp_path / "deep" / "tall.png", 80, 240)
    folder = Folder(tmp_path, 40)
    assert [path.name for path in folder.paths] == ["tall.png", "wide.png"]
    assert len(folder) == 2 and folder.classes == [] and folder.labels == []
    for square, (x, y, scale) in zip(folder, [(39.5, 119.5, 2), (99.5, 49.5, 2.5)], strict=True):
        assert square.shape == (3, 40, 40) and square.min() >= 0 and square.max() <= 1
        assert place(square) == pytest.approx((x, y, scale, scale), abs=0.6 * scale)
    wanted = centre_crop(resize(load_image(tmp_path / "wide.png"), 40))[0]
    torch.testing.assert_close(folder[1], wanted, atol=1 / 255, rtol=0)
    assert torch.equal(folder[-1], folder[1])


def test_classes_are_the_first_subfolders(tmp_path):
    for name in ("dog/1.png", "cat/b.png", "cat/deep/a.png"):
        save(tmp_path / name)
    folder = Folder(tmp_path, 16, by_class=True)
    assert folder.classes == ["cat", "dog"]
    assert [(path.name, folder.classes[label]) for path, label in zip(folder.paths, folder.labels, strict=True)] == [
        ("b.png", "cat"),
        ("a.png", "cat"),
        ("1.png", "dog"),
    ]
    assert [batch.labels.tolist() for batch in loader(folder, 2)] == [[0, 0], [1]]
    assert next(iter(loader(Folder(tmp_path, 16), 2))).labels is None


def test_a_picture_without_a_class_is_named(tmp_path):
    save(tmp_path / "cat" / "a.png")
    save(tmp_path / "stray.png")
    with pytest.raises(InputError, match=r"stray\.png is in no class: move it into a subfolder"):
        Folder(tmp_path, 16, by_class=True)
    assert len(Folder(tmp_path, 16)) == 2


@pytest.fixture
def mixed(tmp_path):
    """Ten files: 0, 4 and 9 can be used, whatever the batch."""
    for number in (0, 4, 9):
        ruler(tmp_path / f"{number}.png", 100 + number, 90)
    whole = save(tmp_path / "1.jpg", 200, 200).read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[: len(whole) // 2])
    for number in (2, 3, 5):
        (tmp_path / f"{number}.jpg").write_text("no picture")
    for number in (6, 7, 8):
        save(tmp_path / f"{number}.png", 50, 15)
    return tmp_path


def test_what_cannot_be_used_is_left_out_and_said(mixed):
    batches = list(loader(Folder(mixed, 16), 4))
    assert [batch.numbers.tolist() for batch in batches] == [[0], [4], [9]]
    assert [tuple(batch.images.shape) for batch in batches] == [(1, 3, 16, 16)] * 3
    sentences = [sentence for batch in batches for sentence in batch.skipped]
    assert [sentence.split(" is ")[0] for sentence in sentences] == [
        str(mixed / name) for name in ("1.jpg", "2.jpg", "3.jpg", "5.jpg", "6.png", "7.png", "8.png")
    ]
    assert "50 x 15 px: use pictures of at least 16 px" in sentences[-1]
    with pytest.raises(InputError, match=r"1\.jpg is damaged or cut short"):
        Folder(mixed, 16)[1]


def test_a_batch_of_nothing_but_damage_is_empty(mixed):
    batches = list(loader(Folder(mixed, 16, by_class=False), 2))
    assert batches[1].images.shape == (0, 3, 16, 16)  # 2.jpg and 3.jpg
    assert batches[1].numbers.tolist() == [] and len(batches[1].skipped) == 2


def test_small_pictures_are_welcome_when_asked_for(mixed):
    folder = Folder(mixed, 16, smallest=15)
    assert folder[6].shape == (3, 16, 16)
    with pytest.raises(InputError, match=r"smallest=17 is more than the size of 16 px"):
        Folder(mixed, 16, smallest=17)
    with pytest.raises(InputError, match=r"a side of 0 px cannot be"):
        Folder(mixed, 0)


def test_training_crops_move_and_turn_with_the_epoch(tmp_path):
    ruler(tmp_path / "a.png", 200, 100)
    folder = Folder(tmp_path, 40, train=True)
    places, flips, scales = [], 0, []
    for epoch in range(40):
        folder.set_epoch(epoch)
        square = folder[0]
        assert square.shape == (3, 40, 40)
        x, y, across, down = place(square)
        assert across == pytest.approx(down, abs=0.1)  # never distorted
        flips += bool(square[0, 0, 0] > square[0, 0, -1])
        places.append((x, y))
        scales.append(down)
        assert torch.equal(folder[0], square)
    assert 10 <= flips <= 30
    assert 1.9 < min(scales) < 2.1 and 2.3 < max(scales) < 2.6
    assert np.ptp([x for x, _ in places]) > 60 and np.ptp([y for _, y in places]) > 8
    folder.set_epoch(3)
    again = Folder(tmp_path, 40, train=True)
    again.set_epoch(3)
    assert torch.equal(folder[0], again[0])
    other = Folder(tmp_path, 40, train=True, seed=1)
    other.set_epoch(3)
    assert not torch.equal(folder[0], other[0])


def epochs(batches, folder):
    """Numbers, pictures and sentences of two epochs."""
    found = []
    for epoch in (0, 1):
        folder.set_epoch(epoch)
        drawn = list(batches)
        numbers = torch.cat([batch.numbers for batch in drawn]).tolist()
        found.append((numbers, torch.cat([b.images for b in drawn]), [s for b in drawn for s in b.skipped]))
    return found


def test_workers_change_nothing(mixed):
    """Two processes that live on over both epochs give what this one gives."""
    (one, folder), (two, other) = ((loader(f, 4, n), f) for n, f in ((0, train(mixed)), (2, train(mixed))))
    alone, shared = epochs(one, folder), epochs(two, other)
    for (numbers, pictures, sentences), (theirs, their_pictures, their_sentences) in zip(alone, shared, strict=True):
        assert numbers == theirs and torch.equal(pictures, their_pictures) and sentences == their_sentences
        assert sorted(numbers) == [0, 4, 9] and len(sentences) == 7
    assert not torch.equal(alone[0][1], alone[1][1])


def train(path):
    return Folder(path, 16, train=True)


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_loader_of_ones_own_sees_the_epoch_too(mixed):
    """PyTorch's default on Linux forks its workers: what they copied then must not stay the first epoch's."""
    folder = train(mixed)
    own = DataLoader(
        folder,
        10,
        collate_fn=collate,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="fork",
        timeout=60,
    )
    (_, first, _), (_, second, _) = epochs(own, folder)
    assert len(first) == 3 and not torch.equal(first, second)


def test_the_order_changes_with_the_epoch_and_the_seed(tmp_path):
    for number in range(8):
        save(tmp_path / f"{number}.png")
    orders = []
    for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0)):
        folder = Folder(tmp_path, 16, train=True, seed=seed)
        folder.set_epoch(epoch)
        orders.append([n for batch in loader(folder, 3) for n in batch.numbers.tolist()])
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert orders[0] == orders[1] and orders[0] != orders[2] and orders[0] != orders[3]
    assert [n for batch in loader(Folder(tmp_path, 16), 3) for n in batch.numbers.tolist()] == list(range(8))
