"""`twofold results`: what is in the store."""

from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import DEFAULT_STORE, FLAG, NOTHING, Given, StoreUrl, selections, with_options
from twofold.cli.selection import Selection, Which

_ALL = Which()


@with_options(settings=selections())
def results(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per trial.", **FLAG)] = False,
    csv: Annotated[bool, Parameter(help="Print comma-separated values, a row per trial.", **FLAG)] = False,
    plans: Annotated[
        bool, Parameter(help="List the plans instead: what runs were asked to train, and how much is done.", **FLAG)
    ] = False,
    toml: Annotated[
        bool,
        Parameter(help="Print the plan of --plan as a file that `twofold study` runs (docs/plans.md).", **FLAG),
    ] = False,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """List the trials that a store holds: a line per setting, or with --json or --csv a row per trial.

    Example: twofold results --csv > trials.csv
    """
    from twofold.errors import SettingError

    if json and csv:
        raise SettingError("`json` and `csv` exclude each other; give one of them")
    if toml:
        _print_plan(store, which, settings, other=json or csv or plans)
        return
    if plans:
        _list_plans(store, which, settings, as_json=json, as_csv=csv)
        return
    chosen = Selection(store, which, settings)  # first: it loads what follows while the database counts

    from twofold.analysis import is_crossed, sections
    from twofold.cli.output import print_csv_pages, print_heading, print_json_pages, print_lines, print_table, say
    from twofold.report.terminal.study import settings_table
    from twofold.report.text.notes import crossed_note
    from twofold.report.text.sections import section_heading, sections_notes

    if json:
        print_json_pages(chosen.pages())
    elif csv:
        print_csv_pages(chosen.pages())
    elif chosen.groups.empty:
        say(f"no trials in {chosen.store.url} yet; `twofold study` makes some")
    else:
        alike = sections(chosen.groups, crossed=True)
        print_lines(sections_notes(alike, len(alike)))
        for place, section in enumerate(alike):
            if section.told:
                print_heading(section_heading(place, len(alike), section.told))
            if is_crossed(section.trials).all():  # then there are no rounds to give means of
                print_lines([crossed_note(int(section.trials.trials.sum()))])
            else:
                print_table(settings_table(section.trials))


def _list_plans(store: str, which: Which, settings: Given, *, as_json: bool, as_csv: bool) -> None:
    """Print the plans of a store, all or those that were run since a moment, as a table or one JSON array."""
    import json
    from concurrent.futures import ThreadPoolExecutor

    from twofold.errors import SettingError
    from twofold.results import Store

    chosen = {**which.chosen(settings), "plan": which.plan, "csv": as_csv or None}
    for name, value in chosen.items():
        if value is not None:
            raise SettingError(f"`plans` and `{name}` exclude each other: plans are listed all, or those run `since`")
    opened = Store(store, create=False)
    with ThreadPoolExecutor(2) as beside:  # the database answers both while this thread loads what prints them
        every = beside.submit(opened.plans)
        without_plan = None if as_json else beside.submit(opened.without_plan)
        from twofold.cli.output import print_table, say
        from twofold.report.terminal.tables import drawn
        from twofold.report.text.plans import no_plans_text, plan_rows, plans_table
    recorded = [each for each in every.result() if which.since is None or each.last_at >= which.since]
    if without_plan is None:
        print(json.dumps(plan_rows(recorded), indent=1))
    elif recorded:
        print_table(drawn(plans_table(recorded, opened.url, without_plan.result())))
    else:
        say(no_plans_text(opened.url, opened.count()))


def _print_plan(store: str, which: Which, settings: Given, *, other: bool) -> None:
    """Print a plan of a store as a file that can be run."""
    from twofold.cli.selection import find_plan
    from twofold.errors import SettingError
    from twofold.report.text.plans import plan_heading
    from twofold.results import Store
    from twofold.study.plan_file import plan_as_toml

    chosen = [which.since, *which.chosen(settings).values()]
    if which.plan is None or other or any(value is not None for value in chosen):
        raise SettingError("`toml` prints one plan: give `plan` beside it, and nothing else, for example --plan 3")
    opened = Store(store, create=False)
    found = find_plan(opened, which.plan)
    print(plan_as_toml(found.plan.command, found.plan.content, plan_heading(found, opened.url)), end="")
