"""How good are the bundled features? Variance explained, styles told apart, portraits painted.

    python benchmarks/features.py --teacher FILE [--photos DIR] [--features FILE] [--only variance|identity|portraits]

FILE holds SqueezeNet 1.1's ImageNet features. With a folder of photos the first 900 fit the heads and the last
100, which the features never saw, judge; without one the bundled photos serve for identity, and variance is left out.
Prints every figure; writes the portraits to benchmarks/results/portraits_{teacher,bundled,bundled_bold}.jpg.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from judge import Judge
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from gantutor.datasets import bundled, list_images
from gantutor.images import centre_crop, image_grid, load_image, resize, save_image
from gantutor.painters import FAMILIES, HELD_OUT, paint
from gantutor.painters.brushwork import shift_colours
from gantutor.personal.space import embed
from gantutor.style.distil import unexplained
from gantutor.style.features import load_features, load_teacher
from gantutor.style.networks import random_vgg19
from gantutor.style.optimise import optimise
from gantutor.style.target import Style

RESULTS = Path(__file__).parent / "results"
PER_FAMILY, COLLECTIONS, SEEDS = 12, 3, 10
STYLES = ("oil", "hatching", "stained_glass", "ukiyo_e")
BOLD = 4  # strength at which stained glass has cells, and faces go
FACE = (40, 104, 84, 148)  # top, bottom, left, right of the astronaut's face at 256 px


def variance(student, teacher, paths):
    print("share of the teacher's variance unexplained on photos 900 to 999, heads refitted on 300 others")
    for size in (64, 128, 256):
        fit, judge = (
            torch.cat([centre_crop(resize(load_image(p), size)) for p in some]) for some in (paths[:900:3], paths[900:])
        )
        if size == 256:
            fit = fit[::4]
        shares = unexplained(student, teacher, fit, judge)
        print(f"  crops of {size} px:", "  ".join(f"{name} {share:.3f}" for name, share in shares.items()))


def collection(paths, seed):
    """Twelve pictures of each family, content drawn anew, the painting's hues turned at random; and their labels."""
    pictures, labels, rng = [], [], np.random.default_rng(seed)
    for family in FAMILIES:
        for _ in range(PER_FAMILY):
            photo = centre_crop(resize(load_image(paths[rng.integers(len(paths))]), 320))
            top, left = rng.integers(0, 65, 2)
            painting = paint(photo[..., top : top + 256, left : left + 256], family, int(rng.integers(2**31)))
            turned = shift_colours(painting[0].permute(1, 2, 0).numpy(), rng, 0.5, (0.5, 1.5))
            pictures.append(torch.from_numpy(turned).permute(2, 0, 1)[None])
            labels.append(family)
    return pictures, np.array(labels)


def colour_histogram(picture):
    """512 colours, the square roots of their shares."""
    bins = (picture[0] * 7.999).long()
    return np.sqrt(
        np.bincount((bins[0] * 64 + bins[1] * 8 + bins[2]).flatten().numpy(), minlength=512) / bins[0].numel()
    )


def identity(networks, paths):
    """Adjusted Rand index of K-means, k = 8, over seeds: all families, and how far the two held-out ones are apart."""
    descriptors = {name: (lambda pictures, n=n: embed(n, pictures)) for name, n in networks.items()}
    descriptors["colour histogram"] = lambda pictures: np.stack([colour_histogram(p) for p in pictures])
    descriptors["raw pixels"] = lambda pictures: np.stack([resize(p, 32).flatten().numpy() for p in pictures])
    all_of, held = {name: [] for name in descriptors}, {name: [] for name in descriptors}
    for number in range(COLLECTIONS):
        pictures, labels = collection(paths, number)
        for name, describe in descriptors.items():
            points = PCA(32).fit_transform(describe(pictures))
            for seed in range(SEEDS):
                found = KMeans(len(FAMILIES), n_init=10, random_state=seed).fit_predict(points)
                all_of[name].append(adjusted_rand_score(labels, found))
                held[name].append(np.mean([best_match(found, labels == family) for family in HELD_OUT]))
    print(f"adjusted Rand index: {len(FAMILIES)} families x {PER_FAMILY} pictures, k given, PCA and K-means,")
    print(f"  {COLLECTIONS} collections x {SEEDS} seeds: mean (least, most); beside it, for the held-out families")
    print(f"  ({', '.join(HELD_OUT)}), which no weights saw, the F1 score of the cluster that fits each best")
    for name, scores in all_of.items():
        low, high = min(scores), max(scores)
        print(f"  {name:18} {np.mean(scores):.2f} ({low:.2f}, {high:.2f})   held out {np.mean(held[name]):.2f}")


def best_match(found, members):
    """F1 of the cluster that fits a group best."""
    return max(2 * np.sum((found == c) & members) / (np.sum(found == c) + members.sum()) for c in np.unique(found))


def portraits(runs, judge, size):
    """4 photos x 4 styles by each (network, strength), judged; the sheet; medians of sixteen, ratios to the teacher."""
    names = ("astronaut", "cat", "temple", "rocket")
    photos = {n: centre_crop(load_image(bundled(f"photos/{n}.jpg"), size)) for n in names}
    source = centre_crop(load_image(bundled("photos/flower.jpg"), 256))
    paintings = {family: paint(source, family, seed=3) for family in STYLES}
    RESULTS.mkdir(exist_ok=True)
    report = {}
    for which, (network, strength) in runs.items():
        rows, styles, contents, seconds, faces = (
            [torch.cat([torch.ones(1, 3, 256, 256), *paintings.values()])],
            [],
            [],
            [],
            [],
        )
        for name, photo in photos.items():
            row = [resize(photo, 256)]
            for painting in paintings.values():
                start = time.perf_counter()
                for state in optimise(network, photo, Style.of(network, [painting]), size, strength):
                    pass
                seconds.append(time.perf_counter() - start)
                styles.append(judge.style(state.image, painting) / judge.style(photo, painting))
                contents.append(judge.content(state.image, photo))
                if name == "astronaut":
                    top, bottom, left, right = (x * size // 256 for x in FACE)
                    faces.append(judge.content(*(p[..., top:bottom, left:right] for p in (state.image, photo))))
                row.append(resize(state.image, 256))
            rows.append(torch.cat(row))
        save_image(image_grid(torch.cat(rows), len(STYLES) + 1), RESULTS / f"portraits_{which}.jpg")
        report[which] = [np.mean(x) for x in (styles, contents, faces)] + [np.median(seconds)]
        by_style = "  ".join(f"{f} {np.mean(styles[i :: len(STYLES)]):.2f}" for i, f in enumerate(STYLES))
        print(f"  {which:12} style {report[which][0]:.3f} of the photo's ({by_style})")
        _, content, face, median = report[which]
        print(f"  {'':12} content {content:.3f}, on the astronaut's face {face:.3f}, {median:.1f} s")
    s0, c0, f0, t0 = report.pop("teacher")
    for which, (s, c, f, t) in report.items():
        print(f"  {which} against teacher: {(1 - s) / (1 - s0):.2f} of the fall in style distance,")
        print(f"  content x {c / c0:.2f}, face x {f / f0:.2f}, time x {t / t0:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--photos")
    parser.add_argument("--features", default="bundled")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", choices=("variance", "identity", "portraits"))
    options = parser.parse_args()
    teacher, student = load_teacher(options.teacher), load_features(options.features)
    paths = list_images(options.photos) if options.photos else None
    wanted = [options.only] if options.only else ["variance", "identity", "portraits"]
    if "variance" in wanted and paths:
        variance(student, teacher, paths)
    if "identity" in wanted:
        networks = {"bundled": student, "teacher": teacher, "random VGG-19": random_vgg19(0)}
        identity(networks, paths[900:] if paths else list_images(bundled("photos")))
    if "portraits" in wanted:
        print("portraits: 4 photos x 4 styles, judged on fire4, fire6, fire8, which neither optimised")
        runs = {"teacher": (teacher, 1), "bundled": (student, 1), "bundled_bold": (student, BOLD)}
        portraits(runs, Judge(teacher), options.size)


if __name__ == "__main__":
    main()
