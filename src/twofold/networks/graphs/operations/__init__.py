"""What each operation of ATen is in JAX."""

from twofold.networks.graphs.operations import convolution as convolution
from twofold.networks.graphs.operations import elementwise as elementwise
from twofold.networks.graphs.operations import indexing as indexing
from twofold.networks.graphs.operations import normalisation as normalisation
from twofold.networks.graphs.operations import pooling as pooling
from twofold.networks.graphs.operations import products as products
from twofold.networks.graphs.operations import recurrent as recurrent
from twofold.networks.graphs.operations import reductions as reductions
from twofold.networks.graphs.operations import sampling as sampling
from twofold.networks.graphs.operations import shapes as shapes
from twofold.networks.graphs.operations import upsampling as upsampling
from twofold.networks.graphs.operations.table import FIXED as FIXED
from twofold.networks.graphs.operations.table import TABLE as TABLE
from twofold.networks.graphs.operations.table import Key as Key
from twofold.networks.graphs.operations.table import part_of as part_of
