import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .brushwork import blur, random_field, relief, shift_colours, smear, stroke_angles, trace, unit

FINER = 2  # strokes are drawn on a canvas this many times finer, then reduced: smooth edges


def oil(photo, rng):
    """Oil paint after Hertzmann (1998): curved strokes along the edges, broad ones first, then thick paint lit."""
    height, width = photo.shape[:2]
    colours = shift_colours(photo, rng, 0.06, (1.2, 1.6))
    angles = stroke_angles(photo, rng, wander=rng.uniform(0.35, 0.8))
    ground = Image.fromarray((blur(colours, 6 * unit(photo)).clip(0, 1) * 255).astype(np.uint8))
    canvas = ground.resize((width * FINER, height * FINER))
    thickness = Image.new("F", canvas.size)
    brush = rng.uniform(6, 9) * unit(photo)
    for size in (2 * brush, brush, 0.6 * brush):
        lay_strokes(canvas, thickness, blur(colours, size / 5), angles, size, rng)
    picture = np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS), np.float32) / 255
    paint = ndimage.gaussian_filter(np.asarray(thickness.resize((width, height)), np.float32), 0.7)
    bristles = smear(random_field(rng, photo.shape, 0), angles, int(10 * unit(photo)) + 1)
    return relief(picture, 0.8 * paint + 0.25 * bristles, depth=0.8)


def lay_strokes(canvas, thickness, colours, angles, size, rng):
    """Draw one layer of strokes of one size, each in the colour under its first point with a little chance."""
    height, width = angles.shape
    count = int(2.2 * height * width / size**2)
    x, y = rng.uniform(0, width, count), rng.uniform(0, height, count)
    shades = colours[y.astype(int), x.astype(int)] + rng.normal(0, 0.05, (count, 1)) + rng.normal(0, 0.035, (count, 3))
    xs, ys = trace(x, y, angles, 0.6 * size, 6)
    points = np.stack([xs, ys], 2).transpose(1, 0, 2) * FINER
    radius = max(0.375 * size * FINER, 0.5)
    pen, height_pen = ImageDraw.Draw(canvas), ImageDraw.Draw(thickness)
    inks, lengths, layers = (shades.clip(0, 1) * 255).astype(int), rng.integers(4, 8, count), rng.random(count)
    for stroke, shade, length, layer in zip(points, inks, lengths, layers, strict=True):
        line, ink = [tuple(p) for p in stroke[:length]], tuple(shade.tolist())
        pen.line(line, fill=ink, width=round(2 * radius), joint="curve")
        height_pen.line(line, fill=float(layer), width=round(2 * radius))
        for cx, cy in (line[0], line[-1]):
            pen.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=ink)
