"""Make data/ again (`make data`): seven photos with open licences and thirty liked pictures painted from them.

Needs nothing but the installed packages: the photos lie inside scikit-image and scikit-learn. The liked
pictures are by three of the course's painters, mixed; data/provenance.csv says which, and from which photo.
"""

import csv
import shutil
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets

from gantutor.images import interpolate, load_image, save_image
from gantutor.painters import paint

DATA = Path(__file__).parent.parent / "data"
SCIKIT_IMAGE, SCIKIT_LEARN = (Path(package.__file__).parent for package in (skimage.data, sklearn.datasets))
PHOTOS = {  # name: (file, licence, by)
    "astronaut": (SCIKIT_IMAGE / "astronaut.png", "public domain", "NASA"),
    "cat": (SCIKIT_IMAGE / "chelsea.png", "CC0", "Stefan van der Walt"),
    "coffee": (SCIKIT_IMAGE / "coffee.png", "CC0", "Rachel Michetti"),
    "flower": (SCIKIT_LEARN / "images/flower.jpg", "CC BY 2.0", "vultilion on Flickr"),
    "galaxies": (SCIKIT_IMAGE / "hubble_deep_field.jpg", "public domain", "NASA"),
    "rocket": (SCIKIT_IMAGE / "rocket.jpg", "public domain", "SpaceX"),
    "temple": (SCIKIT_LEARN / "images/china.jpg", "CC BY 2.0", "danielbuechele on Flickr"),
}
SUBJECTS = ("cat", "coffee", "flower", "rocket", "temple")  # of the liked pictures; the others are kept for painting
LIKED_FAMILIES = ("oil", "hatching", "ukiyo_e")
LIKED_OF_EACH = 10
SEED = 2026


def make_photos():
    for name, (source, _, _) in PHOTOS.items():
        save_image(load_image(source, 400), DATA / "photos" / f"{name}.jpg")


def random_view(photo, rng):
    """A random part of a photo, 256 px on its short side: upright, square or wide."""
    height, width = photo.shape[2:]
    tall, wide = ((320, 256), (256, 256), (256, 320))[rng.integers(3)]
    scale = rng.uniform(0.62, 1) * min(height / tall, width / wide)
    h, w = int(tall * scale), int(wide * scale)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    view = photo[..., top : top + h, left : left + w]
    return interpolate(view.flip(3) if rng.random() < 0.5 else view, (tall, wide))


def make_liked():
    """Thirty pictures in shuffled order under bare numbers."""
    rng = np.random.default_rng(SEED)
    plan = [(family, SUBJECTS[i % len(SUBJECTS)]) for family in LIKED_FAMILIES for i in range(LIKED_OF_EACH)]
    rows = []
    for number, choice in enumerate(rng.permutation(len(plan)), start=1):
        family, subject = plan[choice]
        seed = int(rng.integers(2**31))
        painting = paint(random_view(load_image(PHOTOS[subject][0], 600), rng), family, seed)
        save_image(painting, DATA / "liked" / f"{number:02}.jpg")
        rows.append(
            (f"liked/{number:02}.jpg", f"{subject}, painted by gantutor.painters.{family}", seed, *PHOTOS[subject][1:])
        )
    return rows


if __name__ == "__main__":
    for folder in ("photos", "liked"):
        shutil.rmtree(DATA / folder, ignore_errors=True)
        (DATA / folder).mkdir(parents=True)
    make_photos()
    photo_rows = [
        (f"photos/{n}.jpg", f"{p.parts[-3]}/{p.name}", "", licence, by) for n, (p, licence, by) in PHOTOS.items()
    ]
    with open(DATA / "provenance.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "made from", "seed", "licence", "photo by"))
        writer.writerows(photo_rows + make_liked())
