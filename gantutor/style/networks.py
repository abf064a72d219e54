"""The convolutional networks whose features describe pictures: VGG-shaped ones and SqueezeNet 1.1."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
VGG19_WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
BUNDLED_WIDTHS = ((24, 24), (48, 48), (96, 96), (128, 128, 128), (160, 160))
SPARING = 1024 * 1024  # pixels above which gradients are had with less memory and a third more time


class FeatureNetwork(nn.Module):
    """A network that answers with the activations of the layers asked for.

    `layers` lists the names from shallow to deep; `stride[name]` is how many pixels of the picture one
    position of that layer stands for, `channels[name]` its number of channels. Pictures are (N, 3, H, W)
    in [0, 1]; the network normalises them itself. No layer beyond the deepest one asked for is computed.
    Of pictures over `SPARING` pixels that need a gradient, only the layers asked for are kept; what lies between
    is computed again on the way back (Chen et al. 2016, "Training deep nets with sublinear memory cost").
    `style_layers` and `content_layers` are those that painting uses unless told otherwise.
    """

    style_layers = content_layers = ()

    def __init__(self, mean, deviation):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)
        self.layers, self.stride, self.channels = [], {}, {}

    def forward(self, images, layers):
        unknown = [layer for layer in layers if layer not in self.stride]
        if unknown:
            raise KeyError(f"no layer {unknown[0]!r}: this network has {', '.join(self.layers)}")
        self.check(images, layers)
        sparing = images.requires_grad and torch.is_grad_enabled() and images[0, 0].numel() > SPARING
        taps, stretch, x = {}, [], (images - self.mean) / self.deviation
        for name, compute in zip(self.layers, self.steps, strict=True):
            if len(taps) == len(set(layers)):
                break
            stretch.append(compute)
            if name in layers:
                run = nn.Sequential(*stretch)
                x = checkpoint(run, x, use_reentrant=False, preserve_rng_state=False) if sparing else run(x)
                taps[name], stretch = x, []
        return taps

    def check(self, images, layers):
        """InputError for what is no batch of pictures, or too small for the deepest layer: it needs two positions."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"pictures are tensors (N, 3, H, W), not {tuple(images.shape)}: use images.load_image")
        deepest = max(layers, key=self.stride.get, default=None)
        height, width = images.shape[2:]
        if deepest and min(height, width) < 2 * self.stride[deepest]:
            raise InputError(
                f"a picture of {width} x {height} px is too small for {deepest}: "
                f"it needs {2 * self.stride[deepest]} px a side; enlarge the picture or name a shallower layer"
            )


class VGG(FeatureNetwork):
    """Stages of 3x3 convolutions with ReLU, pooling between the stages (Simonyan and Zisserman 2015).

    Layer `relu4_1` is the first of stage 4, whose stride is 8. `pool` is "average" (smoother gradients,
    Gatys 2016) or "max" (what VGG-19 was trained with); `padding` is that of nn.Conv2d.
    """

    def __init__(self, widths, pool, padding, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION):
        super().__init__(mean, deviation)
        pooling = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}[pool]
        self.steps, incoming = nn.ModuleList(), 3
        for stage, stage_widths in enumerate(widths, start=1):
            for number, width in enumerate(stage_widths, start=1):
                step = [pooling(2)] if stage > 1 and number == 1 else []
                step += [nn.Conv2d(incoming, width, 3, padding=1, padding_mode=padding), nn.ReLU()]
                name = f"relu{stage}_{number}"
                self.layers.append(name)
                self.stride[name], self.channels[name] = 2 ** (stage - 1), width
                self.steps.append(nn.Sequential(*step))
                incoming = width
        self.style_layers = tuple(f"relu{stage}_{len(those)}" for stage, those in enumerate(widths, start=1))
        self.content_layers = (self.style_layers[3],)

    def convolutions(self):
        """The convolutions in order."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]


class SqueezeNet(FeatureNetwork):
    """The features of SqueezeNet 1.1 (Iandola 2016), padded so that each layer's size is the picture's over its stride.

    Layers conv1 (stride 2), fire2, fire3 (4), fire4, fire5 (8), fire6 … fire9 (16). Weights have torchvision's names.
    """

    style_layers = ("conv1", "fire3", "fire5", "fire7")  # fire4, fire6 and fire8 are left to judge with
    content_layers = ("fire5",)

    def __init__(self, features):
        super().__init__(IMAGENET_MEAN, IMAGENET_DEVIATION)
        features[0].padding, features[0].padding_mode = (1, 1), "reflect"
        features[0]._reversed_padding_repeated_twice = [1, 1, 1, 1]
        self.steps, step, stride = nn.ModuleList(), [], 2
        for module in features:
            if isinstance(module, nn.MaxPool2d):
                module.padding, module.ceil_mode, stride = 1, False, 2 * stride
            step.append(module)
            if isinstance(module, nn.ReLU) or hasattr(module, "squeeze"):
                name = f"fire{len(self.layers) + 1}" if self.layers else "conv1"
                self.layers.append(name)
                self.steps.append(nn.Sequential(*step))
                self.stride[name] = stride
                self.channels[name] = 64 if name == "conv1" else 2 * module.expand1x1.out_channels
                step = []


def random_vgg19(seed):
    """VGG-19 with random (He 2015) weights: the baseline that shows what training on pictures adds."""
    network = VGG(VGG19_WIDTHS, "average", "zeros")
    generator = torch.Generator().manual_seed(seed)
    for convolution in network.convolutions():
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(convolution.bias)
    return network.eval().requires_grad_(False)
