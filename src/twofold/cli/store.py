"""`twofold store`: taking the trials of other stores, who trains for a store, and whether it is whole."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twofold.cli.options import DATA_DIR, DEFAULT_STORE, FLAG, MODELS, SEVERAL, WHOLE, StoreUrl

store = App(
    name="store",
    help="""Take the trials of other stores, see who trains for a store now, and look whether it is whole.

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
