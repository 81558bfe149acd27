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


@Parameter(name="*", group=_WHICH)
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Where the trials are, and which of them to take: all, unless an option chooses."""

    store: Annotated[
        str | None,
        Parameter(help="The results store: an SQLAlchemy URL, or the path of an SQLite file; sqlite:///twofold.db."),
    ] = None
    csv: Annotated[Path | None, Parameter(help="Read a file made by `twofold results --csv` in place of a store.")] = (
        None
    )
    networks: Annotated[list[str] | None, Parameter(help="Only these networks.", **SEVERAL)] = None
    data: Annotated[list[str] | None, Parameter(help="Only trials on these digits.", **SEVERAL)] = None
    relation: Annotated[list[str] | None, Parameter(help="Only these questions about a pair.", **SEVERAL)] = None
    pairs: Annotated[list[int] | None, Parameter(help="Only these numbers of training pairs.", **SEVERAL)] = None
    test_pairs: Annotated[list[int] | None, Parameter(help="Only these numbers of test pairs.", **SEVERAL)] = None
    validation_pairs: Annotated[
        list[int] | None, Parameter(help="Only these numbers of validation pairs.", **SEVERAL)
    ] = None
    normalise: Annotated[bool | None, Parameter(help="Only with pixels standardised, or not.")] = None
    optimizer: Annotated[list[str] | None, Parameter(help="Only these optimizers.", **SEVERAL)] = None
    learning_rate: Annotated[list[float] | None, Parameter(help="Only these learning rates.", **SEVERAL)] = None
    aux_weight: Annotated[
        list[float] | None,
        Parameter(help="Only these weights of auxiliary losses (and networks without such losses).", **SEVERAL),
    ] = None
    batch_size: Annotated[list[int] | None, Parameter(help="Only these batch sizes.", **SEVERAL)] = None
    epochs: Annotated[list[int] | None, Parameter(help="Only these numbers of epochs.", **SEVERAL)] = None
    shuffle: Annotated[bool | None, Parameter(help="Only with pairs shuffled in every epoch, or not.")] = None
    bottleneck_activation: Annotated[
        list[str] | None, Parameter(help="Only these bottleneck activations.", **SEVERAL)
    ] = None
    seed: Annotated[list[int] | None, Parameter(help="Only rounds of these seeds.", **SEVERAL)] = None

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
