"""That a network in JAX and its graphs compute the same, in double precision, whatever kind it is of."""

import pytest
from tests.networks.jaxcode.zoo import MODULES, PAIRS, filled

from twofold.networks.graphs.graph import Spec
from twofold.networks.jaxcode import parity
from twofold.networks.jaxcode.calling import Callee
from twofold.networks.jaxcode.tracing import export, fitting

IMAGES = Spec((3, 2, 8, 8), "float32")


def fresh(kind):
    return PAIRS[kind]() if kind in PAIRS else filled(MODULES[kind])


@pytest.mark.filterwarnings("ignore:When `eqx.nn.BatchNorm")
@pytest.mark.parametrize("kind", [*MODULES, *PAIRS])
def test_graphs_compute_what_the_network_does(kind):
    callee = Callee(kind, fresh(kind), seed=0, round=0)
    convention, *_ = fitting(callee, IMAGES)
    numbers = [(True, 3), (False, 2)]
    nodes = [node for *_, graph in export(callee, convention, IMAGES, numbers).graphs for node in graph.nodes]
    # Those of XLA take many times as long on a processor.
    assert not any(node.operation.startswith(("jax.conv_", "jax.reduce_window")) for node in nodes)
    found = parity.differences(callee, convention, IMAGES, numbers, steps=2)
    assert len(found) == 5
    for each in found:
        assert each.allowed <= 1e-7, each
        assert each.is_right, each
