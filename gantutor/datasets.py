"""Pictures from folders, from the package's own data, and from the painters."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms.functional import adjust_hue

from . import images
from .errors import InputError
from .painters import paint

TRIES = 20  # photos that may be damaged, one after the other
ZOOM = 1.25  # a training crop is cut out of a picture whose short side is up to this much longer


def bundled(name):
    """The path of `name` in the package's data: "liked", "photos" or a file below them."""
    package = Path(__file__).parent
    for root in (package / "data", package.parent / "data"):  # in a wheel; in a checkout
        if (root / name).exists():
            return root / name
    raise InputError(f"gantutor has no bundled data {name!r}: the folders are liked and photos")


def list_images(folder):
    """The image files in a folder and its subfolders, by suffix, sorted by path; hidden ones are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}: give a folder of pictures")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in images.SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise InputError(f"{folder} holds no pictures: put some .jpg or .png files into it")
    return paths


def load_folder(folder, size, smallest=16):
    """Decode every picture of a folder: tensors (1, 3, H, W) with a short side of at most `size` px, and their paths.

    Returns (pictures, paths, skipped); `skipped` holds a sentence for each file that is damaged or smaller
    than `smallest` px. If nothing is left, an InputError says why.
    """
    pictures, paths, skipped = [], [], []
    for path in list_images(folder):
        try:
            picture = images.load_image(path, size)
            check_smallest(path, picture, smallest)
        except InputError as error:
            skipped.append(str(error))
            continue
        pictures.append(picture)
        paths.append(path)
    if not pictures:
        raise InputError(f"none of the {len(skipped)} pictures in {folder} can be used; the first: {skipped[0]}")
    return pictures, paths, skipped


class Batch(NamedTuple):
    """What a loader yields: the pictures that could be used, and a sentence for each that could not."""

    images: torch.Tensor  # (N, 3, size, size) in [0, 1]; N may be 0
    labels: torch.Tensor | None  # (N,), positions in `Folder.classes`; None for a folder without classes
    numbers: torch.Tensor  # (N,), positions in `Folder.paths`
    skipped: tuple  # of sentences


class Folder(Dataset):
    """The pictures of a folder and its subfolders as squares of one size: folder[n] is a tensor (3, size, size).

    A picture is shrunk, antialiased, until its short side is `size` px; then its central square is cut out. With
    `train` it is shrunk a little less, cut at a random place, and turned left to right every other time. Chance comes
    from `seed`, the epoch (`set_epoch`) and the picture's number alone, so workers change nothing.

    With `by_class` the first subfolder is the class, as in ImageNet: `classes` has their names in order, `labels` a
    number for each path. Without, as in COCO or in a folder of one's own, both are empty.

    Only files' names are read here. A file that is damaged, or has a side of less than `smallest` px (None: `size`,
    for nothing is enlarged then), raises an InputError in folder[n], and is a sentence in the Batch of a `loader`.
    A DataLoader of one's own needs `collate_fn=collate`.
    """

    def __init__(self, folder, size, by_class=False, train=False, seed=0, smallest=None):
        images.check_size(size)
        self.root, self.size, self.train, self.seed = Path(folder), size, train, seed
        self.smallest = size if smallest is None else smallest
        if self.smallest > size:
            raise InputError(f"smallest={smallest} is more than the size of {size} px: say at most {size}")
        self.paths = list_images(folder)
        self.classes, self.labels = [], []
        if by_class:
            names = [path.relative_to(self.root).parts[0] for path in self.paths]
            for path, name in zip(self.paths, names, strict=True):
                if path.name == name and path.parent == self.root:
                    raise InputError(f"{path} is in no class: move it into a subfolder named after its class")
            self.classes = sorted(set(names))
            number = {name: number for number, name in enumerate(self.classes)}
            self.labels = [number[name] for name in names]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that live on see it change

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        path = self.paths[number]  # raises the IndexError that ends a for loop
        number %= len(self)  # folder[-1] is the same picture under another name
        rng = np.random.default_rng([self.seed, self.epoch, number]) if self.train else None
        side = self.size if rng is None else round(self.size * rng.uniform(1, ZOOM))
        picture = images.load_image(path, side)
        check_smallest(path, picture, self.smallest)
        if min(picture.shape[2:]) < self.size:  # smaller than the square, and welcome by `smallest`
            picture = images.resize(picture, self.size)
        if rng is None:
            return images.centre_crop(picture, self.size)[0]
        top, left = (int(rng.integers(side - self.size + 1)) for side in picture.shape[2:])
        square = picture[0, :, top : top + self.size, left : left + self.size]
        return square.flip(2) if rng.random() < 0.5 else square

    def __getitems__(self, numbers):
        """A Batch, which is what PyTorch's loaders ask for: one file that fails must not stop a run."""
        squares, used, skipped = [], [], []
        for number in numbers:
            try:
                squares.append(self[number])
                used.append(number)
            except InputError as error:
                skipped.append(str(error))
        pictures = torch.stack(squares) if squares else torch.zeros(0, 3, self.size, self.size)
        labels = torch.tensor([self.labels[number] for number in used], dtype=torch.int64) if self.classes else None
        return Batch(pictures, labels, torch.tensor(used, dtype=torch.int64), tuple(skipped))

    @property
    def epoch(self):
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Choose the crops, the flips and the order of an epoch, before its loop over the loader starts."""
        self._epoch.fill_(epoch)


class Shuffled(Sampler):
    """The numbers of a Folder in an order that its seed and its epoch decide."""

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return len(self.folder)

    def __iter__(self):
        rng = np.random.default_rng([self.folder.seed, self.folder.epoch])
        yield from rng.permutation(len(self.folder)).tolist()


def collate(batch):
    """The `collate_fn` for loaders over a Folder, which makes its batches itself."""
    return batch


def loader(folder, batch_size, workers=0):
    """A DataLoader of Batches over a Folder: shuffled for training, else in order; the last one may be smaller.

    Workers are processes that decode ahead, started once. A script that uses them keeps its own work behind
    `if __name__ == "__main__"`.
    """
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size} is too small: use at least 1")
    processes = {"multiprocessing_context": "spawn", "persistent_workers": True} if workers else {}
    order = Shuffled(folder) if folder.train else None
    return DataLoader(folder, batch_size, sampler=order, num_workers=workers, collate_fn=collate, **processes)


def check_smallest(path, picture, smallest):
    """InputError if the picture (1, 3, H, W) from path has a side of less than `smallest` px."""
    height, width = picture.shape[2:]
    if min(height, width) < smallest:
        raise InputError(f"{path} is {width} x {height} px: use pictures of at least {smallest} px a side")


def paintings(paths, families, count, seed, size=256, hue=0.0):
    """`count` painted pictures as Pillow images of size x size px, the families in turn, from random crops of photos.

    Before a photo is painted, its hues are turned by up to `hue` of a whole turn, at most 0.5, either way.
    Deterministic from the seed. Runs on all cores; a generator, so that a caller can show progress.
    """
    tasks = [(paths, families[number % len(families)], seed, number, size, hue) for number in range(count)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(painting, tasks, chunksize=4)


def painting(task):
    """One picture of `paintings`."""
    paths, family, seed, number, size, hue = task
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, number])
    photo = images.to_pil(any_photo(paths, rng))
    side = int(min(photo.size) * rng.uniform(0.6, 1))
    left, top = rng.integers(0, photo.width - side + 1), rng.integers(0, photo.height - side + 1)
    photo = images.from_pil(photo.resize((size, size), resample=1, box=(left, top, left + side, top + side)))
    if hue:
        photo = adjust_hue(photo, rng.uniform(-hue, hue))
    return images.to_pil(paint(photo, family, int(rng.integers(2**31))))


def any_photo(paths, rng):
    """One of the photos at random (1, 3, H, W); a damaged one is passed over."""
    for _ in range(TRIES):
        try:
            return images.load_image(paths[rng.integers(len(paths))])
        except InputError as error:
            reason = error
    raise reason
