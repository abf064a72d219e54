"""The project files: the same bounds everywhere, a wheel that is complete, and no trace of a machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}
COLAB = {
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "numpy": "2.1.0",
    "matplotlib": "3.10.0",
    "scikit-learn": "1.6.1",
    "ipywidgets": "7.7.1",
}


def run(*command, cwd=ROOT, **environment):
    """Run a command; its standard output, or a failure that shows what it wrote."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(*arguments, cwd=ROOT):
    """Run make as from a terminal, also when these tests were started by make."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=cwd, env=inherited, capture_output=True, text=True)


def bounds():
    """{name: bounds} of what a reader needs: the dependencies and the extra "lab"."""
    lines = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]
    return {requirement.name: requirement.specifier for requirement in map(Requirement, lines)}


def test_conda_environment_has_the_same_names_and_bounds():
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {r.name: r.specifier for r in (Requirement(line) for line in lines if isinstance(line, str))}
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    conda.pop("pip")
    assert conda == {CONDA_NAMES.get(name, name): specifier for name, specifier in bounds().items()}
    assert {"pip": ["-e ."]} in lines


def test_bounds_admit_colab_and_stop_before_the_next_major_version():
    assert [name for name, version in COLAB.items() if version not in bounds()[name]] == []
    assert [name for name, specifier in bounds().items() if "<" not in {s.operator for s in specifier}] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with nothing but gantutor, from a wheel, from a source distribution, from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder))
    (source,) = folder.glob("*.tar.gz")
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "target"), str(wheel))
    return folder / "target"


def test_wheel_works_away_from_the_checkout(installed, tmp_path):
    code = """
import gantutor
from gantutor.datasets import bundled, list_images
from gantutor.style.features import load_features
print(gantutor.__file__)
print(bundled("liked"))
print(len(list_images(bundled("liked"))), len(list_images(bundled("photos"))), bundled("provenance.csv").is_file())
load_features("bundled")
"""
    file, liked, counts = run(sys.executable, "-P", "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert Path(file) == installed / "gantutor" / "__init__.py"
    assert Path(liked) == installed / "gantutor" / "data" / "liked"
    suffixes = (".jpg", ".png")
    here = [sum(p.suffix in suffixes for p in (ROOT / "data" / name).iterdir()) for name in ("liked", "photos")]
    assert counts == f"{here[0]} {here[1]} True"


def test_wheel_brings_the_command(installed, tmp_path):
    command = str(installed / "bin" / "gantutor")
    answer = run(sys.executable, "-P", command, "--help", cwd=tmp_path, PYTHONPATH=str(installed))
    assert all(word in answer for word in ("learn", "paint", "inspect", "train", "doctor"))


def test_all_but_the_panels_works_without_jupyter():
    code = """
import importlib, pkgutil, sys
import gantutor, gantutor.cli
widgets = {"access", "panels", *(f"studio.{name}" for name in ("parts", "steps", "painting", "page"))}
for module in pkgutil.walk_packages(gantutor.__path__, "gantutor."):
    if module.name.removeprefix("gantutor.lab.") not in widgets:
        importlib.import_module(module.name)
print("gantutor.lab.plots" in sys.modules, sorted({"ipywidgets", "IPython"} & set(sys.modules)))
"""
    assert run(sys.executable, "-c", code).strip() == "True []"


def tracked_texts():
    """{path: text} of the files that git tracks or would: all that is not ignored."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    texts = {}
    for path in (ROOT / name for name in names if name):
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # a picture or weights; deleted, but still in the index
            continue
    return texts


def test_no_file_names_a_registry_host_or_a_path_of_a_machine():
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian"))
    ]
    hosts += [".".join(parts) for parts in (("registry", "npmjs"), ("anaconda", "org"))]
    pattern = re.compile("|".join([*map(re.escape, hosts), r"(?<![\w.])/(?:farm|home|root|work|Users)/\w"]))
    assert pattern.search("see https://" + hosts[0]) and pattern.search("'/ro" + "ot/x'")
    texts = tracked_texts()
    assert {"pyproject.toml", ".ci/run", "tests/test_project.py"} <= set(texts)
    found = {name: match.group() for name, text in texts.items() if (match := pattern.search(text))}
    assert found == {}


def test_help_lists_every_target():
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    assert [line.split()[1] for line in make("help").stdout.splitlines()] == targets


def test_lab_listens_on_the_local_address_and_keeps_its_token():
    (command,) = [line for line in make("-n", "lab").stdout.splitlines() if "jupyterlab --" in line]
    assert "--ip=127.0.0.1" in command and command.endswith("/notebooks/00_start_here.ipynb")
    assert "token" not in command


def test_set_up_refuses_an_old_python_in_one_sentence(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("lab", f"PYTHON={old}", cwd=tmp_path)
    sentence, *rest = done.stderr.splitlines()
    assert done.returncode != 0 and "Python 3.11 or newer" in sentence and str(old) in sentence
    assert len(rest) == 1 and rest[0].startswith("make:")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("no_skips, status", [("", 0), ("1", 1)])
def test_a_skip_fails_the_session_only_where_none_is_allowed(tmp_path, no_skips, status):
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no chromium')\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            f"--rootdir={tmp_path}",
            "test_it.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "GANTUTOR_NO_SKIPS": no_skips},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("counts as a failure" in done.stdout) == bool(no_skips)
