import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage import color

from .brushwork import grid, random_field, shift_colours, stretch, unit


def stained_glass(photo, rng):
    """Cells of bright glass held by lead: a Voronoi diagram whose points gather at the photo's edges."""
    scale, shape = unit(photo), photo.shape[:2]
    count = int(rng.integers(90, 220))
    cell, distance = cells(cell_points(photo, rng, count), shape, 1.5 * scale * random_field(rng, shape, 4))
    glass = cell_colours(shift_colours(photo, rng, 0.08, (1.8, 2.6)), cell, count, rng)[cell]
    uneven = 0.82 + 0.35 * stretch(random_field(rng, shape, 2.5))
    glass *= (uneven * (1 - 0.25 * np.exp(-distance / (5 * scale))))[..., None]
    half_width = rng.uniform(1.4, 2.4) * scale
    clear = ((distance - half_width) / (1.2 * scale) + 0.5).clip(0, 1)[..., None]
    lead = 0.09 + 0.1 * np.exp(-((distance / scale) ** 2))[..., None]
    return glass * clear + lead * (1 - clear)


def cell_points(photo, rng, count):
    """Points (count, 2): a third anywhere, the others near edges, where the shapes are."""
    height, width = photo.shape[:2]
    edges = ndimage.gaussian_gradient_magnitude(photo.mean(2), 2 * unit(photo))
    weight = (edges + edges.mean() * 0.5 + 1e-9).ravel()
    near = rng.choice(height * width, 2 * count // 3, p=weight / weight.sum())
    near = np.stack([near // width, near % width], 1) + rng.normal(0, 3 * unit(photo), (len(near), 2))
    return np.concatenate([near, rng.uniform(0, (height, width), (count - len(near), 2))])


def cells(points, shape, bend):
    """For each pixel the number of its cell and its distance from the cell's border, both (H, W)."""
    rows, columns = grid(shape)
    place = np.stack([rows + bend, columns], 2).reshape(-1, 2)
    _, nearest = cKDTree(points).query(place, k=2)
    first, second = points[nearest[:, 0]], points[nearest[:, 1]]
    apart = np.linalg.norm(first - second, axis=1) + 1e-6
    distance = ((place - (first + second) / 2) * (first - second)).sum(1) / apart
    return nearest[:, 0].reshape(shape), distance.reshape(shape)


def cell_colours(picture, cell, count, rng):
    """The mean colour of each cell, made purer and brighter: (count, 3)."""
    area = np.bincount(cell.ravel(), minlength=count).clip(1)
    mean = np.stack([np.bincount(cell.ravel(), picture[..., c].ravel(), count) / area for c in range(3)], 1)
    hsv = color.rgb2hsv(mean.clip(0, 1)[None])[0]
    hsv[:, 1] = hsv[:, 1] * 1.5 + 0.2
    hsv[:, 2] = (hsv[:, 2] * 1.3 + 0.12 + rng.normal(0, 0.08, count)).clip(0.1, 1)
    return color.hsv2rgb(hsv.clip(0, 1)[None])[0]
