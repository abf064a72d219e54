import numpy as np
from scipy import ndimage

from .brushwork import flat_regions, grid, random_field, smear, unit

WOODBLOCK = (
    np.array(  # Prussian blue, its tints, paper, ochres, vermilion, green, ink, rose
        [
            *([9, 16, 33], [17, 33, 53], [45, 60, 68], [93, 88, 75], [86, 78, 60]),
            *([72, 26, 18], [80, 50, 30], [35, 42, 32], [16, 14, 15], [93, 80, 72]),
        ]
    )
    / 100
)
INK = np.array([0.10, 0.10, 0.14])


def ukiyo_e(photo, rng):
    """Woodblock print: few flat colours, a graded sky, a wave pattern on one block, key lines, the wood's grain."""
    scale, shape = unit(photo), photo.shape[:2]
    colours = int(rng.integers(5, 8))
    labels, _ = flat_regions(photo, rng, colours, smooth=4 * scale)
    labels = ndimage.median_filter(labels, 2 * int(3 * scale) + 1)
    blocks = WOODBLOCK[rng.permutation(len(WOODBLOCK))[:colours]]
    blocks = blocks[np.argsort(blocks.sum(1))]  # dark stays dark
    print_ = blocks[labels]
    rows, columns = grid(shape)
    bokashi = 1 - 0.35 * np.exp(-rows / (0.16 * shape[0]))  # the wiped gradation at the top of a sky
    print_ *= np.where(labels >= colours - 2, bokashi, 1)[..., None]
    patterned = int(rng.integers(1, colours - 1))
    wave = (labels == patterned) & seigaiha(rows, columns, rng.uniform(13, 19) * scale)
    print_[wave] = (print_[wave] + blocks[min(colours - 1, patterned + 2)]) / 2
    grain = smear(random_field(rng, shape, 0), np.full(shape, rng.uniform(0.05, 0.2)), int(14 * scale) + 1)
    line = key_lines(labels, colours, scale) * (1 + 0.25 * random_field(rng, shape, 3))
    line = line.clip(0, 1)[..., None]
    return print_ * (1 + 0.03 * grain[..., None]) * (1 - line) + INK * line


def seigaiha(rows, columns, period):
    """The pattern of overlapping waves, as a mask (H, W)."""
    row = rows // (period / 2)
    x = (columns + (row % 2) * period / 2) % period - period / 2
    radius = np.hypot(x, rows % (period / 2))
    return np.abs((radius / (period / 6)) % 1 - 0.5) < 0.16


def key_lines(labels, colours, scale):
    """Dark lines (H, W) where one tone gives way to the next."""
    line = np.zeros(labels.shape, np.float32)
    for tone in range(colours - 1):
        edge = ndimage.gaussian_filter((labels <= tone).astype(np.float32), 1.2 * scale)
        line = np.maximum(line, np.exp(-(((edge - 0.5) / 0.22) ** 2)))
    return line
