"""Right and wrong answers to the exercises of notebook 05, for test_checks.py."""

from itertools import pairwise

import torch

GRADIENT = torch.autograd.grad


def channels(size, width):
    found = [width * size // 8]
    while found[-1] > width:
        found.append(found[-1] // 2)
    return found


def counted(norms=2, kernel=16, bias=0, last_norm=0, running=0, first=True, last=True):
    """A count of a DCGAN's parameters, with one thing amiss."""

    def parameters(size, latent, width):
        widths, count = channels(size, width), 0
        pairs = [*([(latent, widths[0])] if first else []), *pairwise(widths)]
        for before, after in pairs:
            count += kernel * before * after
        for after in widths:
            count += (norms + running + bias) * after
        if last:
            count += kernel * 3 * width + (bias + last_norm) * 3
        return count

    return parameters


def right_accumulated(loss_of, weights, batch, parts):
    total = torch.zeros_like(weights)
    for rows in batch.chunk(parts):
        total += GRADIENT(loss_of(weights, rows) / parts, weights)[0]
    return total


def of_part(number):
    def accumulated(loss_of, weights, batch, parts):
        return [GRADIENT(loss_of(weights, rows), weights)[0] for rows in batch.chunk(parts)][number]

    return accumulated


def at_once(loss_of, weights, batch, parts):
    return GRADIENT(loss_of(weights, batch), weights)[0]


def all_kept(loss_of, weights, batch, parts):
    return GRADIENT(sum(loss_of(weights, rows) for rows in batch.chunk(parts)) / parts, weights)[0]


def row_by_row(loss_of, weights, batch, parts):
    return right_accumulated(loss_of, weights, batch, len(batch))


def right_guarded(weights, gradient, rate):
    return torch.where(gradient.isfinite().all(), weights - rate * gradient, weights)


def waits(weights, gradient, rate):
    return weights - rate * gradient if gradient.isfinite().all() else weights


def asks_item(weights, gradient, rate):
    return weights - rate * gradient * 1 if gradient.isfinite().all().item() else weights


def kernel(x, y, power=3, scale=None, shift=1.0):
    return (x @ y.T / (scale or x.shape[1]) + shift) ** power


def within(k):
    return (k.sum() - k.trace()) / (len(k) * (len(k) - 1))


def kids(across=-2.0, own=within, **options):
    def kid(x, y):
        inside = own(kernel(x, x, **options)) + own(kernel(y, y, **options))
        return inside + across * kernel(x, y, **options).mean()

    return kid


def right_both(D, real, fake, change):
    return D(change(real)), D(change(fake))


def no_gradient(D, real, fake, change):
    with torch.no_grad():
        return D(change(real)), D(change(fake))


def averaged(keep):
    return lambda average, weights, batch, half_life: (
        keep(batch, half_life) * average + (1 - keep(batch, half_life)) * weights
    )


def in_place(average, weights, batch, half_life):
    return average.lerp_(weights, 1 - 0.5 ** (batch / half_life))


def angle(a, b):
    return (
        ((a * b).sum(1, keepdim=True) / a.norm(dim=1, keepdim=True) / b.norm(dim=1, keepdim=True)).clamp(-1, 1).acos()
    )


def arc(a, b, share, omega=None):
    omega = angle(a, b) if omega is None else omega
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


def line(a, b, share):
    return (1 - share) * a + share * b


def right_slerp(a, b, share):
    return torch.where(angle(a, b).sin() > 1e-4, arc(a, b, share), line(a, b, share))


def back_on_the_sphere(a, b, share):
    middle = line(a, b, share)
    return middle / middle.norm(dim=1, keepdim=True) * a.norm(dim=1, keepdim=True)


def one_angle(a, b, share):
    return arc(a, b, share, ((a * b).sum() / a.norm() / b.norm()).acos())


def right_together(gradients, sizes):
    return sum(size * gradient for size, gradient in zip(sizes, gradients, strict=True)) / sum(sizes)


ANSWERS = {
    "training.parameters": (
        counted(),
        [
            (counted(norms=0), "normalisations are missing"),
            (counted(norms=1), "two numbers"),
            (counted(bias=1), "have no bias"),
            (counted(last_norm=2), "The last layer has no"),
            (counted(running=2), "measured, not learnt"),
            (counted(first=False), "from the noise"),
            (counted(last=False), "three colours"),
            (counted(kernel=9), "not 3 × 3"),
            (lambda *given: counted()(*given) + 0.5, "come whole"),
            (lambda *given: str(counted()(*given)), "a str, not a number"),
            (lambda *given: 2 * counted()(*given) + 7, "it is"),
        ],
    ),
    "training.accumulated": (
        right_accumulated,
        [
            (lambda f, w, batch, parts: parts * right_accumulated(f, w, batch, parts), "added and not divided"),
            (lambda f, w, batch, parts: right_accumulated(f, w, batch, parts) / parts, "divides twice"),
            (lambda f, w, batch, parts: right_accumulated(f, w, batch, parts) / len(batch), "divides by the rows"),
            (of_part(-1), "only the last part"),
            (of_part(0), "only the first part"),
            (at_once, "at once"),
            (all_kept, "kept at once"),
            (row_by_row, "equal parts"),
            (lambda *given: right_accumulated(*given) + 0.1, "off by"),
            (lambda *given: right_accumulated(*given).sum(), "the shape ()"),
        ],
    ),
    "training.guarded": (
        right_guarded,
        [
            (waits, "waits for it in every step"),
            (asks_item, "waits for it in every step"),
            (lambda w, g, rate: w - rate * g * g.isfinite().all(), "0 · NaN is NaN"),
            (lambda w, g, rate: w - rate * g, "no numbers"),
            (lambda w, g, rate: torch.where(g.isnan().any(), w, w - rate * g), "infinity is no number"),
            (lambda w, g, rate: torch.where(g.isfinite(), w - rate * g, w), "Leave out the whole step"),
            (lambda w, g, rate: w - rate * g.nan_to_num(0, 0, 0), "Leave out the whole step"),
            (lambda w, g, rate: torch.where(g.isfinite().all(), w + rate * g, w), "goes up"),
            (lambda w, g, rate: torch.where(g.isfinite().all(), w - g, w), "with a sound gradient"),
            (lambda w, g, rate: torch.where(g.isfinite().all(), w - rate * g, w * 0), "moved all the same"),
        ],
    ),
    "training.kid": (
        kids(),
        [
            (kids(own=lambda k: k.mean()), "the diagonal is in"),
            (kids(own=lambda k: (k.sum() - k.trace()) / len(k) ** 2), "still divides by n²"),
            (kids(across=-1), "counts twice"),
            (kids(across=2), "subtracted, not added"),
            (kids(scale=1), "number of features"),
            (kids(shift=0.0), "+ 1"),
            (kids(power=2), "power of 3"),
            (lambda x, y: -kids()(x, y), "sign"),
            (lambda x, y: kids()(x, y) + 1, "features it is"),
            (lambda x, y: kernel(x, y), "the shape (6, 6)"),
            (lambda x, y: str(kids()(x, y)), "a str, not a tensor"),
        ],
    ),
    "training.both": (
        right_both,
        [
            (lambda D, real, fake, change: (D(change(real)), D(fake)), "only real pictures"),
            (lambda D, real, fake, change: (D(real), D(change(fake))), "only fakes"),
            (lambda D, real, fake, change: (D(real), D(fake)), "nothing is changed"),
            (lambda D, real, fake, change: (D(change(real)), D(change(fake.detach()))), "no gradient reaches"),
            (no_gradient, "no gradient reaches"),
            (lambda *given: right_both(*given)[::-1], "swapped"),
            (lambda D, real, fake, change: (D(change(change(real))), D(change(fake))), "changed once"),
            (lambda *given: right_both(*given)[0], "two things"),
            (lambda *given: [part.mean() for part in right_both(*given)], "the shape ()"),
        ],
    ),
    "training.follow": (
        averaged(lambda batch, half_life: 0.5 ** (batch / half_life)),
        [
            (averaged(lambda batch, half_life: 1 - 0.5 ** (batch / half_life)), "shares are swapped"),
            (averaged(lambda batch, half_life: 1 - batch / half_life), "0.5 to a power"),
            (averaged(lambda batch, half_life: 0.5 ** (1 / half_life)), "counts pictures"),
            (averaged(lambda batch, half_life: 0.5 ** (half_life / batch)), "upside down"),
            (averaged(lambda batch, half_life: torch.e ** (-batch / half_life)), "not ½"),
            (averaged(lambda batch, half_life: 0.5), "plain mean"),
            (averaged(lambda batch, half_life: 0.999), "off by"),
            (in_place, "changes the average"),
            (lambda average, *given: average[0], "the shape (2,)"),
        ],
    ),
    "training.slerp": (
        right_slerp,
        [
            (line, "straight line"),
            (lambda a, b, share: right_slerp(a, b, 1 - share), "share 0 must give a"),
            (back_on_the_sphere, "at a steady pace"),
            (lambda a, b, share: right_slerp(a, b, share) * angle(a, b).sin(), "division by sin"),
            (lambda a, b, share: right_slerp(a, b, share) / a.norm(dim=1, keepdim=True), "the length is lost"),
            (one_angle, "Each pair has its own"),
            (arc, "from a row to itself"),
            (lambda a, b, share: a if torch.equal(a, b) else arc(a, b, share), "from a row to itself"),
            (lambda a, b, share: (arc if angle(a, b).min() > 1e-2 else line)(a, b, share), "decide for each row"),
            (lambda a, b, share: arc(a, b, share, (a * b).sum(1, keepdim=True).acos()), "divided by both lengths"),
            (lambda a, b, share: right_slerp(a, b, share**2), "off by"),
            (lambda a, b, share: right_slerp(a, b, share)[0], "the shape (64,)"),
        ],
    ),
    "training.together": (
        right_together,
        [
            (lambda gradients, sizes: sum(gradients) / len(gradients), "as much as one with many"),
            (lambda gradients, sizes: sum(gradients), "adds them"),
            (lambda gradients, sizes: right_together(gradients, sizes) * sum(sizes), "do not add up to 1"),
            (
                lambda gradients, sizes: right_together(gradients, sizes) * sum(sizes) / len(sizes),
                "not by that of the processes",
            ),
            (lambda gradients, sizes: gradients[0], "first process"),
            (lambda gradients, sizes: right_together(gradients, sizes) + 1, "off by"),
            (lambda gradients, sizes: right_together(gradients, sizes).tolist(), "a list, not a tensor"),
        ],
    ),
}
