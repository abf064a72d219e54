"""Style transfer as the official PyTorch tutorial does it (Jacq, "Neural Transfer Using PyTorch"), after Gatys 2016."""

import torch
from torch.nn import functional as F

from gantutor.style.statistics import gram_matrix

# The tutorial's conv_1 … conv_5 and conv_4, here after the ReLU.
VGG19_STYLE = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
VGG19_CONTENT = ("relu2_2",)


def gatys(network, photo, painting, style_layers, content_layers, style_weight=1e6):
    """Paint a photo (1, 3, H, W) like a painting; yields the picture after every evaluation of the loss, without end.

    Content loss + style_weight · Gram loss, both mean squared errors summed over layers; one scale, the photo as the
    start, L-BFGS as torch has it by default. `network(images, layers)` is any network of the package.
    """
    with torch.no_grad():
        content = network(photo, content_layers)
        style = {name: gram_matrix(features) for name, features in network(painting, style_layers).items()}
    picture = photo.clone().requires_grad_()
    # The tutorial's steps of 20 evaluations and ours of one are the same: L-BFGS keeps its state between them.
    lbfgs = torch.optim.LBFGS([picture], max_iter=1)

    def closure():
        with torch.no_grad():
            picture.clamp_(0, 1)
        lbfgs.zero_grad()
        features = network(picture, {*style_layers, *content_layers})
        content_loss = sum(F.mse_loss(features[name], content[name]) for name in content_layers)
        style_loss = sum(F.mse_loss(gram_matrix(features[name]), style[name]) for name in style_layers)
        loss = content_loss + style_weight * style_loss
        loss.backward()
        return loss

    while True:
        lbfgs.step(closure)
        yield picture.detach().clamp(0, 1)
