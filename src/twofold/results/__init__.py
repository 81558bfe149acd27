"""Where results are kept."""

from twofold.results.claims import new_owner as new_owner
from twofold.results.database import DEFAULT_URL as DEFAULT_URL
from twofold.results.models import Model as Model
from twofold.results.models import ModelStore as ModelStore
from twofold.results.models import models_folder as models_folder
from twofold.results.plans import Plan as Plan
from twofold.results.plans import Recorded as Recorded
from twofold.results.store import Store as Store
