"""The networks; what is here needs no JAX."""

from twofold.networks.finding import NETWORKS as NETWORKS
from twofold.networks.finding import PAPERS as PAPERS
from twofold.networks.finding import Network as Network
from twofold.networks.finding import check_used as check_used
from twofold.networks.finding import find_network as find_network
from twofold.networks.finding import in_order as in_order
