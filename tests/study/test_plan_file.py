"""Plan files: what is written is read as it was, and what cannot be meant is refused in one line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import TwofoldError
from twofold.results.plans import check_content
from twofold.settings import SETTINGS, round_numbers, rounds_text
from twofold.study.plan_file import changed, plan_as_toml, read_plan

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ONE = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = ONE | st.lists(ONE, min_size=2, max_size=4)
STUDIES = st.fixed_dictionaries(
    {"networks": st.lists(TEXTS, min_size=1, max_size=3), "rounds": st.sampled_from(["0-19", "1000-1049", "0-18/2"])},
    optional={
        "classes": TEXTS,
        "settings": st.dictionaries(st.sampled_from(sorted(SETTINGS)), VALUES, min_size=1, max_size=4),
    },
)


@given(st.lists(STUDIES, min_size=1, max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_what_is_written_is_read_as_it_was(tmp_path_factory, studies, identities):
    path = tmp_path_factory.mktemp("plans") / "plan.toml"
    content = {"studies": studies} | ({"identities": identities} if identities else {})
    check_content(content)
    path.write_text(plan_as_toml("grid", content, "A plan\nof two lines"), encoding="utf-8", newline="")
    assert read_plan(path) == ("grid", content)


@given(
    st.integers(0, 50).flatmap(lambda a: st.tuples(st.just(a), st.integers(a, 60))), st.integers(1, 7), st.booleans()
)
def test_rounds_are_read_as_they_are_written(ends, step, backwards):
    rounds = range(ends[0], ends[1] + 1, step)
    assert round_numbers(rounds_text(rounds[::-1] if backwards else rounds)) == rounds


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_by_hand_a_few_lines_are_a_plan(written):
    path = written('networks = ["NetWS", "twin.py:Twin"]\nrounds = 5\n[factors]\nshare = [false, true]\ndepth = 2\n')
    assert read_plan(path) == (
        "study",
        {"studies": [{"networks": ["NetWS", "twin.py:Twin(share=[False, True], depth=2)"], "rounds": "0-4"}]},
    )
    assert read_plan(written("[settings]\npairs = [100, 300]\n"))[0] == "sweep"
    assert read_plan(written("[search]\nbudget = 60\n"))[0] == "tune"
    assert read_plan(written(""))[1]["studies"][0]["rounds"] == "0-19"


REFUSED = {
    "networs = ['NetWS']": "`name` (='networs') is unknown; did you mean networks? known: command",
    "[settings]\nlearning_rte = 1": "`setting` (='learning_rte') is unknown; did you mean learning_rate?",
    "[search]\nbudgt = 6": "`name of search` (='budgt') is unknown; did you mean budget?",
    "command = 'trian'": "`command` (='trian') is unknown",
    "command = 'tune'": "`search` belongs to the command tune alone",
    "rounds = 'five'": "`rounds` (=five) must be a whole number",
    "rounds = 0": "`rounds` (=0) must be at least 1",
    "rounds = [1, 2]": "`rounds` (=[1, 2]) must be",
    "networks = [1]": "`networks` (=[1]) must be names",
    "settings = 3": "`settings` (=3) must be a table",
    "[settings]\nepochs = {a = 1}": "`settings` (={'epochs': {'a': 1}}) must be names, each with a value",
    "[settings]\nepochs = 2026-01-01": "must be names, each with a value",
    "studies = 3": "`studies` (=3) must be [[studies]]",
    "studies = []": "`studies` (=[]) must be a list of studies",
    "rounds = 3\n[[studies]]": "`rounds` and `studies` exclude each other",
    "[factors]\nshare = true": "`factors` (share) are arguments of networks of your own",
    "networks = ['a.py:T(b=1)']\n[factors]\nshare = true": "`networks` (=a.py:T(b=1)) has arguments, and there are",
    "identities = {mnist = 3}": "`identities` (={'mnist': 3}) must be names with their hashes",
    "a = [": "cannot read the plan",
    "a = " + "[" * 100_000: "cannot read the plan",
    "a = " + "9" * 5000: "cannot read the plan",
    "# " + "x" * 2**20: "is no plan: it is larger than 1024 KiB",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_meant_is_refused_in_one_line(written, text):
    with pytest.raises(TwofoldError, match=re.escape(REFUSED[text])) as error:
        read_plan(written(text))
    assert len(str(error.value).splitlines()) == 1
    assert "plan.toml" in str(error.value)


def test_what_a_name_meant_is_compared():
    before = {"mnist": "a" * 32, "twin.py:Twin": "b" * 64, "gone": "c"}
    assert list(changed(before, {"mnist": "a" * 32, "twin.py:Twin": "d" * 64})) == [
        "twin.py:Twin is not what it was when this plan was recorded (bbbbbbbbbbbb, now dddddddddddd): its trials are "
        "others"
    ]
