"""What holds for every notebook, without running it; nbval runs them."""

import copy
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from gantutor.lab import VIEW, checks
from tools import colab, exercises
from tools.notebooks import LARGEST, METADATA, ROOT, notebook_paths

PATHS = notebook_paths()  # an error if there are none
PAIRS = [(lesson, master) for lesson, master in exercises.pairs() if master.exists()]

for module in pkgutil.iter_modules(checks.__path__):
    importlib.import_module(f"{checks.__name__}.{module.name}")

NAMES = [path.relative_to(ROOT / "notebooks").as_posix() for path in PATHS]
every_notebook = pytest.mark.parametrize("path", PATHS, ids=NAMES)
every_pair = pytest.mark.parametrize(("lesson", "master"), PAIRS, ids=[lesson.stem for lesson, _ in PAIRS])


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


@every_notebook
def test_cells_ran_once_from_first_to_last(path):
    counts = [cell.execution_count for cell in code_cells(path) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_nothing_failed_or_warned(path):
    assert not [output for output in outputs(path) if output.output_type == "error" or output.get("name") == "stderr"]


@every_notebook
def test_no_widget_state_and_no_timings(path):
    notebook = read(path)
    assert notebook.metadata == METADATA
    assert all(cell.metadata.keys() <= {"tags", "nbgrader"} for cell in notebook.cells)
    assert VIEW not in path.read_text(encoding="utf-8")


@every_notebook
def test_panels_left_their_picture(path):
    shown = [output.data for output in outputs(path) if "data" in output]
    panels = [data for data in shown if data.get("text/plain", "").startswith("Panel: ")]
    assert all("image/png" in data for data in panels)


@every_notebook
def test_pictures_have_a_text_for_those_who_do_not_see_them(path):
    for output in outputs(path):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                assert len(output.metadata[kind]["alt"]) > 4


@every_notebook
def test_size(path):
    assert path.stat().st_size <= LARGEST


@every_notebook
def test_badge_and_setup_are_the_templates(path):
    repo = colab.repository(read(PATHS[0]))
    for tag, source in colab.cells(repo, path.relative_to(ROOT).as_posix()).items():
        assert colab.tagged(read(path), tag).source == source, "run `make colab`"


@pytest.mark.parametrize(("lesson", "master"), exercises.pairs(), ids=lambda path: path.stem)
def test_exercises_are_the_solutions_minus_the_marked_parts(lesson, master):
    wanted = exercises.lesson_cells(read(master), master) if master.exists() else {}
    notebook = read(lesson)
    assert not exercises.update(copy.deepcopy(notebook), wanted, lesson), "run `make exercises` and `make notebooks`"


def verdicts(path):
    """What each check said, by grade_id."""
    found = {}
    for cell in code_cells(path):
        data = cell.metadata.get("nbgrader", {})
        if data.get("grade") and not data.get("solution"):
            found[data.grade_id] = "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return found


@every_pair
def test_stubs_are_not_done_and_solutions_right(lesson, master):
    assert verdicts(lesson).keys() == verdicts(master).keys() != set()
    assert not {name: text for name, text in verdicts(lesson).items() if not text.startswith("Not done yet. Hint: ")}
    assert not {name: text for name, text in verdicts(master).items() if not text.startswith("Right.")}


def checked(path):
    """The exercises whose checks a notebook calls, as they are registered: "module.name"."""
    source = "\n".join(cell.source for cell in code_cells(path))
    module = re.search(r"from gantutor\.lab\.checks import (\w+) as checks", source)
    return {f"{module[1]}.{name}" for name in re.findall(r"^checks\.(\w+)\(", source, re.MULTILINE)}


def test_every_check_is_used():
    """tests/lab/test_checks.py tries every check on right and wrong answers."""
    assert set().union(*(checked(master) for _, master in PAIRS)) == set(checks.EXERCISES)


def nbgrader(folder, *words):
    """Run nbgrader in a folder; returns what it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by its name
    homes = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}
    env = {**os.environ, **homes, "PATH": path}
    command = [sys.executable, "-m", "nbgrader", *words]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    """A folder in which nbgrader has made the assignment, with a notebook of the teacher's own."""
    folder = tmp_path_factory.mktemp("nbgrader")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copy(PAIRS[0][1], folder / "notebooks/solutions/own.ipynb")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    nbgrader(folder, "generate_assignment", "solutions")
    return folder


def test_nbgrader_makes_the_same_stubs(assignment):
    for _, master in PAIRS:
        released = read(assignment / "build/nbgrader/release/solutions" / master.name)
        wanted = {name: source for name, (_, source, _) in exercises.lesson_cells(read(master), master).items()}
        assert {name: cell.source for name, cell in exercises.exercise_cells(released, master).items()} == wanted


def test_nbgrader_asks_what_the_lesson_asks(assignment):
    """The source's notes, which say how an exercise is solved, are not handed out."""
    for lesson, master in PAIRS:
        released = read(assignment / "build/nbgrader/release/solutions" / master.name)
        texts = [cell.source for cell in released.cells if cell.cell_type == "markdown"]
        notes = {cell.source for cell in read(master).cells if cell.source.startswith("**Exercise")}
        questions = [text for text in texts if text.startswith("**Exercise")]
        assert len(questions) == len(notes) and not notes & set(texts)
        asked = "\n".join(cell.source for cell in read(lesson).cells)
        assert all(question in asked for question in questions)
        assert not [text for text in texts if "solution" in text or "solved" in text]


def test_nbgrader_leaves_the_words_of_a_notebook_without_a_lesson(assignment):
    own = read(assignment / "build/nbgrader/release/solutions/own.ipynb")
    words = [[cell.source for cell in each.cells if cell.cell_type == "markdown"] for each in (own, read(PAIRS[0][1]))]
    assert words[0] == words[1]


def test_nbgrader_gives_a_point_for_each_right_answer(assignment):
    master = next(master for _, master in PAIRS if master.name.startswith("01_"))
    build = assignment / "build/nbgrader"
    for name, source in (("right", master), ("undone", build / "release/solutions" / master.name)):
        (build / "submitted" / name / "solutions").mkdir(parents=True)
        shutil.copy(source, build / "submitted" / name / "solutions")
    said = nbgrader(assignment, "autograde", "solutions", "--notebook", master.stem)
    assert "converted to" not in said, "a sentence was taken for points"
    with Gradebook(f"sqlite:///{build / 'gradebook.db'}") as book:
        points = {name: book.find_submission("solutions", name).score for name in ("right", "undone")}
    assert points == {"right": len(exercises.exercise_cells(read(master), master)) / 2, "undone": 0}
    graded = code_cells(build / "autograded/undone/solutions" / master.name)
    stops = [output.evalue for cell in graded for output in cell.outputs if output.output_type == "error"]
    assert stops and all(words.startswith("Not done yet. Hint:") for words in stops)
