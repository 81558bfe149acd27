"""`twofold grid`: the paper's grid search (section IV), and any like it."""

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from twofold.cli.options import SEVERAL, TRAINING, RunOptions, TaskOptions

_SELECTION = Group("How a setting is chosen", sort_key=3)
_DEFAULT_TASK, _DEFAULT_RUN = TaskOptions(), RunOptions()


def grid(
    *,
    networks: Annotated[
        list[str] | None,
        Parameter(help="Networks to train, for example --networks NetBase NetWSAL; by default all four.", **SEVERAL),
    ] = None,
    rounds: Annotated[int, Parameter(help="Rounds of every cell, each with fresh pairs and fresh weights.")] = 10,
    optimizers: Annotated[
        list[str] | None,
        Parameter(
            help="Optimizers, for example --optimizers adam sgd; "
            "by default all: sgd, adam, adadelta, adagrad, rmsprop.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    learning_rates: Annotated[
        list[float] | None,
        Parameter(
            help="Learning rates, for example --learning-rates 0.001 0.01; by default 0.001 0.005 0.01.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    aux_weights: Annotated[
        list[float] | None,
        Parameter(
            help="Coefficients of the auxiliary losses, for example --aux-weights 0.1 1 10; by default 1.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    batch_sizes: Annotated[
        list[int] | None,
        Parameter(
            help="Pairs a step, dividing --pairs, for example --batch-sizes 10 25 50; by default 25.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    epochs: Annotated[
        list[int] | None,
        Parameter(
            help="Passes over the training pairs, for example --epochs 50 100; by default 100.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    select_on: Annotated[
        Literal["validation", "test"],
        Parameter(help="Choose by the error on validation pairs, or on the test pairs as the paper.", group=_SELECTION),
    ] = "validation",
    confirm: Annotated[
        list[int] | None,
        Parameter(
            help="Train the chosen setting again in rounds that the search never saw, numbered from 1000: for example "
            "--confirm 20, or --confirm for 10; by default not at all.",
            consume_multiple=(0, 1),
            negative="",
            group=_SELECTION,
        ),
    ] = None,
    task: TaskOptions = _DEFAULT_TASK,
    run: RunOptions = _DEFAULT_RUN,
) -> None:
    """Train every combination of the settings given, and choose the best for all the networks.

    By default this is the paper's grid: 5 optimizers x 3 learning rates x 4 networks x 10 rounds = 600 trainings.
    The choice is the setting with the lowest error averaged over the networks; with it are listed those that are not
    significantly worse. What the store holds already is not trained again, and a training that diverged counts with
    the error it came to. Figures are written for each network: every round, and a heatmap. With --confirm, --json has
    the rows of the confirmation too.

    Example: twofold grid --optimizers adam sgd --learning-rates 0.001 0.01 --rounds 5 --confirm 20
    """
    import pandas as pd

    from twofold.analysis import SETTINGS
    from twofold.api import Study
    from twofold.cli.output import print_json, print_table, say
    from twofold.networks import NETWORKS
    from twofold.report.figures.catalogue import grid_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.figures.parts import only
    from twofold.report.terminal.grid import choice_table, confirmation_table, grid_tables
    from twofold.study import fresh_rounds
    from twofold.training import OPTIMIZERS

    fresh_count = None if confirm is None else len(fresh_rounds(confirm[0] if confirm else 10, rounds))
    study = Study(
        networks=tuple(NETWORKS) if networks is None else networks,
        rounds=rounds,
        optimizer=tuple(OPTIMIZERS) if optimizers is None else optimizers,
        learning_rate=(0.001, 0.005, 0.01) if learning_rates is None else learning_rates,
        aux_weight=1.0 if aux_weights is None else aux_weights,
        batch_size=25 if batch_sizes is None else batch_sizes,
        epochs=100 if epochs is None else epochs,
        **task.settings(),
    )
    study.check_selection(select_on)
    result = study.run(workers=run.workers, store=run.store, progress=not run.quiet)
    table, chosen = result.table, result.choice(select_on)
    if not run.json:
        for each in grid_tables(table):
            print_table(each)
        print_table(choice_table(chosen, select_on, table.network.nunique()))
    if fresh_count:
        setting = {name: chosen[name].tolist()[0] for name in SETTINGS if name in chosen}
        confirmation = study.confirmation(setting, fresh_count)
        fresh = confirmation.run(workers=run.workers, store=run.store, progress=not run.quiet).table
        if run.json:
            table = pd.concat([table, fresh], ignore_index=True)
        else:
            print_table(confirmation_table(only(table, setting), fresh, select_on))
    if run.json:
        print_json(table)
    for line in write_figures(run.out, grid_figures(result.table)):
        say(line, quiet=run.quiet)
