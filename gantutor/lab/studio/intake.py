"""What comes into the studio from outside, taken for hostile.

Files are limited in number and size and decoded for real. Their names are never used as paths: they stand in sentences
alone, shortened and without what cannot be printed. A page escapes the sentences.
"""

import io
import tempfile
from pathlib import Path

import numpy as np

from ... import images
from ...errors import InputError
from ...personal.collection import Collection, check_shape, picture_hash
from ...personal.file import PersonalStyle
from ...personal.space import SIZE

MOST_FILES = 200
MOST_BYTES = 30_000_000  # of a file
MOST_TOTAL = 300_000_000  # bytes of the files that come together
MOST_STYLES = 12  # of a style file: each takes a slider
PHOTO_SIDE = 1024  # px that are kept of a photo's short side
NAME = 60  # characters


def clean(name):
    """A file's name as it may stand in a sentence."""
    printable = "".join(each if each.isprintable() else "?" for each in str(name)[: 2 * NAME]).strip() or "a file"
    return printable if len(printable) <= NAME else printable[: NAME - 1] + "…"


def picture(name, content, size):
    """The picture (1, 3, H, W) in a file's bytes, its short side at most `size` px. InputError says what is wrong."""
    check_bytes(name, content)
    file = io.BytesIO(content)
    file.name = clean(name)  # what `load_image` calls it in its sentences
    found = images.load_image(file, size)
    check_shape(file.name, found)
    return found


def check_bytes(name, content):
    """InputError for a file that is too large."""
    if len(content) > MOST_BYTES:
        limit = MOST_BYTES // 1_000_000
        raise InputError(f"{clean(name)} has {len(content) / 1e6:.0f} MB, more than {limit}: make it smaller first")


def check_total(files):
    """InputError for files, (name, bytes), that are too many or too large together."""
    if len(files) > MOST_FILES:
        raise InputError(f"{len(files)} files are more than the {MOST_FILES} that fit in: choose fewer")
    total = sum(len(content) for _, content in files)
    if total > MOST_TOTAL:
        limit = MOST_TOTAL // 1_000_000
        raise InputError(f"these files have {total / 1e6:.0f} MB together, more than {limit}: choose fewer at a time")


class Likes(Collection):
    """Liked pictures in memory, each once, for `learning.learn`: they have come as bytes and lie in no folder.

    They are kept as 8-bit levels. `looked()` is called whenever a picture is looked at: a progress bar may count.
    """

    def __init__(self):
        self.levels, self.names, self.hashes, self.points = [], [], [], None
        self.looked = lambda: None

    def __len__(self):
        return len(self.levels)

    def __getitem__(self, number):
        self.looked()
        return self.levels[number].float().div(255)

    def add(self, files):
        """Take in pictures, (name, bytes); returns a sentence for each that is left out."""
        check_total(files)
        left_out = []
        for name, content in files:
            try:
                self.take(clean(name), picture(name, content, SIZE))
            except InputError as error:
                left_out.append(str(error))
        return left_out

    def take(self, name, found):
        """Keep one picture (1, 3, H, W)."""
        key = f"{picture_hash(found):016x}"
        if key in self.hashes:
            raise InputError(f"{name} is the same picture as {self.names[self.hashes.index(key)]}: it counts once")
        if len(self) == MOST_FILES:
            raise InputError(f"{name} is left out, as there are {MOST_FILES} pictures already: start with fewer")
        self.levels.append(found.mul(255).round().byte())
        self.names.append(name)
        self.hashes.append(key)

    @property
    def unseen(self):
        """How many pictures have no point yet."""
        return len(self) - (0 if self.points is None else len(self.points))

    def embed(self, network, space):
        """Find the points of the pictures that have none yet."""
        device, known = next(network.parameters()).device, len(self) - self.unseen
        fresh = [space.embed(network, [self[number].to(device)]) for number in range(known, len(self))]
        self.points = np.concatenate([*([] if self.points is None else [self.points]), *fresh])


def style_file(name, content, generator):
    """The PersonalStyle in a file's bytes, if the generator can paint in it."""
    check_bytes(name, content)
    name = clean(name)
    with tempfile.TemporaryDirectory() as folder:  # files of tensors are read by path; this one is gone at once
        path = Path(folder) / "style.safetensors"
        path.write_bytes(content)
        try:
            personal = PersonalStyle.load(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None
    if personal.features != "bundled":  # other features would have to be downloaded, or are files of this machine
        raise InputError(f"{name} was not learnt with the bundled features: learn it again without --features")
    if len(personal.styles) > MOST_STYLES:
        raise InputError(f"{name} holds {len(personal.styles)} styles, more than {MOST_STYLES}: learn it with fewer")
    personal.network()
    for style in personal.styles:
        for layers in style.levels.values():
            if {layer: len(mean) for layer, (mean, _) in layers.items()} != generator.channels:
                raise InputError(f"{name} is damaged, as its layers have other sizes than its features: make it again")
    return personal
