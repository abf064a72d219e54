"""A reader's progress, read from the outputs that their notebooks were saved with. Nothing is run."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..images import reason

CHECK = "-check"  # ends the grade_id of the cell that checks an exercise
TITLE = re.compile(r"\*\*Exercise (\d+\.\d+)\.?\*\*(?: \([^)]*\)\.)?\s*(.*)")
DONE, WRONG, OPEN, UNRUN = "right", "not yet", "not begun", "not run"


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook: its number, its task's first sentence, its state, and what the check said."""

    number: str
    task: str
    state: str
    sentence: str


def exercises(path):
    """The exercises of a notebook file, in order."""
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a notebook ({reason(error)}): save it again") from None
    found, number, task, before = [], "", "", None
    for cell in cells:
        source = "".join(cell.get("source", ""))
        if title := TITLE.search(source):
            number, task = title.group(1), re.split(r"(?<=[.?!])\s", title.group(2))[0]
        name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", "")
        if name.endswith(CHECK):
            found.append(Exercise(number, task, *verdict(cell, before)))
        elif name:
            before = cell.get("execution_count")
    return found


def verdict(cell, before):
    """State and sentence of a check's cell; `before` is when the exercise's own cell was run."""
    outputs = [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
    said = "".join(outputs[-1]).strip() if outputs else ""
    count = cell.get("execution_count")
    if not said or (count and before and before > count):
        return UNRUN, "run its check"
    if said.startswith("Right."):
        return DONE, said
    return (OPEN if said.startswith("Not done yet") else WRONG), said


def lessons(folder):
    """The notebooks of a folder that have exercises: {name: [Exercise, …]}."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name the one that holds your notebooks")
    paths = sorted(folder.glob("*.ipynb"))
    found = {path.stem: exercises(path) for path in paths}
    found = {name: done for name, done in found.items() if done}
    if not found:
        raise InputError(f"{folder} holds no notebooks with exercises: name the course's folder notebooks/")
    return found


def report(found):
    """Progress as text: a line for each notebook, and what to do next."""
    lines, total, right = [], 0, 0
    widest = max(map(len, found))
    for name, those in found.items():
        done = sum(exercise.state == DONE for exercise in those)
        marks = "".join({DONE: "#", WRONG: "~", OPEN: ".", UNRUN: "?"}[exercise.state] for exercise in those)
        lines.append(f"{name:{widest}}  {done} of {len(those):2}  {marks}")
        total, right = total + len(those), right + done
    lines.append(f"{right} of {total} exercises are right (# right, ~ not yet, . not begun, ? check not run)")
    ahead = [(name, e) for name, those in found.items() for e in those if e.state != DONE]
    begun = [pair for pair in ahead if pair[1].state == WRONG] or ahead
    if begun:
        name, exercise = begun[0]
        lines.append(f"next: exercise {exercise.number} in {name}: {exercise.task}\n  {exercise.sentence}")
    return "\n".join(lines)
