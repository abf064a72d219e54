"""An ImageNet network as a judge: distances on layers that no painting here optimises."""

import torch

from gantutor.images import resize
from gantutor.style.losses import ContentLoss
from gantutor.style.statistics import mean_and_covariance, pooled, wasserstein2

LAYERS = ("fire4", "fire6", "fire8")


class Judge:
    """Style and content distances of pictures (1, 3, H, W) over fire4, fire6 and fire8, style at 256 px."""

    def __init__(self, teacher):
        self.teacher = teacher

    @torch.no_grad()
    def style(self, picture, paintings):
        """Squared Wasserstein-2 distance of a picture's activations, as a Gaussian, from a painting's or several's."""
        mine = self.gaussians([picture])
        its = self.gaussians(paintings if isinstance(paintings, list) else [paintings])
        return sum(wasserstein2(*(each[None] for each in (*mine[k], *its[k]))).item() for k in LAYERS)

    def gaussians(self, pictures):
        """Mean and covariance in each layer of all positions of some pictures together."""
        seen = [self.teacher(resize(picture, 256), LAYERS) for picture in pictures]
        found = {}
        for layer in LAYERS:
            described = [mean_and_covariance(maps[layer]) for maps in seen]
            means, covariances = (torch.cat([each[i] for each in described]) for i in (0, 1))
            found[layer] = pooled(means, covariances, torch.ones(len(pictures)))
        return found

    @torch.no_grad()
    def content(self, picture, photo):
        """Squared distance of features from those of the photo, over the photo's squared norm."""
        mine, its = self.teacher(picture, LAYERS), self.teacher(photo, LAYERS)
        return sum(ContentLoss(its[k])(mine[k]).item() for k in LAYERS) / len(LAYERS)
