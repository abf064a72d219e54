"""nbgrader reads this in the root: `nbgrader generate_assignment solutions` takes notebooks/solutions/.

What it makes (the assignment without solutions, its database) goes to build/nbgrader/. In the source each exercise
stands below a note on how it is solved; in the assignment it stands below the lesson's question.
"""

from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor

ROOT = Path(__file__).parent
SOLVED = {  # in the title
    ": solutions": ": exercises",
    ", solved. Try them first; each check gives hints.": ". Keep it open: the questions speak of what it says.",
}


def above_exercises(notebook):
    """(the cell above an exercise, the exercise's grade_id), for every exercise."""
    for above, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            yield above, cell.metadata.nbgrader.grade_id


class Questions(NbGraderPreprocessor):
    """Puts the lesson's questions in place of the solutions' notes."""

    def preprocess(self, notebook, resources):
        path = ROOT / "notebooks" / f"{resources['nbgrader']['notebook']}.ipynb"
        if not path.exists():  # a teacher's own exercises, of no lesson
            return notebook, resources
        lesson = nbformat.read(path, as_version=4)
        questions = {name: above.source[above.source.index("**Exercise") :] for above, name in above_exercises(lesson)}
        for above, name in above_exercises(notebook):
            above.source = questions[name]
        title = next(cell for cell in notebook.cells if cell.source.startswith("# "))
        for solved, asked in SOLVED.items():
            title.source = title.source.replace(solved, asked)
        return notebook, resources


build = ROOT / "build/nbgrader"
build.mkdir(parents=True, exist_ok=True)  # the database's folder must exist

config = get_config()  # noqa: F821 - nbgrader gives it
config.CourseDirectory.db_url = f"sqlite:///{build / 'gradebook.db'}"
config.CourseDirectory.source_directory = "notebooks"
config.CourseDirectory.release_directory = str(build / "release")
config.CourseDirectory.submitted_directory = str(build / "submitted")
config.CourseDirectory.autograded_directory = str(build / "autograded")
config.CourseDirectory.feedback_directory = str(build / "feedback")
config.ExportPlugin.to = str(build / "grades.csv")  # readers' names, which git must not see
config.Execute.timeout = 300  # seconds for a cell: the first one imports PyTorch
config.ClearSolutions.code_stub = {"python": "# your code here\nreturn None"}  # as in tools/exercises.py
config.GenerateAssignment.preprocessors = [Questions, *GenerateAssignment.preprocessors.default()]
