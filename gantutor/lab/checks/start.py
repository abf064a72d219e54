"""The check of notebook 00."""

import torch

from . import Wrong, exercise, need_tensor


@exercise(hint="At strength 0 the photo comes back, at 1 the painting, at 0.5 the mean of both.")
def blend(answer):
    """blend(photo, painting, strength): (1 - strength) · photo + strength · painting."""
    photo, painting = torch.rand(2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))

    def formula(strength):
        return (1 - strength) * photo + strength * painting

    def attempt(strength, painting=painting):
        given = {"photo": photo.clone(), "painting": painting.clone()}
        result = answer(*given.values(), strength)
        for name, before in (("photo", photo), ("painting", painting)):
            if not torch.equal(given[name], before):
                raise Wrong(f"it changes the {name} itself. Make a new tensor: no +=, no *=, no {name}[...] =.")
        need_tensor(result, photo.shape)
        return result.to(photo.dtype)

    def same(result, wanted):
        return torch.allclose(result, wanted, atol=1e-5)

    if same(attempt(0.25), formula(0.75)):
        raise Wrong("at strength 0 it gives the painting. Swap the weights of photo and painting.")
    if same(attempt(0.25), attempt(0.75)):
        raise Wrong("strengths 0.25 and 0.75 give the same picture. Use strength.")
    if not same(attempt(0.25, painting=photo), photo):
        raise Wrong("a photo blended with itself does not come back. The two weights must add up to 1.")
    for strength in (0.25, 0.0, 1.0):
        if not same(attempt(strength), formula(strength)):
            error = (attempt(strength) - formula(strength)).abs().max()
            raise Wrong(f"at strength {strength:g} a value is off by {error:.2f}. Write the formula as it stands.")
    if not same(attempt(1.5), formula(1.5)):
        raise Wrong("at strength 1.5 something is clipped. Leave strength and values as they are; saving clips.")
    return "Strength moves along the straight line from photo to painting; above 1 it goes on, past the painting."
