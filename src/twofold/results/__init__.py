"""Where results are kept."""

from twofold.results.checkpoint import Model as Model
from twofold.results.checkpoint import ModelStore as ModelStore
from twofold.results.checkpoint import models_folder as models_folder
from twofold.results.store import DEFAULT_URL as DEFAULT_URL
from twofold.results.store import Store as Store
from twofold.results.store import new_owner as new_owner
