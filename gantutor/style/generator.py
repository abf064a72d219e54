"""One generator for any style: a photo painted in a single pass.

    painter = load_painter()
    encoding = painter.encode(photo)             # once for a photo: a slider that mixes styles keeps it
    painting = painter.paint(encoding, style)    # style: a target.Style of any pictures, or a mixture

The bundled network encodes the photo. Its feature maps, and the photo's colours, are moved so that they have the
style's mean and covariance, by the linear map that moves them least (optimal transport of Gaussians; Lu et al. 2019,
"A closed-form solution to universal style transfer"; whitening and colouring, Li et al. 2017, does so without the
least). A decoder makes the picture of them: it adds strokes to the recoloured photo out of focus. All that looks
at the whole photo is its means and covariances, so that a large one is painted tile by tile without a seam.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from ..runtime import fast_bfloat16
from ..tensors import read_tensors, write_tensors
from .features import WEIGHTS, fingerprint, load_features
from .optimise import check_photo
from .statistics import mean_and_covariance, pooled, positions, roots
from .target import PIXELS, Style

FORMAT = "gantutor.painter.2"
LAYERS = ("relu2_2", "relu3_2", "relu4_3")  # of the encoder, whose maps are moved to the style
STRIDES = (2, 4, 8)
STRIDE = 8  # of the deepest; a picture's sides are padded to a multiple
TILE = 1024  # px: larger pictures are painted in squares of this side
MARGIN = 128  # px that are seen around a tile, more than any pixel of a painting depends on
SIZE = 256  # the short side in px at which a style is described for the generator
BLUR = 8  # px over which the colours are averaged that a painting begins with
NOISE = 4  # channels
CODE = 128  # numbers that the decoder's layers hear about the style
RIDGE = 3e-3  # of the mean variance, added to every direction: what hardly varies must not be blown up
LIMIT = 6.0  # times its usual strength, the most that a channel may have
KNOWN = 3.0  # standard deviations of the training styles within which a style's description is believed


class Whitened:
    """What `transport` needs of the Gaussian that it moves: mean (N, C) and the covariance's roots (N, C, C).

    In double precision: between strong and silent channels lie more digits than single precision has.
    """

    def __init__(self, mean, covariance):
        self.mean = mean
        self.root, self.inverse = roots(ridged(covariance.double()), 1e-12)


def ridged(covariance):
    """A covariance (…, C, C) with RIDGE of its mean variance added to each channel's."""
    variance = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=1e-8)
    return covariance + RIDGE * variance[..., None, None] * torch.eye(covariance.shape[-1]).to(covariance)


def transport(whitened, mean, covariance):
    """The linear map x → matrix x + offset that moves one Gaussian to another: matrix (N, C, C), offset (N, C).

    matrix = C^-½ (C^½ S C^½)^½ C^-½ for covariances C and S (Olkin and Pukelsheim 1982): the least mean squared move.
    """
    middle, _ = roots(whitened.root @ ridged(covariance.double()) @ whitened.root, 1e-16)
    matrix = (whitened.inverse @ middle @ whitened.inverse).to(mean.dtype)
    return matrix, mean - (matrix @ whitened.mean[..., None])[..., 0]


def moved(maps, matrix, offset):
    """Maps (N, C, H, W) under a linear map of their channels."""
    rows = torch.baddbmm(offset[:, None].to(maps), positions(maps), matrix.mT.to(maps))
    return rows.unflatten(1, maps.shape[2:]).permute(0, 3, 1, 2)


@dataclass
class Encoding:
    """A photo as the generator sees it: `maps[layer]` (N, C, H, W), and `whitened[layer]` for moving them.

    PIXELS is one of the layers, and the only one in `maps` for a photo so large that it is painted in tiles. The
    photo's sides are padded to multiples of STRIDE; `shape` is what they were.
    """

    maps: dict
    whitened: dict
    shape: tuple

    @property
    def photo(self):
        return self.maps[PIXELS]


def encoder_maps(network, photos):
    """The maps that the generator moves, PIXELS among them; in bfloat16 where that is quick."""
    with torch.autocast(photos.device.type, torch.bfloat16, enabled=fast_bfloat16(photos.device)):
        return {PIXELS: photos} | network(photos, LAYERS)


class Stroke(nn.Module):
    """A 3 x 3 convolution whose channels the style's code scales and shifts, then LeakyReLU."""

    def __init__(self, before, after):
        super().__init__()
        self.convolution = nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect", bias=False)
        self.modulation = nn.Linear(CODE, 2 * after)
        nn.init.kaiming_normal_(self.convolution.weight, 0.2)
        nn.init.normal_(self.modulation.weight, 0, 0.02)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x, code):
        scale, shift = self.modulation(code)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(torch.addcmul(shift, self.convolution(x), 1 + scale), 0.2)


class Generator(nn.Module):
    """The decoder. `channels` counts those of the network's layers, PIXELS among them, as `describe` orders them.

    `calibrate` it with styles before it is trained.
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = dict(channels)
        described = 2 * sum(self.channels.values())
        self.register_buffer("usual", torch.zeros(described))
        self.register_buffer("deviation", torch.ones(described))
        for layer in LAYERS:
            self.register_buffer(f"strength_{layer}", torch.ones(self.channels[layer]))
        self.code = nn.Sequential(nn.Linear(described, CODE), nn.LeakyReLU(0.2), nn.Linear(CODE, CODE))
        shallow, middle, deep = (self.channels[layer] + NOISE for layer in LAYERS)
        self.coarse = nn.ModuleList([Stroke(deep, 128), Stroke(128, 128), Stroke(128, 96)])
        self.skip_middle, self.middle = nn.Conv2d(middle, 96, 1), nn.ModuleList([Stroke(96, 64), Stroke(64, 48)])
        self.skip_fine, self.fine = nn.Conv2d(shallow + 15, 48, 1), nn.ModuleList([Stroke(48, 48), Stroke(48, 32)])
        self.to_rgb = nn.Conv2d(32, 12, 3, padding=1, padding_mode="reflect")
        nn.init.zeros_(self.to_rgb.weight)  # so that training starts from the recoloured photo, blurred
        nn.init.zeros_(self.to_rgb.bias)

    def described(self, statistics):
        """What a style's statistics, {layer: (mean (N, C), covariance (N, C, C))}, have unusual: rows (N, d)."""
        return ((self.rows(statistics) - self.usual) / self.deviation).clamp(-KNOWN, KNOWN)

    def rows(self, statistics):
        """Means and logarithms of variances, layer by layer."""
        rows = []
        for layer in self.channels:
            mean, covariance = statistics[layer]
            variance = covariance.diagonal(dim1=-2, dim2=-1).clamp(min=0)
            rows += [mean, (variance + 1e-2 * variance.mean(-1, keepdim=True) + 1e-8).log()]
        return torch.cat(rows, -1)

    @torch.no_grad()
    def calibrate(self, statistics):
        """Take from some styles what is usual, so that the code sees how a style differs."""
        rows = self.rows(statistics)
        self.usual.copy_(rows.mean(0))
        self.deviation.copy_(rows.std(0) + 1e-3)
        for layer in LAYERS:
            squares = second_moment(*statistics[layer]).mean(0)
            self.strength(layer).copy_((squares + 1e-2 * squares.mean()).sqrt())

    def forward(self, encoding, statistics, noise):
        """Paintings (N, 3, H, W), H and W multiples of 8, not clipped; `noise` as `grain` makes it."""
        with torch.autocast(encoding.photo.device.type, enabled=False):  # roots and colours are delicate
            base = moved(encoding.photo, *transport(encoding.whitened[PIXELS], *statistics[PIXELS])).clamp(0, 1)
            linear = [self.scaled_transport(encoding, statistics, layer) for layer in LAYERS]
            rows = self.described(statistics)
        code = self.code(rows)
        shallow, middle, deep = (
            torch.cat([moved(encoding.maps[layer], *each).clamp(-LIMIT, LIMIT), grains], 1)
            for layer, each, grains in zip(LAYERS, linear, noise, strict=True)
        )
        x = deep
        for stroke in self.coarse:
            x = stroke(x, code)
        x = self.doubled(x) + self.skip_middle(middle)
        for stroke in self.middle:
            x = stroke(x, code)
        # In focus and out of focus: the decoder is to know what its strokes are added to.
        blurred = out_of_focus(base)
        colours = torch.cat([F.pixel_unshuffle(base, 2), F.avg_pool2d(blurred, 2)], 1)
        x = self.doubled(x) + self.skip_fine(torch.cat([shallow, 2 * colours - 1], 1))
        for stroke in self.fine:
            x = stroke(x, code)
        return self.finished(base, blurred, F.pixel_shuffle(self.to_rgb(x), 2))

    def scaled_transport(self, encoding, statistics, layer):
        """The linear map of a layer to the style, and to channels of like strength."""
        matrix, offset = transport(encoding.whitened[layer], *statistics[layer])
        return matrix / self.strength(layer)[:, None], offset / self.strength(layer)

    def strength(self, layer):
        """The usual strength of each channel (C,)."""
        return getattr(self, f"strength_{layer}")

    def doubled(self, x):
        """Maps at twice the size; bilinear, as deconvolutions and nearest neighbours leave a grid."""
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")

    def finished(self, base, blurred, change):
        """The painting: the recoloured photo out of focus, and what is added to it.

        In focus, the photo's own details would stay, and no stroke could replace them.
        """
        return blurred + change


def out_of_focus(picture):
    """A picture (N, 3, H, W) without details, H and W multiples of BLUR."""
    return F.interpolate(F.avg_pool2d(picture, BLUR), scale_factor=float(BLUR), mode="bilinear")


def second_moment(mean, covariance):
    """Mean square of each channel."""
    return mean.square() + covariance.diagonal(dim1=-2, dim2=-1)


def grain(count, shape, source):
    """Noise for pictures of this shape (H, W), at strides 2, 4 and 8: tensors (count, NOISE, h, w).

    It gives a flat sky something to make strokes of (Karras et al. 2019, section 3.2).
    """
    return [torch.randn(count, NOISE, *(side // stride for side in shape), generator=source) for stride in STRIDES]


class Painter:
    """A generator with the network that encodes photos for it: paints photos of any size, one at a time."""

    def __init__(self, network, generator):
        self.network, self.generator = network, generator.eval()

    @torch.no_grad()
    def encode(self, photo):
        """The Encoding of a photo (1, 3, H, W), at least 16 px a side: half of the work, the same for any style."""
        check_photo(photo)
        shape = tuple(photo.shape[2:])
        photo = F.pad(photo, (0, -shape[1] % STRIDE, 0, -shape[0] % STRIDE), mode="reflect")
        photo = photo.contiguous(memory_format=torch.channels_last)
        described, areas = [], []
        for outer, inner in tiles(photo.shape[2:]):
            maps, inside = encoder_maps(self.network, part(photo, outer)), within(inner, outer)
            strides = {PIXELS: 1} | self.network.stride
            described.append({k: mean_and_covariance(part(m, inside, strides[k]).float()) for k, m in maps.items()})
            areas.append(area(inner))
        whole = {}
        for layer in maps:
            means, covariances = (torch.cat([each[layer][i] for each in described]) for i in (0, 1))
            mean, covariance = pooled(means, covariances, means.new_tensor(areas))
            whole[layer] = Whitened(mean[None], covariance[None])
        return Encoding(maps if len(areas) == 1 else {PIXELS: photo}, whole, shape)

    @torch.no_grad()
    def paint(self, encoding, style, seed=0):
        """A painting (1, 3, H, W) in [0, 1] in a Style; the seed chooses the noise of its strokes."""
        statistics, photo = self.statistics(style), encoding.photo
        noise = grain(1, photo.shape[2:], torch.Generator().manual_seed(seed))
        painting = torch.empty_like(photo)
        for outer, inner in tiles(photo.shape[2:]):
            maps = encoding.maps if len(encoding.maps) > 1 else encoder_maps(self.network, part(photo, outer))
            tile = Encoding(maps, encoding.whitened, encoding.shape)
            grains = [part(each, outer, stride).to(photo.device) for each, stride in zip(noise, STRIDES, strict=True)]
            with torch.autocast(photo.device.type, torch.bfloat16, enabled=fast_bfloat16(photo.device)):
                painted = self.generator(tile, statistics, grains).float()
            part(painting, inner).copy_(part(painted, within(inner, outer)))
        return painting[..., : encoding.shape[0], : encoding.shape[1]].clamp(0, 1)

    def statistics(self, style):
        """A Style as the generator takes it. InputError for another kind of style, or for other layers than its own."""
        if not isinstance(style, Style):
            raise InputError("the generator paints in means and covariances alone: use a Style, or paint by optimiser")
        found = {layer: len(mean) for layer, (mean, _) in style.at(SIZE).items()}
        if found != self.generator.channels:
            raise InputError("this style is of other features than the generator's: learn it with the bundled ones")
        device = self.generator.usual.device
        return {k: tuple(each[None].to(device) for each in style.at(SIZE)[k]) for k in self.generator.channels}


def tiles(shape):
    """The boxes (top, bottom, left, right) that cover a picture (H, W): pairs of what is seen and what is kept."""
    height, width = shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            inner = top, min(top + TILE, height), left, min(left + TILE, width)
            seen = inner[0] - MARGIN, inner[1] + MARGIN, inner[2] - MARGIN, inner[3] + MARGIN
            yield (max(0, seen[0]), min(height, seen[1]), max(0, seen[2]), min(width, seen[3])), inner


def within(inner, outer):
    """A box in the coordinates of one around it."""
    top, _, left, _ = outer
    return inner[0] - top, inner[1] - top, inner[2] - left, inner[3] - left


def area(box):
    top, bottom, left, right = box
    return (bottom - top) * (right - left)


def part(maps, box, stride=1):
    """What lies in a box of the picture, of maps with this stride."""
    top, bottom, left, right = (side // stride for side in box)
    return maps[..., top:bottom, left:right]


def painter_beside(style_file):
    """Where the painter that was trained for a style file lies."""
    style_file = Path(style_file)
    return style_file.with_suffix(".painter.safetensors") if style_file.suffix == ".safetensors" else style_file


def save_generator(generator, network, path, record):
    """Store a generator in half precision with the record of its making (a dict that JSON can hold)."""
    about = {"channels": generator.channels, "features_hash": fingerprint(network), "record": record}
    state = {name: tensor.half() for name, tensor in generator.state_dict().items()}
    write_tensors(state, path, {"format": FORMAT, "about": json.dumps(about)})


def load_painter(path=None, device="cpu"):
    """The Painter in a file by `gantutor train painter` or `personal`, or the bundled one.

    InputError if the file is damaged, of another version, or for other features than the bundled ones.
    """
    path = WEIGHTS / "painter.safetensors" if path is None else path
    state, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} holds no painter of this version: make it anew by `gantutor train painter` or "
            "`gantutor train personal`"
        )
    network = load_features("bundled", device)
    try:
        about = json.loads(metadata["about"])
        features_hash, generator = about["features_hash"], Generator(about["channels"])
        generator.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is damaged: make it again with `gantutor train painter`") from error
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise InputError(f"{path} holds NaN or infinite weights: make it again with `gantutor train painter`")
    if features_hash != fingerprint(network):
        raise InputError(f"{path} was trained with other features than the bundled ones: train it again")
    generator.requires_grad_(False).to(device, memory_format=torch.channels_last)
    return Painter(network, generator)
