"""The networks."""

from twofold.networks.architecture import NETWORKS as NETWORKS
from twofold.networks.architecture import Architecture as Architecture
from twofold.networks.architecture import find_network as find_network
from twofold.networks.blocks import pooled_size as pooled_size
from twofold.networks.pair_network import Layer as Layer
from twofold.networks.pair_network import LayerRow as LayerRow
from twofold.networks.pair_network import Outputs as Outputs
from twofold.networks.pair_network import PairNetwork as PairNetwork
from twofold.networks.pair_network import by_branch as by_branch
from twofold.networks.pair_network import init_network as init_network
from twofold.networks.pair_network import layer_table as layer_table
from twofold.networks.pair_network import parameter_count as parameter_count
