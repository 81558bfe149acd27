"""What is said of plans: what each run was asked to train, and how much of it is done."""

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.report.text.names import cell_text
from twofold.report.text.numbers import counted, cut_numbers, listed
from twofold.report.text.tables import Column, TextTable
from twofold.results import Recorded
from twofold.settings import several, words

# In a table so many values of a setting are named, and numbers have so many digits.
_MOST_NAMED = 5


def plans_table(plans: Sequence[Recorded], store: str, without: int) -> TextTable:
    """The plans of a store, a line each; so many trials are of none."""
    columns = [
        Column("plan", lambda row: row["plan"], words=True),
        Column("command", lambda row: row["command"], words=True),
        Column("networks", lambda row: row["networks"], words=True),
        Column("images and settings", lambda row: row["settings"], words=True),
        Column("rounds", lambda row: row["rounds"]),
        Column("trials\ndone", lambda row: row["done"]),
        Column("last\ntrained\n(UTC)", lambda row: row["last"]),
        Column("version", lambda row: row["version"]),
    ]
    notes = [f"`--plan {plans[0].number}` chooses the first, in every command that reads."]
    if without:
        notes.append(_without_text(without))
    return TextTable(f"{counted(len(plans), 'plan')} in {store}", columns, [_row(plan) for plan in plans], notes)


def no_plans_text(store: str, trials: int) -> str:
    """What is said of a store without plans."""
    if not trials:
        return f"no plans in {store} yet; `twofold study` makes one"
    return f"no plans in {store} yet; {_without_text(trials)}"


def plan_rows(plans: Sequence[Recorded]) -> list[dict[str, Any]]:
    """The plans of a store, as JSON has them."""
    return [
        {
            "plan": each.number,
            "command": each.plan.command,
            **each.plan.content,
            "trials": each.plan.trials,
            "done": each.done,
            "first_at": each.first_at,
            "last_at": each.last_at,
            "version": each.version,
        }
        for each in plans
    ]


def plan_text(plan: Recorded) -> str:
    """A plan in a few words."""
    row = _row(plan)
    return f"plan {row['plan']} ({row['command']}: {row['networks']}; {row['settings']}; rounds {row['rounds']})"


def plan_heading(plan: Recorded, store: str) -> str:
    """What stands above a plan that is printed as a file."""
    return (
        f"Plan {plan.number} of {store}, first run on {plan.first_at[:10]} by twofold {plan.version}.\n"
        "Run it with: twofold study plan.toml\n"
        "Names of files in it begin in the folder that it is run in."
    )


def _without_text(trials: int) -> str:
    return (
        f"{counted(trials, 'trial')} of no plan, stored by an earlier version or taken from such a store: "
        "`twofold results` lists them by setting."
    )


def _row(recorded: Recorded) -> dict[str, Any]:
    plan = recorded.plan
    studies = plan.content["studies"]
    networks = dict.fromkeys(name for study in studies for name in study["networks"])
    return {
        "plan": str(recorded.number),
        "command": plan.command,
        "networks": listed(list(networks)),
        "settings": _settings(plan.content),
        "rounds": ", ".join(dict.fromkeys(_rounds(study["rounds"]) for study in studies)),
        "done": f"{recorded.done} of {plan.trials}",
        "last": recorded.last_at[:16].replace("T", " "),
        "version": recorded.version,
    }


def _settings(content: Mapping[str, Any]) -> str:
    """The settings that are not at their defaults, with all their values, and what a search looks for."""
    values: dict[str, list[Any]] = {}
    for study in content["studies"]:
        for name, given in study.get("settings", {}).items():
            values.setdefault(name, []).extend(each for each in several(given) if each not in values.get(name, []))
    told = [str(each) for each in values.pop("data", [])]
    told += [f"classes {study['classes']}" for study in content["studies"][:1] if "classes" in study]
    told += [f"{words(name)} {_values(name, given)}" for name, given in values.items()]
    told += [f"searched: {_searched(content['search'])}"] if "search" in content else []
    return ", ".join(told) or "defaults"


def _values(name: str, values: Sequence[Any]) -> str:
    named = [_short(name, value) for value in values[:_MOST_NAMED]]
    return " ".join(named) + (f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else "")


def _rounds(text: str) -> str:
    first, _, last = text.partition("-")
    return first if first == last else f"{first} to {last}"


def _short(name: str, value: Any) -> str:
    """A setting's value; of a number that a search has found the first digits."""
    return cut_numbers([cell_text(name, value)])[0]


def _searched(search: Mapping[str, Any]) -> str:
    where = [words(name) for name, values in search.get("space", {}).items() if len(several(values)) > 1]
    return listed(where) if where else "nothing"
