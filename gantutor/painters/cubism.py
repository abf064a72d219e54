import numpy as np
from scipy.spatial import Delaunay

from .brushwork import grid, random_field, shift_colours, smear, unit


def cubism(photo, rng):
    """Facets: a triangulation of random points, each triangle one colour shaded across in a direction of its own."""
    scale, shape = unit(photo), photo.shape[:2]
    colours = shift_colours(photo, rng, 0.08, (0.8, 1.3))
    net = Delaunay(facet_corners(shape, int(rng.integers(40, 90)), rng))
    rows, columns = grid(shape)
    place = np.stack([rows, columns], 2).reshape(-1, 2) + 0.01
    facet = net.find_simplex(place).clip(0)
    edge = border_distance(net, facet, place).reshape(shape)
    count, facet = len(net.simplices), facet.reshape(shape)
    area = np.bincount(facet.ravel(), minlength=count).clip(1)
    flat = np.stack([np.bincount(facet.ravel(), colours[..., c].ravel(), count) / area for c in range(3)], 1)
    flat = ((flat - 0.45) * 1.35 + 0.45).clip(0, 1)
    angle, centre = rng.uniform(0, 2 * np.pi, count), net.points[net.simplices].mean(1)
    across = (rows - centre[facet, 0]) * np.sin(angle[facet]) + (columns - centre[facet, 1]) * np.cos(angle[facet])
    shade = (across / (np.sqrt(area)[facet] + 3 * scale)).clip(-1.2, 1.2)[..., None]
    picture = flat[facet] * (1 + 0.45 * shade) + 0.06 * shade
    dry_brush = smear(random_field(rng, shape, 0), angle[facet], int(7 * scale) + 1)
    inside = ((edge - 0.7 * scale) / scale).clip(0, 1)[..., None]
    return picture * (1 + 0.05 * dry_brush[..., None]) * inside + 0.12 * (1 - inside)


def facet_corners(shape, count, rng):
    """Points anywhere, the four corners, and some on each border, so that the facets fill the picture."""
    height, width = shape
    corners = [(0, 0), (0, width), (height, 0), (height, width)]
    sides = [(rng.uniform(0, height), x) for x in (0, width) * 4]
    sides += [(y, rng.uniform(0, width)) for y in (0, height) * 4]
    return np.concatenate([rng.uniform(0, shape, (count, 2)), corners, sides])


def border_distance(net, facet, place):
    """Distance of each place from the nearest side of its facet: barycentric coordinate times height."""
    affine = net.transform[facet]
    two = np.einsum("nij,nj->ni", affine[:, :2], place - affine[:, 2])
    barycentric = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)
    gradients = np.concatenate([affine[:, :2], -affine[:, :2].sum(1, keepdims=True)], 1)
    return (barycentric / np.linalg.norm(gradients, axis=2)).min(1)
