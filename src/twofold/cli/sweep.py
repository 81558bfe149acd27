"""`twofold sweep`: the error against one setting or several."""

from typing import Annotated, Any

from cyclopts import Parameter

from twofold.cli.options import SEVERAL, TASK, TRAINING, DigitOptions, RunOptions

_DEFAULT_DIGITS, _DEFAULT_RUN = DigitOptions(), RunOptions()


def sweep(
    *,
    networks: Annotated[
        list[str] | None,
        Parameter(help="Networks to train, for example --networks NetBase NetWSAL; by default all four.", **SEVERAL),
    ] = None,
    rounds: Annotated[int, Parameter(help="Rounds of every setting, each with fresh pairs and fresh weights.")] = 20,
    pairs: Annotated[
        list[int] | None,
        Parameter(
            help="Training pairs a round, for example --pairs 100 300 1000; by default 1000.", group=TASK, **SEVERAL
        ),
    ] = None,
    aux_weight: Annotated[
        list[float] | None,
        Parameter(
            help="Coefficients of the auxiliary losses, for example --aux-weight 0 0.1 1 10; by default 1.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    learning_rate: Annotated[
        list[float] | None,
        Parameter(
            help="Learning rates, for example --learning-rate 0.0003 0.001 0.003; by default 0.001.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        Parameter(
            help="Pairs a step, dividing --pairs, for example --batch-size 10 25 50; by default 25.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    epochs: Annotated[
        list[int] | None,
        Parameter(
            help="Passes over the training pairs, for example --epochs 25 50 100; by default 100.",
            group=TRAINING,
            **SEVERAL,
        ),
    ] = None,
    optimizer: Annotated[str, Parameter(help="sgd, adam, adadelta, adagrad or rmsprop.", group=TRAINING)] = "adam",
    digits: DigitOptions = _DEFAULT_DIGITS,
    run: RunOptions = _DEFAULT_RUN,
) -> None:
    """Train every combination of the values given, and draw the error against each quantity that has several.

    Each figure has the mean test error of every network with its 95 % interval, and below it what weight sharing and
    auxiliary losses change it by. Where several quantities are swept, each figure has a panel for every combination
    of the others. What the store holds already is not trained again.

    Example: twofold sweep --aux-weight 0 0.01 0.1 1 10 --pairs 100 300 1000 3000 --data mnist
    """
    from twofold.api import Study
    from twofold.cli.output import print_json, print_table, say
    from twofold.errors import SettingError
    from twofold.networks import NETWORKS
    from twofold.report.figures.catalogue import sweep_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.study import summary_table

    values: dict[str, Any] = {
        "pairs": [1000] if pairs is None else pairs,
        "aux_weight": [1.0] if aux_weight is None else aux_weight,
        "learning_rate": [0.001] if learning_rate is None else learning_rate,
        "batch_size": [25] if batch_size is None else batch_size,
        "epochs": [100] if epochs is None else epochs,
    }
    swept = [name for name, several in values.items() if len(set(several)) > 1]
    if not swept:
        raise SettingError(
            "nothing is swept; give several values of a quantity, for example --pairs 100 300 1000 "
            "(or --aux-weight, --learning-rate, --batch-size, --epochs)"
        )
    result = Study(
        networks=tuple(NETWORKS) if networks is None else networks,
        rounds=rounds,
        optimizer=optimizer,
        **values,
        **digits.settings(),
    ).run(workers=run.workers, store=run.store, progress=not run.quiet)
    if run.json:
        print_json(result.table)
    else:
        print_table(summary_table(result.table))
    for line in write_figures(run.out, sweep_figures(result.table, swept)):
        say(line, quiet=run.quiet)
