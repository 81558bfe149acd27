"""What each operation of ATen is in JAX."""

from twofold.networks.pytorch.operations import convolution as convolution
from twofold.networks.pytorch.operations import elementwise as elementwise
from twofold.networks.pytorch.operations import indexing as indexing
from twofold.networks.pytorch.operations import normalisation as normalisation
from twofold.networks.pytorch.operations import pooling as pooling
from twofold.networks.pytorch.operations import products as products
from twofold.networks.pytorch.operations import recurrent as recurrent
from twofold.networks.pytorch.operations import reductions as reductions
from twofold.networks.pytorch.operations import sampling as sampling
from twofold.networks.pytorch.operations import shapes as shapes
from twofold.networks.pytorch.operations import upsampling as upsampling
from twofold.networks.pytorch.operations.table import FIXED as FIXED
from twofold.networks.pytorch.operations.table import TABLE as TABLE
from twofold.networks.pytorch.operations.table import Key as Key
from twofold.networks.pytorch.operations.table import part_of as part_of
