"""The developer scripts on tiny notebooks: executing and storing, exercises, Colab's cells."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gantutor.errors import InputError
from gantutor.lab import VIEW
from tools import colab, exercises, notebooks

ROOT = Path(__file__).resolve().parents[1]

# ---------------------------------------------------------------------------------------- executing and storing


def store(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def made(path):
    """The notebook after `make notebooks`, which must succeed."""
    assert notebooks.main([path]) == 0
    return nbformat.read(path, as_version=4)


PANEL = """\
import ipywidgets
import torch
from gantutor.lab.panels import Panel
from gantutor.lab.progress import follow

panel = Panel(lambda a: (torch.full((1, 3, 4, 4), a), "sentence"), a=ipywidgets.FloatSlider(0.5, max=1))
panel"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """One notebook, made; its path and its bytes. A kernel takes seconds to start, so the tests share it."""
    path = store(
        tmp_path_factory.mktemp("executed") / "00_small.ipynb",
        "x=1+1\nprint( x ,end='',flush=True )\nprint(3)",  # two messages to one stream
        "import os, sys\n{name: os.environ[name] for name in ('GANTUTOR_PROFILE', 'GANTUTOR_DEVICE')}",
        "os.path.exists('00_small.ipynb'), sys.executable.startswith(sys.prefix)",
        PANEL,
        "for state in follow(range(3), description='counting'):\n    pass",
        "",
        "panel.controls['a'].value = 0.7",
    )
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.widgets = {"state": "private"}
    notebook.cells[0].metadata.update(tags=["keep"], execution={"iopub.execute_input": "now"}, collapsed=False)
    nbformat.write(notebook, path)
    made(path)
    return path, path.read_bytes()


def test_cells_are_executed_formatted_and_numbered(executed):
    cells = nbformat.read(executed[0], as_version=4).cells
    assert cells[0].source == 'x = 1 + 1\nprint(x, end="", flush=True)\nprint(3)'
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5, None, 6]
    assert cells[0].outputs == [new_output("stream", name="stdout", text="23\n")]


def test_kernel_is_this_environments_in_the_quick_profile_and_the_notebooks_folder(executed):
    cells = nbformat.read(executed[0], as_version=4).cells
    assert cells[1].outputs[0].data["text/plain"] == "{'GANTUTOR_PROFILE': 'quick', 'GANTUTOR_DEVICE': 'cpu'}"
    assert cells[2].outputs[0].data["text/plain"] == "(True, True)"


def test_panel_leaves_its_picture_and_no_widget(executed):
    (output,) = nbformat.read(executed[0], as_version=4).cells[3].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"] == "Panel: a"
    assert output.metadata == {"image/png": {"alt": "Panel: a. sentence"}}


def test_progress_leaves_a_fixed_text_in_a_real_kernel(executed):
    (output,) = nbformat.read(executed[0], as_version=4).cells[4].outputs
    assert output.data == {"text/plain": "Progress: counting"}


def test_only_fixed_metadata_and_tags_are_kept(executed):
    notebook = nbformat.read(executed[0], as_version=4)
    assert notebook.metadata == notebooks.METADATA
    assert notebook.cells[0].metadata == {"tags": ["keep"]}
    assert VIEW not in executed[1].decode()


def test_second_run_changes_nothing(executed):
    made(executed[0])
    assert executed[0].read_bytes() == executed[1]


def test_strict_nbval_accepts_the_stored_notebook(executed):
    path = executed[0]
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-c", os.devnull, "--rootdir", path.parent, path]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GANTUTOR_PROFILE": "quick", "GANTUTOR_DEVICE": "cpu"}
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stdout
    assert "7 passed" in result.stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import warnings\nwarnings.warn('careful')", "UserWarning: careful"),
        ("import os\nos.getcwd()", "a path of this machine"),
        ("from IPython.display import clear_output\nclear_output()", "clear_output"),
        ("import os\nos._exit(1)", "the kernel died"),
    ],
)
def test_bad_cell_stops_the_script_and_keeps_the_notebook(tmp_path, capsys, source, said):
    path = store(tmp_path / "00.ipynb", "a = 1", source)
    before = path.read_bytes()
    assert notebooks.main([path]) == 2
    message = capsys.readouterr().err
    assert "00.ipynb, cell 2 of 2: " in message
    assert said in message
    assert "\x1b" not in message
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_paths_are_looked_for_in_text_alone(tmp_path):
    notebooks.refuse(new_output("display_data", {"image/png": f"AAAA{tmp_path}AAAA"}), tmp_path)
    with pytest.raises(InputError, match="a path of this machine"):
        notebooks.refuse(new_output("display_data", {"text/html": f"<b>{tmp_path}</b>"}), tmp_path)


def test_endless_cell_is_stopped(tmp_path):
    with notebooks.Kernel(tmp_path) as kernel, pytest.raises(InputError, match="more than 1 s"):
        kernel.run(new_code_cell("import time\ntime.sleep(60)"), seconds=1)


def test_syntax_error_is_named(tmp_path, capsys):
    path = store(tmp_path / "00.ipynb", "x = (")
    assert notebooks.main([path]) == 2
    assert "ruff cannot format" in capsys.readouterr().err


def test_large_notebook_is_refused(tmp_path):
    notebook = new_notebook(cells=[new_markdown_cell("x" * 1_500_000)])
    with pytest.raises(InputError, match=r"1\.5 MB"):
        notebooks.write(tmp_path / "00.ipynb", notebook)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "", "{}", "no json"])
def test_what_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "00.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"00\.ipynb"):
        notebooks.read(path)


def test_no_notebooks_is_an_error(tmp_path, capsys):
    for main in (lambda root: notebooks.main([], root), exercises.main, lambda root: colab.main([], root)):
        assert main(tmp_path) == 2
        assert "holds no notebooks" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------------- exercises

SOLUTION = """\
def double(x):
    # twice as much
    ### BEGIN SOLUTION
    y = 2 * x
    return y
    ### END SOLUTION


print(double(2))"""
CHECK = """\
### BEGIN HIDDEN TESTS
assert checks.double(double).passed
### END HIDDEN TESTS
checks.double(double)"""


def graded(cell, name, solution=False):
    """A cell with nbgrader's metadata: an exercise or its check."""
    cell.metadata.nbgrader = {"grade_id": name, "schema_version": 3, "solution": solution, "grade": not solution}
    cell.metadata.nbgrader |= {"locked": not solution, "task": False} | ({} if solution else {"points": 1})
    return cell


@pytest.fixture
def course(tmp_path):
    """A lesson with empty cells for one exercise, and its solutions."""
    (tmp_path / "notebooks/solutions").mkdir(parents=True)
    lesson = new_notebook(
        cells=[
            new_markdown_cell("# Lesson"),
            graded(new_code_cell(), "double", solution=True),
            graded(new_code_cell(), "double-check"),
        ]
    )
    master = new_notebook(
        cells=[
            graded(new_code_cell(SOLUTION), "double", solution=True),
            graded(new_code_cell(CHECK), "double-check"),
        ]
    )
    paths = SimpleNamespace(root=tmp_path, lesson=tmp_path / "notebooks/00.ipynb")
    paths.master = tmp_path / "notebooks/solutions/00.ipynb"
    nbformat.write(lesson, paths.lesson)
    nbformat.write(master, paths.master)
    return paths


def change(path, function):
    notebook = nbformat.read(path, as_version=4)
    function(notebook.cells)
    nbformat.write(notebook, path)


def test_lesson_gets_stubs_and_checks(course):
    assert exercises.main(course.root) == 0
    title, exercise, check = nbformat.read(course.lesson, as_version=4).cells
    assert title.source == "# Lesson"
    assert exercise.source == (
        "def double(x):\n    # twice as much\n    # your code here\n    return None\n\n\nprint(double(2))"
    )
    assert check.source == "checks.double(double)"
    assert exercise.metadata.nbgrader.solution
    assert check.metadata.nbgrader.points == 1


def test_stub_runs(course, capsys):
    exec(exercises.stub(SOLUTION), {})
    assert capsys.readouterr().out == "None\n"


def test_second_run_writes_nothing_and_keeps_outputs(course):
    exercises.main(course.root)
    ran = [new_output("stream", text="None\n")]
    change(course.lesson, lambda cells: cells[1].update(outputs=ran, execution_count=3))
    before = course.lesson.read_bytes(), course.lesson.stat().st_mtime_ns
    assert exercises.main(course.root) == 0
    assert (course.lesson.read_bytes(), course.lesson.stat().st_mtime_ns) == before


def test_changed_exercise_loses_its_outputs(course):
    exercises.main(course.root)
    change(course.lesson, lambda cells: cells[1].update(outputs=[new_output("stream", text="x")], execution_count=3))
    change(course.master, lambda cells: cells[0].update(source=SOLUTION.replace("twice as much", "two times")))
    assert exercises.main(course.root) == 0
    cell = nbformat.read(course.lesson, as_version=4).cells[1]
    assert "two times" in cell.source
    assert (cell.outputs, cell.execution_count) == ([], None)


def bad(text):
    return lambda cells: cells[0].update(source=text)


@pytest.mark.parametrize(
    ("where", "function", "said"),
    [
        ("lesson", lambda cells: cells.pop(2), "only the solutions have the grade_id 'double-check'"),
        ("master", lambda cells: cells.pop(1), "only the lesson has the grade_id 'double-check'"),
        ("master", lambda cells: cells.append(graded(new_code_cell(), "double")), "two cells with the grade_id"),
        ("master", lambda cells: cells[0].metadata.clear(), "marks in a cell without nbgrader's metadata"),
        ("master", bad("def f():\n    return 1"), "'double' has no ### BEGIN SOLUTION"),
        ("master", bad("### BEGIN SOLUTION\nx = 1\n### END SOLUTION"), "inside a function"),
        ("master", bad("def f():\n    ### BEGIN SOLUTION\n    pass"), "BEGIN SOLUTION has no partner"),
        ("master", bad(SOLUTION + "\n    ### END SOLUTION"), "'### END SOLUTION' has no partner"),
        ("master", bad(SOLUTION.replace("END SOLUTION", "END HIDDEN TESTS")), "has no partner"),
        ("master", bad(SOLUTION.replace("### END", "# END")), "must stand alone"),
        ("lesson", lambda cells: cells[1].update(cell_type="markdown"), "a markdown cell here and a code cell in"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(course, capsys, where, function, said):
    change(getattr(course, where), function)
    before = course.lesson.read_bytes()
    assert exercises.main(course.root) == 2
    assert said in capsys.readouterr().err
    assert course.lesson.read_bytes() == before


def test_solutions_without_a_lesson_are_named(course, capsys):
    course.master.rename(course.master.with_name("01.ipynb"))
    assert exercises.main(course.root) == 2
    assert "01.ipynb belongs to no lesson" in capsys.readouterr().err


def test_exercises_without_solutions_are_named(course, capsys):
    course.master.unlink()
    assert exercises.main(course.root) == 2
    assert "only the lesson has" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- Colab


@pytest.fixture
def two_notebooks(tmp_path):
    """A lesson and its solutions with the two tagged cells."""
    for name in ("notebooks/00.ipynb", "notebooks/solutions/00.ipynb"):
        badge = new_markdown_cell(metadata={"tags": ["badge"]})
        setup = new_code_cell(metadata={"tags": ["setup"]}, execution_count=1)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[badge, setup]), tmp_path / name)
    return tmp_path


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_repository_is_filled_into_every_notebook(two_notebooks):
    assert colab.main(["some-one/course"], two_notebooks) == 0
    for name in ("notebooks/00.ipynb", "notebooks/solutions/00.ipynb"):
        notebook = nbformat.read(two_notebooks / name, as_version=4)
        badge, setup = notebook.cells
        assert f"/github/some-one/course/blob/main/{name})" in badge.source
        assert "git+https://github.com/some-one/course\n" in setup.source
        assert setup.execution_count == 1
        assert colab.repository(notebook) == "some-one/course"


def test_filling_twice_or_back_leaves_nothing_behind(two_notebooks):
    path = two_notebooks / "notebooks/00.ipynb"
    colab.main([], two_notebooks)
    without = path.read_bytes()
    colab.main(["some-one/course"], two_notebooks)
    once = path.read_bytes()
    colab.main(["some-one/course"], two_notebooks)
    assert path.read_bytes() == once != without
    colab.main([""], two_notebooks)
    assert path.read_bytes() == without


def test_without_a_repository_the_cells_say_what_to_do(two_notebooks):
    assert colab.main([], two_notebooks) == 0
    badge, setup = sources(two_notebooks / "notebooks/00.ipynb")
    assert "make colab REPO=owner/name" in badge
    assert "%pip install --no-deps git+https://github.com/OWNER/NAME" in setup
    assert colab.repository(nbformat.read(two_notebooks / "notebooks/00.ipynb", as_version=4)) == ""


@pytest.mark.parametrize("repo", ["course", "a/b/c", "https://github.com/a/b", "a b/c", "-a/b", "a/b; rm"])
def test_what_is_no_repository_is_refused(two_notebooks, capsys, repo):
    before = sources(two_notebooks / "notebooks/00.ipynb")
    assert colab.main([repo], two_notebooks) == 2
    assert "say owner/name" in capsys.readouterr().err
    assert sources(two_notebooks / "notebooks/00.ipynb") == before


def test_notebook_without_the_cells_is_named_and_nothing_is_written(two_notebooks, capsys):
    change(two_notebooks / "notebooks/solutions/00.ipynb", lambda cells: cells.pop(1))
    assert colab.main(["a/b"], two_notebooks) == 2
    assert "solutions/00.ipynb: 0 cells have the tag 'setup'" in capsys.readouterr().err
    assert sources(two_notebooks / "notebooks/00.ipynb") == ["", ""]


@pytest.mark.parametrize("repo", ["", "some-one/course"])
def test_setup_cell_is_as_ruff_formats_it_and_does_nothing_here(tmp_path, repo):
    (tmp_path / "ruff.toml").write_text(f"extend = '{ROOT / 'pyproject.toml'}'")
    setup = colab.cells(repo, "notebooks/00.ipynb")["setup"]
    cell = made(store(tmp_path / "00.ipynb", setup)).cells[0]
    assert cell.source == setup
    assert cell.outputs == []


def test_setup_cell_in_a_colab_without_the_course_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="%pip install --no-deps"):
        exec(colab.cells("", "")["setup"], {})
