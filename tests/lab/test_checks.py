"""Every check passes on a right answer and says what is amiss with wrong ones.

ANSWERS has an entry for every exercise: a right answer, and wrong answers each with words of the sentence it must get.
Those of notebooks 01 to 08 lie beside this file.
"""

import importlib
import pkgutil

import pytest
import torch

from gantutor.lab import checks
from gantutor.lab.checks import Verdict, Wrong, exercise, need_tensor
from tests.lab import (
    answers_failures,
    answers_features,
    answers_minimax,
    answers_painting,
    answers_personal,
    answers_styles,
    answers_training,
    answers_transfer,
)

for module in pkgutil.iter_modules(checks.__path__):
    importlib.import_module(f"{checks.__name__}.{module.name}")


def right_blend(photo, painting, strength):
    return (1 - strength) * photo + strength * painting


def in_place(photo, painting, strength):
    photo *= 1 - strength
    return photo + strength * painting


def in_place_painting(photo, painting, strength):
    return painting.mul_(strength) + (1 - strength) * photo


ANSWERS = {
    "start.blend": (
        right_blend,
        [
            (lambda photo, painting, strength: strength * photo + (1 - strength) * painting, "Swap the weights"),
            (lambda photo, painting, strength: (photo + painting) / 2, "Use strength"),
            (lambda photo, painting, strength: photo, "Use strength"),
            (in_place, "changes the photo itself"),
            (in_place_painting, "changes the painting itself"),
            (lambda *given: right_blend(*given).clamp(0, 1), "clipped"),
            (lambda photo, painting, strength: right_blend(photo, painting, min(strength, 1)), "clipped"),
            (lambda *given: (255 * right_blend(*given)).byte(), "not float but torch.uint8"),
            (lambda photo, painting, strength: photo + strength * painting, "add up to 1"),
            (lambda photo, painting, strength: right_blend(photo, painting, strength**2), "off by"),
            (lambda *given: right_blend(*given) * torch.nan, "come back"),
            (lambda *given: right_blend(*given).numpy(), "a ndarray, not a tensor"),
            (lambda *given: right_blend(*given)[0], "the shape (3, 4, 5), not (1, 3, 4, 5)"),
        ],
    ),
    **answers_minimax.ANSWERS,
    **answers_failures.ANSWERS,
    **answers_features.ANSWERS,
    **answers_transfer.ANSWERS,
    **answers_training.ANSWERS,
    **answers_painting.ANSWERS,
    **answers_personal.ANSWERS,
    **answers_styles.ANSWERS,
}


def test_every_exercise_has_answers():
    assert set(ANSWERS) == set(checks.EXERCISES)
    assert all(len(wrong) >= 2 for _, wrong in ANSWERS.values())


@pytest.mark.parametrize("name", ANSWERS)
def test_right_answer_passes(name):
    verdict = checks.EXERCISES[name](ANSWERS[name][0])
    assert verdict.passed, verdict
    assert verdict.sentence.startswith("Right.")


@pytest.mark.parametrize(("name", "wrong", "words"), [(name, *case) for name in ANSWERS for case in ANSWERS[name][1]])
def test_wrong_answer_gets_its_hint(name, wrong, words):
    verdict = checks.EXERCISES[name](wrong)
    assert not verdict.passed
    assert verdict.sentence.startswith("Not yet: ")
    assert words in verdict.sentence


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("answer", [None, lambda *given: None])
def test_unfinished_answer_gets_a_hint(name, answer):
    verdict = checks.EXERCISES[name](answer)
    assert not verdict.passed
    assert verdict.sentence.startswith("Not done yet. Hint: ")


@exercise(hint="try double")
def triple(answer):
    result = answer(torch.ones(2))
    need_tensor(result, (2,))
    if not torch.equal(result, torch.full((2,), 3.0)):
        raise Wrong("it is not three times as much.")


del checks.EXERCISES["test_checks.triple"]  # it belongs to no notebook


def stops(x):
    raise ValueError("too many <legs>\nsecond line")


def no_arguments():
    return 3


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x: 3 * x, "Right."),
        (lambda x: 2 * x, "Not yet: it is not three times as much."),
        (None, "Not done yet. Hint: try double"),
        (lambda x: None, "Not done yet. Hint: try double"),
        (stops, "Not yet: your code stopped with ValueError: too many <legs>. Hint: try double"),
        (no_arguments, "Not yet: your code stopped with TypeError: no_arguments() takes 0 positional arguments"),
        (torch.ones(2), "Not yet: give the function itself, as in checks.triple(function)."),
        (lambda x: x.int(), "Not yet: its result is not float but torch.int32: images here are floats in [0, 1]."),
    ],
)
def test_form_of_the_sentences(answer, sentence):
    verdict = triple(answer)
    assert verdict.sentence.startswith(sentence)
    assert verdict.passed == (sentence == "Right.")


def test_verdict_shows_its_sentence_alone():
    assert repr(Verdict(True, "Right. Well done.")) == "Right. Well done."


def test_error_in_the_check_is_not_blamed_on_the_reader():
    @exercise(hint="none")
    def broken(answer):
        return answer() / 0

    del checks.EXERCISES["test_checks.broken"]
    with pytest.raises(ZeroDivisionError):
        broken(lambda: 1)
