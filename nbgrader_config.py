"""nbgrader reads this in the root: `nbgrader generate_assignment solutions` takes notebooks/solutions/.

What it makes (the assignment without solutions, its database) goes to build/nbgrader/.
"""

from pathlib import Path

build = Path(__file__).parent / "build/nbgrader"
build.mkdir(parents=True, exist_ok=True)  # the database's folder must exist

config = get_config()  # noqa: F821 - nbgrader gives it
config.CourseDirectory.db_url = f"sqlite:///{build / 'gradebook.db'}"
config.CourseDirectory.source_directory = "notebooks"
config.CourseDirectory.release_directory = str(build / "release")
config.CourseDirectory.submitted_directory = str(build / "submitted")
config.CourseDirectory.autograded_directory = str(build / "autograded")
config.CourseDirectory.feedback_directory = str(build / "feedback")
config.ClearSolutions.code_stub = {"python": "# your code here\nreturn None"}  # as in tools/exercises.py
