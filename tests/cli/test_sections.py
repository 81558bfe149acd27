"""Every command that reads, over a store of trials that were not drawn alike: nothing is pooled, and it is said."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from tests.mixed_store import FRESH, WIDTH, mixed_store
from tests.report.synthetic import add_own

from twofold.analysis import sections
from twofold.cli import main, selection
from twofold.report.figures.catalogue import findings_figures
from twofold.results import Store
from twofold.settings import SECTIONING, is_fresh

# Of four networks, with the weights of the other two of three rounds.
CROSSED = 4 * 3 * 2


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return mixed_store(tmp_path_factory.mktemp("mixed") / "mixed.db")


@pytest.fixture
def told(mixed, capsys, monkeypatch):
    """Runs a command on the store on a wide terminal, and gives what it prints."""

    def run(*arguments, code=0, store=None):
        assert main([*arguments, "--store", str(store or mixed.path)]) == code
        return capsys.readouterr()

    return run


def within_one(mixed, error):
    """Whether a mean error lies in the range of a section."""
    return any(low <= error <= low + WIDTH for low in mixed.lowest.values())


def rows_of(text):
    """The cells of the lines of tables that begin with a network's name."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.startswith((" Net", "Net"))]
    return [cells for cells in lines if len(cells) > 3]


def test_a_mean_over_two_sections_would_lie_in_none(mixed):
    lows = sorted(mixed.lowest.values())
    assert len(lows) == 10
    assert not within_one(mixed, (lows[0] + lows[1] + WIDTH) / 2)


def test_results_lists_each_section_by_itself(mixed, told):
    text = told("results").out
    assert len(re.findall(r"^Section \d+ of 10: ", text, re.M)) == 10
    assert "10 sections: the trials were not drawn alike" in text
    assert f"--rounds {FRESH[0]}-{FRESH[-1]}" in text
    means = [float(cells[-3]) / 100 for cells in rows_of(text)]
    assert len(means) == 4 * (2 * 2 + 8)
    assert all(within_one(mixed, mean) for mean in means)
    counted = map(int, re.findall(r"Test error of (\d+) trials", text))
    assert sum(counted) + CROSSED == len(json.loads(told("results", "--json").out))
    assert f"Left out of all tables over rounds: {CROSSED} trials" in " ".join(text.split())


def test_rows_are_all_there(mixed, told):
    rows = list(csv.DictReader(io.StringIO(told("results", "--csv").out)))
    assert len(rows) == 4 * (2 * (3 * 2 + 5) + 5 * 3 + 2 * 3) + CROSSED


def test_analyse_compares_and_pools_within_sections_only(mixed, told):
    found = json.loads(told("analyse", "--json").out)["sections"]
    assert len(found) == 10
    means = {}
    for each in found:
        assert set(each["section"]) <= {*SECTIONING, "fresh"}
        lows = {
            round(low, 6)
            for row in each["summary"]
            for low in mixed.lowest.values()
            if low <= row["mean"] <= low + WIDTH
        }
        assert len(lows) == 1, each["section"]
        means[lows.pop()] = each
        for row in [*(each.get("differences") or []), *(each.get("effects") or [])]:
            assert abs(row["difference"]) < 2 * WIDTH
    assert len(means) == 10
    text = told("analyse").out
    assert len(re.findall(r"^Section \d+ of 10: ", text, re.M)) == 10
    assert "the chosen ones look better than they are" in text


def test_power_is_that_of_each_section_or_says_why_not(mixed, told):
    rows = json.loads(told("power", "--json").out)
    assert {row["fresh"] for row in rows} == {True, False}
    planned = [row for row in rows if row["first"]]
    assert all(abs(row["observed"]) < WIDTH for row in planned)
    assert len(planned) == 6 * 8  # of each pair, in the sections that have one setting
    assert [row["note"] for row in rows if not row["first"]] == [
        "NetBase has 2 trials in round 0, which differ in `learning_rate`; choose one setting"
    ] * 2
    text = told("power").out
    assert text.count("NetBase has 2 trials in round 0, which differ in `--learning-rate`; choose one setting.") == 2
    assert text.count("Rounds needed to tell two networks apart") == 8
    assert "3 rounds" in text
    assert "5 rounds" in text
    assert "8 rounds" not in text


def test_one_section_chosen_is_shown_as_ever(mixed, told):
    chosen = ["--data", "mnist5k", "--relation", "<=", "--rounds", "1000-1004", "--pairs", "1000"]
    assert "Section" not in told("analyse", *chosen).out
    assert "sections" not in json.loads(told("analyse", *chosen, "--json").out)
    assert "Test error of 20 trials" in told("results", *chosen).out


def test_crossed_trials_are_in_no_mean_and_analyse_tells_of_them(mixed, told):
    chosen = ["--data", "kmnist"]
    (row, *_) = json.loads(told("analyse", *chosen, "--json").out)["components"]
    assert (row["rounds"], row["weight_rounds"]) == (3, 3)
    assert row["ci_high"] <= 0.25
    everything = " ".join(told("analyse", "--plan", "11").out.split())
    assert everything.count(f"all {CROSSED} trials have the initial weights of another round") == 2
    assert "says what they show" not in everything
    assert f"Left out of all tables over rounds: {CROSSED} trials" in " ".join(
        told("results", "--plan", "11").out.split()
    )


def test_every_section_is_a_plan(mixed, told):
    plans = json.loads(told("results", "--plans", "--json").out)
    assert [plan["command"] for plan in plans] == ["grid", "study"] * 2 + ["study"] * 7
    assert all(plan["done"] == plan["trials"] for plan in plans)
    assert "all is well: 196 trials" in told("store", "check").err
    for plan in plans[:-1]:
        means = [
            row["mean"] for row in json.loads(told("analyse", "--plan", str(plan["plan"]), "--json").out)["summary"]
        ]
        assert all(within_one(mixed, mean) for mean in means)


class Means(HTMLParser):
    """The means in the tables of test errors of a page."""

    def __init__(self, text):
        super().__init__()
        self.found, self._caption, self._tag, self._cells = [], "", "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._tag = tag

    def handle_data(self, data):
        if self._tag == "caption":
            self._caption = data
        elif self._tag == "td":
            self._cells.append(data)

    def handle_endtag(self, tag):
        if tag == "tr" and self._cells:
            if self._caption.startswith("Test error"):
                self.found.append(float(self._cells[1]) / 100)
            self._cells = []
        self._tag = ""


def test_the_report_has_a_part_for_each_section(mixed, told, tmp_path):
    told("report", "--out", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "10 sections: the trials were not drawn alike" in text
    assert len(re.findall(r'<section id="section-\d+">', text)) == 10
    means = Means(text).found
    assert len(means) == 4 * (2 * 2 + 8)
    assert all(within_one(mixed, mean) for mean in means)
    answers = re.findall(r"errs least: ([\d.]+) %", re.sub("<[^>]*>", "", text))
    assert answers
    assert all(within_one(mixed, float(error) / 100) for error in answers)


def test_figures_are_of_one_section_each(mixed):
    table = Store(str(mixed.path), create=False).read()
    chosen = table[(table.data == "mnist5k") & (table.pairs == 1000) & (table.relation == "==")]
    drawings = findings_figures(sections(chosen))
    assert drawings.keys() == {
        "collapse_rates_rounds-below-1000",
        *(f"{stem}_rounds-from-1000-on" for stem in ("effects", "collapse", "dead_units", "spread")),
    }
    assert all(set(is_fresh(drawing.rows["round"])) == {"below" not in name} for name, drawing in drawings.items())


def test_rows_are_the_same_some_at_a_time(mixed, told, monkeypatch):
    """Whatever the trials of a page lack: of two networks one has arguments, and no paper's branches."""
    store = Store(mixed.path.with_name("two.db"))
    for row in Store(mixed.path, create=False).read(histories=True).head(4).to_dict("records"):
        store.add(row | {"weight_round": row["round"]})
    add_own(store, factors={"share": (True, False)}, rounds=2)
    kinds = {kind: [] for kind in ("--csv", "--json")}
    for size in (1, 3, 1000):
        monkeypatch.setattr(selection, "_A_PAGE", size)
        for kind, texts in kinds.items():
            texts.append(told("results", kind, store=store.url).out)
    for texts in kinds.values():
        assert len(set(texts)) == 1
    rows = json.loads(kinds["--json"][0])
    assert [row["share"] for row in rows[-4:]] == [True, True, False, False]
    assert [row["dead_units"] is None for row in rows] == [False] * 4 + [True] * 4
    table = pd.read_csv(io.StringIO(kinds["--csv"][0]), dtype=str)
    assert table.columns[:3].tolist() == ["key", "network", "share"]
    assert table.dead_first.dropna().str.isdecimal().all()


def test_nothing_but_what_is_chosen_is_read(mixed, told, monkeypatch):
    read, real = [], Store.read

    def reading(store, keys, **more):
        read.extend(keys := list(keys))
        return real(store, keys, **more)

    monkeypatch.setattr(Store, "read", reading)
    rows = json.loads(told("results", "--json", "--relation", "==", "--rounds", "1000-1001").out)
    assert len(rows) == 4 * 2
    assert len(read) == len(rows) + len(Store(mixed.path, create=False).groups())
