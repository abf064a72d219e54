"""A progress bar for anything that yields states: training, optimisation."""

import sys

from tqdm import tqdm

from . import view


def follow(states, total=None, description=""):
    """Yield the states one by one behind a progress bar.

    In a terminal it is tqdm's bar on stderr; where stderr is no terminal there is none. In a notebook it is tqdm's
    widget, shown with a fixed text, because strict nbval compares text. (A plain bar prints rates and fails there;
    tqdm.auto passes, but the stored notebook then says 0 % for ever.) Without ipywidgets a notebook shows nothing.

    total: the number of states, where `states` has no length.
    """
    options = {"total": total, "desc": description, "unit": "step"}
    if in_kernel():
        from tqdm import notebook

        if notebook.IProgress is not None:
            yield from shown(notebook.tqdm(states, display=False, **options), description)
            return
    yield from tqdm(states, disable=None, **options)


def shown(bar, description):
    """tqdm's notebook bar, displayed with a text that does not change."""
    from IPython.display import display

    display({"text/plain": f"Progress: {description or 'steps'}", **view(bar.container)}, raw=True)
    return bar


def in_kernel():
    """True inside a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
