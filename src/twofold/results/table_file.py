"""Tables of trials in files, as `twofold results --csv` and spreadsheets write them."""

from pathlib import Path

import pandas as pd

from twofold.errors import DataError, cause_of
from twofold.settings import FIRST, SETTINGS


def read_csv(path: Path) -> pd.DataFrame:
    """The table of trials in a file of comma-separated values, whose first line names the columns.

    Raises `DataError` where there is no such file, or it is none of that kind.
    """
    try:
        table = pd.read_csv(path)
        # Of a file that an earlier version made: what its trials were trained with, though it does not say so.
        later = {n: s.default for n, s in SETTINGS.items() if s.since != FIRST and n not in table}
        return table.assign(**later)
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({cause_of(error)}); `twofold results --csv > {path}` makes one"
        ) from error
    except ValueError as error:  # of which what pandas raises for a table it cannot parse is one
        raise DataError(
            f"{path} is no table of trials ({cause_of(error)}); `twofold results --csv` makes one"
        ) from error
