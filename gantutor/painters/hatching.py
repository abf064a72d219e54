import numpy as np
from scipy import ndimage
from scipy.stats import rankdata

from .brushwork import grid, random_field, stretch, unit

INKS = np.array([[0.13, 0.10, 0.09], [0.10, 0.12, 0.30], [0.35, 0.16, 0.08]])  # black, blue-black, sepia
LAYERS = ((0.75, 0.0), (0.50, 0.9), (0.30, -0.8), (0.15, 0.45))  # tone below which a layer begins, its angle in radians


def hatching(photo, rng):
    """Pen and ink: each darker tone adds a layer of parallel lines in a new direction; edges get an outline."""
    scale = unit(photo)
    rows, columns = grid(photo.shape)
    tone = even_tones(ndimage.gaussian_filter(photo.mean(2), 1.2 * scale))
    angle, spacing = rng.uniform(0, np.pi), rng.uniform(4.5, 7) * scale
    hand = 1.6 * scale * random_field(rng, photo.shape, 3)
    light = np.ones(photo.shape[:2], np.float32)
    for threshold, turn in LAYERS:
        across = columns * np.cos(angle + turn) + rows * np.sin(angle + turn) + hand
        distance = np.abs((across / spacing) % 1 - 0.5) * spacing
        darkness = ((threshold - tone) / threshold).clip(0, 1)
        half_width = scale * (0.35 + 1.1 * darkness)
        line = ((half_width + 0.6 * scale - distance) / (0.9 * scale)).clip(0, 1)
        unbroken = random_field(rng, photo.shape, 1) > -1.6
        light = np.minimum(light, 1 - line * (darkness > 0.02) * unbroken)
    light = np.minimum(light, 1 - outline(photo, scale))[..., None]
    paper = np.array([0.96, 0.93, 0.86]) * (1 + 0.02 * random_field(rng, photo.shape, 1)[..., None])
    return paper * light + INKS[rng.integers(len(INKS))] * (1 - light)


def even_tones(grey):
    """Mostly the rank of each tone, so that a dark photo and a light one use all layers alike."""
    ranks = rankdata(grey, method="ordinal").reshape(grey.shape) / grey.size
    return 0.8 * ranks + 0.2 * stretch(grey)


def outline(photo, scale):
    """Ink (H, W) along the strongest edges."""
    edges = ndimage.gaussian_gradient_magnitude(photo.mean(2), 1.3 * scale)
    return 0.9 * ((edges / (np.percentile(edges, 97) + 1e-9) - 0.55) / 0.3).clip(0, 1)
