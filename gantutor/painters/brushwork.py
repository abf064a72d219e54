"""What several painters share: random fields, stroke directions, relief, colour shifts, flat regions.

Pictures here are float32 arrays (H, W, 3) in [0, 1]; fields are arrays (H, W). A painter chooses its
sizes for a short side of 256 px and multiplies them by `unit`, so that a style looks the same at any size.
"""

import numpy as np
from scipy import ndimage
from scipy.cluster.vq import kmeans2, vq
from skimage import color


def unit(picture):
    """The length that is one pixel wide in a picture whose short side is 256 px."""
    return min(picture.shape[:2]) / 256


def grid(shape):
    """Row and column of every pixel: two float arrays (H, W)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return rows, columns


def random_field(rng, shape, power):
    """Gaussian noise (H, W), zero mean, unit deviation, whose spectral power falls as frequency^-power.

    power 0 is white noise; 2 gives paper, 4 clouds.
    """
    height, width = shape[:2]
    longest = max(height, width)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]) * longest
    gain = np.where(frequency < 1, 0, np.maximum(frequency, 1) ** (-power / 2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) * gain, (height, width))
    return (field / (field.std() + 1e-9)).astype(np.float32)


def stretch(field):
    """The field moved and scaled to fill [0, 1]."""
    return (field - field.min()) / (np.ptp(field) + 1e-9)


def blur(picture, sigma):
    """Gaussian blur over rows and columns, colours kept apart."""
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0)[: picture.ndim])


def shift_colours(picture, rng, hue, saturation):
    """Turn the hue by up to ±`hue` (1 is the whole circle), scale the saturation by a factor from the range."""
    hsv = color.rgb2hsv(picture)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-hue, hue)) % 1
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(*saturation), 0, 1)
    return color.hsv2rgb(hsv).astype(np.float32)


def stroke_angles(picture, rng, wander):
    """Angle (radians) of a stroke at each pixel: along the picture's edges, `wander` in [0, 1] of it random.

    A stroke has no front and back, so directions are averaged as doubled angles (the structure tensor's trick).
    """
    size = min(picture.shape[:2])
    grey = ndimage.gaussian_filter(picture.mean(2), size / 50)
    doubled = -((ndimage.sobel(grey, 1) + 1j * ndimage.sobel(grey, 0)) ** 2)
    edges = ndimage.gaussian_filter(doubled.real, size / 40) + 1j * ndimage.gaussian_filter(doubled.imag, size / 40)
    edges /= np.abs(edges).mean() + 1e-9
    swirl = np.exp(2j * random_field(rng, picture.shape, 4))
    return np.angle((1 - wander) * edges + wander * swirl) / 2


def trace(x, y, angles, step, count):
    """Follow the angles from the points (x, y): arrays (count + 1, points) of x and y. Strokes do not turn back."""
    height, width = angles.shape
    xs, ys, ahead = [x], [y], None
    for _ in range(count):
        angle = angles[ys[-1].astype(int).clip(0, height - 1), xs[-1].astype(int).clip(0, width - 1)]
        direction = np.stack([np.cos(angle), np.sin(angle)])
        if ahead is not None:
            direction *= np.where((direction * ahead).sum(0) < 0, -1, 1)
        ahead = direction
        xs.append(xs[-1] + direction[0] * step)
        ys.append(ys[-1] + direction[1] * step)
    return np.stack(xs), np.stack(ys)


def smear(noise, angles, length):
    """Line integral convolution (Cabral and Leedom 1993): noise averaged along the strokes, so bristles appear."""
    height, width = noise.shape
    rows, columns = grid(noise.shape)
    total = noise.copy()
    for way in (1, -1):
        xs, ys = trace(columns.ravel(), rows.ravel(), angles, way, length)
        total += noise[ys[1:].astype(int) % height, xs[1:].astype(int) % width].sum(0).reshape(height, width)
    return total / total.std()


def relief(picture, height, depth):
    """Light a surface of the given height (H, W) from the top left, so that paint looks thick."""
    slope = -(ndimage.sobel(height, 0) + ndimage.sobel(height, 1))
    slope /= slope.std() + 1e-9
    return picture * (1 + 0.18 * depth * slope[..., None]) + 0.012 * depth * slope.clip(0)[..., None]


def flat_regions(picture, rng, colours, smooth):
    """Split the picture into regions of few colours: labels (H, W) and the palette (colours, 3), dark to light."""
    width = 2 * int(smooth) + 1
    calm = blur(ndimage.median_filter(picture, (width, width, 1)), smooth / 2)
    pixels = calm.reshape(-1, 3)
    some = pixels[:: max(1, len(pixels) // 4000)]
    palette, _ = kmeans2(some + rng.normal(0, 1e-3, some.shape), colours, minit="++", seed=rng)
    palette = palette[np.argsort(palette.sum(1))]
    labels, _ = vq(pixels, palette)
    return labels.reshape(picture.shape[:2]), palette


def wobble(picture, rng, amplitude, power):
    """Move every pixel by a smooth random field of the given amplitude in pixels: the unsteady hand."""
    rows, columns = grid(picture.shape)
    rows += amplitude * random_field(rng, picture.shape, power)
    columns += amplitude * random_field(rng, picture.shape, power)
    channels = np.atleast_3d(picture)
    planes = np.moveaxis(channels, 2, 0)
    moved = [ndimage.map_coordinates(plane, (rows, columns), order=1, mode="reflect") for plane in planes]
    return np.stack(moved, 2).reshape(picture.shape)
