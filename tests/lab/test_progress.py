"""The progress bar in a terminal, in a pipe, and in a kernel."""

import io
import sys

import pytest

from gantutor.lab import VIEW, progress
from gantutor.lab.progress import follow


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_shows_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(follow(iter("abc"), total=3, description="painting")) == ["a", "b", "c"]
    assert "painting: 100%" in sys.stderr.getvalue()
    assert "3/3" in sys.stderr.getvalue()


def test_pipe_shows_nothing(capsys):
    assert list(follow(iter("abc"), total=3, description="painting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_states_are_made_one_at_a_time():
    made = []

    def states():
        for number in range(3):
            made.append(number)
            yield number

    steps = follow(states())
    assert made == []
    next(steps)
    assert made == [0]


def test_error_of_the_states_is_raised():
    def states():
        yield 1
        raise ValueError("diverged")

    with pytest.raises(ValueError, match="diverged"):
        list(follow(states()))


@pytest.fixture
def displayed(monkeypatch):
    """Bundles displayed by code that believes itself in a kernel."""
    bundles = []
    monkeypatch.setattr(progress, "in_kernel", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def test_kernel_shows_one_widget_with_a_fixed_text(displayed, capsys):
    assert list(follow(iter("abc"), total=3, description="painting")) == ["a", "b", "c"]
    (bundle,) = displayed
    assert bundle["text/plain"] == "Progress: painting"
    assert bundle[VIEW]["model_id"]
    assert capsys.readouterr() == ("", "")


def test_kernel_without_ipywidgets_shows_nothing(displayed, monkeypatch, capsys):
    monkeypatch.setattr("tqdm.notebook.IProgress", None)
    assert list(follow(range(3))) == [0, 1, 2]
    assert displayed == []
    assert capsys.readouterr() == ("", "")


def test_no_kernel_here():
    assert not progress.in_kernel()
