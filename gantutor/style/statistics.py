"""What a style is: statistics of feature maps that forget where things are. Pure functions.

Feature maps are (N, C, H, W); every picture of a batch is described on its own.
"""

import math

import torch
from torch.nn import functional as F

FLOOR = 1e-5  # of a colour's variance: less than one of 256 levels cannot be seen


def gram_matrix(features):
    """Gram matrix (N, C, C): inner products of channels over the H W positions, over C H W (Johnson 2016, eq. 3).

    Gatys (2016, eq. 3) does not divide, and scales the squared distance instead: E = |ΔG|² / 4 for this G.
    """
    x = positions(features)
    return x.mT @ x / features[0].numel()


def mean_and_covariance(features):
    """Mean (N, C) and covariance (N, C, C) of the channels over the positions.

    Centred, unlike the Gram matrix: the strong mean does not drown the correlations.
    """
    mean, second = Moments.apply(positions(features))
    return mean, second - mean[:, :, None] * mean[:, None, :]


class Moments(torch.autograd.Function):
    """First and second moment of rows (N, P, C): (N, C) and (N, C, C).

    Autograd's own backward pass would walk through the rows six times; one matrix product does.
    """

    @staticmethod
    def forward(context, rows):
        context.save_for_backward(rows)
        return rows.mean(1), rows.mT @ rows / rows.shape[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, mean, second):
        (rows,) = context.saved_tensors
        count = rows.shape[1]
        return torch.baddbmm(mean[:, None] / count, rows, (second + second.mT) / count)


def positions(features):
    """Feature maps as rows, one for each position: (N, H W, C). In channels_last memory this copies nothing."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def pooled(means, covariances, weights):
    """Mean (C,) and covariance (C, C) of all positions of several pictures together: (N, C), (N, C, C), weights (N,).

    Means may be averaged, covariances may not: pictures that differ in their means add to the covariance
    (the law of total covariance).
    """
    weights = weights / weights.sum()
    mean = torch.einsum("n,nc->c", weights, means)
    apart = means - mean  # centred, because raw moments would cancel: a variance could come out negative
    between = torch.einsum("n,nc,nd->cd", weights, apart, apart)
    return mean, torch.einsum("n,ncd->cd", weights, covariances) + between


def match_palette(images, mean, covariance):
    """Pictures (N, 3, H, W), together given the colours' mean (3,) and covariance (3, 3), clamped to [0, 1].

    The linear map is the optimal transport between two Gaussians (Gatys 2017, "Controlling perceptual
    factors", section 5, uses linear maps of this kind): of all that match, it moves colours least.
    """
    pixels = images.transpose(0, 1).flatten(1)
    now_mean, now = mean_and_covariance(pixels[None, :, :, None])
    root, inverse = roots(now[0].cpu().double())  # in double precision, which not every device has
    middle, _ = roots(root @ covariance.cpu().double() @ root, FLOOR**2)  # a product of two floored covariances
    transport = (inverse @ middle @ inverse).to(images)
    moved = torch.einsum("cd,ndhw->nchw", transport, images - now_mean.view(1, 3, 1, 1))
    return (moved + mean.to(images).view(1, 3, 1, 1)).clamp(0, 1)


def wasserstein2(mean, covariance, other_mean, other_covariance):
    """Squared Wasserstein-2 distance (N,) of Gaussians (Dowson and Landau 1982): means (N, C), covariances (N, C, C).

    |m − m'|² + tr(S + S' − 2 (S^½ S' S^½)^½), in double precision inside.
    """
    covariance = covariance.double()
    root, _ = roots(covariance, floor=1e-24)
    spread = bures(root, covariance.diagonal(dim1=-2, dim2=-1).sum(-1), other_covariance.double())
    return (mean - other_mean).double().square().sum(-1) + spread


def bures(root, trace, covariance):
    """The part of `wasserstein2` that covariances make: S by its root and its trace, S' as it is.

    Eigenvalues of the product are floored, so that the gradient is finite where a matrix is singular.
    """
    product = root @ covariance @ root
    scale = product.detach().diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=0)[..., None]
    cross = (torch.linalg.eigvalsh(product).clamp(min=0) + 1e-17 * scale + 1e-30).sqrt().sum(-1)
    return (trace + covariance.diagonal(dim1=-2, dim2=-1).sum(-1) - 2 * cross).clamp(min=0)


def random_directions(count, shape, seed):
    """Random unit vectors as convolution kernels, at right angles as far as there is room: (at most count, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    room = math.prod(shape)
    basis = torch.linalg.qr(torch.randn(room, min(count, room), generator=generator, dtype=torch.float64)).Q
    return basis.T.reshape(-1, *shape).float()


def sorted_answers(features, kernels):
    """The answers of maps (N, C, H, W) to each kernel (K, C, h, w), sorted: (N, K, positions).

    The mean squared difference of two of them is, for unit kernels and on average over all, the squared sliced
    Wasserstein-2 distance of the patches (or, with 1 × 1 kernels, the positions).
    """
    return F.conv2d(features, kernels).flatten(2).sort(dim=2).values


def with_colours_of(photo, painting):
    """The painting's luminance with the photo's hues, both (N, 3, H, W) of one size, clamped to [0, 1].

    Luminance-only transfer (Gatys 2017, "Controlling perceptual factors", section 5): the weights are BT.601's.
    """
    weights = photo.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (photo + ((painting - photo) * weights).sum(1, keepdim=True)).clamp(0, 1)


def roots(covariance, floor=FLOOR):
    """Symmetric square root of a covariance (…, C, C) and its inverse; eigenvalues under `floor` are raised to it."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp(min=floor).sqrt()[..., None, :]
    return (vectors * values) @ vectors.mT, (vectors / values) @ vectors.mT
