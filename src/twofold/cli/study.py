"""`twofold study`: the paper's study, and any like it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.options import FLAG, MODELS, RUNNING, SEVERAL, TRAINING, RunOptions, TaskOptions

_DEFAULT_TASK, _DEFAULT_RUN = TaskOptions(), RunOptions()


def study(
    *,
    networks: Annotated[
        list[str] | None,
        Parameter(
            help="Networks to train, for example --networks NetBase NetWSAL; by default all four: NetBase, NetWS, "
            "NetAL, NetWSAL.",
            **SEVERAL,
        ),
    ] = None,
    rounds: Annotated[int, Parameter(help="Rounds, each with fresh pairs and fresh weights.")] = 20,
    batch_size: Annotated[int, Parameter(help="Pairs a step; divides --pairs.", group=TRAINING)] = 25,
    epochs: Annotated[int, Parameter(help="Passes over the training pairs.", group=TRAINING)] = 100,
    optimizer: Annotated[str, Parameter(help="sgd, adam, adadelta, adagrad or rmsprop.", group=TRAINING)] = "adam",
    learning_rate: Annotated[float, Parameter(help="The optimizer's learning rate.", group=TRAINING)] = 0.001,
    aux_weight: Annotated[float, Parameter(help="The coefficient of the auxiliary losses.", group=TRAINING)] = 1.0,
    shuffle: Annotated[
        bool,
        Parameter(help="Shuffle the pairs in every epoch; the paper does not.", group=TRAINING, **FLAG),
    ] = False,
    bottleneck_activation: Annotated[
        str, Parameter(help="After the ten units of each branch: relu or leaky_relu.", group=TRAINING)
    ] = "relu",
    trace: Annotated[
        bool, Parameter(help="Keep the number of dead units after every epoch.", group=TRAINING, **FLAG)
    ] = False,
    keep_models: Annotated[
        str,
        Parameter(
            help="Keep trained networks: none, all, or of each network and setting the best (lowest validation error).",
            group=RUNNING,
        ),
    ] = "none",
    models: Annotated[Path | None, MODELS, Parameter(group=RUNNING)] = None,
    task: TaskOptions = _DEFAULT_TASK,
    run: RunOptions = _DEFAULT_RUN,
) -> None:
    """Train networks in rounds of fresh data and fresh weights, and compare their errors.

    What the store holds already is not trained again. Results go to standard output, progress to standard
    error; the figure of every round's error is written as PNG and SVG.

    Example: twofold study --networks NetBase NetWSAL --rounds 10 --data mnist
    """
    from twofold.api import Study
    from twofold.cli.output import print_json, print_table, say
    from twofold.networks import NETWORKS
    from twofold.report.figures.catalogue import study_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.study import summary_table

    result = Study(
        networks=tuple(NETWORKS) if networks is None else networks,
        rounds=rounds,
        batch_size=batch_size,
        epochs=epochs,
        optimizer=optimizer,
        learning_rate=learning_rate,
        aux_weight=aux_weight,
        shuffle=shuffle,
        bottleneck_activation=bottleneck_activation,
        **task.settings(),
    ).run(
        workers=run.workers,
        store=run.store,
        progress=not run.quiet,
        trace=trace,
        keep_models=keep_models,
        models=models,
    )
    if run.json:
        print_json(result.table)
    else:
        print_table(summary_table(result.table))
    for line in write_figures(run.out, study_figures(result.table)):
        say(line, quiet=run.quiet)
