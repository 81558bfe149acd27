"""Options that say which trials to read, for the commands that only look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from twofold.cli.options import SEVERAL

if TYPE_CHECKING:
    import pandas as pd

_WHICH = Group("Which trials", sort_key=2)


def _only(help: str) -> Parameter:
    """An option with one or more values, of which a trial must have one."""
    return Parameter(help=f"Only {help}", **SEVERAL)


@Parameter(name="*", group=_WHICH)
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Where the trials are, and which of them to take: all, unless an option chooses."""

    store: Annotated[
        str | None,
        Parameter(
            help="The results store: an SQLAlchemy URL, or the path of an SQLite file, for example --store mine.db; "
            "by default sqlite:///twofold.db."
        ),
    ] = None
    csv: Annotated[
        Path | None,
        Parameter(
            help="A file made by `twofold results --csv`, to read in place of a store, for example --csv trials.csv."
        ),
    ] = None
    networks: Annotated[list[str] | None, _only("these networks, for example --networks NetBase NetWS.")] = None
    data: Annotated[list[str] | None, _only("trials on these digits, for example --data mnist.")] = None
    relation: Annotated[list[str] | None, _only('these questions about a pair, for example --relation "<=".')] = None
    pairs: Annotated[list[int] | None, _only("these numbers of training pairs, for example --pairs 1000.")] = None
    test_pairs: Annotated[list[int] | None, _only("these numbers of test pairs, for example --test-pairs 1000.")] = None
    validation_pairs: Annotated[
        list[int] | None, _only("these numbers of validation pairs, for example --validation-pairs 0 1000.")
    ] = None
    normalise: Annotated[
        bool | None,
        Parameter(help="Only trials with standardised pixels, or without them, for example --no-normalise."),
    ] = None
    optimizer: Annotated[list[str] | None, _only("these optimizers, for example --optimizer adam.")] = None
    learning_rate: Annotated[
        list[float] | None, _only("these learning rates, for example --learning-rate 0.001 0.01.")
    ] = None
    aux_weight: Annotated[
        list[float] | None,
        _only("these weights of auxiliary losses (and networks without such losses), for example --aux-weight 1."),
    ] = None
    batch_size: Annotated[list[int] | None, _only("these batch sizes, for example --batch-size 25.")] = None
    epochs: Annotated[list[int] | None, _only("these numbers of epochs, for example --epochs 100.")] = None
    shuffle: Annotated[
        bool | None,
        Parameter(help="Only trials with pairs shuffled in every epoch, or not shuffled, for example --no-shuffle."),
    ] = None
    bottleneck_activation: Annotated[
        list[str] | None, _only("these bottleneck activations, for example --bottleneck-activation relu.")
    ] = None
    seed: Annotated[list[int] | None, _only("rounds of these seeds, for example --seed 0.")] = None

    def read(self, *, histories: bool = False) -> pd.DataFrame:
        """The chosen trials; with `histories`, those of a store have their traces.

        Raises `SettingError` for two sources or where no trial fits, `StoreError` or `DataError` where the source
        cannot be read.
        """
        from twofold.analysis import select
        from twofold.errors import SettingError
        from twofold.results import DEFAULT_URL, Store
        from twofold.results.table_file import read_csv

        if self.store is not None and self.csv is not None:
            raise SettingError("`store` and `csv` exclude each other; give one of them")
        if self.csv is not None:
            table = read_csv(self.csv)
        else:
            table = Store(self.store or DEFAULT_URL, create=False).read(histories=histories)
        return select(table, self._chosen())

    def _chosen(self) -> dict[str, list | None]:
        columns = {name: value for name, value in vars(self).items() if name not in ("store", "csv", "networks")}
        alone = {name: [value] if isinstance(value, bool) else value for name, value in columns.items()}
        return {"network": self.networks, **alone}
