"""A table of trials for every test of a report."""

import pandas as pd
import pytest
from tests.report.made_up import made_up_trials


@pytest.fixture
def trials() -> pd.DataFrame:
    """Four networks in five rounds, on other pairs than the paper's."""
    return made_up_trials(5)
