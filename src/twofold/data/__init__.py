"""Images, and the pairs drawn from them."""

from twofold.data.finding import SOURCES as SOURCES
from twofold.data.finding import load_images as load_images
from twofold.data.images import Images as Images
from twofold.data.images import is_digits as is_digits
from twofold.data.images import names_stored as names_stored
from twofold.data.images import reading_of as reading_of
from twofold.data.images import stored_names as stored_names
from twofold.data.pairs import RELATIONS as RELATIONS
from twofold.data.pairs import AnyArray as AnyArray
from twofold.data.pairs import PairSet as PairSet
from twofold.data.pairs import answered_by_distance as answered_by_distance
from twofold.data.pairs import chance as chance
from twofold.data.pairs import check_enough as check_enough
from twofold.data.pairs import draw_pairs as draw_pairs
from twofold.data.pairs import pixel_scale as pixel_scale
from twofold.data.pairs import standardise as standardise
from twofold.data.reading import Reading as Reading
from twofold.data.source import Source as Source
from twofold.data.source import find_source as find_source
from twofold.data.task import Task as Task
