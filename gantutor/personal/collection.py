"""A folder of liked pictures, however many: read when needed, described once, by any number of processes.

    collection = Collection("my/pictures")
    collection.describe(network, space_of(network))    # goes on where it was stopped
    collection.points[:100]                            # (100, 128)

Every picture's point goes into a file in the cache as soon as it is known. The file holds hashes, no names.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch.utils.data import DataLoader, Dataset

from .. import datasets, images
from ..errors import InputError
from ..sources import cache, identity, to_write
from .space import SIZE, describe_style

SMALLEST = 16  # px a side
LONGEST = 8  # times its short side, the most that a picture's long side may have
BATCH = 4  # pictures described together: on a CPU more are no quicker, and take memory
GPU_BATCH = 32
MANY = 500  # pictures, for which it pays to start processes that decode
CHUNK = 4096  # records read at a time


class Collection(Sequence):
    """The pictures of a folder: `collection[number]` reads one, a tensor (1, 3, H, W) of at most 256 px a short side.

    After `describe` it holds those that can be used, each once: `paths`, `hashes` of their pixels, `points`; and
    `skipped` has a sentence for each of the others.
    """

    def __init__(self, folder):
        self.folder, self.paths = folder, datasets.list_images(folder)
        self.hashes, self.points, self.skipped = [], None, []

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        return read(self.paths[number])

    def describe(self, network, space, watch=lambda items, total: items):
        """Find every picture's point in a style space; watch(items, total) wraps the work, for a progress bar.

        Several processes, as `accelerate launch` starts them, share the work, and all get the result. InputError if
        no picture can be used.
        """
        processes = PartialState()
        keys = np.array([key_of(path) for path in self.paths], np.uint64)
        record = np.dtype([("key", "u8"), ("picture", "u8"), ("point", "f4", space.matrix.shape[1])])
        file = self.records_file(space)
        if processes.is_main_process:
            carry_over(file, keys, record)
        processes.wait_for_everyone()
        records = np.memmap(file, record, "r+")
        todo = np.flatnonzero(records["key"] != keys)[processes.process_index :: processes.num_processes]
        batches = self.batches(todo, BATCH if next(network.parameters()).device.type == "cpu" else GPU_BATCH)
        skipped = []
        for numbers, pictures, sentences in watch(batches, len(batches)):
            skipped += sentences
            for shape in {picture.shape for picture in pictures}:
                alike = [each for each in zip(numbers, pictures, strict=True) if each[1].shape == shape]
                batch = torch.cat([picture for _, picture in alike])
                for (number, picture), point in zip(alike, space.points(describe_style(network, batch)), strict=True):
                    records["picture"][number], records["point"][number] = picture_hash(picture), point
                    records["key"][number] = keys[number]  # last: what was cut off has no key
        records.flush()
        processes.wait_for_everyone()
        self.skipped += sorted(gather_object(skipped))
        self.keep(records, keys)

    def records_file(self, space):
        """Where the points of this folder's pictures lie."""
        name = repr(("points 1", str(Path(self.folder).resolve()), space.hash))
        return to_write(cache() / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.points")

    def batches(self, numbers, size):
        """Batches of (numbers, pictures, sentences about what could not be read)."""
        reading, workers = Reading(self.paths, numbers), os.cpu_count() if len(numbers) > MANY else 0
        processes = {"multiprocessing_context": "spawn"} if workers else {}
        return DataLoader(reading, size, num_workers=workers, collate_fn=collate, **processes)

    def keep(self, records, keys):
        """Keep the pictures that were described, and of the same pixels the first."""
        described = np.flatnonzero(records["key"] == keys)
        _, first, again = np.unique(records["picture"][described], return_index=True, return_inverse=True)
        kept = np.sort(first)
        for number in np.setdiff1d(np.arange(len(described)), kept):
            same = self.paths[described[first[again[number]]]]
            self.skipped.append(f"{self.paths[described[number]]} is the same picture as {same}: it counts once")
        if not len(kept):
            raise InputError(
                f"none of the {len(self)} pictures in {self.folder} can be used; the first: {self.skipped[0]}"
            )
        chosen = described[kept]
        self.hashes = [f"{picture:016x}" for picture in records["picture"][chosen]]
        self.paths = [self.paths[number] for number in chosen]
        self.points = Points(records, chosen)


class Points:
    """Points (n, m) in a file, of which only what is asked for is read: `points[3:9]`, `points[[4, 2]]`."""

    def __init__(self, records, chosen):
        self.records, self.chosen = records, chosen

    def __len__(self):
        return len(self.chosen)

    def __getitem__(self, numbers):
        return self.records["point"][self.chosen[numbers]].astype(np.float64)


class Reading(Dataset):
    """Some of the pictures, each as (number, picture or None, sentence or None)."""

    def __init__(self, paths, numbers):
        self.paths, self.numbers = paths, numbers

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, place):
        number = self.numbers[place]
        try:
            return number, read(self.paths[number]), None
        except InputError as error:
            return number, None, str(error)


def collate(items):
    """A batch of `Reading`: the numbers and pictures of those that could be read, and the sentences."""
    good = [(number, picture) for number, picture, sentence in items if sentence is None]
    return [n for n, _ in good], [p for _, p in good], [sentence for *_, sentence in items if sentence is not None]


def read(path):
    """A picture (1, 3, H, W) of at most SIZE px on the short side."""
    picture = images.load_image(path, SIZE)
    check_shape(path, picture)
    return picture


def check_shape(name, picture):
    """InputError for a picture (1, 3, H, W) that is too small, or so long that describing it would fill the memory."""
    datasets.check_smallest(name, picture, SMALLEST)
    height, width = picture.shape[2:]
    if max(height, width) > LONGEST * min(height, width):
        raise InputError(f"{name} is more than {LONGEST} times as long as it is wide: crop it first")


def carry_over(file, keys, record):
    """Make a file of records for pictures with these keys, in their order, with all that an older one knows."""
    order = np.argsort(keys)
    with images.atomic_path(file) as temporary:
        fresh = np.memmap(temporary, record, "w+", shape=len(keys))
        if file.exists() and file.stat().st_size % record.itemsize == 0 and file.stat().st_size:
            old = np.memmap(file, record, "r")
            for start in range(0, len(old), CHUNK):
                known = np.array(old[start : start + CHUNK])
                place = order[np.searchsorted(keys, known["key"], sorter=order).clip(max=len(keys) - 1)]
                found = (keys[place] == known["key"]) & (known["key"] != 0) & np.isfinite(known["point"]).all(1)
                fresh[place[found]] = known[found]
        fresh.flush()


def key_of(path):
    """A number that tells this file, as it is now, from others; never 0."""
    return int.from_bytes(hashlib.sha256(repr(identity(path)).encode()).digest()[:8], "little") | 1


def picture_hash(picture):
    """A hash of a picture's pixels, in 8 bits: a number under 2^64."""
    levels = (picture * 255).round().byte().cpu().contiguous().numpy()
    return int.from_bytes(hashlib.sha256(repr(levels.shape).encode() + levels.tobytes()).digest()[:8], "big")
