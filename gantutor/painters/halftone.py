import numpy as np
from scipy import ndimage
from skimage.transform import resize

from .brushwork import grid, shift_colours, unit

FINER = 2  # dots are printed this many times finer, then reduced: smooth edges
PAPER = np.array([0.97, 0.95, 0.90])
INKS = (  # cyan, magenta, yellow, black, each with its screen's angle in radians
    ((0.00, 0.62, 0.87), 0.26),
    ((0.90, 0.05, 0.50), 1.31),
    ((1.00, 0.88, 0.00), 0.00),
    ((0.10, 0.10, 0.10), 0.785),
)


def halftone(photo, rng):
    """Comic-book printing: four screens of dots, one for each ink, whose sizes carry the tone."""
    shape = tuple(FINER * n for n in photo.shape[:2])
    bright = resize(shift_colours(photo, rng, 0.12, (1.4, 2.0)), shape, order=1)
    bright = ((bright - 0.5) * 1.3 + 0.55).clip(0, 1)
    rows, columns = grid(shape)
    spacing, turn = rng.uniform(4.5, 7) * unit(photo) * FINER, rng.uniform(0, 1.5)
    black = 1 - bright.max(2)
    amounts = [(1 - bright[..., c] - black) / (1.05 - black) for c in range(3)] + [black]
    page = np.ones((*shape, 3), np.float32) * PAPER
    for (ink, angle), amount in zip(INKS, amounts, strict=True):
        amount = ndimage.gaussian_filter(amount.clip(0, 1), spacing / 3)
        dots = screen(rows, columns, angle + turn, spacing, amount)
        page *= 1 - dots[..., None] * (1 - np.array(ink))
    return resize(page, photo.shape[:2], anti_aliasing=True)


def screen(rows, columns, angle, spacing, amount):
    """Ink (H, W) of one rotated grid of dots; a dot covers `amount` of its cell."""
    u = (columns * np.cos(angle) + rows * np.sin(angle)) / spacing
    v = (rows * np.cos(angle) - columns * np.sin(angle)) / spacing
    distance = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
    radius = 1.15 * np.sqrt(amount / np.pi)
    return ((radius - distance) * spacing / 1.5 + 0.5).clip(0, 1) * (amount > 0.02)
