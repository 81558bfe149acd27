"""Files of figures: drawn once for the same rows, again for others, and whole or not at all."""

import subprocess
import sys
import time

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from tests.report.made_up import made_up_trials

from twofold.errors import SettingError
from twofold.report.figures import files
from twofold.report.figures.catalogue import grid_figures, study_figures, tune_figures
from twofold.report.figures.files import Drawing, write_figures


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_rows_give_the_same_files_and_are_not_drawn_again(trials, tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    assert write_figures(one, study_figures(trials)) == [f"wrote {one}/figure2.png", f"wrote {one}/figure2.svg"]
    write_figures(two, study_figures(trials.copy()))
    assert contents(one) == contents(two)
    monkeypatch.setattr(Drawing, "figure", None)
    assert write_figures(one, study_figures(trials)) == [f"{one}/figure2.png and figure2.svg are up to date"]


def with_error(trials):
    return trials.assign(test_error=trials.test_error.where(trials.index != 3, trials.test_error + 1e-12))


def with_histories(trials, last=0.5):
    return trials.assign(train_loss=[[1.0, None, last]] * len(trials))


@pytest.mark.parametrize(
    "change",
    [
        with_error,
        lambda trials: trials.iloc[::-1],
        lambda trials: trials.iloc[:-1],
        lambda trials: trials.rename(columns={"pairs": "epochs"}),
        lambda trials: trials.assign(round=trials["round"] + 100),
        with_histories,
    ],
)
def test_other_rows_are_drawn_anew(trials, change, tmp_path):
    write_figures(tmp_path, study_figures(trials))
    assert study_figures(change(trials))["figure2"].digest != study_figures(trials)["figure2"].digest
    said = write_figures(tmp_path, study_figures(change(trials)))
    assert said == [f"replaced {tmp_path}/figure2.png", f"replaced {tmp_path}/figure2.svg"]


def test_a_digest_tells_lists_and_arguments_apart_but_not_how_long_a_training_took(trials):
    def digest(rows, **arguments):
        return Drawing("study:figure2", rows, arguments).digest

    assert digest(with_histories(trials)) == digest(with_histories(trials))
    assert digest(with_histories(trials)) != digest(with_histories(trials, last=0.5000001))
    assert digest(trials, quantity="pairs") != digest(trials, quantity="epochs")
    assert digest({"a": trials}) != digest({"b": trials})
    assert digest({"a": {"x": 0.1}}) != digest({"a": {"x": 0.2}})
    assert digest(trials.assign(seconds=1.0)) == digest(trials.assign(seconds=2.0)) == digest(trials)


def test_another_version_draws_anew(trials, monkeypatch):
    before = study_figures(trials)["figure2"].digest
    monkeypatch.setattr(files, "_program", lambda: "another")
    assert study_figures(trials)["figure2"].digest != before


def test_a_file_of_the_users_own_is_replaced(trials, tmp_path):
    (tmp_path / "figure2.png").write_text("old")
    said = write_figures(tmp_path, study_figures(trials))
    assert said == [f"replaced {tmp_path}/figure2.png", f"wrote {tmp_path}/figure2.svg"]
    assert sorted(contents(tmp_path)) == ["figure2.png", "figure2.svg"]


def test_a_figure_that_cannot_be_drawn_leaves_the_old_files(trials, tmp_path):
    write_figures(tmp_path, study_figures(trials))
    before = contents(tmp_path)
    with pytest.raises(KeyError):
        write_figures(tmp_path, {"figure2": Drawing("study:figure2", trials.drop(columns="network"))})
    assert contents(tmp_path) == before


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_named(place, trials, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"`figures` \(=.*file.*\) cannot be written .*; name another folder"):
        write_figures(tmp_path / place, study_figures(trials), "figures")


def test_every_drawing_of_the_catalogue_is_there(trials, tmp_path):
    proposals = {"a search": trials.assign(validation_error=0.1)}
    drawings = {**grid_figures(trials), **tune_figures(proposals, {"a search": {"epochs": 1.0}})}
    said = write_figures(tmp_path, drawings)
    assert len(said) == 2 * len(drawings)
    assert all(len(content) > 5000 for content in contents(tmp_path).values())


def test_where_nothing_is_drawn_matplotlib_is_not_loaded(trials, tmp_path):
    trials.to_pickle(tmp_path / "rows")
    code = f"""
import sys, pathlib, pandas
from twofold.report.figures.catalogue import study_figures
from twofold.report.figures.files import write_figures
rows = pandas.read_pickle("{tmp_path}/rows")
for _ in range(2):
    print(write_figures(pathlib.Path("{tmp_path}"), study_figures(rows))[0], "matplotlib" in sys.modules)
"""
    for loaded in (["True", "True"], ["False", "False"]):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert [line.split()[-1] for line in done.stdout.splitlines()] == loaded


def test_the_users_own_settings_of_matplotlib_stay(trials, tmp_path):
    with mpl.rc_context({"font.size": 31.0}):
        write_figures(tmp_path, study_figures(trials))
        assert mpl.rcParams["font.size"] == 31.0


def test_a_digest_is_fast():
    trials = made_up_trials(2500)
    rows = trials.assign(train_loss=[list(np.linspace(1, 0, 100))] * len(trials))  # 10,000 trials
    begin = time.perf_counter()
    assert Drawing("study:figure2", rows).digest
    assert time.perf_counter() - begin < 2.0


def test_files_of_networks_are_named_so_that_a_shell_needs_no_quotes(trials):
    names = ["NetBase", "Twin(share=True)", "twin(share=True)", "Twin(share='True')", "Net(" + "x" * 300 + ")", "(=)"]
    rows = pd.concat([trials.assign(network=name) for name in names])
    stems = [name.removeprefix("grid_rounds_") for name in grid_figures(rows) if "rounds" in name]
    assert stems[:4] == ["NetBase", "Twin-share-True", "twin-share-True~2", "Twin-share-True~3"]
    assert stems[5] == "network"
    assert max(map(len, stems)) < 100
