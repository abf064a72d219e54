"""Are the styles found that are there, does it know when it cannot tell, do clicks help, and does it scale?

    python benchmarks/personal.py clusters --photos DIR [--each 60] [--seed 1]
    python benchmarks/personal.py preferences --photos DIR [--each 60] [--users 20 200]
    python benchmarks/personal.py scale --photos DIR [--counts 1000 10000]

clusters: paintings by all eight painters of photos that no weights saw (content and hue varied); adjusted Rand index
with k given and leave-one-out nearest neighbours, for several descriptors; how often the number of styles is found in
random collections, and "cannot tell" for unrelated pictures: photos, and pictures each by another pair of painters.
preferences: simulated users who like two of the eight painters and err in one click of ten; area under the ROC curve
on pictures that they have not seen, after 15 clicks on pairs that are chosen, or at random.
scale: pictures a second and peak memory of `gantutor learn`, each count in a process of its own, and the slope.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from torchvision.transforms.functional import adjust_hue
from tqdm import tqdm

from gantutor import datasets, images
from gantutor.painters import FAMILIES, HELD_OUT, paint
from gantutor.personal.clusters import find_styles
from gantutor.personal.preference import Taste
from gantutor.personal.space import SIZE, describe_style, space_of, style_layers
from gantutor.style.features import load_features
from gantutor.style.networks import BUNDLED_WIDTHS, VGG
from gantutor.style.statistics import gram_matrix

COLLECTIONS, UNRELATED, MOST, SEEDS, PER_FAMILY = 50, 20, 6, 10, 12
FEWEST, LARGEST = 12, 40  # pictures of a collection
CLICKS, WRONG, POOL = 15, 0.1, 5


def world(options):
    """Points of paintings by all families, and their families."""
    paths, families = datasets.list_images(options.photos), list(FAMILIES)
    count = options.each * len(families)
    painted = datasets.paintings(paths, families, count, options.seed, SIZE, hue=0.5)
    pictures = [images.from_pil(picture) for picture in tqdm(painted, desc="painting", total=count)]
    return pictures, np.array(list(islice(cycle(families), count)))


def unrelated(paths, count, rng):
    """Pictures each by another pair of painters, at another scale, mixed and darkened by chance."""
    for _ in range(count):
        photo = images.centre_crop(images.load_image(paths[rng.integers(len(paths))], SIZE))
        first, second = rng.choice(list(FAMILIES), 2, replace=False)
        small = images.resize(adjust_hue(photo, rng.uniform(-0.5, 0.5)), int(rng.choice([96, 128, 192, 256, 384])))
        once = images.resize(paint(small, first, int(rng.integers(2**31))), SIZE)
        twice = paint(once, second, int(rng.integers(2**31)))
        yield once.lerp(twice, rng.uniform(0.3, 1)) ** np.exp(rng.uniform(-0.6, 0.6))


@torch.no_grad()
def raw_grams(network, picture):
    """Gram matrices of the layers that tell styles apart, end to end."""
    maps = network(images.resize(picture, SIZE), style_layers(network))
    return np.concatenate([gram_matrix(each)[0].flatten().numpy() for each in maps.values()])


def colour_histogram(picture):
    """512 colours, the square roots of their shares."""
    bins = (picture[0] * 7.999).long()
    numbers = (bins[0] * 64 + bins[1] * 8 + bins[2]).flatten().numpy()
    return np.sqrt(np.bincount(numbers, minlength=512) / len(numbers))


def nearest_alike(points, labels):
    """For each picture, is its nearest neighbour of the same family? (n,)"""
    squares = (points**2).sum(1)
    apart = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return labels[apart.argmin(1)] == labels


def clusters(options):
    pictures, labels = world(options)
    network = load_features()
    space = space_of(network)
    torch.manual_seed(0)
    untrained = VGG(BUNDLED_WIDTHS, "average", "reflect").eval().requires_grad_(False)
    described = np.concatenate([describe_style(network, p) for p in tqdm(pictures, desc="describing")])
    points = space.points(described)
    descriptors = {
        "calibrated space": points,
        "covariances of length one": described,
        "raw Gram matrices": np.stack([raw_grams(network, p) for p in pictures]),
        "untrained network": np.concatenate([describe_style(untrained, p) for p in pictures]),
        "colour histogram": np.stack([colour_histogram(p) for p in pictures]),
        "raw pixels, 32 x 32": np.stack([images.resize(p, 32).flatten().numpy() for p in pictures]),
    }
    rng, held = np.random.default_rng(options.seed), np.isin(labels, HELD_OUT)
    twelve = [of_each(labels, PER_FAMILY, rng) for _ in range(SEEDS)]
    print(f"{len(FAMILIES)} families x {PER_FAMILY}, k given, {SEEDS} draws: adjusted Rand index, mean (least);")
    print(f"nearest neighbour of the same family, of all {len(labels)}, and of {', '.join(HELD_OUT)} alone")
    for name, rows in descriptors.items():
        found = []
        for seed, chosen in enumerate(twelve):
            along = PCA(32 if name != "calibrated space" else 10, svd_solver="full").fit_transform(rows[chosen])
            grouping = KMeans(len(FAMILIES), n_init=10, random_state=seed).fit_predict(along)
            found.append(adjusted_rand_score(labels[chosen], grouping))
        alike = nearest_alike(rows, labels)
        print(f"  {name:26} {np.mean(found):.3f} ({min(found):.3f})   {alike.mean():.3f}   {alike[held].mean():.3f}")
    print(f"the number of styles, {COLLECTIONS} collections of {FEWEST} to {LARGEST} pictures, 1 to {MOST} families:")
    answers = []
    for number in range(COLLECTIONS):
        true, size = 1 + number % MOST, int(rng.integers(FEWEST, LARGEST + 1))
        families = rng.choice(list(FAMILIES), true, replace=False)
        sizes = 2 + rng.multinomial(size - 2 * true, np.ones(true) / true)
        chosen = [rng.choice(np.flatnonzero(labels == f), s, False) for f, s in zip(families, sizes, strict=True)]
        found = find_styles(points[np.concatenate(chosen)], seed=0)
        answers.append((true, found.found, found.answers.get(found.found, 0)))
    true, found, sure = np.array(answers).T
    near = (np.abs(true - found) <= 1) & (found > 0)
    guesses = rng.integers(1, MOST + 1, (100_000,)), rng.integers(1, MOST + 1, (100_000,))
    print(f"  exact {np.mean(true == found):.2f}, within 1 {near.mean():.2f}, cannot tell {np.mean(found == 0):.2f};")
    print(f"  by chance {np.mean(guesses[0] == guesses[1]):.2f} and {np.mean(abs(guesses[0] - guesses[1]) <= 1):.2f}")
    print(f"  share of parts that answer as the whole: {sure[true == found].mean():.2f} where right,", end=" ")
    print(f"{sure[true != found].mean():.2f} where wrong")
    print("  " + "  ".join(f"{k}: {np.mean(found[true == k] == k):.2f}" for k in range(1, MOST + 1)))
    paths = datasets.list_images(options.photos)
    photos = (images.load_image(paths[n], SIZE) for n in rng.permutation(len(paths)))
    several = list(tqdm(unrelated(paths, 3 * LARGEST, rng), total=3 * LARGEST, desc="unrelated"))
    for name, those in (("photos", photos), ("each by another pair of painters", several)):
        rows, said = space.embed(network, those), []
        for _ in range(UNRELATED):
            size = int(rng.integers(FEWEST, LARGEST + 1))
            said.append(find_styles(rows[rng.permutation(len(rows))[:size]], seed=0).found)
        print(f"cannot tell, {UNRELATED} collections of {name}: {np.mean(np.array(said) == 0):.2f}")


def of_each(labels, count, rng):
    """The numbers of so many pictures of each family, at random."""
    return np.concatenate([rng.choice(np.flatnonzero(labels == f), count, False) for f in np.unique(labels)])


def preferences(options):
    pictures, labels = world(options)
    network = load_features()
    points = space_of(network).embed(network, tqdm(pictures, desc="describing"))
    for users in options.users:
        scores = {"chosen pairs": [], "random pairs": []}
        for user in range(users):
            rng = np.random.default_rng([options.seed, user])
            liked = np.isin(labels, rng.choice(list(FAMILIES), 2, replace=False))
            pool = of_each(labels, POOL, rng)
            unseen = np.setdiff1d(np.arange(len(labels)), pool)
            for way, values in scores.items():
                taste = Taste(points[pool], user)
                for _ in range(CLICKS):
                    chosen = way == "chosen pairs"
                    a, b = taste.next_pair() if chosen else rng.choice(len(pool), 2, replace=False)
                    one, two = liked[pool[[a, b]]]
                    first = rng.random() < 0.5 if one == two else (one > two) != (rng.random() < WRONG)
                    taste.prefer(*((a, b) if first else (b, a)))
                values.append(roc_auc_score(liked[unseen], taste.utilities(points[unseen])))
        print(f"{users} users, {CLICKS} clicks, {len(pool)} pictures to click on: AUC on the others, mean ± error")
        for way, values in scores.items():
            print(f"  {way:12} {np.mean(values):.3f} ± {np.std(values) / np.sqrt(users):.3f}")
        apart = np.subtract(*scores.values())
        print(f"  {'difference':12} {apart.mean():.3f} ± {apart.std() / np.sqrt(users):.3f}")


LEARN = """
import json, resource, sys, time
from gantutor import cli
start = time.perf_counter()
status = cli.main(["learn", sys.argv[1], "-o", sys.argv[2]])
used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([status, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, used]))
"""


def scale(options):
    paths = datasets.list_images(options.photos)
    memory = {}
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            many, out = Path(folder, "many"), Path(folder, "style.safetensors")
            many.mkdir()
            rng = np.random.default_rng(0)
            for number in tqdm(range(count), desc="copies that differ"):  # in a few pixels: what counts is the work
                picture = images.load_image(paths[number % len(paths)], SIZE).clone()
                picture[0, :, rng.integers(16), rng.integers(16)] = torch.rand(3)
                images.save_image(picture, many / f"{number:06}.jpg")
            env = os.environ | {"GANTUTOR_CACHE": folder}
            command = [sys.executable, "-c", LEARN, str(many), str(out)]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            status, seconds, main, worker = json.loads(re.findall(r"\[.*\]", done.stdout)[-1])
            again = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            _, warm, *_ = json.loads(re.findall(r"\[.*\]", again.stdout)[-1])
            memory[count] = main / 1024
            print(
                f"{count:>7} pictures: {count / seconds:.1f} a second ({seconds:.0f} s, from the cache {warm:.0f} s),",
                end=" ",
            )
            print(f"peak {main / 1024:.0f} MB, a worker {worker / 1024:.0f} MB, status {status}", flush=True)
    least, most = min(memory), max(memory)
    if most > least:
        slope = (memory[most] - memory[least]) * 1024 / (most - least)
        print(f"slope {slope:.1f} kB a picture: {slope * 1e5 / 1024:.0f} MB more at 100,000 pictures")


def parser():
    main = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = main.add_subparsers(required=True)
    for function in (clusters, preferences, scale):
        command = commands.add_parser(function.__name__)
        command.set_defaults(run=function)
        command.add_argument("--photos", required=True)
        command.add_argument("--seed", type=int, default=1)
        if function is not scale:
            command.add_argument("--each", type=int, default=60)
        if function is preferences:
            command.add_argument("--users", type=int, nargs="+", default=[20, 200])
        if function is scale:
            command.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    return main


if __name__ == "__main__":
    options = parser().parse_args()
    options.run(options)
