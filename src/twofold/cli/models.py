"""`twofold models`: which trained networks are kept, and deleting some."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twofold.cli.options import DEFAULT_STORE, FLAG, MODELS, NOTHING, SEVERAL, Given, StoreUrl, selections, with_options
from twofold.cli.selection import Which, find_records

_ALL = Which()

models = App(name="models")


@models.default
@with_options(settings=selections())
def list_models(
    *,
    json: Annotated[bool, Parameter(help="Print one JSON array, an object per network.", **FLAG)] = False,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """List the trained networks that `twofold study --keep-models` has kept, each with its settings and errors.

    Example: twofold models --json
    """
    import json as json_module

    from twofold.cli.output import print_table, say
    from twofold.report.terminal.study import models_table

    kept, chosen = find_records(models, store, which, settings)
    records = [{**record, "file": str(kept.path(record["key"]))} for record in chosen]
    for note in kept.notes:
        say(note)
    if json:
        print(json_module.dumps(records, indent=1))
    elif not records:
        say(f"no networks in {kept.folder} yet; `twofold study --keep-models best` keeps some")
    else:
        print_table(models_table(records, kept.folder))


@models.command
@with_options(settings=selections())
def delete(
    names: Annotated[
        list[str] | None,
        Parameter(
            help="Kept networks, each by the beginning of its name, for example 0a1b2c; by default all that options "
            "choose.",
            **SEVERAL,
        ),
    ] = None,
    /,
    *,
    all: Annotated[bool, Parameter(help="Delete all kept networks, damaged files too.", **FLAG)] = False,
    yes: Annotated[bool, Parameter(help="Do not ask.", **FLAG)] = False,
    models: Annotated[Path | None, MODELS] = None,
    store: StoreUrl = DEFAULT_STORE,
    which: Which = _ALL,
    settings: Given = NOTHING,
) -> None:
    """Delete kept networks; their trials stay in the store. It shows how many would go, and asks.

    What a run trains now is not deleted.

    Example: twofold models delete --plan 3
    """
    from twofold.cli.output import asked, print_lines, say
    from twofold.cli.selection import find_models, kept_file
    from twofold.errors import SettingError
    from twofold.report.text import deleting
    from twofold.study.delete import check_kept_idle, delete_kept

    chosen = which.plan is not None or which.since is not None
    chosen |= any(value is not None for value in which.chosen(settings).values())
    if sum(map(bool, (names, all, chosen))) > 1:
        raise SettingError("names, `all` and a choice exclude each other; give one of them")
    if names:
        kept, files = find_models(models, store), [kept_file(name, models, store) for name in names]
    elif all:
        kept = find_models(models, store)
        files = kept.files()
    elif chosen:
        kept, records = find_records(models, store, which, settings)
        files = [kept.path(record["key"]) for record in records]
    else:
        raise SettingError(deleting.NOTHING_CHOSEN)
    if not files:
        say(deleting.NOTHING_THERE)
        return
    check_kept_idle(store, [path.stem for path in files])
    size = sum(path.stat().st_size for path in files)
    print_lines([deleting.kept_text(len(files), size, str(kept.folder))])
    if yes or asked():
        delete_kept(files)
        say(f"deleted: {deleting.kept_text(len(files), size, str(kept.folder))}")
    else:
        say(deleting.NOT_DELETED)
