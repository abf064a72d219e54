"""An ImageNet network as a judge: distances on layers that no painting here optimises."""

import torch

from gantutor.images import resize
from gantutor.style.losses import ContentLoss
from gantutor.style.statistics import mean_and_covariance, wasserstein2

LAYERS = ("fire4", "fire6", "fire8")


class Judge:
    """Style and content distances of pictures (1, 3, H, W) over fire4, fire6 and fire8, style at 256 px."""

    def __init__(self, teacher):
        self.teacher = teacher

    @torch.no_grad()
    def style(self, picture, painting):
        """Squared Wasserstein-2 distance between the Gaussians of two pictures' activations."""
        mine, its = (self.teacher(resize(p, 256), LAYERS) for p in (picture, painting))
        return sum(wasserstein2(*mean_and_covariance(mine[k]), *mean_and_covariance(its[k])).item() for k in LAYERS)

    @torch.no_grad()
    def content(self, picture, photo):
        """Squared distance of features from those of the photo, over the photo's squared norm."""
        mine, its = self.teacher(picture, LAYERS), self.teacher(photo, LAYERS)
        return sum(ContentLoss(its[k])(mine[k]).item() for k in LAYERS) / len(LAYERS)
