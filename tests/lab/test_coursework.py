"""Progress through the exercises, read from saved notebooks."""

import json
import shutil

import pytest

from gantutor import cli
from gantutor.errors import InputError
from gantutor.lab import coursework
from tools.notebooks import ROOT

NOTEBOOKS = ROOT / "notebooks"


def notebook(path, *exercises):
    """A notebook with exercises (number, what the check said or None, counts of the two cells)."""
    cells = []
    for place, (number, said, counts) in enumerate(exercises):
        title = f"Some words.\n\n**Exercise {number}.** Write it. (Or not.)"
        outputs = [{"output_type": "execute_result", "data": {"text/plain": [said]}}] if said else []
        cells += [
            {"cell_type": "markdown", "source": [title], "metadata": {}},
            {
                "cell_type": "code",
                "source": ["def f(): pass"],
                "metadata": {"nbgrader": {"grade_id": f"e{place}"}},
                "outputs": [],
                "execution_count": counts[0],
            },
            {
                "cell_type": "code",
                "source": ["checks.f(f)"],
                "metadata": {"nbgrader": {"grade_id": f"e{place}-check"}},
                "outputs": outputs,
                "execution_count": counts[1],
            },
        ]
    path.write_text(json.dumps({"cells": cells}))


def test_states_are_what_the_checks_said(tmp_path):
    notebook(
        tmp_path / "01_one.ipynb",
        ("1.1", "Right. So it is.", (1, 2)),
        ("1.2", "Not yet: the sign is wrong.", (3, 4)),
        ("1.3", "Not done yet. Hint: think.", (5, 6)),
        ("1.4", None, (None, None)),
        ("1.5", "Right.", (9, 8)),  # its cell was run again after the check
    )
    (tmp_path / "02_none.ipynb").write_text(json.dumps({"cells": []}))
    found = coursework.lessons(tmp_path)
    assert list(found) == ["01_one"]
    states = [exercise.state for exercise in found["01_one"]]
    assert states == [coursework.DONE, coursework.WRONG, coursework.OPEN, coursework.UNRUN, coursework.UNRUN]
    text = coursework.report(found)
    assert "01_one  1 of  5  #~.??" in text and "1 of 5 exercises are right" in text
    assert "next: exercise 1.2 in 01_one: Write it.\n  Not yet: the sign is wrong." in text


def test_when_all_is_right_nothing_is_next(tmp_path):
    notebook(tmp_path / "01_one.ipynb", ("1.1", "Right. So it is.", (1, 2)))
    assert "next" not in coursework.report(coursework.lessons(tmp_path))


def test_the_courses_own_lessons_are_not_begun_and_its_solutions_right():
    lessons, masters = coursework.lessons(NOTEBOOKS), coursework.lessons(NOTEBOOKS / "solutions")
    assert lessons.keys() == masters.keys() and len(lessons) == 9
    for name, exercises in lessons.items():
        assert {exercise.state for exercise in exercises} == {coursework.OPEN}
        assert {exercise.state for exercise in masters[name]} == {coursework.DONE}
        assert [exercise.number for exercise in exercises] == [
            f"{int(name[:2])}.{n}" for n in range(1, len(exercises) + 1)
        ]
        assert all(exercise.task for exercise in exercises)


def test_command(tmp_path, capsys):
    shutil.copy(NOTEBOOKS / "00_start_here.ipynb", tmp_path)
    assert cli.main(["check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("00_start_here  0 of  1  .") and "next: exercise 0.1 in 00_start_here" in printed
    assert "Hint" in printed
    for folder, words in ((tmp_path / "nowhere", "is no folder"), (tmp_path, "cannot be read as a notebook")):
        (tmp_path / "broken.ipynb").write_text("{")
        assert cli.main(["check", str(folder)]) == 2
        assert words in capsys.readouterr().err


def test_folder_without_exercises(tmp_path):
    with pytest.raises(InputError, match="holds no notebooks with exercises"):
        coursework.lessons(tmp_path)
