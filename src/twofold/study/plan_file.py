"""Plan files: a plan in TOML, written by hand or printed from a store."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twofold.errors import DataError, SettingError, cause_of, shown, unknown_choice
from twofold.networks import NETWORKS, PAPERS
from twofold.networks.typed import is_typed, literal
from twofold.results.plans import COMMANDS, check_content
from twofold.settings import SETTINGS, round_numbers, rounds_text, several

# The most bytes of a plan file: more than anybody writes, and than any plan of ours takes.
_MOST_BYTES = 1024**2

_OF_STUDY = ("networks", "rounds", "classes", "settings", "factors")
_OF_SEARCH = ("budget", "together", "space")
_KNOWN = ("command", *_OF_STUDY, "studies", "search", "identities")

_ROUNDS = 20

# Names that TOML takes without quotes.
_BARE = re.compile("[A-Za-z0-9_-]+")


def read_plan(path: Path) -> tuple[str, dict[str, Any]]:
    """The command of a plan file, and what it trains as `twofold.results.plans.check_content` has it.

    `networks` (by default the paper's four), `rounds` (20), `classes`, `settings`, and `factors` stand in the file as
    such, or are those of each of its `studies`. Factors are arguments that all networks of one's own are called with, a
    value or a list of levels. Raises `DataError` where it cannot be read, `SettingError` for what it says.
    """
    given = _parsed(path)
    try:
        _check_known("name", given, _KNOWN)
        several_studies = given.get("studies")
        if several_studies is not None and (both := [name for name in _OF_STUDY if name in given]):
            raise SettingError(f"`{both[0]}` and `studies` exclude each other; give it in each of the studies")
        studies = [given] if several_studies is None else several_studies
        if not isinstance(studies, list):
            raise SettingError(f"`studies` (={shown(studies)}) must be [[studies]], one after another")
        content: dict[str, Any] = {"studies": [_study(each) for each in studies]}
        for name, known in (("search", _OF_SEARCH), ("identities", ())):
            if name in given:
                content[name] = given[name]
                _check_known(f"name of {name}", given[name], known or given[name])
        check_content(content)
        command = given.get("command", _command_of(content))
        if command not in COMMANDS:
            raise unknown_choice("command", command, COMMANDS)
        if (command == "tune") != ("search" in content) or ("search" in content and len(studies) > 1):
            raise SettingError("`search` belongs to the command tune alone, and to one study")
    except (SettingError, DataError) as error:
        raise SettingError(f"{path}: {error}") from error
    return command, content


def plan_as_toml(command: str, content: Mapping[str, Any], heading: str) -> str:
    """A plan as a file that `read_plan` reads; the heading stands before it as a comment."""
    studies = content["studies"]
    lines = [f"# {line}" for line in heading.splitlines()] + [f"command = {_value(command)}"]
    for study in studies:
        at = "" if len(studies) == 1 else "studies"
        lines += ["", "[[studies]]"] if at else []
        lines += _pairs({name: value for name, value in study.items() if name != "settings"})
        lines += _table(f"{at}.settings" if at else "settings", study.get("settings", {}))
    if "search" in content:
        search = {name: content["search"][name] for name in _OF_SEARCH if name in content["search"]}
        space = search.pop("space", {})
        lines += [*_table("search", search), *_table("search.space", space)]
    lines += _table("identities", content.get("identities", {}))
    return "\n".join(lines) + "\n"


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What is another thing than its name meant when a plan was recorded, a sentence each."""
    for name, identity in before.items():
        if now.get(name, identity) != identity:
            yield (
                f"{name} is not what it was when this plan was recorded ({identity[:12]}, now {now[name][:12]}): its "
                "trials are others"
            )


def _parsed(path: Path) -> dict[str, Any]:
    """What a file of TOML says. Raises `DataError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise DataError(f"{path} is no plan: it is larger than {_MOST_BYTES // 1024} KiB")
        return tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read the plan {path} ({cause_of(error)}); `twofold results --plan 1 --toml` prints one"
        ) from error


def _study(given: Any) -> dict[str, Any]:
    """A study of a file as a plan has it. Raises `SettingError`."""
    if not isinstance(given, dict):
        raise SettingError(f"a study (={shown(given)}) must be a table of names with values")
    _check_known("name", given, (*_OF_STUDY, *_KNOWN))
    settings, factors = given.get("settings", {}), given.get("factors", {})
    for name, table in (("settings", settings), ("factors", factors)):
        if not isinstance(table, dict):
            raise SettingError(f"`{name}` (={shown(table)}) must be a table of names with values")
    _check_known("setting", settings, SETTINGS)
    networks = several(given.get("networks", list(PAPERS)))
    if not all(isinstance(each, str) for each in networks):
        raise SettingError(f"`networks` (={shown(networks)}) must be names")
    rounds = given.get("rounds", _ROUNDS)
    if not isinstance(rounds, int | str):
        raise SettingError(f"`rounds` (={shown(rounds)}) must be a whole number such as 20, or a text such as '0-19'")
    study: dict[str, Any] = {
        "networks": _with_factors(networks, factors) if factors else networks,
        "rounds": rounds_text(round_numbers(rounds)),
    }
    return study | {name: given[name] for name in ("classes", "settings") if given.get(name)}


def _with_factors(networks: Sequence[str], factors: Mapping[str, Any]) -> list[str]:
    """The networks, of which those of one's own are called with these arguments."""
    if not any(map(is_typed, networks)):
        raise SettingError(
            f"`factors` ({', '.join(factors)}) are arguments of networks of your own, and there are none beside "
            f"{', '.join(NETWORKS)}; name one, such as file.py:Twin"
        )
    if called := [each for each in networks if is_typed(each) and each.rstrip().endswith(")")]:
        raise SettingError(f"`networks` (={shown(called[0])}) has arguments, and there are `factors`; give one of them")
    given = ", ".join(f"{name}={literal(value)}" for name, value in factors.items())
    return [f"{each}({given})" if is_typed(each) else each for each in networks]


def _check_known(what: str, given: Any, known: Any) -> None:
    if not isinstance(given, dict):
        raise SettingError(f"a table (={shown(given)}) must have names with values")
    for name in given:
        if name not in known:
            raise unknown_choice(what, name, known)


def _command_of(content: Mapping[str, Any]) -> str:
    """What a plan is that does not say it."""
    if "search" in content:
        return "tune"
    varied = any(
        len(several(value)) > 1 for study in content["studies"] for value in study.get("settings", {}).values()
    )
    return "sweep" if varied else "study"


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return ["", f"[{name}]", *_pairs(values)] if values else []


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{name if _BARE.fullmatch(name) else _value(name)} = {_value(value)}" for name, value in values.items()]


def _value(value: Any) -> str:
    """A text, a number, a truth or a list of them, as TOML has it, which escapes texts as JSON does, and DEL too."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
