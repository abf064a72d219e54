"""The checks of notebook 03."""

import math
from numbers import Real

import torch
import torch.nn.functional as F

from ...style.networks import IMAGENET_DEVIATION, IMAGENET_MEAN
from . import Wrong, exercise, need_tensor

MEAN, DEVIATION = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
UNIT = 1 / 400  # what one px adds to the red and the green of `ruler`


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def ruler(height, width):
    """A picture (1, 3, H, W) that tells where a pixel came from: red grows to the right, green downwards, blue is fine
    stripes, which no honest small picture can show."""
    row, column = torch.arange(height)[:, None], torch.arange(width)
    stripes = (column % 2).expand(height, -1).float()
    return torch.stack([(column * UNIT).expand(height, -1), (row * UNIT).expand(-1, width), stripes])[None]


def same(result, wanted, tolerance=1e-4):
    return result.shape == wanted.shape and torch.allclose(result.float(), wanted.float(), atol=tolerance, rtol=1e-4)


def need_number(result, what):
    """The whole number that the reader returned; Wrong if it is none."""
    if isinstance(result, torch.Tensor) and result.numel() == 1:
        result = result.item()
    if isinstance(result, bool) or not isinstance(result, Real):
        raise Wrong(f"it returns a {type(result).__name__}, not a whole number: {what}.")
    if not math.isfinite(result) or result != int(result):
        raise Wrong(f"it returns {result:.2f}: {what}, a whole number.")
    return int(result)


@exercise(hint="images.resize keeps the shape and sets the short side. What is too much then, and who takes it off?")
def square(answer):
    """square(picture, size): the largest central square of a picture (1, 3, H, W), at size px."""
    for height, width, size in ((120, 210, 40), (300, 90, 45), (30, 40, 60)):
        picture = ruler(height, width)
        given = picture.clone()
        result = answer(given, size)
        if not torch.equal(given, picture):
            raise Wrong("it changes the picture that it is given.")
        need_tensor(result, (1, 3, size, size))
        if not result.isfinite().all():
            raise Wrong("it holds NaN or infinite values.")
        scale, inner = min(height, width) / size, result[..., 2:-2, 2:-2]
        if min(inner[0, 0].std(1).min(), inner[0, 1].std(0).min()) < 1e-6:
            raise Wrong(
                "it has bars: all of the picture is in, and an empty part too. Cut off what is too long instead."
            )
        across = (inner[0, 0].diff(dim=1).mean() / UNIT).item()
        down = (inner[0, 1].diff(dim=0).mean() / UNIT).item()
        if abs(across / down - 1) > 0.03:
            wide, high = f"{across:.1f} px of the original across", f"{down:.1f} px down"
            raise Wrong(f"it distorts: a pixel of yours stands for {wide} and {high}. Both must be {scale:.1f}.")
        if abs(across / scale - 1) > 0.03:
            way = "small" if across < scale else "large"
            stands = f"A pixel of yours stands for {across:.1f} px, not for {scale:.1f}"
            raise Wrong(f"too {way} a part of the picture is in. {stands}: set the short side, then crop.")
        place = [(inner[0, channel].mean() / UNIT).item() for channel in (0, 1)]
        wanted = (width - 1) / 2, (height - 1) / 2
        if max(abs(p - w) for p, w in zip(place, wanted, strict=True)) > 2 * scale:
            raise Wrong(
                f"its centre is at ({place[0]:.0f}, {place[1]:.0f}), that of the picture at "
                f"({wanted[0]:.0f}, {wanted[1]:.0f}): crop in the middle."
            )
        if scale > 1.5 and inner[0, 2].std() > 0.25:
            raise Wrong("stripes of one px, too fine for it, have become coarse false ones: resize with antialiasing.")
    return "Nothing is distorted. What was cut off at the margins is the price."


@exercise(hint="solve z = (x − mean)/deviation for x, with mean and deviation as (1, 3, 1, 1).")
def unnormalise(answer):
    """unnormalise(z): the picture x with (x − mean)/deviation = z."""
    x = noise(2, 3, 5, 4)
    z = (x - MEAN) / DEVIATION
    given = z.clone()
    result = answer(given)
    if not torch.equal(given, z):
        raise Wrong("it changes the tensor that it is given: `z * …` makes a new one, `z *= …` does not.")
    need_tensor(result, x.shape)
    flipped_mean, flipped_deviation = MEAN.flip(1), DEVIATION.flip(1)
    for mistake, words in (
        ((z + MEAN) * DEVIATION, "the order is wrong: the last thing done is the first undone. Multiply, then add."),
        ((z - MEAN) / DEVIATION, "that normalises once more. Undo it: multiply, then add."),
        (z * DEVIATION, "the mean is missing."),
        (z + MEAN, "the deviation is missing."),
        (z * DEVIATION**2 + MEAN, "that multiplies by the variance. Normalising divides by the deviation."),
        (z * MEAN + DEVIATION, "mean and deviation are swapped."),
        (z * flipped_deviation + flipped_mean, "the channels are in the order blue, green, red. Ours are RGB."),
        (z * DEVIATION.mean() + MEAN.mean(), "each channel has its own mean and deviation."),
    ):
        if same(result, mistake):
            raise Wrong(words)
    if not same(result, x):
        raise Wrong(f"a value is off by {(result - x).abs().max():.2f}.")
    return "It is exact, so nothing is lost by normalising. It is lost by forgetting to undo it."


@exercise(hint="flatten each picture to (3, pixels), put all side by side with torch.cat, then mean(1) and std(1).")
def channel_statistics(answer):
    """channel_statistics(pictures): mean and standard deviation (3,) of all pixels of pictures of different sizes."""
    tint = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    pictures = [0.2 * noise(1, 3, 30, 40, seed=1), tint * noise(1, 3, 12, 9, seed=2), 1 - 0.3 * noise(1, 3, 20, 8)]
    rows = [picture[0].flatten(1) for picture in pictures]
    together = torch.cat(rows, 1)
    mean, deviation = together.mean(1), together.std(1)
    result = answer([picture.clone() for picture in pictures])
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("it does not return two things. End with: return mean, deviation.")
    for part in result:
        need_tensor(part, (3,))
    found_mean, found = result
    apart_mean = torch.stack([row.mean(1) for row in rows]).mean(0)
    apart = torch.stack([row.std(1) for row in rows])
    if same(found_mean, deviation, 1e-3) and same(found, mean, 1e-3):
        raise Wrong("the two are swapped: the mean comes first.")
    if same(found_mean, apart_mean, 1e-3):
        raise Wrong(
            "the mean is that of the pictures' means: a small picture counts as much as a large one. Pool pixels."
        )
    if same(found, deviation**2, 1e-3):
        raise Wrong("that is the variance: take its root.")
    sizes = torch.tensor([row.shape[1] for row in rows]).float()
    within = [apart.mean(0), sizes @ apart / sizes.sum(), (sizes @ apart**2 / sizes.sum()).sqrt()]
    if any(same(found, mistake, 1e-3) for mistake in within):
        raise Wrong("the deviation is an average of the pictures' own: how they differ from each other is missing.")
    if same(found_mean, mean.mean().expand(3), 1e-3):
        raise Wrong("all channels are in one heap: each has its own mean.")
    if not same(found_mean, mean, 1e-3):
        raise Wrong(f"the mean is off by {(found_mean - mean).abs().max():.3f}.")
    if not same(found, deviation, 2e-3):
        raise Wrong(f"the deviation is off by {(found - deviation).abs().max():.3f}.")
    return "Large pictures count for more now. Crop to one size first if they should not."


@exercise(
    hint="F.unfold(x, k) is (N, C k², positions): multiply by weight.flatten(1), then give it the shape (H′, W′)."
)
def convolve(answer):
    """convolve(x, weight): F.conv2d without padding, stride 1, by unfold and a matrix product."""
    x, weight = noise(2, 3, 6, 9), noise(4, 3, 3, 3, seed=1) - 0.5
    right = F.conv2d(x, weight)
    result = answer(x.clone(), weight.clone())
    if isinstance(result, torch.Tensor) and result.shape == F.conv2d(x, weight, padding=1).shape:
        raise Wrong("it pads. Without padding the picture loses k − 1 rows and columns.")
    if isinstance(result, torch.Tensor) and result.shape == (2, 4, 28):
        raise Wrong("the positions still lie in one row: reshape the 28 to 4 rows of 7.")
    need_tensor(result, right.shape)
    wide = right.flatten(2).unflatten(2, (right.shape[3], right.shape[2])).mT
    for mistake, words in (
        (F.conv2d(x, weight.flip(2, 3)), "the kernel is turned round. Networks do not flip it, mathematicians do."),
        (F.conv2d(x, weight.mT), "rows and columns of the kernel are exchanged."),
        (wide, "rows and columns of the result are exchanged: positions run along a row first."),
        (right / 27, "it takes a mean. A convolution is a sum."),
    ):
        if same(result, mistake):
            raise Wrong(words)
    if not same(result, right):
        raise Wrong(f"a value is off by {(result - right).abs().max():.2f}. Is the order in weight.flatten(1) kept?")
    x, weight = noise(1, 2, 7, 7), noise(1, 2, 5, 5, seed=1)
    if not same(answer(x, weight), F.conv2d(x, weight)):
        raise Wrong("it is right for kernels of 3 × 3 only. Take k from weight.shape.")
    return "A convolution is one matrix product: that is why GPUs are good at it."


@exercise(
    hint="how far can the kernel's first pixel go, if the last one must stay inside? Count its stops. "
    "Transposed: where does the last stamp begin, and where does it end?"
)
def output_size(answer):
    """output_size(size, kernel, stride, padding, transposed): one side of what comes out."""
    what = "it is a number of pixels"
    for size, kernel, stride, padding in ((9, 4, 2, 0), (32, 3, 1, 1), (7, 4, 2, 1), (10, 5, 3, 2)):
        ours = need_number(answer(size, kernel, stride, padding, False), what)
        right = F.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding).shape[2]
        if ours == right:
            continue
        case = f"size {size}, kernel {kernel}, stride {stride}, padding {padding}: {right}, not {ours}"
        if ours == (size + padding - kernel) // stride + 1:
            raise Wrong(f"{case}. Padding is added at both ends.")
        if ours == right - 1:
            raise Wrong(f"{case}. The first position counts too: + 1.")
        if ours == size + 2 * padding - kernel + 1:
            raise Wrong(f"{case}. The stride is missing.")
        if ours == right + 1:
            raise Wrong(f"{case}. Round down: a kernel that does not fit in whole has no position.")
        raise Wrong(f"{case}.")
    for size, kernel, stride, padding in ((8, 3, 2, 0), (8, 4, 2, 1), (5, 5, 3, 1)):
        ours = need_number(answer(size, kernel, stride, padding, True), what)
        x, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
        right = F.conv_transpose1d(x, weight, None, stride, padding).shape[2]
        if ours == right:
            continue
        case = f"transposed, size {size}, kernel {kernel}, stride {stride}, padding {padding}: {right}, not {ours}"
        if ours == (size + 2 * padding - kernel) // stride + 1:
            raise Wrong(f"{case}. That is the plain convolution's size: solve its formula for the size that goes in.")
        if ours == size * stride:
            raise Wrong(f"{case}. Size times stride is right for some kernels only: each input stamps a whole kernel.")
        if ours == (size - 1) * stride + kernel or ours == (size - 1) * stride + kernel + 2 * padding:
            raise Wrong(f"{case}. In a transposed convolution padding takes pixels away, at both ends.")
        if ours == size * stride - 2 * padding + kernel:
            raise Wrong(f"{case}. The last stamp begins at (size − 1) · stride.")
        raise Wrong(f"{case}.")
    return "Kernel 4, stride 2, padding 1 halves a side, or doubles it: the favourite of DCGAN."


@exercise(hint="where does stamp number i begin, and where does it end? The last one tells how long the output is.")
def overlaps(answer):
    """overlaps(size, kernel, stride): how many products fall on each output of a transposed convolution."""
    for size, kernel, stride in ((5, 3, 2), (6, 4, 2), (4, 5, 3), (4, 2, 3)):
        right = F.conv_transpose1d(torch.ones(1, 1, size), torch.ones(1, 1, kernel), None, stride)[0, 0]
        result = answer(size, kernel, stride)
        if not isinstance(result, torch.Tensor):
            raise Wrong(f"it returns a {type(result).__name__}, not a tensor.")
        result = result.double().flatten()
        case = f"size {size}, kernel {kernel}, stride {stride}"
        if len(result) != len(right):
            if len(result) == size * stride:
                raise Wrong(
                    f"{case}: {len(right)} outputs, not size · stride = {len(result)}: the last stamp sticks out."
                )
            if len(result) == size + kernel - 1:
                raise Wrong(f"{case}: that has the length of stride 1. Each next stamp begins stride places further.")
            raise Wrong(f"{case}: {len(result)} outputs instead of {len(right)}.")
        if same(result, right):
            continue
        if same(result, (right > 0).double()):
            raise Wrong(f"{case}: it says where something falls, not how often. Add 1, do not set it.")
        if torch.allclose(result, result[:1].expand_as(result)):
            raise Wrong(f"{case}: it is {result[0]:.2f} everywhere. On average that may be; count place by place.")
        if same(result, right / right.max()):
            raise Wrong(f"{case}: these are shares. Counts are wanted.")
        raise Wrong(f"{case}: {[int(v) for v in right]} and not {[round(v, 1) for v in result.tolist()]}.")
    return "Where the kernel is a multiple of the stride, the middle is even. Only there."


@exercise(hint="carry two numbers from layer to layer: r and j of the formula. Which needs the other's old value?")
def field(answer):
    """field(layers): the side in px that one output sees; layers = [(kernel, stride), ...] from the picture on."""
    for layers in ([(3, 1)], [(3, 1), (3, 1)], [(3, 1), (2, 2), (3, 1)], [(7, 2), (3, 2), (3, 1), (2, 2), (5, 1)]):
        ours, side, jump, early, early_jump = answer(list(layers)), 1, 1, 1, 1
        ours = need_number(ours, "it is a number of pixels")
        for kernel, stride in layers:
            side, jump, early_jump = side + (kernel - 1) * jump, jump * stride, early_jump * stride
            early += (kernel - 1) * early_jump
        if ours == side:
            continue
        case = f"for {layers} it is {side} px, not {ours}"
        if ours == sum(kernel for kernel, _ in layers):
            raise Wrong(f"{case}. The kernels' sides do not add up: each layer adds kernel − 1, to a first pixel.")
        if ours == side - 1:
            raise Wrong(f"{case}. Begin with 1: without any layer a position sees itself.")
        if ours == 1 + sum(kernel - 1 for kernel, _ in layers):
            raise Wrong(f"{case}. After a stride of 2 the next layer's steps are two pixels long.")
        if ours == early:
            raise Wrong(f"{case}. A layer's own stride counts for the layers after it, not for itself.")
        if ours == jump:
            raise Wrong(f"{case}. That is the step between positions, not what one of them sees.")
        raise Wrong(f"{case}.")
    return "Depth widens the view slowly, strides quickly: VGG-19 owes most of its 252 px to four poolings."


@exercise(hint="maps = network(picture, [layer])[layer]; its mean over dim (0, 2, 3), for both pictures; then argmax.")
def edge_channel(answer):
    """edge_channel(network, layer, vertical, horizontal): the channel whose mean on vertical exceeds the other most."""
    vertical, horizontal = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    on_vertical, on_horizontal = torch.tensor([9.0, 4, 1, 0, 2, 2]), torch.tensor([8.0, 1, 7, 0.5, 0.25, 0.5])
    rows = torch.tensor([[0.0, 2, 0, 2, 0, 2]]).repeat(6, 1)  # maps are not constant, nor alike
    rows[1] = torch.tensor([0.0, 0, 0, 3, 3, 0])
    spread = rows[:, :, None] * torch.tensor([1.25, 1.25, 0, 1.25, 1.25])
    spread[5] = 30 * (torch.arange(30) == 12).view(6, 5)  # one peak

    def network(pictures, layers):
        means = torch.stack([on_horizontal if picture.mean() > 0.5 else on_vertical for picture in pictures])
        return {layer: means[:, :, None, None] * spread for layer in layers}

    result = answer(network, "relu9_9", vertical, horizontal)
    if isinstance(result, torch.Tensor) and result.numel() == 6:
        raise Wrong("it returns a value for every channel. The number of the best one is wanted: argmax.")
    if isinstance(result, tuple | list):
        raise Wrong("it returns several things. One number is wanted.")
    number = need_number(result, "it is the number of a channel")
    words = {
        0: "it is loud for both. Take the difference of the two means first.",
        2: "that one prefers horizontal edges, or the sign of the difference is lost: no abs.",
        4: "that has the best ratio, with little to show for it. The difference is wanted.",
        5: "that has one high peak and a low mean. Take the mean over the map, not its maximum.",
    }
    if number != 1:
        raise Wrong(
            f"for a made-up network it says channel {number}: {words.get(number, 'that one is hardly active.')}"
        )
    return "Nobody told the network's channels to look for edges. The classifier that it imitates needed some."
