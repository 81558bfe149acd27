"""What is said of stores: of those that are merged, of the runs that train for one, and of what is wrong with one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twofold.errors import shown
from twofold.report.text.names import cell_text, setting_text
from twofold.report.text.numbers import counted, duration, listed, percent
from twofold.report.text.tables import Column, TextTable
from twofold.results.claims import Run
from twofold.settings import COMPARED, SETTINGS, words
from twofold.study.merge import Merged, Refused
from twofold.study.replay import TOLERANCE, Again, Checked
from twofold.study.rows import differing

# Digits of a key that are shown, as in the table of kept networks.
_DIGITS = 12


def merged_text(merged: Merged) -> str:
    """What came of merging a store, in a sentence."""
    parts = [f"{counted(merged.taken, 'trial')} taken", f"{merged.there} here already"]
    if merged.added:
        parts[-1] += f" ({merged.added} without a trace of dead units or answers, which were taken)"
    if merged.kept:
        parts.append(f"{counted(merged.kept, 'kept network')} taken")
    if merged.plans:
        parts.append(f"{counted(merged.plans, 'plan')} taken")
    if merged.contradicting:
        parts.append(f"{merged.contradicting} with other numbers here, and not taken")
    if merged.damaged:
        parts.append(f"{merged.damaged} damaged, and not taken")
    if lost := sum(each.kept_only for each in merged.refused):
        parts.append(f"{counted(lost, 'kept network')} damaged, and not taken")
    return f"{merged.store}: {', '.join(parts)}"


def refused_lines(merged: Merged) -> Iterator[str]:
    """A line for each trial of a store that was not taken, and what it may mean where rows contradict each other."""
    for each in merged.refused:
        yield f"{trial_text(each.theirs)}: {each.wrong or _contradiction(each)}"
    if any(each.ours is not None and not each.made_alike for each in merged.refused):
        yield "Other processors, versions or operations round in another way, which changes errors by a point."
    if any(each.made_alike for each in merged.refused):
        yield "Of two rows made alike, as they say, one is wrong: train that trial in a new store to see which."


def merged_rows(found: Sequence[Merged]) -> list[dict[str, Any]]:
    """What came of merging stores, as JSON has it."""
    return [
        {
            "store": each.store,
            "taken": each.taken,
            "there": each.there,
            "traces_or_answers_taken": each.added,
            "kept_networks_taken": each.kept,
            "plans_taken": each.plans,
            "refused": [
                {
                    "key": one.theirs["key"],
                    "trial": trial_text(one.theirs),
                    "wrong": one.wrong or _contradiction(one),
                    "contradicts": one.ours is not None,
                }
                for one in each.refused
            ],
        }
        for each in found
    ]


def trial_text(row: Mapping[str, Any]) -> str:
    """A trial by its key, network, round and the settings that are not at their defaults, however wrong these are."""
    setting = {
        name: row[name]
        for name in COMPARED
        if row.get(name) not in (None, SETTINGS[name].default, SETTINGS[name].unused)
    }
    told = [f"{shown(row.get('network'))}, round {shown(row.get('round'))}"]
    told += [shown(setting_text({name: value})) for name, value in setting.items()]
    return f"{key_text(row['key'])} ({', '.join(told)})"


def key_text(key: object) -> str:
    """The beginning of a key, as tables have it."""
    return str(key)[:_DIGITS]


def runs_table(runs: Sequence[Run], store: str) -> TextTable:
    """The runs that train for a store, a line each."""
    columns = [
        Column("networks", lambda row: listed(row["network"]), words=True),
        Column("images and settings", lambda row: row["settings"], words=True),
        Column("host\n(process)", lambda row: row["where"], words=True),
        Column("trials\ndone", lambda row: row["done"]),
        Column("running\nfor", lambda row: duration(row["began"])),
        Column("silent\nfor", lambda row: duration(row["sign"])),
    ]
    notes = [f"{_where(run)} {_stands_still(run)}." for run in runs if run.stands_still]
    return TextTable(f"{counted(len(runs), 'run')} for {store}", columns, [_run(run) for run in runs], notes)


def run_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The runs that train for a store, as JSON has them; times are in seconds."""
    return [
        {
            "host": run.host,
            "process": int(run.process) if run.process.isdecimal() else None,
            "began_seconds_ago": run.began,
            "last_sign_seconds_ago": run.sign,
            "trials": run.trials,
            "done": run.done,
            "claimed": run.claimed,
            "plan": run.plan,
            "stands_still": run.stands_still,
        }
        for run in runs
    ]


def fault_lines(found: Checked) -> Iterator[str]:
    """A line for each fault of a store."""
    for fault in found.audit.faults:
        name = key_text(fault.name) if fault.what == "kept network" else fault.name
        name = name if fault.row is None else trial_text(fault.row)
        yield f"{fault.what} {name}: {fault.wrong}"
    for each in found.again:
        if each.wrong:
            yield f"trial {trial_text(each.row)}: {_again_text(each)}"


def replay_text(found: Checked) -> Iterator[str]:
    """What was trained again, in sentences, and what was not."""
    if not (found.again or found.left_out):
        return
    trained = [each for each in found.again if each.new is not None]
    drawn = f"drawn with --replay-seed {found.seed}"
    exact = sum(each.to_the_bit for each in trained)
    parts = [f"{exact} compared to the last bit"] * bool(exact)
    if exact < len(trained):
        parts.append(f"{len(trained) - exact} by the loss of the first epoch (within {_WITHIN})")
    yield f"{counted(len(trained), 'trial')} trained again, {drawn}{': ' * bool(parts)}{', '.join(parts)}"
    for each in found.again:
        if each.skipped:
            yield f"not trained again: {trial_text(each.row)}: {each.skipped}"
    if found.left_out:
        yield (
            f"{counted(found.left_out, 'trial')} of networks of your own left out: give their classes with --network, "
            "for example --network file.py:Twin"
        )


def checked_text(found: Checked) -> str:
    """How much is wrong with a store, in a sentence."""
    seen = f"{counted(found.audit.trials, 'trial')} and {counted(found.audit.kept, 'kept network')}"
    return (
        f"{counted(found.faults, 'fault')} in {seen}; nothing was changed" if found.faults else f"all is well: {seen}"
    )


def checked_json(found: Checked) -> dict[str, Any]:
    """What was found of a store, as JSON has it."""
    return {
        "trials": found.audit.trials,
        "kept_networks": found.audit.kept,
        "faults": [{"of": each.what, "name": each.name, "wrong": each.wrong} for each in found.audit.faults],
        "replay_seed": found.seed if found.again else None,
        "replayed": [_again_json(each) for each in found.again],
        "left_out": found.left_out,
    }


_WITHIN = f"{100 * TOLERANCE:g} %"


def _contradiction(refused: Refused) -> str:
    ours, theirs = refused.ours or {}, refused.theirs
    names = differing(ours, theirs)
    if "test_error" in names:
        return f"test error {percent(ours['test_error'])} % here, {percent(theirs['test_error'])} % there"
    return f"other {listed([words(name) for name in names])}"


def _run(run: Run) -> dict[str, Any]:
    plan = dict(run.plan or {})
    networks = [str(name) for name in plan.pop("network", [])] or ["not told yet"]
    rounds, data = plan.pop("round", []), plan.pop("data", [])
    rounds_text = [f"rounds {rounds[0]} to {rounds[1]}"] if len(rounds) == 2 else []
    varied = [f"{words(name)} {', '.join(cell_text(name, value) for value in values)}" for name, values in plan.items()]
    told = [*map(str, data), *rounds_text, *varied]
    done = f"{run.done} of {run.trials}" if run.trials else "0"
    return {
        "network": networks,
        "settings": ", ".join(told) or "not told yet",
        "where": _where(run),
        "done": done,
        "began": run.began,
        "sign": run.sign,
    }


def _where(run: Run) -> str:
    return f"{run.host or 'a machine without a name'}{f' ({run.process})' if run.process else ''}"


def _stands_still(run: Run) -> str:
    why = "has ended" if run.ended else "stands still"
    return f"{why}: what it has claimed ({counted(run.claimed, 'trial')}) goes to the next run that wants it"


def _again_text(each: Again) -> str:
    new = each.new or {}
    if not each.to_the_bit:
        before, now = each.row["train_loss"][0], new["train_loss"][0]
        return f"trained again, the loss of its first epoch is {now}, and was {before}: more than {_WITHIN} apart"
    if "test_error" in each.wrong:
        before, now = percent(each.row["test_error"]), percent(new["test_error"])
        return f"trained again alike, its test error is {now} %, and was {before} %"
    return f"trained again alike, it has other {listed([words(name) for name in each.wrong])}"


def _again_json(each: Again) -> dict[str, Any]:
    return {
        "key": each.row["key"],
        "compared": None if each.new is None else "bits" if each.to_the_bit else "first loss",
        "different": list(each.wrong),
        "skipped": each.skipped or None,
    }
