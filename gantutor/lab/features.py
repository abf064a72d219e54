"""What notebook 03 shows: pictures that were opened and resized, kernels, and what the layers of a network keep."""

import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle

from .. import images
from ..errors import InputError
from ..style.features import receptive_field
from .plots import Drawing, Sheet, show

BLUE, ORANGE = "#0072B2", "#D55E00"
METHODS = {
    "nearest": {"mode": "nearest"},
    "bilinear": {"mode": "bilinear"},
    "bilinear, antialiased": {"mode": "bilinear", "antialias": True},
    "bicubic": {"mode": "bicubic"},
    "bicubic, antialiased": {"mode": "bicubic", "antialias": True},
    "mean of the area": {"mode": "area"},
}
"""Ways to resize, as options of F.interpolate. Without antialiasing a pixel asks 1, 4 or 16 neighbours, however many
there are in its place."""
KERNELS = {
    "as it is": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "blur": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "vertical edges (Sobel)": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "horizontal edges (Sobel)": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "spots (Laplace)": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}
"""Kernels of 3 × 3 with a name."""


def zone_plate(side):
    """Rings (1, 3, side, side) whose waves grow shorter outwards, down to 2 px at the middle of each border."""
    line = torch.arange(side) - (side - 1) / 2
    waves = 0.5 + 0.5 * torch.cos(torch.pi * (line[:, None] ** 2 + line**2) / side)
    return waves.expand(1, 3, side, side).contiguous()


def shrink(pictures, size, method):
    """Square pictures (N, 3, H, H) at size px by one of METHODS."""
    if method not in METHODS:
        raise InputError(f"no method is called {method!r}: say one of {', '.join(METHODS)}")
    return F.interpolate(pictures, (size, size), **METHODS[method]).clamp(0, 1)


def false_detail(pictures, size, method):
    """Root mean square difference from the antialiased bicubic picture of the same size."""
    return (shrink(pictures, size, method) - shrink(pictures, size, "bicubic, antialiased")).square().mean().sqrt()


def resizing(pictures, picture, size, method):
    """The panel of resizing: a square picture, and beside it the resized one, enlarged to show its pixels.

    pictures: {name: (1, 3, H, H)}. Returns (image tensor, sentence).
    """
    original = pictures[picture]
    side = original.shape[3]
    enlarged = F.interpolate(shrink(original, size, method), (side, side), mode="nearest-exact")
    false = false_detail(original, size, method)
    sentence = f"{side} px to {size} px, {method}: waves shorter than {2 * side / size:.1f} px cannot survive. "
    sentence += f"Difference from the antialiased bicubic picture: {false:.3f}."
    return images.image_grid(torch.cat([original, enlarged]), columns=2, gap=8), sentence


def opened(naive, careful):
    """Pictures opened in two ways, one below the other: {name: picture (1, 3, H, W), or the words for a failure}."""
    figure = Sheet(figsize=(1.45 * len(naive), 3.1), layout="constrained")
    rows = figure.subplots(2, len(naive))
    for row, pictures, label in zip(rows, (naive, careful), ("the usual line", "load_image"), strict=True):
        for axes, (name, picture) in zip(row, pictures.items(), strict=True):
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color("0.85")
            if isinstance(picture, str):
                axes.text(0.5, 0.5, picture, ha="center", va="center", fontsize=8, transform=axes.transAxes)
                axes.set_aspect(1, "box")
            else:
                show(axes, picture)
                axes.axis("on")
            if row is rows[0]:
                axes.set_title(name, fontsize=9)
        row[0].set_ylabel(label, fontsize=9)
    return figure


def bars(values, xlabel):
    """Horizontal bars {name: value}, the first on top."""
    figure = Drawing(figsize=(7, 0.6 + 0.32 * len(values)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(values), list(values.values()), color=BLUE)
    axes.invert_yaxis()
    axes.set_xlabel(xlabel)
    return figure


def convolve(picture, kernel, stride=1):
    """A picture (1, 3, H, W) in grey under a kernel (3, 3), reflected at its border: (1, 1, H', W')."""
    grey = F.pad(picture.mean(1, keepdim=True), (1, 1, 1, 1), mode="reflect")
    return F.conv2d(grey, torch.tensor(kernel, dtype=torch.float32)[None, None], stride=stride)


def convolving(picture, kernel, stride, relu):
    """The panel of kernels: picture, kernel, and what comes out. Returns (figure, sentence)."""
    result = convolve(picture, KERNELS[kernel], stride)
    negative = (result < -1e-6).float().mean()
    result = result.relu() if relu else result
    figure = Sheet(figsize=(9, 3.2), dpi=80)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 0.7, 1.2))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.88, wspace=0.06)
    show(left, picture.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    weights = torch.tensor(KERNELS[kernel])
    largest = weights.abs().max()
    middle.imshow(weights, cmap="PuOr", vmin=-1.6 * largest, vmax=1.6 * largest)
    for row in range(3):
        for column in range(3):
            middle.text(column, row, f"{weights[row, column]:.3g}", ha="center", va="center", fontsize=11)
    middle.set_axis_off()
    if negative and not relu:
        reach = result.abs().flatten().quantile(0.995)
        right.imshow(result[0, 0], cmap="PuOr", vmin=-reach, vmax=reach)
    else:
        right.imshow(result[0, 0], cmap="gray", vmin=0, vmax=result.flatten().quantile(0.995).clamp(min=1e-6))
    right.set_axis_off()
    height, width = result.shape[2:]
    for axes, title in zip((left, middle, right), ("in grey", kernel, f"{width} × {height}"), strict=True):
        axes.set_title(title, y=1, fontsize=11)
    sentence = f"{width} × {height} values from {picture.shape[3]} × {picture.shape[2]}, {negative:.0%} below 0"
    return figure, sentence + (", which ReLU set to 0." if relu and negative else ".")


def overlaps(counts):
    """How many products fall on each output of a transposed convolution: {title: counts (N,)}, one plot each."""
    figure = Drawing(figsize=(3 * len(counts), 1.9), layout="constrained")
    row = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(row, counts.items(), strict=True):
        axes.bar(range(len(values)), values, color=[BLUE if v == values.max() else ORANGE for v in values])
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="output position", yticks=range(int(values.max()) + 1))
    row[0].set_ylabel("products")
    return figure


def effective_field(network, pictures, layer):
    """How much each pixel moves the middle position of a layer: mean squared gradient (H, W), summing to 1.

    pictures (N, 3, H, W), with sides that the layer's stride divides. Every channel is asked in turn by a random sign
    of its own, as all channels summed would partly cancel (after Luo et al. 2016).
    """
    total = torch.zeros(pictures.shape[2:])
    for number, picture in enumerate(pictures):
        picture = picture[None].clone().requires_grad_()
        maps = network(picture, [layer])[layer]
        row, column = (side // 2 for side in maps.shape[2:])
        signs = torch.randint(2, (maps.shape[1],), generator=torch.Generator().manual_seed(number)) * 2.0 - 1
        (maps[0, :, row, column] @ signs.to(maps)).backward()
        squared = picture.grad[0].square().sum(0).cpu()
        total += squared / squared.sum().clamp(min=1e-30)
    return total / total.sum()


def central_share(field, side):
    """The share of a field (H, W) inside the square of side px around its weighted centre."""
    height, width = field.shape
    middle = [
        round((field.sum(1) @ torch.arange(height).float()).item()),
        round((field.sum(0) @ torch.arange(width).float()).item()),
    ]
    top, left = (max(0, m - side // 2) for m in middle)
    return field[top : top + side, left : left + side].sum().item()


def box(axes, left, top, width, height=None, color="black"):
    """A frame of width × height px (a square without height) on a shown picture."""
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), width, height or width, fill=False, linewidth=1.5, edgecolor=color)
    )


def fields(found, sides):
    """Effective receptive fields {layer: (H, W)}, each in the frame of its whole field, of `sides` px."""
    figure = Drawing(figsize=(2.2 * len(found), 2.5), layout="constrained")
    for axes, (layer, field) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        axes.imshow((field / field.max()).sqrt(), cmap="magma", interpolation="nearest")
        rows, columns = (field.sum(d).nonzero().flatten() for d in (1, 0))
        top, left = int(rows[0]), int(columns[0])
        box(axes, left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1, color="white")
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{layer}: {sides[layer]} px", fontsize=10)
    return figure


def window(network, layer, row, column, shape):
    """The part of a picture of shape (H, W) that position (row, column) of a layer sees: top, left, bottom, right."""
    stride, side = network.stride[layer], receptive_field(network, layer)
    edges = []
    for position, length in ((row, shape[0]), (column, shape[1])):
        middle = position * stride + (stride - 1) / 2  # of the pixels that this position stands for
        start = round(middle - (side - 1) / 2)
        edges.append((max(0, start), min(length, start + side)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right


def channels(network, photo, layer, channel):
    """The panel of channels: the photo with the window that excites a channel most, its map, and the window.

    photo (1, 3, H, W). Returns (figure, sentence).
    """
    with torch.no_grad():
        maps = network(photo, [layer])[layer][0]
    count, height, width = maps.shape
    number = min(channel, count - 1)
    values = maps[number]
    row, column = divmod(int(values.argmax()), width)
    top, left, bottom, right = window(network, layer, row, column, photo.shape[2:])
    figure = Sheet(figsize=(9, 3.3), dpi=80)
    picture, activation, part = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.88, wspace=0.06)
    show(picture, photo)
    activation.imshow(values.cpu(), cmap="magma", interpolation="nearest")
    activation.set_axis_off()
    show(part, photo[..., top:bottom, left:right])
    titles = ("the photo", f"{layer}, channel {number}: {width} × {height}", "what excites it most")
    for axes, title in zip((picture, activation, part), titles, strict=True):
        axes.set_title(title, y=1, fontsize=11)
    if not values.max() > 0:
        part.clear()
        part.set_axis_off()
        return figure, f"Channel {number} of {count} is silent on this photo."
    box(picture, left, top, right - left, bottom - top, color="white")
    active = (values > 0.1 * values.max()).float().mean()
    return figure, (
        f"Channel {number} of {count}: above a tenth of its maximum at {active:.0%} of the positions. "
        f"One position sees {receptive_field(network, layer)} px."
    )


def strongest(network, photos, layer, channel, count):
    """The parts of photos [(1, 3, H, W)] that excite a channel most, one from each photo, best first.

    Returns at most `count` pairs (activation, picture (1, 3, h, w)).
    """
    found = []
    for photo in photos:
        with torch.no_grad():
            values = network(photo, [layer])[layer][0, channel]
        row, column = divmod(int(values.argmax()), values.shape[1])
        top, left, bottom, right = window(network, layer, row, column, photo.shape[2:])
        found.append((values.max().item(), photo[..., top:bottom, left:right]))
    return sorted(found, key=lambda pair: -pair[0])[:count]


def patches(rows):
    """Parts of photos, a row for each title: {title: [picture (1, 3, h, w), ...]}."""
    columns = max(map(len, rows.values()))
    figure = Sheet(figsize=(1.3 * columns + 1.2, 1.35 * len(rows)), layout="constrained")
    for line, (title, pictures) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture[0].clamp(0, 1).permute(1, 2, 0).cpu(), interpolation="nearest")
        line[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    return figure


def depth(errors, ylabel):
    """A curve over the layers: errors {layer: value}."""
    figure = Drawing(figsize=(6.5, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(errors), list(errors.values()), "o-", color=BLUE)
    axes.set(ylabel=ylabel, ylim=(0, None))
    return figure
