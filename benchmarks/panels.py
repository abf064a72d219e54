"""How long does a panel take from a control's move to its new picture?

    python benchmarks/panels.py [NOTEBOOK ...]

Runs the notebooks' cells (all of notebooks/ unless told), then moves every control of every panel through up to
MOVES values, twice. Prints the median and the longest time in ms: of first visits, which may compute something, and of
second ones. The aim is 150 ms on two cores.
"""

import contextlib
import io
import os
import statistics
import sys
import time
from pathlib import Path

import ipywidgets as widgets
import nbformat
from IPython.core.interactiveshell import InteractiveShell

from gantutor.lab.panels import Panel

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
MOVES = 5


def panels(path):
    """Run a notebook; its panels."""
    shell = InteractiveShell()
    shell.display_pub.publish = shell.displayhook.write_format_data = lambda *_, **__: None  # show nothing
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            with contextlib.redirect_stdout(io.StringIO()):
                result = shell.run_cell(cell.source)
            result.raise_error()
            if isinstance(result.result, Panel):
                found.append(result.result)
    return found


def values(control):
    """Some values of a control, from one end to the other; of a button, none."""
    if isinstance(control, widgets.Button | widgets.FileUpload):
        return []
    if hasattr(control, "options"):
        choices = [option[1] if isinstance(option, tuple) else option for option in control.options]
    elif hasattr(control, "max"):
        count = round((control.max - control.min) / control.step)
        choices = [control.min + type(control.value)(n * control.step) for n in range(count + 1)]
    else:
        choices = [True, False]
    return choices[:: max(1, len(choices) // MOVES)][:MOVES]


def milliseconds(control, value):
    """The time of one move."""
    start = time.perf_counter()
    control.value = value
    return 1000 * (time.perf_counter() - start)


def main():
    for name in sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb")):
        path = Path(name).resolve()
        os.chdir(path.parent)
        for number, panel in enumerate(panels(path), start=1):
            for name, control in panel.controls.items():
                places = values(control)
                if not places:
                    continue
                rest = control.value
                visits = [[milliseconds(control, value) for value in places if value != control.value] for _ in "12"]
                control.value = rest
                first, again = (f"{statistics.median(v):4.0f} ({max(v):4.0f})" for v in visits)
                print(f"{path.stem:24} panel {number} {name:20} first {first}, again {again}, {len(visits[1])} moves")


if __name__ == "__main__":
    main()
