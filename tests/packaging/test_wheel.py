"""What a stranger installs: the wheel, in an empty environment with the lowest versions that we promise."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
SMALL = ["--rounds", "2", "--epochs", "2", "--quiet"]
TINY = ["--rounds", "1", "--epochs", "1", "--pairs", "50", "--test-pairs", "50", "--quiet", "--networks", "NetWS"]

# Nothing of this checkout: the program is what was installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: object, folder: Path) -> str:
    """What a command prints in a folder; it must end well."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, folder=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with the wheel, and what it depends on at its lowest."""
    folder = tmp_path_factory.mktemp("environment")
    lowest = ["--resolution", "lowest-direct", "--extra", "tune", "--output-file", "lowest.txt"]
    run(UV, "pip", "compile", "--quiet", "--python", sys.executable, *lowest, ROOT / "pyproject.toml", folder=folder)
    run(UV, "venv", "--quiet", "--python", sys.executable, "venv", folder=folder)
    run(UV, "pip", "install", "--quiet", "--python", "venv", "-r", "lowest.txt", wheel, folder=folder)
    return folder / "venv" / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture(scope="module")
def folder(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty before a small study of all networks."""
    folder = tmp_path_factory.mktemp("empty")
    said = run(installed / "twofold", "study", *SMALL, "--keep-models", "best", "--trace", folder=folder)
    assert "NetWSAL" in said
    return folder


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(ROOT / "src").as_posix() for path in files}


def test_what_is_installed_is_the_wheel_with_the_lowest_versions(installed: Path, folder: Path) -> None:
    program = "import twofold; from importlib.metadata import distributions as all\nimport json\n"
    shown = "print(json.dumps([twofold.__file__, {d.name.lower(): d.version for d in all()}]))"
    file, versions = json.loads(run(installed / "python", "-c", program + shown, folder=folder))
    assert Path(file).is_relative_to(installed.parent)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for dependency in project["dependencies"] + project["optional-dependencies"]["tune"]:
        name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", dependency).groups()
        assert f"{versions[name]}.0.0".startswith(f"{lowest}."), f"{name} {versions[name]} is not the lowest, {lowest}"


@pytest.mark.parametrize(
    "command",
    [
        ["study", *SMALL],
        ["results"],
        ["analyse"],
        ["analyse", "--figures", "findings"],
        ["power"],
        ["report"],
        ["demo"],
        ["models"],
        ["networks"],
        ["grid", *TINY, "--optimizer", "adam", "sgd", "--learning-rate", "0.01", "--store", "grid.db"],
        ["sweep", *TINY, "--pairs", "50", "100", "--store", "sweep.db"],
        ["tune", *TINY, "--budget", "4", "--batch-size", "10", "25", "--store", "tune.db"],
        ["--help"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_works(installed: Path, folder: Path, command: list[str]) -> None:
    run(installed / "twofold", *command, folder=folder)


def test_a_kept_network_answers_pictures(installed: Path, folder: Path) -> None:
    program = "from PIL import Image, ImageDraw\nimage = Image.new('L', (64, 64))\n"
    drawn = "ImageDraw.Draw(image).line((32, 8, 32, 56), fill=255, width=6)\nimage.save('one.png')"
    run(installed / "python", "-c", program + drawn, folder=folder)
    model = next((folder / "twofold.models").glob("*.safetensors"))
    answers = json.loads(run(installed / "twofold", "predict", model, "one.png", "one.png", "--json", folder=folder))
    assert [row["answer"] in (True, False) for row in answers] == [True]


def test_an_export_says_which_extra_it_needs(installed: Path, folder: Path) -> None:
    """PyTorch is no part of the lowest environment: it takes gigabytes."""
    model = next((folder / "twofold.models").glob("*.safetensors"))
    words = [str(installed / "twofold"), "export", str(model), "--to", "safetensors"]
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "needs PyTorch, which is not installed" in done.stderr


def test_results_are_read_again_from_a_file(installed: Path, folder: Path) -> None:
    text = run(installed / "twofold", "results", "--csv", folder=folder)
    assert len(list(csv.DictReader(text.splitlines()))) == 8
    (folder / "trials.csv").write_text(text.replace("True", "WAHR").replace("False", "FALSCH"), "utf-8")
    from_store, from_table = (
        json.loads(run(installed / "twofold", "analyse", "--json", *more, folder=folder))
        for more in ([], ["--csv", "trials.csv"])
    )
    assert from_store.pop("counting")
    assert from_table.pop("counting") is None  # a table has no answers
    assert from_table["reasons"].pop("counting")
    assert from_table == from_store


def test_a_store_of_the_first_version_is_brought_up_to_date(installed: Path, folder: Path) -> None:
    shutil.copy(ROOT / "tests" / "stores" / "first" / "twofold.db", folder / "first.db")
    run(installed / "twofold", "study", *TINY, "--store", "first.db", folder=folder)
    assert len(list(folder.glob("first.db.version-*"))) == 1


def test_python_has_it_too(installed: Path, folder: Path) -> None:
    study = "twofold.Study(rounds=1, epochs=1, networks=['NetWS'])"
    program = f"import twofold; print(len({study}.run(store='sqlite://').table))"
    assert run(installed / "python", "-c", program, folder=folder).split() == ["1"]
