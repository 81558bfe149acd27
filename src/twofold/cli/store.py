"""`twofold store`: other stores' trials, who trains for a store, whether it is whole, and deleting what it has."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twofold.cli.options import (
    DATA_DIR,
    DEFAULT_STORE,
    FLAG,
    MODELS,
    NOTHING,
    SEVERAL,
    WHOLE,
    Given,
    StoreUrl,
    selections,
    with_options,
)
from twofold.cli.selection import Which

_NONE = Which()

store = App(
    name="store",
    help="""Take the trials of other stores, see who trains for a store now, look whether it is whole, and delete of it.

    Example: twofold store check
    """,
)


@store.command
def merge(
    others: Annotated[
        list[str],
        Parameter(
            help="Stores to take trials from, each the path of an SQLite file or the URL of a PostgreSQL database, for "
            "example twofold-rescued.db. They are only read.",
            **SEVERAL,
        ),
    ],
    /,
    *,
    store: StoreUrl = DEFAULT_STORE,
    models: Annotated[Path | None, MODELS] = None,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per other store.", **FLAG)] = False,
) -> int:
    """Take from other stores the trials that this one does not have, with their kept networks.

    A trial that is in both is there once. Where both have other numbers, neither store is changed, and the exit code
    is 3. It may be stopped at any moment: the same command goes on.

    Example: twofold store merge twofold-rescued.db
    """
    import json as json_module

    from twofold.cli.output import print_lines, say
    from twofold.errors import StoreError
    from twofold.report.text.stores import merged_rows, merged_text, refused_lines
    from twofold.study.merge import merge as merge_stores

    found = merge_stores(others, store, models, tell=say)
    if json:
        print(json_module.dumps(merged_rows(found), indent=1))
    for each in found:
        if not json:
            print_lines(refused_lines(each), hanging=2)
        say(merged_text(each))
    return StoreError.exit_code if any(each.refused for each in found) else 0


@store.command
def running(
    *,
    store: StoreUrl = DEFAULT_STORE,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per run.", **FLAG)] = False,
) -> None:
    """Show the runs that train for a store now: what, since when, how far, and where.

    Example: twofold store running --store study.db
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.report.terminal.tables import drawn
    from twofold.report.text.stores import run_rows, runs_table
    from twofold.results import Store

    opened = Store(store, create=False)
    runs = opened.running()
    if json:
        print(json_module.dumps(run_rows(runs), indent=1))
    elif not runs:
        say(f"nobody trains for {opened.url} now")
    else:
        print_table(drawn(runs_table(runs, opened.url)))


@store.command
def check(
    *,
    replay: Annotated[
        int,
        WHOLE,
        Parameter(help="Train so many trials again, drawn at random, and compare, for example --replay 3."),
    ] = 0,
    replay_seed: Annotated[
        int | None, WHOLE, Parameter(help="Draw the same trials as another time, for example --replay-seed 7.")
    ] = None,
    network: Annotated[
        list[str] | None,
        Parameter(
            help="Networks of your own that may be trained again: their classes, for example --network file.py:Twin; "
            "each is called with the arguments that it was trained with.",
            **SEVERAL,
        ),
    ] = None,
    data_dir: Annotated[Path | None, DATA_DIR] = None,
    workers: Annotated[
        int | None, WHOLE, Parameter(help="Devices to use, for example --workers 2; by default all cores, or all GPUs.")
    ] = None,
    store: StoreUrl = DEFAULT_STORE,
    models: Annotated[Path | None, MODELS] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object instead of lines.", **FLAG)] = False,
    quiet: Annotated[bool, Parameter(help="Show no progress.", **FLAG)] = False,
) -> int:
    """Look whether a store is whole and right: its trials, the networks kept beside it, and what runs have left.

    Nothing is changed. There is a line for each fault, and the exit code is 3 where there is any.

    Example: twofold store check --replay 3
    """
    import json as json_module
    from contextlib import nullcontext

    from twofold.cli.output import print_lines, say
    from twofold.cli.selection import find_models
    from twofold.errors import StoreError
    from twofold.report.live import LiveDisplay
    from twofold.report.text.stores import checked_json, checked_text, fault_lines, replay_text
    from twofold.results import Store
    from twofold.study.listener import Silence
    from twofold.study.replay import Replay, check_store

    with nullcontext(Silence()) if quiet or not replay else LiveDisplay() as listener:
        how = Replay(replay, replay_seed, tuple(network or ()), data_dir, workers, listener)
        found = check_store(Store(store, create=False), find_models(models, store), how)
    if json:
        print(json_module.dumps(checked_json(found), indent=1))
    else:
        print_lines(fault_lines(found), hanging=2)
    for line in [*replay_text(found), checked_text(found)]:
        say(line)
    return StoreError.exit_code if found.faults else 0


@store.command
@with_options(settings=selections())
def delete(
    *,
    all: Annotated[bool, Parameter(help="Delete all that the store has, plans and searches too.", **FLAG)] = False,
    shared: Annotated[
        bool, Parameter(help="Of a plan, delete the trials that other plans have as well, which stay else.", **FLAG)
    ] = False,
    yes: Annotated[bool, Parameter(help="Do not ask.", **FLAG)] = False,
    store: StoreUrl = DEFAULT_STORE,
    models: Annotated[Path | None, MODELS] = None,
    which: Which = _NONE,
    settings: Given = NOTHING,
) -> None:
    """Delete a plan with its trials, or the trials that options choose, and the networks that are kept of them.

    It shows what would go, and asks. What a run trains now is not deleted, nor are other trials of its plan. Afterwards
    a file of SQLite's gives the room back to the disk, unless others use it or the disk is full; a server fills it
    with new trials.

    Example: twofold store delete --plan 3
    """
    from twofold.cli.output import asked, print_lines, say
    from twofold.cli.selection import Selection, find_models, find_plan
    from twofold.errors import SettingError
    from twofold.report.text import deleting
    from twofold.results import Store
    from twofold.study.delete import delete as delete_removal
    from twofold.study.delete import removal_of, removal_of_all

    more = any(value is not None for value in which.chosen(settings).values()) or which.since is not None
    if not all and not more and which.plan is None:
        raise SettingError(deleting.NOTHING_CHOSEN)
    if all and (more or which.plan is not None):
        raise SettingError("`all` and a choice exclude each other; give one of them")
    if shared and (more or which.plan is None):
        raise SettingError("`shared` is for a whole plan; give --plan and no other choice")
    opened = Store(store, create=False)
    plan = None if which.plan is None or more else find_plan(opened, which.plan)
    keys = [] if all else opened.keys_of_plan(plan.number) if plan else Selection(store, which, settings).keys()
    opened, kept = Store(store), find_models(models, store)
    for note in opened.notes:
        say(note)
    removal = removal_of_all(opened, kept) if all else removal_of(opened, kept, keys, plan=plan, shared=shared)
    if removal.is_empty and not all:
        say(deleting.NOTHING_THERE)
        return
    print_lines(deleting.removal_lines(removal))
    if yes or asked():
        say(deleting.deleted_text(removal, delete_removal(removal)))
    else:
        say(deleting.NOT_DELETED)
