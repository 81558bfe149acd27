"""`twofold tune`: a search for the best settings with Optuna."""

from typing import Annotated

from cyclopts import Group, Parameter

from twofold.cli.options import SEVERAL, RunOptions, TaskOptions

_SPACE = Group("Where to search", sort_key=3)
_RANGE = Parameter(negative="", group=_SPACE)
_DEFAULT_TASK, _DEFAULT_RUN = TaskOptions(), RunOptions()


def tune(
    *,
    networks: Annotated[
        list[str] | None,
        Parameter(help="Networks to tune, for example --networks NetBase NetWSAL; by default all four.", **SEVERAL),
    ] = None,
    together: Annotated[
        bool,
        Parameter(help="Search one setting for all the networks, not one for each.", negative="", show_default=False),
    ] = False,
    budget: Annotated[int, Parameter(help="Trainings that each search may use.")] = 600,
    replicates: Annotated[int, Parameter(help="Rounds that every proposal is judged on.")] = 3,
    confirm: Annotated[
        list[int] | None,
        Parameter(
            help="Compare the setting found with the paper's in rounds that no search saw, numbered from 1000: for "
            "example --confirm 20, or --confirm for 50; by default not at all.",
            consume_multiple=(0, 1),
            negative="",
        ),
    ] = None,
    optimizers: Annotated[
        list[str] | None,
        Parameter(
            help="Optimizers, for example --optimizers adam sgd; "
            "by default all: sgd, adam, adadelta, adagrad, rmsprop.",
            group=_SPACE,
            **SEVERAL,
        ),
    ] = None,
    learning_rate: Annotated[
        tuple[float, float] | None,
        _RANGE,
        Parameter(help="Lowest and highest, for example --learning-rate 0.0001 0.01; by default 0.0001 1."),
    ] = None,
    batch_sizes: Annotated[
        list[int] | None,
        Parameter(
            help="Sizes that divide --pairs, for example --batch-sizes 25 50; by default 10 25 50 100.",
            group=_SPACE,
            **SEVERAL,
        ),
    ] = None,
    epochs: Annotated[
        tuple[int, int] | None,
        _RANGE,
        Parameter(help="Fewest and most, for example --epochs 50 150; by default 25 200."),
    ] = None,
    aux_weight: Annotated[
        tuple[float, float] | None,
        _RANGE,
        Parameter(
            help="Lowest and highest, for networks with auxiliary losses, for example --aux-weight 0.1 1; "
            "by default 0.01 10."
        ),
    ] = None,
    task: TaskOptions = _DEFAULT_TASK,
    run: RunOptions = _DEFAULT_RUN,
) -> None:
    """Search optimizer, learning rate, batch size, epochs and auxiliary weight for the lowest validation error.

    Each network is searched for by itself, from the paper's setting on. Every training is stored, and so is the
    search: the same command goes on where it was stopped, with a larger --budget it searches further. Figures show
    the course of the searches, the importance of each setting, and the error against the auxiliary weight. Needs
    Optuna (pip install 'twofold[tune]').

    Example: twofold tune --networks NetWSAL --budget 300 --optimizers adam sgd --confirm 50
    """
    import pandas as pd

    from twofold.api import Study
    from twofold.cli.output import print_json, print_table, say
    from twofold.networks import NETWORKS
    from twofold.report.figures.catalogue import tune_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.tune import best_settings_table, comparison_table
    from twofold.report.text.names import scope
    from twofold.study import fresh_rounds
    from twofold.study.trial import check_whole

    check_whole("replicates", replicates, least=1)
    study = Study(networks=tuple(NETWORKS) if networks is None else networks, rounds=replicates, **task.settings())
    fresh_count = None if confirm is None else len(fresh_rounds(confirm[0] if confirm else 50, replicates))
    result = study.tune(
        budget=budget,
        together=together,
        optimizers=optimizers,
        learning_rate=learning_rate,
        batch_sizes=batch_sizes,
        epochs=epochs,
        aux_weight=aux_weight,
        workers=run.workers,
        store=run.store,
        progress=not run.quiet,
    )
    if not run.json:
        best = {found.networks: (found.best, found.proposals) for found in result.found}
        print_table(best_settings_table(best, result.start, replicates, confirmed=fresh_count is not None))
    tables = [result.table]
    if fresh_count:
        ours, papers = result.confirm(fresh_count, workers=run.workers, progress=not run.quiet)
        tables += [ours, papers]
        if not run.json:
            print_table(comparison_table(ours, papers, together=together))
    if run.json:
        print_json(pd.concat(tables, ignore_index=True).drop_duplicates("key"))
    proposals = {scope(found.networks): found.proposals for found in result.found}
    importances = {scope(found.networks): found.importances for found in result.found}
    for line in write_figures(run.out, tune_figures(proposals, importances)):
        say(line, quiet=run.quiet)
