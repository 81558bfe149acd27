"""That a network in JAX and its graphs compute the same, in double precision, whatever kind it is of."""

import pytest
from tests.networks.jaxcode.zoo import MODULES, PAIRS

from twofold.networks.graphs.graph import Spec
from twofold.networks.jaxcode import parity
from twofold.networks.jaxcode.calling import Callee, made
from twofold.networks.jaxcode.tracing import fitting

IMAGES = Spec((3, 2, 8, 8), "float32")


@pytest.mark.filterwarnings("ignore:When `eqx.nn.BatchNorm")
@pytest.mark.parametrize("kind", [*MODULES, *PAIRS])
def test_graphs_compute_what_the_network_does(kind):
    make = {**MODULES, **PAIRS}[kind]
    callee = Callee(kind, made(make, seed=0, round=0), seed=0, round=0)
    convention, *_ = fitting(callee, IMAGES)
    found = parity.differences(callee, convention, IMAGES, [(True, 3), (False, 2)], steps=2)
    assert len(found) == 5
    for each in found:
        assert each.allowed <= 1e-7, each
        assert each.is_right, each
