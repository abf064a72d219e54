"""What notebook 04 shows: Gram matrices, descents, and the panel that weighs style against content."""

import torch

from ..images import image_grid, resize
from ..style.losses import GRAM_SCALES, ContentLoss, GramLoss
from ..style.statistics import gram_matrix
from .plots import COLOURS, STYLES, Drawing, Sheet

SHOWN = 128  # px, the side of each of the panel's three pictures
EVERY = 10  # steps of the panel from one picture to the next


def descend(start, loss, evaluations):
    """The picture (N, 3, H, W) in [0, 1] that L-BFGS finds from `start` with so many evaluations of loss(y), a number.

    The picture is clamped before each evaluation, outside the graph. A clamp inside would take the gradient from every
    pixel that has left [0, 1], for good.
    """
    y = start.detach().clone().requires_grad_()
    lbfgs = torch.optim.LBFGS([y], max_iter=evaluations, history_size=20)

    def closure():
        with torch.no_grad():
            y.clamp_(0, 1)
        lbfgs.zero_grad()
        value = loss(y)
        value.backward()
        return value

    lbfgs.step(closure)
    return y.detach().clamp(0, 1)


def noise(side, seed=0):
    """A picture (1, 3, side, side) whose values are all independent, uniform in [0, 1]."""
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def quarters_swapped(images):
    """Pictures (N, 3, H, W) with their quarters exchanged crosswise: all is there, at another place."""
    return images.roll((images.shape[2] // 2, images.shape[3] // 2), (2, 3))


def matrices(grams):
    """Gram matrices {name: (C, C)} side by side, all with the channels in the order of the first one's diagonal."""
    first = next(iter(grams.values()))
    order = first.diagonal().argsort(descending=True)
    top = max(gram.max() for gram in grams.values()).sqrt().item()
    figure = Sheet(figsize=(2.4 * len(grams) + 0.8, 2.6), layout="constrained")
    row = figure.subplots(1, len(grams))
    for axes, (name, gram) in zip(row, grams.items(), strict=True):
        drawn = axes.imshow(gram.clamp(min=0).sqrt()[order][:, order].cpu().numpy(), cmap="magma", vmin=0, vmax=top)
        axes.set_title(name, fontsize=10)
        axes.set(xticks=[], yticks=[], xlabel="channel j")
    row[0].set_ylabel("channel i")
    figure.colorbar(drawn, ax=row, label="root of the entry")
    return figure


def curves(totals, ylabel):
    """The loss {name: values} at each evaluation, on a logarithmic axis; two in a colour, each in its own style."""
    figure = Drawing(figsize=(7.5, 3), layout="constrained")
    axes = figure.subplots()
    for number, (name, values) in enumerate(totals.items()):
        axes.plot(range(1, len(values) + 1), values, STYLES[number], color=COLOURS[number // 2], label=name)
    axes.set(yscale="log", xlabel="evaluations of the network", ylabel=ylabel)
    axes.legend()
    return figure


def bars(rows, titles):
    """A panel for each title: rows {name: one value for each title}, drawn as horizontal bars with their values."""
    figure = Drawing(figsize=(3.2 * len(titles), 0.6 + 0.36 * len(rows)), layout="constrained")
    grid = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for column, (axes, title) in enumerate(zip(grid, titles, strict=True)):
        values = [row[column] for row in rows.values()]
        drawn = axes.barh(range(len(rows)), values, color=COLOURS[column % len(COLOURS)])
        axes.bar_label(drawn, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set(xlim=(0, 1.25 * max(values)), xticks=[])
    grid[0].set_yticks(range(len(rows)), list(rows))
    grid[0].invert_yaxis()
    return figure


def shares(numbers):
    """Numbers as whole percent of their sum."""
    return [f"{number / sum(numbers):.0%}" for number in numbers]


def weigh(network, photo, liked, alpha, beta, stages, scale, steps):
    """The panel's descent, from the photo: yields (photo, liked and painting in a row, sentence).

    Minimises alpha · content + beta · style, each a sum over layers, style over the network's first `stages` style
    layers by the Gram matrix with one of `GRAM_SCALES`. photo and liked are (1, 3, H, W) of one shape.
    """
    layers = network.style_layers[:stages]
    with torch.no_grad():
        grams = {k: gram_matrix(f) for k, f in network(liked, layers).items()}
        seen = network(photo, {*layers, *network.content_layers})
    content = {k: ContentLoss(seen[k]) for k in network.content_layers}
    style = {k: GramLoss(gram, scale).to(photo.device) for k, gram in grams.items()}
    apart = {k: (gram_matrix(seen[k]) - gram).square().sum().item() for k, gram in grams.items()}
    here, plain = (sum(apart[k] * float(GRAM_SCALES[name](grams[k])) for k in layers) for name in (scale, "relative"))
    y = photo.clone().requires_grad_()
    adam = torch.optim.Adam([y], 0.03)
    for step in range(steps + 1):
        features = network(y, {*layers, *network.content_layers})
        c = sum(loss(features[k]) for k, loss in content.items())
        s = sum(loss(features[k]) for k, loss in style.items())
        if step % EVERY == 0 or step == steps:
            row = resize(torch.cat([photo, liked, y.detach()]), SHOWN)
            yield image_grid(row, columns=3), sentence(step, alpha * c.item(), s.item() / here, beta * here / plain)
        adam.zero_grad()
        (alpha * c + beta * s).backward()
        adam.step()
        with torch.no_grad():
            y.clamp_(0, 1)


def sentence(step, content, left, beta):
    """What the panel says of a step: alpha · content, the share of the style distance left, and beta in one unit."""
    return (
        f"Step {step}: alpha · content is {content:.2f}, style distance {left:.0%} of the photo's. "
        f'At the start this beta counts as much as {beta:.2g} does under "relative".'
    )
