"""What notebook 03 shows: pictures that were opened and resized, kernels, and what the layers of a network keep."""

import io
import struct
from itertools import cycle

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from PIL import Image, ImageCms, ImageDraw

from .. import images
from ..errors import InputError
from ..style.features import receptive_field
from .plots import BLUE, ORANGE, Drawing, Sheet, show

LINES = ((BLUE, "o-"), (ORANGE, "s--"))
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


def wide_gamut_profile():
    """The bytes of an ICC profile with the primaries of ROMM RGB (ISO 22028-2), which reach beyond sRGB's, and the
    tone curve of sRGB. What is stored with it looks pale to a program that does not read it."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    primaries = {b"rXYZ": (0.7977, 0.2880, 0), b"gXYZ": (0.1352, 0.7119, 0), b"bXYZ": (0.0313, 0.0001, 0.8249)}
    for tag, colour in primaries.items():
        entry = data.index(tag)  # of the tag table: signature, offset, size; the values follow 8 bytes after the offset
        start = int.from_bytes(data[entry + 4 : entry + 8], "big") + 8
        data = data[:start] + struct.pack(">3i", *(round(65536 * value) for value in colour)) + data[start + 12 :]
    return data


def mixed_files(folder, picture):
    """Write a Pillow picture (RGB) into a folder in eight ways that collections have, two of them broken.

    Returns what the six sound ones should look like when opened: {name: picture (1, 3, H, W)}.
    """
    turn = Image.Exif()
    turn[0x0112] = 6  # the tag "orientation": to be turned by a quarter
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "phone.jpg", exif=turn, quality=95)
    wide = wide_gamut_profile()
    in_wide = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), io.BytesIO(wide))
    in_wide.save(folder / "camera.png", icc_profile=wide)
    oval = Image.new("L", picture.size)
    ImageDraw.Draw(oval).ellipse((10, 10, picture.width - 10, picture.height - 10), fill=255)
    nothing = Image.new("RGBA", picture.size)  # black, and transparent
    Image.composite(picture.convert("RGBA"), nothing, oval).save(folder / "cut_out.png")
    grey = picture.convert("L")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(folder / "scan.png")  # 0 to 65535
    picture.convert("CMYK").save(folder / "print.jpg", quality=95)
    picture.save(folder / "film.gif", save_all=True, append_images=[picture.rotate(180)])
    whole = (folder / "phone.jpg").read_bytes()
    (folder / "cut_short.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("This is no picture.")
    over_white = Image.composite(picture, Image.new("RGB", picture.size, "white"), oval)
    wanted = {"phone.jpg": picture, "camera.png": picture, "cut_out.png": over_white, "scan.png": grey.convert("RGB")}
    wanted |= {"print.jpg": picture, "film.gif": picture}
    return {name: images.from_pil(right) for name, right in wanted.items()}


def looks_like(picture, wanted):
    """Is a picture (1, 3, H, W) the one that was wanted, up to 2 % a value? False for the words of a failure."""
    if isinstance(picture, str) or picture.shape != wanted.shape:
        return False
    return bool((picture - wanted).abs().mean() < 0.02)


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


def sampled(periods, side, s, shown=40):
    """A cosine of so many periods in `side` px, every s-th of its pixels, and the slowest wave through those points.

    The first `shown` px are drawn.
    """
    f = periods / side
    alias = abs(f * s - round(f * s)) / s  # periods a pixel again
    line, points = np.linspace(0, shown, 20 * shown + 1), np.arange(0, shown + 1, s)
    figure = Drawing(figsize=(8, 1.9), layout="constrained")
    axes = figure.subplots()
    axes.plot(line, np.cos(2 * np.pi * f * line), color="0.7", label=f"the wave: {periods} periods in {side} px")
    seen = f"what they look like: {alias * side:.0f} periods"
    axes.plot(line, np.cos(2 * np.pi * alias * line), "--", color=ORANGE, label=seen)
    axes.plot(points, np.cos(2 * np.pi * f * points), "o", color=BLUE, label=f"every {s}th pixel")
    axes.set(xlabel="px", yticks=[])
    figure.legend(loc="outside right center", fontsize=8)
    return figure


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
    figure = Sheet(figsize=(1.4 * len(naive), 2.9), layout="constrained")
    rows = figure.subplots(2, len(naive))
    for axes, name in zip(rows[0], naive, strict=True):
        axes.set_title(name, fontsize=9)
    for row, pictures, label in zip(rows, (naive, careful), ("the usual line", "load_image"), strict=True):
        for axes, picture in zip(row, pictures.values(), strict=True):
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color("0.85")
            if isinstance(picture, str):
                axes.text(0.5, 0.5, picture, ha="center", va="center", fontsize=7, transform=axes.transAxes)
                axes.set_aspect(1, "box")
            else:
                show(axes, picture)
                axes.set_axis_on()
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
    figure = Sheet(figsize=(8.6, 2.45), dpi=70)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 1, 1.5))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.88, wspace=0.05)
    show(left, picture.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    weights = np.array(KERNELS[kernel], float)
    largest = np.abs(weights).max()
    middle.imshow(weights, cmap="PuOr", vmin=-1.6 * largest, vmax=1.6 * largest)
    for row in range(3):
        for column in range(3):
            middle.text(column, row, f"{weights[row, column]:.3g}", ha="center", va="center", fontsize=11)
    middle.set_axis_off()
    if negative and not relu:
        reach = result.abs().flatten().quantile(0.995).item()
        right.imshow(result[0, 0].numpy(), cmap="PuOr", vmin=-reach, vmax=reach)
    else:
        reach = max(result.flatten().quantile(0.995).item(), 1e-6)
        right.imshow(result[0, 0].numpy(), cmap="gray", vmin=0, vmax=reach)
    right.set_axis_off()
    height, width = result.shape[2:]
    for axes, title in zip((left, middle, right), ("in grey", kernel, f"result, {width} × {height}"), strict=True):
        axes.set_title(title, y=1, fontsize=11)
    sentence = f"{width} × {height} values from {picture.shape[3]} × {picture.shape[2]}, {negative:.0%} below 0"
    return figure, sentence + (", which ReLU set to 0." if relu and negative else ".")


def overlaps(counts):
    """How many products fall on each output of a transposed convolution: {title: counts (N,)}, one plot each."""
    figure = Drawing(figsize=(3 * len(counts), 1.9), layout="constrained")
    row = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(row, counts.items(), strict=True):
        most = int(values.max())
        axes.bar(range(len(values)), values.tolist(), color=[BLUE if v == most else ORANGE for v in values.tolist()])
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="output position", yticks=range(most + 1))
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
    """Effective receptive fields {layer: (H, W)}, each enlarged to the frame of all that has any influence."""
    figure = Sheet(figsize=(2.2 * len(found), 2.5), layout="constrained")
    for axes, (layer, field) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        axes.set_facecolor("black")
        axes.imshow((field / field.max()).sqrt().numpy(), cmap="magma", interpolation="nearest")
        rows, columns = (field.sum(d).nonzero().flatten() for d in (1, 0))
        top, left, height, width = int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]), int(columns[-1] - columns[0])
        box(axes, left, top, width + 1, height + 1, color="white")
        margin = 0.1 * max(height, width)
        axes.set(xlim=(left - margin, left + width + margin), ylim=(top + height + margin, top - margin))
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{layer}: {sides[layer]} px", fontsize=10)
    return figure


def window(network, layer, row, column, shape):
    """The part of a picture of shape (H, W) that position (row, column) of a layer sees: top, left, bottom, right.

    For VGG-shaped networks, whose strides come from pooling.
    """
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
    figure = Sheet(figsize=(8.6, 2.45), dpi=70)
    picture, activation, part = figure.subplots(1, 3, width_ratios=(1.5, 1.5, 1))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.88, wspace=0.05)
    show(picture, photo)
    activation.imshow(values.cpu().numpy(), cmap="magma", interpolation="nearest")
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


def strongest(network, photos, layer, count):
    """The parts of photos (N, 3, H, W) that excite some channels of a layer most, one from each photo, best first.

    The channels are the `count` whose least exciting photo still excites them most. Positions that see beyond the
    border are left out. Returns {channel: [(activation, picture (1, 3, r, r)), ...]}.
    """
    stride, side = network.stride[layer], receptive_field(network, layer)
    margin = -(-side // (2 * stride))
    with torch.no_grad():
        maps = torch.cat([network(photo[None], [layer])[layer] for photo in photos])
    if min(maps.shape[2:]) <= 2 * margin:
        height, width = photos.shape[2:]
        raise InputError(f"no position of {layer} has its {side} px inside {width} × {height} px: give larger photos")
    inner = maps[..., margin:-margin, margin:-margin]
    peaks, places = inner.flatten(2).max(2)
    found = {}
    for channel in peaks.amin(0).topk(count).indices.tolist():
        parts = []
        for photo, peak, at in zip(photos, peaks[:, channel].tolist(), places[:, channel].tolist(), strict=True):
            row, column = divmod(at, inner.shape[3])
            top, left, bottom, right = window(network, layer, row + margin, column + margin, photo.shape[1:])
            parts.append((peak, photo[None, :, top:bottom, left:right]))
        found[channel] = sorted(parts, key=lambda part: -part[0])
    return found


def patches(rows):
    """Parts of photos, a row for each title: {title: [picture (1, 3, h, w), ...]}."""
    columns = max(map(len, rows.values()))
    figure = Sheet(figsize=(1.05 * columns + 1.2, 1.08 * len(rows)), layout="constrained")
    for line, (title, pictures) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
        line[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    return figure


def depth(panels, marks=None):
    """Curves over the layers, side by side: {title: {label: {layer: value}}}.

    marks {title: {label: value}} draws dotted lines across, to compare with.
    """
    figure = Drawing(figsize=(9.6, 2.7), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for (label, values), (color, style) in zip(lines.items(), cycle(LINES), strict=False):
            axes.plot(list(values), list(values.values()), style, color=color, label=label)
        across = (marks or {}).get(title, {})
        for label, value in across.items():
            axes.axhline(value, linestyle=":", color="0.4", label=label)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, None)
        axes.tick_params(labelsize=8)
        if len(lines) + len(across) > 1:
            axes.legend(fontsize=8, loc="lower left")
    return figure
