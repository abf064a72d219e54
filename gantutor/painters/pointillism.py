import numpy as np
from PIL import Image, ImageDraw
from skimage import color

from .brushwork import blur, shift_colours, unit

FINER = 3  # dots are drawn on a canvas this many times finer, then reduced: round dots


def pointillism(photo, rng):
    """Dots of pure colour on cream canvas: neighbours differ in hue, some are complementary, and the eye mixes them."""
    height, width = photo.shape[:2]
    cream = np.array([0.95, 0.92, 0.84]) * rng.uniform(0.9, 1)
    canvas = Image.new("RGB", (width * FINER, height * FINER), tuple((cream * 255).astype(int).tolist()))
    radius = rng.uniform(1.5, 2.8) * unit(photo)
    hsv = color.rgb2hsv(blur(shift_colours(photo, rng, 0.04, (1.3, 1.8)), radius))
    pen = ImageDraw.Draw(canvas)
    for size, cover in ((1.5 * radius, 0.7), (radius, 1.5), (0.7 * radius, 0.7)):
        count = int(cover * height * width / (np.pi * size**2))
        x, y = rng.uniform(0, width, count), rng.uniform(0, height, count)
        shades = split_hues(hsv[y.astype(int), x.astype(int)], rng)
        radii = size * rng.uniform(0.7, 1.1, count) * FINER
        for cx, cy, r, shade in zip(x * FINER, y * FINER, radii, (shades * 255).astype(int), strict=True):
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=tuple(shade.tolist()))
    return np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS), np.float32) / 255


def split_hues(hsv, rng):
    """A third of the dots drift in hue, one in eleven takes the complement; all are brighter and purer. RGB (N, 3)."""
    chance = rng.random(len(hsv))
    turn = np.where(chance < 0.33, rng.normal(0, 0.07, len(hsv)), np.where(chance < 0.42, 0.5, 0))
    value = hsv[:, 2] * 1.05 + rng.normal(0, 0.1, len(hsv))
    dots = np.stack([(hsv[:, 0] + turn) % 1, hsv[:, 1] * 1.2 + 0.1, value], 1).clip(0, 1)
    return color.hsv2rgb(dots[None])[0]
