"""Pictures from folders, from the package's own data, and from the painters."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from . import images
from .errors import InputError
from .painters import paint


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
        except InputError as error:
            skipped.append(str(error))
            continue
        height, width = picture.shape[2:]
        if min(height, width) < smallest:
            skipped.append(f"{path} is {width} x {height} px: use pictures of at least {smallest} px a side")
            continue
        pictures.append(picture)
        paths.append(path)
    if not pictures:
        raise InputError(f"none of the {len(skipped)} pictures in {folder} can be used; the first: {skipped[0]}")
    return pictures, paths, skipped


def paintings(paths, families, count, seed, size=256):
    """`count` painted pictures as Pillow images of size x size px, the families in turn, from random crops of photos.

    Deterministic from the seed. Runs on all cores; a generator, so that a caller can show progress.
    """
    tasks = [(paths, families[number % len(families)], seed, number, size) for number in range(count)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(painting, tasks, chunksize=4)


def painting(task):
    """One picture of `paintings`."""
    paths, family, seed, number, size = task
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, number])
    photo = images.to_pil(images.load_image(paths[rng.integers(len(paths))]))
    side = int(min(photo.size) * rng.uniform(0.6, 1))
    left, top = rng.integers(0, photo.width - side + 1), rng.integers(0, photo.height - side + 1)
    photo = photo.resize((size, size), resample=1, box=(left, top, left + side, top + side))
    return images.to_pil(paint(images.from_pil(photo), family, int(rng.integers(2**31))))
