"""The form of every exercise's check. Each notebook has its own module of checks beside this one.

An exercise asks for a function. Its check calls it, recognises the common mistakes, and says what to look at next.
"""

import os
from dataclasses import dataclass
from functools import wraps

import torch

from ...runtime import first_line

EXERCISES = {}
"""Every check by "module.name"; filled as the modules are imported."""


class Wrong(Exception):  # noqa: N818 - the reader's mistake, not an error of ours
    """A mistake that a check has recognised, as the sentence that follows "Not yet: "."""


class Unfinished(Exception):  # noqa: N818
    """The reader's function returned None or raised: what the check says then."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found; a notebook prints the sentence."""

    passed: bool
    sentence: str

    def __repr__(self):
        return self.sentence

    def _ipython_display_(self):
        """While nbgrader grades, a display: a value it would take for points, and warn that this is no number."""
        if "NBGRADER_EXECUTION" not in os.environ:
            raise NotImplementedError  # IPython shows the value, as of any object
        from IPython.display import display  # the checks work without Jupyter

        display({"text/plain": self.sentence}, raw=True)


def exercise(hint):
    """Make a check of a function that takes the reader's function and tries it.

    The decorated function raises Wrong("sentence") at the first mistake it recognises, and returns None or a sentence
    to take away. The check returns a Verdict: "Not done yet. Hint: …" if the answer is None or a function that returns
    None, "Not yet: …" if it is wrong or stops with an exception, "Right. …" if all is well. A mistake in the check
    itself is raised, never blamed on the reader.
    """

    def decorate(body):
        @wraps(body)
        def check(answer):
            if answer is not None and not callable(answer):
                return Verdict(False, f"Not yet: give the function itself, as in checks.{body.__name__}(function).")
            try:
                lesson = body(watched(answer, hint))
            except Unfinished as unfinished:
                return Verdict(False, str(unfinished))
            except Wrong as wrong:
                return Verdict(False, f"Not yet: {wrong}")
            return Verdict(True, f"Right. {lesson or ''}".rstrip())

        EXERCISES[f"{body.__module__.rpartition('.')[2]}.{body.__name__}"] = check
        return check

    return decorate


def watched(answer, hint):
    """The reader's function (or None), telling its exceptions and a None apart from what goes wrong in the check."""

    def call(*arguments):
        try:
            result = None if answer is None else answer(*arguments)
        except Exception as error:
            what = f"{type(error).__name__}: {first_line(error)}"
            raise Unfinished(f"Not yet: your code stopped with {what}. Hint: {hint}") from error
        if result is None:
            raise Unfinished(f"Not done yet. Hint: {hint}")
        return result

    return call


def need_tensor(result, shape):
    """Raise Wrong unless the reader's result is a floating-point tensor of this shape."""
    if not isinstance(result, torch.Tensor):
        raise Wrong(f"it returns a {type(result).__name__}, not a tensor.")
    if result.shape != shape:
        raise Wrong(f"it returns the shape {tuple(result.shape)}, not {tuple(shape)}.")
    if not result.is_floating_point():
        raise Wrong(f"its result is not float but {result.dtype}: images here are floats in [0, 1].")


def blame(result, right, mistakes, near):
    """Raise Wrong with the words of the first of the mistakes, pairs (value, words), that the result is near to.

    A mistake that makes no difference in this case, as it is near to what is right, is passed over.
    """
    for mistake, words in mistakes:
        if not near(right, mistake) and near(result, mistake):
            raise Wrong(words)
