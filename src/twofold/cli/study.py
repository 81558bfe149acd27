"""`twofold study`: the paper's study, and any like it."""

from twofold.cli.options import NOTHING, Given, Networks, Rounds, RunOptions, one_value, with_options

_RUN = RunOptions()


@with_options(settings=one_value())
def study(
    *,
    networks: Networks = None,
    rounds: Rounds = "20",
    settings: Given = NOTHING,
    run: RunOptions = _RUN,
) -> None:
    """Train networks in rounds of fresh data and fresh weights, and compare their errors.

    Trials that are in the store already are not trained again. Results go to standard output, progress to standard
    error; the figure of every round's error is written as PNG and SVG.

    Example: twofold study --rounds 10 --data mnist
    """
    from twofold.analysis import findings, is_crossed, own_weights
    from twofold.cli.output import print_section, print_table, say
    from twofold.cli.training import plan, train
    from twofold.report.figures.catalogue import study_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.findings import crossing_sections
    from twofold.report.terminal.study import summary_table

    result = train(plan(networks, rounds, settings.given(), run), run)
    crossed = is_crossed(result.table)
    if not run.json and not crossed.all():
        print_table(summary_table(result.table))
    if not run.json and crossed.any():
        for section in crossing_sections(findings(result.answers)):
            print_section(section)
    if crossed.all():
        return
    table = own_weights(result.table)
    for line in write_figures(run.out, study_figures(table, some_classes=run.classes is not None)):
        say(line, quiet=run.quiet)
