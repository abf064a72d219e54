"""Pictures to train a GAN on: from the painters, from a folder, or from torchvision, each decoded once to bytes.

    pictures = open_source("paintings", size=64)           # made here, nothing is downloaded
    pictures = open_source("my/photos", size=64)           # any folder: COCO, ImageNet, one's own
    pictures = open_source("torchvision:CIFAR10", size=32) # needs a network the first time

The bytes lie in a cache file ($GANTUTOR_CACHE, or ~/.cache/gantutor), so that the next run starts at once.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
import torchvision

from . import datasets, images
from .errors import InputError
from .painters import FAMILIES, HELD_OUT

PAINTINGS = 600  # of "paintings"; a tenth of them held out
TILES = 16  # cut from each painting
MANY = 500  # pictures, for which it pays to start processes that decode
FITS = 0.25  # of a GPU's free memory that pictures may take
TORCHVISION = {
    "CIFAR10": lambda root: torchvision.datasets.CIFAR10(root, download=True),
    "Flowers102": lambda root: torchvision.datasets.Flowers102(root, download=True),
    "CelebA": lambda root: torchvision.datasets.CelebA(root, download=True),
    "FakeData": lambda root: torchvision.datasets.FakeData(1000, (3, 64, 64)),
}


class Pictures:
    """Square pictures as bytes (N, 3, size, size), in memory, on a GPU, or in a file that is read as needed.

    `skipped` has a sentence for each file that was left out.
    """

    def __init__(self, levels, skipped=()):
        self.levels, self.skipped = torch.as_tensor(levels), tuple(skipped)
        self.home = self.levels.device

    def __len__(self):
        return len(self.levels)

    @property
    def size(self):
        return self.levels.shape[-1]

    def to(self, device):
        """The same pictures for work on a device: there as a whole if they fit, else batch by batch."""
        device = torch.device(device)
        moved = Pictures(self.levels, self.skipped)
        if device.type == "cuda" and self.levels.numel() < FITS * torch.cuda.mem_get_info(device)[0]:
            moved.levels = self.levels.to(device)
        moved.home = device
        return moved

    def batch(self, numbers, flipped=None):
        """The pictures with these numbers (n,) as floats (n, 3, size, size) in [0, 1], some turned left to right."""
        chosen = self.levels[numbers.to(self.levels.device)].to(self.home, non_blocking=True)
        floats = chosen.float().div_(255)
        if flipped is not None:
            floats = torch.where(flipped.to(self.home)[:, None, None, None], floats.flip(3), floats)
        return floats.contiguous(memory_format=torch.channels_last)

    def split(self, share=0.1):
        """Pictures to train on, and the last share of them to judge with."""
        kept = len(self) - max(1, round(share * len(self)))
        if kept < 1:
            raise InputError(f"{len(self)} pictures cannot be split: give at least two")
        return Pictures(self.levels[:kept], self.skipped), Pictures(self.levels[kept:])


def open_source(name, size, seed=0, watch=lambda items, total, what: items):
    """The Pictures of a source: "paintings", "torchvision:NAME", or a folder, as squares of `size` px.

    watch(items, total, what) wraps what is worked through, for a progress bar.
    """
    images.check_size(size)
    if name == "paintings":
        return painting_tiles(size, seed=seed, watch=watch)
    if str(name).startswith("torchvision:"):
        return torchvision_pictures(name.removeprefix("torchvision:"), size, watch)
    return folder_pictures(name, size, watch)


def painting_tiles(size, paintings=PAINTINGS, tiles=TILES, seed=0, photos=None, watch=lambda items, total, what: items):
    """Tiles of paintings by all painter families, from the bundled photos or a list of paths; the same from a seed.

    A painting has 256 px; its tiles have sides of `size` to 128 px and are shrunk to `size`. Families and photos
    are in turn, so that the last paintings are of all families too.
    """
    photos = datasets.list_images(datasets.bundled("photos")) if photos is None else photos
    key = ("paintings 1", size, paintings, tiles, seed, *map(identity, photos))

    def made():
        work = datasets.paintings(photos, list(FAMILIES), paintings, seed)
        for number, painting in enumerate(watch(work, paintings, "painting")):
            rng = np.random.default_rng([seed, number, 1])
            yield torch.cat([tile(images.from_pil(painting), size, rng) for _ in range(tiles)])

    return Pictures(cached(key, size, made))


def style_paintings(photos, count, size=256, seed=0, watch=lambda items, total, what: items):
    """`count` whole paintings from photos (a list of paths) by the painters that no weights are held out from.

    The families are in turn; the same from a seed.
    """
    families = [name for name in FAMILIES if name not in HELD_OUT]
    key = ("style paintings 2", size, count, seed, *map(identity, photos))

    def made():
        work = datasets.paintings(photos, families, count, seed, size)
        for painting in watch(work, count, "painting"):
            yield images.from_pil(painting)

    return Pictures(cached(key, size, made))


def tile(picture, size, rng):
    """A random square of a picture (1, 3, H, W), of `size` to 128 px, shrunk to (1, 3, size, size)."""
    short = min(picture.shape[2:])
    side = int(rng.integers(min(size, short), min(max(size, 128), short) + 1))
    top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[2:])
    square = images.resize(picture[..., top : top + side, left : left + side], size)
    return square.flip(3) if rng.random() < 0.5 else square


def folder_pictures(folder, size, watch=lambda items, total, what: items):
    """The central squares of all pictures in a folder; files that cannot be used are left out, and said."""
    found = datasets.Folder(folder, size)
    key = ("folder 1", size, *map(identity, found.paths))
    notes = cache_file(key).with_suffix(".skipped.json")

    def made():
        skipped, batches = [], datasets.loader(found, 64, workers=os.cpu_count() if len(found) > MANY else 0)
        for batch in watch(batches, len(batches), "decoding"):
            skipped += batch.skipped
            yield batch.images
        if len(skipped) == len(found):
            raise InputError(f"none of the pictures in {folder} can be used; the first: {skipped[0]}")
        with images.atomic_path(notes) as temporary:
            temporary.write_text(json.dumps(skipped), encoding="utf-8")

    return Pictures(cached(key, size, made), json.loads(notes.read_text(encoding="utf-8")))


def identity(path):
    """What tells a file from another, and from what it was before."""
    path = Path(path)
    return str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns


def torchvision_pictures(name, size, watch=lambda items, total, what: items):
    """The pictures of one of `TORCHVISION`'s data sets."""
    if name not in TORCHVISION:
        raise InputError(f"no data set is called {name!r} here: choose one of {', '.join(TORCHVISION)}")

    def made():
        try:
            found = TORCHVISION[name](cache() / "torchvision")
        except (OSError, RuntimeError, ModuleNotFoundError) as error:
            reason = images.reason(error)
            raise InputError(f"{name} could not be had ({reason}): go online, or use paintings or a folder") from error
        for number in watch(range(len(found)), len(found), name):
            yield images.centre_crop(images.resize(images.from_pil(images.to_rgb(found[number][0])), size))

    return Pictures(cached(("torchvision 1", name, size), size, made))


def cache():
    """The folder for what can be made again."""
    folder = Path(os.environ.get("GANTUTOR_CACHE") or Path.home() / ".cache" / "gantutor")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = images.reason(error)
        raise InputError(f"{folder} cannot be made ({reason}): name another place in GANTUTOR_CACHE") from error
    return folder


def to_write(path):
    """The path of a cache file that is to be written. InputError if the cache is protected."""
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the cache {path.parent} is protected: name another place in GANTUTOR_CACHE")
    return path


def cache_file(key):
    """Where what this key names is kept."""
    return cache() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.pictures"


def cached(key, size, made):
    """Bytes (N, 3, size, size) from the cache file of this key; `made()` yields float pictures if there is none."""
    path = cache_file(key)
    if not path.exists():
        with images.atomic_path(to_write(path)) as temporary, open(temporary, "wb") as file:
            for pictures in made():
                file.write((pictures * 255).round().byte().numpy().tobytes())
    levels = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    return levels.view(-1, 3, size, size)
