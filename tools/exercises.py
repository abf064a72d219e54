"""Write the exercises of notebooks/solutions/ into the lessons, without their solutions (`make exercises`).

    python -m tools.exercises

The master of notebooks/NN_name.ipynb is notebooks/solutions/NN_name.ipynb. Each cell of the master with nbgrader's
metadata goes into the lesson's cell with the same grade_id:

- an exercise is a function; the part between ### BEGIN SOLUTION and ### END SOLUTION stands inside it, and the lesson
  has STUB in its place, so that it runs and its check says "Not done yet";
- a check keeps its lines, without those between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS.

nbgrader_config.py makes `nbgrader generate_assignment` do the same.
"""

import copy
import re
import sys

from gantutor.errors import InputError

from .notebooks import ROOT, notebook_paths, read, write

STUB = ("# your code here", "return None")
MARK = re.compile(r"(\s*)### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\s*$", re.MULTILINE)


def stub(source):
    """A master cell's source as the reader gets it. InputError if its marks do not pair up."""
    lines, inside = [], None
    for line in source.split("\n"):
        mark = MARK.match(line)
        if mark is None:
            if re.search("(BEGIN|END) (SOLUTION|HIDDEN TESTS)", line):
                raise InputError(f"the mark {line.strip()!r} must stand alone in its line, after ###")
            if inside is None:
                lines.append(line)
            continue
        indent, edge, kind = mark.groups()
        if (edge, inside) not in (("BEGIN", None), ("END", kind)):
            raise InputError(f"the mark {line.strip()!r} has no partner")
        inside = kind if edge == "BEGIN" else None
        if (edge, kind) == ("BEGIN", "SOLUTION"):
            if not indent:
                raise InputError("a solution must stand inside a function, so that `return None` can replace it")
            lines += [indent + line for line in STUB]
    if inside is not None:
        raise InputError(f"### BEGIN {inside} has no partner")
    return "\n".join(lines).strip("\n")


def exercise_cells(notebook, path):
    """The cells with nbgrader's metadata by grade_id."""
    cells = {}
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            name = cell.metadata.nbgrader.grade_id
            if name in cells:
                raise InputError(f"{path} has two cells with the grade_id {name!r}: rename one")
            cells[name] = cell
        elif MARK.search(cell.source):
            raise InputError(f"{path} has marks in a cell without nbgrader's metadata: give the cell a grade_id")
    return cells


def lesson_cells(solution, path):
    """What the lesson must hold: (cell type, source, nbgrader's metadata) by grade_id."""
    wanted = {}
    for name, cell in exercise_cells(solution, path).items():
        data = cell.metadata.nbgrader
        if data.solution and "### BEGIN SOLUTION" not in cell.source:
            raise InputError(f"{path}: the exercise {name!r} has no ### BEGIN SOLUTION")
        try:
            wanted[name] = (cell.cell_type, stub(cell.source), data)
        except InputError as error:
            raise InputError(f"{path}, {name!r}: {error}") from None
    return wanted


def update(lesson, wanted, path):
    """Write the exercises into the lesson's cells; a cell that changes loses its outputs. True if anything changed."""
    cells = exercise_cells(lesson, path)
    if missing := sorted(wanted.keys() ^ cells.keys()):
        where = "only the solutions have" if missing[0] in wanted else "only the lesson has"
        raise InputError(f"{path}: {where} the grade_id {missing[0]!r}; add the cell to the other, or take it out")
    before = copy.deepcopy(lesson)
    for name, (kind, source, data) in wanted.items():
        cell = cells[name]
        if cell.cell_type != kind:
            raise InputError(f"{path}: {name!r} is a {cell.cell_type} cell here and a {kind} cell in the solutions")
        if kind == "code" and cell.source != source:
            cell.outputs, cell.execution_count = [], None
        cell.source, cell.metadata.nbgrader = source, copy.deepcopy(data)
    return lesson != before


def pairs(root=ROOT):
    """Each lesson's path with that of its solutions, which may be missing."""
    paths = notebook_paths(root)
    lessons = {path.name: path for path in paths if path.parent.name == "notebooks"}
    for path in paths:
        if path.name not in lessons:
            raise InputError(f"{path} belongs to no lesson: the lesson has the same name in notebooks/")
    return [(path, path.parent / "solutions" / name) for name, path in lessons.items()]


def main(root=ROOT):
    try:
        for path, master in pairs(root):
            lesson = read(path)
            wanted = lesson_cells(read(master), master) if master.exists() else {}
            if update(lesson, wanted, path):
                write(path, lesson)
                print(f"{path.name}: exercises written; `make notebooks` runs it again")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
