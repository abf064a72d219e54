"""Pictures from folders and from the painters."""

import numpy as np
import pytest
import torch
from PIL import Image

from gantutor.datasets import bundled, list_images, load_folder, painting, paintings
from gantutor.errors import InputError
from gantutor.images import load_image


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
    again = [painting((paths, families[number % 2], 5, number, 48)) for number in range(3)]
    torch.set_num_threads(threads)
    assert [picture.size for picture in found] == [(48, 48)] * 3
    assert [picture.tobytes() for picture in found] == [picture.tobytes() for picture in again]
    assert len({picture.tobytes() for picture in found}) == 3
    # the families come in turn: a pen draws with one ink, a printer with four
    chroma = [np.ptp(np.asarray(picture, float), axis=2).mean() for picture in found]
    assert chroma[1] < 0.7 * min(chroma[0], chroma[2])


def test_painting_by_a_painter_that_does_not_exist():
    with pytest.raises(InputError, match="no painter is called 'fresco'"):
        painting((list_images(bundled("photos")), "fresco", 0, 0, 48))
