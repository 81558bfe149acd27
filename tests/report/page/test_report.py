"""The report: sensible whatever the store holds, true to its numbers, and one file that asks nobody for anything."""

import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from tests.report.synthetic import fill

from twofold.analysis import choice, effects, summary
from twofold.cli import main
from twofold.networks import NETWORKS
from twofold.report.page.html import unbroken
from twofold.report.page.report import report_page
from twofold.report.text.numbers import interval, percent, points
from twofold.results import Store

HOSTILE = """<script>alert(1)</script>"'</script></style>--><img src=x onerror=alert(2)>{{ 7 * 7 }}"""
VOID = {"meta", "link", "img", "br", "input", "path", "use"}


class Page(HTMLParser):
    """What stands in a page: its elements with their attributes, its text, and whether its tags are balanced."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.words, self.script = [], [], [""], ""
        self.goes_on = False  # what comes next is of the same word
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.goes_on = tag == "span"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self.goes_on = tag == "span"
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.script += data
        elif self.goes_on:
            self.words[-1] += data
        else:
            self.words.append(data)

    def having(self, attribute):
        return [found[attribute] for _, found in self.elements if attribute in found]

    def of_class(self, name):
        return [found for _, found in self.elements if name in (found.get("class") or "").split()]


def page_of(table, **options):
    page = Page(report_page(table, **{"title": "A title", "store": "a store", "demo_note": "no demo", **options}))
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return fill(str(tmp_path_factory.mktemp("study") / "a.db"), rounds=12).read(histories=True)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """600 trials: what the paper's grid search has."""
    axes = {"optimizer": ["sgd", "adam", "adadelta", "adagrad", "rmsprop"], "learning_rate": [0.001, 0.005, 0.01]}
    path = tmp_path_factory.mktemp("grid") / "a.db"
    return fill(str(path), rounds=10, epochs=100, **axes).read(histories=True)


@pytest.fixture(scope="module")
def texts(study, grid):
    """The pages of both, as they are written."""
    return {
        name: report_page(table, title="t", store="s", demo_note="")
        for name, table in (("study", study), ("grid", grid))
    }


def test_the_answer_and_the_tables_have_the_numbers_of_the_analysis(study):
    page = page_of(study)
    worth = effects(study).set_index("effect").difference
    assert f"by {percent(abs(worth['auxiliary losses']))} points (95 % interval " in page.text
    assert f"weight sharing: {points(worth['weight sharing'])} points" in page.text
    for row in summary(study).itertuples():
        assert f"{row.network}: {percent(row.mean)} %" in page.text
    assert "Each network sees two digits of mnist5k and has to say whether “first ≤ second” is true." in page.text


def test_a_margin_says_what_is_equivalent(study):
    page = Page(report_page(study, title="t", store="s", demo_note="", equivalence_margin=0.01))
    assert "Equivalent: shown to differ by less than 1 point (two one-sided tests)." in page.text
    assert "Better: NetWSAL than NetBase" in page.text or "Better: NetWS than NetBase" in page.text
    assert "Equivalent:" not in page_of(study).text


def test_no_number_has_another_minus_sign_than_the_others(texts):
    """A hyphen stands before no number but in a range of rounds, in a time, and in a command."""
    for text in texts.values():
        read = " ".join(Page(re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)).words)
        assert "−" in read
        assert not re.findall(r"(?<![\w-])-\d", read)


def test_every_round_is_marked_in_each_of_its_charts_and_says_its_value(study):
    tips = page_of(study).having("data-tip")
    for row in study.itertuples():
        told = [tip for tip in tips if tip.startswith(f"{row.network}, round {row.round}: {percent(row.test_error)} %")]
        assert len(told) == 4  # every round wide and narrow, the strip, the dead units


@pytest.mark.parametrize("name", ["study", "grid"])
def test_the_page_is_one_file_that_says_what_its_figures_show(name, texts):
    text = texts[name]
    page = Page(text)
    assert not [link for link in page.having("src") if link]
    assert all(link.startswith(("#", "data:")) for link in page.having("href"))
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text
    plots = page.of_class("plot")
    assert plots
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 40 and plot["tabindex"] == "0" for plot in plots)
    assert len(page.having("id")) == len(set(page.having("id")))
    assert {target.removeprefix("#") for target in page.having("href") if target.startswith("#")} <= {
        *page.having("id")
    }


def test_a_grid_of_600_trials_has_its_heatmaps_its_choice_and_all_settings_in_under_5_megabytes(grid, texts):
    assert len(grid) == 600
    text = texts["grid"]
    assert len(text.encode()) < 5_000_000
    page = Page(text)
    best = choice(grid, "validation_error").iloc[0]
    assert f"{best.optimizer}, learning rate {best.learning_rate:g} has the lowest validation error" in page.text
    assert len(page.of_class("heatmap")) == len(NETWORKS)
    cell = grid[(grid.network == "NetAL") & (grid.optimizer == "sgd") & (grid.learning_rate == 0.005)].test_error
    assert f"{percent(cell.mean())} ± {percent(cell.std())}" in page.text
    assert sum(tag == "details" for tag, _ in page.elements) == 15
    assert "Beside the paper" in page.text


def test_more_settings_than_a_reader_opens_are_counted_and_stay_in_the_tables(tmp_path):
    rates = [round(0.001 * n, 4) for n in range(1, 31)]
    table = fill(str(tmp_path / "a.db"), rounds=1, networks=["NetWS"], learning_rate=rates).read(histories=True)
    page = page_of(table)
    assert "6 more settings are in the tables only." in page.text
    assert "The first 12 of 30 that are not shown to be worse." in page.text


def test_the_papers_numbers_stand_beside_ours_where_the_settings_are_the_papers(tmp_path):
    table = fill(str(tmp_path / "a.db"), rounds=3, epochs=100).read(histories=True)
    page = page_of(table)
    assert "20.31 ± 7.35" in page.text  # the paper's NetBase (figure 2b)
    assert "The paper's digits are the full MNIST (--data mnist); these are mnist5k." in page.text
    assert "Beside the paper" not in page_of(table.assign(epochs=7)).text


def test_an_empty_store_says_how_to_fill_it(study):
    page = page_of(study.head(0))
    assert "holds no trials yet. twofold study makes some" in page.text
    assert page.of_class("plot") == []


def test_one_trial_says_what_it_can_and_why_not_more(study):
    page = page_of(study.head(1))
    assert "cannot be told yet: the effects need all four networks" in page.text
    assert f"NetBase errs on {percent(study.test_error[0])} % of test pairs in 1 round." in page.text


def test_one_round_of_all_networks_has_no_intervals(study):
    page = page_of(study[study["round"] == 0])
    assert "cannot be told yet: 1 round with all the networks, and at least 2 are needed" in page.text
    assert "nan" not in page.text.lower()


def test_a_study_half_done_counts_what_there_is(study):
    half = study[~((study.network == "NetWSAL") & (study["round"] > 4))]
    page = page_of(half)
    assert "not complete: the networks have these rounds: NetBase 12, NetWS 12, NetAL 12, NetWSAL 5" in page.text
    assert "Changes are means over 5 rounds." in page.text


def test_a_round_that_no_network_shares_and_diverged_trainings_are_told(study):
    apart = study[(study.network == "NetBase") == (study["round"] < 6)].copy()
    apart["diverged"] = apart["round"] == 0
    apart["train_loss"] = [[None] * 8 if diverged else loss for diverged, loss in zip(apart.diverged, apart.train_loss)]
    page = page_of(apart)
    assert "cannot be told yet: 0 rounds with all the networks" in page.text
    assert "NetBase 1 with one branch dead and 1 diverged, of 6" in page.text


def test_losses_that_are_never_numbers_leave_the_curve_out(study):
    table = study.assign(train_loss=[[None] * 8] * len(study), diverged=True)
    assert "Training loss" not in page_of(table).text


def test_a_network_of_ones_own_is_drawn_beside_the_four(study):
    own = study.assign(network=study.network.replace("NetWS", "A network with a name of some length"))
    page = page_of(own)
    assert "A network with a name of some length, round 3: " in " ".join(page.having("data-tip"))
    assert "the table has no trial of NetWS" in page.text


def test_hostile_text_stays_text(study):
    table = study.assign(data=HOSTILE, device=HOSTILE, relation=HOSTILE)
    table["network"] = table.network.replace("NetWS", HOSTILE)
    page = page_of(table, title=HOSTILE, store=HOSTILE, demo_note=HOSTILE)
    plain = page_of(study)
    assert [tag for tag, _ in page.elements].count("script") == [tag for tag, _ in plain.elements].count("script")
    assert page.script == plain.script
    assert "img" not in {tag for tag, _ in page.elements}
    assert page.text.count(" ".join(HOSTILE.split())) > 10


def test_every_setting_that_made_the_trials_is_told(study):
    page = page_of(study)
    for name in ("test_pairs", "validation_pairs", "learning_rate", "bottleneck_activation", "batch_size"):
        assert f"{name.replace('_', ' ')} {study[name].iloc[0]}" in page.text
    for name in ("twofold_version", "jax_version", "device"):
        assert study[name].iloc[0] in page.text
    assert study.fingerprint.iloc[0][:16] in page.text
    assert "72 s in all" in page.text  # 48 trials of 1.5 s


def commands_in(page):
    return [line for line in page.words if line.strip().startswith(("twofold study", "twofold.Study"))]


SETTINGS = [
    {},
    {"optimizer": "sgd", "learning_rate": 1e-05, "batch_size": 10, "seed": 3},
    {"relation": "same parity", "normalise": True, "shuffle": True, "validation_pairs": 0, "aux_weight": 0.25},
    {"bottleneck_activation": "leaky_relu", "test_pairs": 40, "pairs": 60, "batch_size": 30, "relation": "<"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_command_makes_these_very_trials(settings, tmp_path, monkeypatch, capsys):
    """Run as it stands there, on the store, it finds every trial done and plans no other."""
    monkeypatch.chdir(tmp_path)
    before = fill("twofold.db", rounds=2, **{"pairs": 50, **settings}).read(histories=True)
    (command,) = commands_in(page_of(before))
    assert main(shlex.split(command)[1:]) == 0
    assert "8 of 8 trials are in the store already" in capsys.readouterr().err
    assert len(Store("twofold.db").read()) == 8


def test_rounds_that_do_not_count_from_0_are_told_as_ranges(study):
    (command,) = commands_in(page_of(study[study["round"].isin([3, 4, 5])]))
    assert "--rounds 3-5" in command
    apart = page_of(study[study["round"].isin([0, 1, 3, 7])]).text
    assert [rounds in apart for rounds in ("--rounds 2 ", "--rounds 3-3", "--rounds 7-7")] == [True] * 3


def test_auxiliary_weights_share_the_networks_that_have_none(tmp_path):
    table = fill(str(tmp_path / "a.db"), rounds=3, aux_weight=[0.1, 1.0]).read(histories=True)
    assert (table.network == "NetBase").sum() == 3
    page = page_of(table)
    assert "Of 2 settings, aux weight" in page.text
    assert (
        page.text.count("Auxiliary losses are not shown to change the test error") == 3
    )  # the whole page's answer, and each setting's
    assert np.isfinite(effects(table[(table.aux_weight != 0.1)]).difference).all()


def test_sections_have_a_line_each_that_leads_to_them_and_says_how_sure_it_is(study):
    others = study.assign(key=study.key + "o", data="mnist", fingerprint="another")
    others.loc[others.network != "NetWSAL", "test_error"] += 0.3  # shown to err more, in eight rounds
    text = report_page(pd.concat([study, others], ignore_index=True), title="A title", store="a store")
    page = Page(text)
    links = [to[1:] for to in page.having("href") if to.startswith("#section-")]
    assert links == ["section-1", "section-2"]
    assert {*links, "sections"} <= set(page.having("id"))
    for section in (study, others):
        best = summary(section).sort_values("mean").iloc[0]
        assert f"{best.network} {percent(best['mean'])} {interval(best.ci_low, best.ci_high)}" in page.text
    assert f"3 of 3 {len(others)}" in page.text  # and of the others none: they are not far apart in so few rounds


def test_a_number_keeps_its_sign_at_the_end_of_a_line(study):
    text = report_page(study, title="A title", store="a store")
    assert '<span class="whole">95 %</span>' in text
    assert unbroken("a --dry-run of 5.0 % <b>, p-values") == (
        'a <span class="whole">--dry-run</span> of <span class="whole">5.0 %</span> &lt;b&gt;, '
        '<span class="whole">p-values</span>'
    )


def test_images_of_one_name_that_are_others_are_each_on_the_page(study):
    others = study.assign(key=study.key + "o", fingerprint="another", test_error=study.test_error / 2)
    page = page_of(pd.concat([study, others], ignore_index=True))
    assert f"trials {2 * len(study)}" in page.text or f"{2 * len(study)} trials" in page.text
    assert "2 sections: the trials were not drawn alike (data)" in page.text
    assert "Section 2 of 2: mnist5k (10 classes, 0 to 9) #anothe" in page.text
