"""What a training on a GPU is made of, as docs/gpu.md has it: kinds of operations, and nothing large transposed."""

from pathlib import Path

import jax
import pytest
from tests.training import lowered

from twofold.networks import PAPERS

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"


@pytest.mark.parametrize("network", PAPERS)
def test_nothing_large_is_transposed(network):
    found = lowered.transposed(network)
    assert len(found) == lowered.operations(network)["transpose"]
    assert max(found, default=0) <= 2**20


@pytest.mark.parametrize("network", PAPERS)
def test_what_a_step_takes_of_its_batches_is_a_slice(network):
    """A gather would go through the memory number by number; a training has one product for each of 17."""
    found = lowered.operations(network)
    assert "gather" not in found
    assert found["dot_general"] == 6 + 6 + 5  # forward, weights, inputs but for the images


def test_the_page_has_the_operations_that_there_are():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    stated = f"JAX {jax.__version__}"
    if not any(stated in line for line in lines):
        pytest.skip(f"the table was made with another version than {stated}")
    found = lines.index(f"| operation | {' | '.join(PAPERS)} |") + 2
    table = lowered.table()
    assert lines[found : found + len(table)] == table
    assert not lines[found + len(table)].startswith("|")
