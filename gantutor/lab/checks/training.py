"""The checks of notebook 05."""

import torch

from ...gan import dcgan
from . import Wrong, exercise, need_tensor


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def same(result, wanted, tolerance=1e-5):
    return result.shape == wanted.shape and torch.allclose(
        result.detach().double(), wanted.double(), atol=tolerance, rtol=1e-4
    )


def counted(result):
    """The reader's whole number, which may come as a float or a tensor."""
    if isinstance(result, torch.Tensor) and result.numel() == 1:
        result = result.item()
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise Wrong(f"it returns a {type(result).__name__}, not a number.")
    if result != int(result):
        raise Wrong(f"it returns {result}: parameters come whole. Divide with //.")
    return int(result)


@exercise(hint="list the channels; a kernel of 4 × 4 has before · after · 16 weights, a batch normalisation 2 · after.")
def parameters(answer):
    """parameters(size, latent, width): how many numbers a DCGAN generator learns."""
    for size, latent, width in ((32, 100, 64), (64, 100, 64), (16, 32, 8)):
        network = dcgan.Generator(size, latent, width)
        right, ours = sum(p.numel() for p in network.parameters()), counted(answer(size, latent, width))
        if ours == right:
            continue
        kernels = [layer.weight for layer in network.layers if isinstance(layer, torch.nn.ConvTranspose2d)]
        convolutions = sum(weight.numel() for weight in kernels)
        channels = [weight.shape[1] for weight in kernels]
        case = f"for {size} px, latent {latent}, width {width} it is {right:,}, not {ours:,}"
        for mistake, words in (
            (convolutions, "The batch normalisations are missing: a scale and a shift for each channel."),
            (
                (convolutions + right) // 2,
                "A batch normalisation has a scale and a shift for each channel: two numbers.",
            ),
            (right + sum(channels), "These convolutions have no bias: the normalisation after them has a shift."),
            (right + 2 * channels[-1], "The last layer has no batch normalisation."),
            (2 * right - convolutions, "The running means and variances are measured, not learnt."),
            (right - kernels[0].numel(), "The first layer, from the noise to 4 × 4 px, is missing."),
            (right - kernels[-1].numel(), "The last layer, to the three colours, is missing."),
            (right - convolutions + convolutions * 9 // 16, "The kernels are 4 × 4, not 3 × 3."),
        ):
            if ours == mistake:
                raise Wrong(f"{case}. {words}")
        raise Wrong(f"{case}.")
    return "Most of them sit where the picture is smallest: channels double as sides are halved."


@exercise(hint="each part's loss is a mean over its own rows. What makes one mean of several? When is its memory free?")
def accumulated(answer):
    """accumulated(loss_of, weights, batch, parts): the gradient of loss_of on the whole batch, part by part."""
    weights, batch, largest, passes = noise(5), noise(12, 5, seed=1), [], []

    def loss_of(weights, rows):
        largest.append(len(rows))
        passes.append("forward")
        loss = torch.nn.functional.softplus(rows @ weights).mean()
        loss.register_hook(lambda _: passes.append("backward"))
        return loss

    def gradient(rows):
        leaf = weights.clone().requires_grad_()
        return torch.autograd.grad(torch.nn.functional.softplus(rows @ leaf).mean(), leaf)[0]

    whole = gradient(batch)
    for parts in (4, 1, 3):
        largest.clear()
        passes.clear()
        result = answer(loss_of, weights.clone().requires_grad_(), batch.clone(), parts)
        need_tensor(result, (5,))
        if parts > 1 and largest and max(largest) == len(batch):
            raise Wrong("the whole batch went through at once. It does not fit: give loss_of one part at a time.")
        if parts > 1 and (len(largest) != parts or set(largest) != {len(batch) // parts}):
            raise Wrong(f"loss_of saw parts of {largest} rows: {parts} equal parts of the {len(batch)} are wanted.")
        pieces = [gradient(rows) for rows in batch.chunk(parts)]
        for mistake, words in (
            (parts * whole, "the gradients are added and not divided: every part's loss is a mean already."),
            (whole / len(batch), "it divides by the rows as well. Every part's loss is a mean already."),
            (whole / parts, "it divides twice: by the parts is enough, once."),
            (pieces[-1], "only the last part is left. Add up: each part's gradient overwrote the one before."),
            (pieces[0], "only the first part counts."),
        ):
            if not same(whole, mistake) and same(result, mistake):
                raise Wrong(words)
        if not same(result, whole):
            raise Wrong(f"with {parts} part(s) the gradient is off by {(result - whole).abs().max():.3f}.")
        if passes != ["forward", "backward"] * parts:
            raise Wrong("all parts are kept at once: take each part's gradient before the next part goes through.")
    return "The memory of one part, the gradient of the whole, as long as no layer looks at its neighbours."


@exercise(hint="how many numbers of the gradient must be sound? What chooses between two tensors without an if?")
def guarded(answer):
    """guarded(weights, gradient, rate): a step down the gradient, or none if the gradient is no number."""
    weights, gradient = noise(2, 3), noise(2, 3, seed=1)
    result = answer(weights.clone(), gradient.clone(), 0.1)
    need_tensor(result, (2, 3))
    if same(result, weights + 0.1 * gradient):
        raise Wrong("it goes up. Gradients are gone down.")
    if not same(result, weights - 0.1 * gradient):
        raise Wrong("with a sound gradient it is not weights − rate · gradient.")
    for bad in (float("nan"), float("inf")):
        broken = gradient.clone()
        broken[1, 2] = bad
        result = answer(weights.clone(), broken, 0.1)
        need_tensor(result, (2, 3))
        if same(result, weights):
            continue
        if not result.isfinite().all():
            words = "0 · NaN is NaN: choose with torch.where" if bad != bad else "infinity is no number to go by either"
            raise Wrong(f"a gradient with one {bad} leaves weights that are no numbers: {words}.")
        rest = torch.isfinite(broken)
        if same(result[rest], (weights - 0.1 * gradient)[rest]):
            raise Wrong(f"with one {bad} the other weights still moved. Leave out the whole step: ask all().")
        raise Wrong(f"with one {bad} in the gradient the weights moved all the same.")
    shape = torch.zeros(2, 3, device="meta")  # tensors without numbers: whoever asks for one is found out
    try:
        answer(shape, shape, 0.1)
    except Exception as error:
        if "meta" not in str(error) and "device" not in str(error):
            raise
        raise Wrong(
            "it asks the device for an answer (if, bool(), .item() or .cpu()), and so waits for it in every step. "
            "Let the device choose: torch.where."
        ) from error
    return "The device decides by itself, and the CPU is steps ahead."


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid_parts(x, y):
    """Means of the kernel within x and within y, without and with the diagonal, and across."""
    within = []
    for k in (kernel(x, x), kernel(y, y)):
        n = len(k)
        within.append(((k.sum() - k.trace()) / (n * (n - 1)), k.mean(), (k.sum() - k.trace()) / n**2))
    return *zip(*within, strict=True), kernel(x, y).mean()


@exercise(hint="which entries of a kernel matrix compare a feature with itself? How many are left without them?")
def kid(answer):
    """kid(x, y): the unbiased squared distance of two sets of features (n, d), (m, d) by the cubic kernel."""
    for n, m, d in ((6, 6, 4), (5, 9, 3)):
        x, y = noise(n, d), 0.5 + noise(m, d, seed=1)
        unbiased, biased, short, across = kid_parts(x, y)
        result = answer(x.clone(), y.clone())
        if isinstance(result, int | float) and not isinstance(result, bool):
            result = torch.tensor(float(result))
        need_tensor(result, ())
        right = sum(unbiased) - 2 * across

        def of(power=3, scale=1.0, shift=1.0, x=x, y=y):
            sums = []
            for k in ((a @ a.T / scale + shift) ** power for a in (x, y)):
                sums.append((k.sum() - k.trace()) / (len(k) * (len(k) - 1)))
            return sum(sums) - 2 * ((x @ y.T / scale + shift) ** power).mean()

        for mistake, words in (
            (sum(biased) - 2 * across, "the diagonal is in: every feature compared with itself. That is the bias."),
            (sum(short) - 2 * across, "the diagonal is out, but it still divides by n²: n (n − 1) pairs are left."),
            (sum(unbiased) - across, "what lies across counts twice: − 2 · mean."),
            (sum(unbiased) + 2 * across, "what lies across is subtracted, not added."),
            (of(), "the product is not divided by the number of features d."),
            (of(scale=d, shift=0), "the + 1 inside the kernel is missing."),
            (of(power=2, scale=d), "the kernel is to the power of 3."),
            (-right, "the sign is turned round."),
        ):
            if not same(right, mistake) and same(result.float(), mistake):
                raise Wrong(words)
        if not same(result.float(), right):
            raise Wrong(f"for {n} and {m} features it is {right:.3f}, not {result:.3f}.")
    return "Two sets of one kind give 0 on average: now and then less than 0, and that is right."


@exercise(hint="who sees a picture as it is in your version? And can a gradient still come back to the fakes?")
def both(answer):
    """both(D, real, fake, change): the logits of real and of fake pictures as the discriminator is to see them."""
    real, seen = noise(4, 3, 2, 2), []

    def change(images):
        return 0.5 * images + 0.1

    def D(images):  # noqa: N802 - as the reader calls it
        seen.append(images)
        return images.flatten(1).sum(1, keepdim=True)

    fake = noise(4, 3, 2, 2, seed=1).requires_grad_()
    result = answer(D, real.clone(), fake, change)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("it does not return two things. End with: return real_logits, fake_logits.")
    for part in result:
        need_tensor(part, (4, 1))
    plain, changed = ([D(f(x.detach())) for x in (real, fake)] for f in (lambda x: x, change))
    is_changed = [same(part.detach(), wanted) for part, wanted in zip(result, changed, strict=True)]
    is_plain = [same(part.detach(), wanted) for part, wanted in zip(result, plain, strict=True)]
    if same(result[0].detach(), changed[1]) and same(result[1].detach(), changed[0]):
        raise Wrong("the two are swapped: real first.")
    if all(is_plain):
        raise Wrong("nothing is changed.")
    if is_changed[0] and is_plain[1]:
        raise Wrong("only real pictures are changed: the generator will learn to paint the holes.")
    if is_plain[0] and is_changed[1]:
        raise Wrong("only fakes are changed: the discriminator knows a fake by its hole.")
    if not all(is_changed):
        raise Wrong("a logit is not that of a picture changed once.")
    gradient = None
    if result[1].requires_grad:
        (gradient,) = torch.autograd.grad(result[1].sum(), fake, allow_unused=True)
    if gradient is None or not gradient.any():
        raise Wrong("no gradient reaches the fakes: without detach() and no_grad() the generator learns through it.")
    return "The generator is judged by its changed pictures, and no change is in what it paints."


@exercise(hint="after half_life pictures half of the old average is left. What is left after `batch` pictures?")
def follow(answer):
    """follow(average, weights, batch, half_life): the average after one more step of `batch` pictures."""
    average, weights = noise(3, 2), noise(3, 2, seed=1)
    for batch, half_life in ((600, 1000), (64, 10_000), (100, 100)):
        given = average.clone()
        result = answer(given, weights.clone(), batch, half_life)
        if not torch.equal(given, average):
            raise Wrong("it changes the average that it is given. Return a new one.")
        need_tensor(result, (3, 2))
        keep = 0.5 ** (batch / half_life)
        right = keep * average + (1 - keep) * weights
        if same(result, right, 1e-7):
            continue
        for mistake, words in (
            (keep * weights + (1 - keep) * average, "the shares are swapped: it should move a little, not nearly all."),
            (
                average + batch / half_life * (weights - average),
                "half of it must be gone after half_life: 0.5 to a power.",
            ),
            (average + (1 - 0.5 ** (1 / half_life)) * (weights - average), "the half-life counts pictures, not steps."),
            (average + (1 - 0.5 ** (half_life / batch)) * (weights - average), "the fraction is upside down."),
            (average + (1 - torch.e ** (-batch / half_life)) * (weights - average), "that is e, not ½, to the power."),
            ((average + weights) / 2, "it is the plain mean whatever the half-life."),
        ):
            if not same(right, mistake, 1e-7) and same(result, mistake, 1e-7):
                raise Wrong(words)
        raise Wrong(
            f"for a batch of {batch} and a half-life of {half_life} it is off by {(result - right).abs().max():.4f}."
        )
    return "Whatever the batch: after half_life pictures half of what was known then is left."


@exercise(hint="each pair of rows has its own angle. What happens to the formula when it is 0?")
def slerp(answer):
    """slerp(a, b, share): on the sphere from a to b, rows (N, d)."""
    a, b = noise(3, 64), noise(3, 64, seed=1)
    b = b / b.norm(dim=1, keepdim=True) * a.norm(dim=1, keepdim=True)
    cosine = (a * b).sum(1, keepdim=True) / a.norm(dim=1, keepdim=True) / b.norm(dim=1, keepdim=True)
    angle = cosine.acos()
    for share in (0.25, 0.5, 0.0, 1.0):
        result = answer(a.clone(), b.clone(), share)
        need_tensor(result, (3, 64))
        right = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
        if same(result, right, 1e-4):
            continue
        line = (1 - share) * a + share * b
        on_sphere = line / line.norm(dim=1, keepdim=True) * a.norm(dim=1, keepdim=True)
        together = ((a * b).sum() / a.norm() / b.norm()).acos()
        for mistake, words in (
            (line, "that is the straight line. In the middle it is too short: it leaves the sphere."),
            (((share * angle).sin() * a + ((1 - share) * angle).sin() * b) / angle.sin(), "share 0 must give a."),
            (on_sphere, "it is on the sphere, but not at a steady pace: a share of the angle is wanted."),
            (((1 - share) * angle).sin() * a + (share * angle).sin() * b, "the division by sin(angle) is missing."),
            (right / a.norm(dim=1, keepdim=True), "the length is lost: a and b keep theirs."),
            (
                (((1 - share) * together).sin() * a + (share * together).sin() * b) / together.sin(),
                "all rows share one angle. Each pair has its own: sum over dim 1.",
            ),
        ):
            if not same(right, mistake, 1e-4) and same(result, mistake, 1e-4):
                raise Wrong(words)
        if not result.isfinite().all():
            raise Wrong("it is no number: is the cosine divided by both lengths?")
        raise Wrong(f"at share {share} it is off by {(result - right).abs().max():.3f}.")
    for same_rows in ([0, 1, 2], [0], [1], [2]):
        others, right = b.clone(), (angle / 2).sin() * (a + b) / angle.sin()
        others[same_rows] = right[same_rows] = a[same_rows]
        result = answer(a.clone(), others, 0.5)
        if not same(result, right, 1e-2):
            if same(result[same_rows], right[same_rows], 1e-2):
                raise Wrong("the rows that differ keep their arc: decide for each row, with torch.where.")
            raise Wrong(
                "from a row to itself it is no longer that row: sin(0) is 0. "
                "Take the straight line for very small angles."
            )
    return "Noise in many dimensions lies on a sphere; a walk between two of its points stays there."


@exercise(hint="what would the gradient of the sum over all pictures be? You have means and sizes.")
def together(answer):
    """together(gradients, sizes): the gradient of the whole batch from those of the processes' means."""
    for sizes in ((8, 8), (12, 4), (5, 2, 1)):
        gradients = [noise(4, seed=number) for number in range(len(sizes))]
        whole = sum(size * gradient for size, gradient in zip(sizes, gradients, strict=True)) / sum(sizes)
        result = answer([gradient.clone() for gradient in gradients], list(sizes))
        need_tensor(result, (4,))
        if same(result, whole):
            continue
        for mistake, words in (
            (sum(gradients) / len(gradients), "a process with few pictures counts as much as one with many."),
            (sum(gradients), "it adds them: then the step grows with the number of processes."),
            (whole * sum(sizes), "the weights do not add up to 1: divide by the sum of the sizes."),
            (whole * sum(sizes) / len(sizes), "divide by the number of pictures, not by that of the processes."),
            (gradients[0], "it is the first process's alone."),
        ):
            if same(result, mistake):
                raise Wrong(f"with {' and '.join(map(str, sizes))} pictures {words}")
        raise Wrong(f"with {sizes} pictures it is off by {(result - whole).abs().max():.3f}.")
    return "With equal shares it is the plain mean: that is why a batch is cut into equal parts."
