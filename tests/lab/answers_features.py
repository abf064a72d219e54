"""Right and wrong answers to the exercises of notebook 03, for test_checks.py."""

import torch
import torch.nn.functional as F

from gantutor.images import centre_crop, resize
from gantutor.style.networks import IMAGENET_DEVIATION, IMAGENET_MEAN

MEAN, DEVIATION = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))


def right_square(picture, size):
    return centre_crop(resize(picture, size), size)


def top_left(picture, size):
    return resize(picture, size)[..., :size, :size]


def letterbox(picture, size):
    """All of the picture, with bars."""
    small = resize(picture, max(1, round(size * min(picture.shape[2:]) / max(picture.shape[2:]))))[..., :size, :size]
    bars = picture.new_zeros(1, 3, size, size)
    top, left = (size - small.shape[2]) // 2, (size - small.shape[3]) // 2
    bars[..., top : top + small.shape[2], left : left + small.shape[3]] = small
    return bars


def middle_unscaled(picture, size):
    return centre_crop(picture if min(picture.shape[2:]) >= size else resize(picture, size), size)


def aliased(picture, size):
    return F.interpolate(centre_crop(picture), (size, size), mode="bilinear")


def grey(picture, size):
    return right_square(picture, size).mean(1, keepdim=True)


def in_place(z):
    z *= DEVIATION
    return z + MEAN


def rows(pictures):
    return [picture[0].flatten(1) for picture in pictures]


def right_statistics(pictures):
    together = torch.cat(rows(pictures), 1)
    return together.mean(1), together.std(1)


def of_each(pictures):
    return torch.stack([row.mean(1) for row in rows(pictures)]).mean(0), right_statistics(pictures)[1]


def own_deviations(pictures):
    return right_statistics(pictures)[0], torch.stack([row.std(1) for row in rows(pictures)]).mean(0)


def one_heap(pictures):
    mean, deviation = right_statistics(pictures)
    return mean.mean().expand(3), deviation


def unfolded(x, weight):
    return weight.flatten(1) @ F.unfold(x, weight.shape[2])


def right_convolve(x, weight):
    k = weight.shape[2]
    return unfolded(x, weight).view(len(x), len(weight), x.shape[2] - k + 1, x.shape[3] - k + 1)


def turned(x, weight):
    right = right_convolve(x, weight)
    return right.flatten(2).unflatten(2, (right.shape[3], right.shape[2])).mT


def three_only(x, weight):
    return (
        right_convolve(x, weight) if weight.shape[2] == 3 else right_convolve(x[..., 1:-1, 1:-1], weight[..., :3, :3])
    )


def right_size(size, kernel, stride, padding, transposed):
    if transposed:
        return (size - 1) * stride - 2 * padding + kernel
    return (size + 2 * padding - kernel) // stride + 1


def sizes(plain=None, transposed=None):
    """A wrong answer: one of the two formulas is another."""

    def answer(size, kernel, stride, padding, up):
        formula = transposed if up else plain
        return formula(size, kernel, stride, padding) if formula else right_size(size, kernel, stride, padding, up)

    return answer


def right_overlaps(size, kernel, stride):
    counts = torch.zeros((size - 1) * stride + kernel)
    for i in range(size):
        counts[i * stride : i * stride + kernel] += 1
    return counts


def right_field(layers):
    side, jump = 1, 1
    for kernel, stride in layers:
        side, jump = side + (kernel - 1) * jump, jump * stride
    return side


def stride_first(layers):
    side, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        side += (kernel - 1) * jump
    return side


def product(layers):
    jump = 1
    for _, stride in layers:
        jump *= stride
    return jump


def means(network, layer, picture):
    return network(picture, [layer])[layer].mean((0, 2, 3))


def gains(network, layer, vertical, horizontal):
    return means(network, layer, vertical) - means(network, layer, horizontal)


def best_ratio(network, layer, vertical, horizontal):
    return int((means(network, layer, vertical) / means(network, layer, horizontal)).argmax())


def resized_without_care(picture, size):
    scale = size / min(picture.shape[2:])
    sides = [round(side * scale) for side in picture.shape[2:]]
    return centre_crop(F.interpolate(picture, sides, mode="bilinear"))


def by_maximum(network, layer, vertical, horizontal):
    on_vertical, on_horizontal = (network(p, [layer])[layer].amax((0, 2, 3)) for p in (vertical, horizontal))
    return int((on_vertical - on_horizontal).argmax())


def at_one_position(network, layer, vertical, horizontal):
    on_vertical, on_horizontal = (network(p, [layer])[layer][0, :, 1, 0] for p in (vertical, horizontal))
    return int((on_vertical - on_horizontal).argmax())


ANSWERS = {
    "features.square": (
        right_square,
        [
            (lambda picture, size: F.interpolate(picture, (size, size), mode="bicubic", antialias=True), "it distorts"),
            (resized_without_care, "coarse false ones"),
            (middle_unscaled, "too small a part"),
            (top_left, "crop in the middle"),
            (letterbox, "it has bars"),
            (aliased, "with antialiasing"),
            (grey, "not (1, 3, 40, 40)"),
            (lambda picture, size: right_square(picture.mul_(1.0).add_(0.1), size), "changes the picture"),
            (lambda picture, size: resize(picture, size), "the shape"),
            (lambda picture, size: right_square(picture, size) * torch.nan, "NaN or infinite"),
        ],
    ),
    "features.unnormalise": (
        lambda z: z * DEVIATION + MEAN,
        [
            (lambda z: (z + MEAN) * DEVIATION, "Multiply, then add"),
            (lambda z: (z - MEAN) / DEVIATION, "once more"),
            (lambda z: z * DEVIATION, "mean is missing"),
            (lambda z: z + MEAN, "deviation is missing"),
            (lambda z: z * DEVIATION**2 + MEAN, "variance"),
            (lambda z: z * MEAN + DEVIATION, "swapped"),
            (lambda z: z * DEVIATION.flip(1) + MEAN.flip(1), "blue, green, red"),
            (lambda z: z * DEVIATION.mean() + MEAN.mean(), "its own mean"),
            (in_place, "changes the tensor"),
            (lambda z: z, "off by"),
        ],
    ),
    "features.channel_statistics": (
        right_statistics,
        [
            (of_each, "Pool pixels"),
            (own_deviations, "differ from each other"),
            (lambda pictures: right_statistics(pictures)[::-1], "swapped"),
            (lambda pictures: (right_statistics(pictures)[0], right_statistics(pictures)[1] ** 2), "the variance"),
            (one_heap, "one heap"),
            (lambda pictures: right_statistics(pictures)[0], "two things"),
            (lambda pictures: (right_statistics(pictures)[0] + 0.1, right_statistics(pictures)[1]), "mean is off"),
            (lambda pictures: (right_statistics(pictures)[0], right_statistics(pictures)[1] + 0.1), "deviation is off"),
            (lambda pictures: [part.mean() for part in right_statistics(pictures)], "the shape ()"),
        ],
    ),
    "features.convolve": (
        right_convolve,
        [
            (lambda x, weight: right_convolve(x, weight.flip(2, 3)), "turned round"),
            (lambda x, weight: right_convolve(x, weight.mT), "of the kernel are exchanged"),
            (turned, "of the result are exchanged"),
            (unfolded, "in one row"),
            (lambda x, weight: F.conv2d(x, weight, padding=1), "it pads"),
            (lambda x, weight: right_convolve(x, weight) / 27, "a mean"),
            (lambda x, weight: right_convolve(x, weight.roll(1, 1)), "off by"),
            (three_only, "only"),
        ],
    ),
    "features.output_size": (
        right_size,
        [
            (sizes(lambda s, k, t, p: (s + 2 * p - k) // t), "The first position counts"),
            (sizes(lambda s, k, t, p: (s + p - k) // t + 1), "both ends"),
            (sizes(lambda s, k, t, p: s + 2 * p - k + 1), "stride is missing"),
            (sizes(lambda s, k, t, p: -(-(s + 2 * p - k) // t) + 1), "Round down"),
            (sizes(lambda s, k, t, p: (s + 2 * p - k) / t + 1), "a whole number"),
            (sizes(transposed=lambda s, k, t, p: (s + 2 * p - k) // t + 1), "plain convolution's"),
            (sizes(transposed=lambda s, k, t, p: s * t), "for some kernels only"),
            (sizes(transposed=lambda s, k, t, p: s * t - 2 * p + k), "The last stamp begins"),
            (sizes(transposed=lambda s, k, t, p: (s - 1) * t + k), "takes pixels away"),
            (lambda *given: str(right_size(*given)), "a str, not a whole number"),
        ],
    ),
    "features.overlaps": (
        right_overlaps,
        [
            (lambda size, kernel, stride: torch.full((size * stride,), kernel / stride), "sticks out"),
            (
                lambda size, kernel, stride: torch.full(((size - 1) * stride + kernel,), kernel / stride),
                "place by place",
            ),
            (lambda size, kernel, stride: right_overlaps(size, kernel, 1), "length of stride 1"),
            (lambda *given: (right_overlaps(*given) > 0).float(), "how often"),
            (lambda *given: right_overlaps(*given) / right_overlaps(*given).max(), "shares"),
            (lambda *given: right_overlaps(*given) + 1, "and not"),
            (lambda *given: right_overlaps(*given)[1:-1], "outputs instead of"),
            (lambda *given: right_overlaps(*given).tolist(), "a list, not a tensor"),
        ],
    ),
    "features.field": (
        right_field,
        [
            (lambda layers: sum(kernel for kernel, _ in layers), "do not add up"),
            (lambda layers: right_field(layers) - 1, "Begin with 1"),
            (lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "two pixels long"),
            (stride_first, "not for itself"),
            (lambda layers: product(layers) if len(layers) > 3 else right_field(layers), "the step between"),
            (lambda layers: right_field(layers) + 1, "px, not"),
            (lambda layers: (right_field(layers),) * 2, "a tuple, not a whole number"),
        ],
    ),
    "features.edge_channel": (
        lambda *given: int(gains(*given).argmax()),
        [
            (lambda *given: int(gains(*given).argmin()), "prefers horizontal"),
            (lambda *given: int(gains(*given).abs().argmax()), "no abs"),
            (lambda network, layer, vertical, horizontal: means(network, layer, vertical).argmax(), "loud for both"),
            (best_ratio, "the best ratio"),
            (by_maximum, "one high peak"),
            (at_one_position, "the best ratio"),
            (gains, "a value for every channel"),
            (lambda *given: gains(*given).max(), "hardly active"),
            (lambda *given: gains(*given).max(0), "several things"),
        ],
    ),
}
