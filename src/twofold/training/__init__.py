"""Training: one network as a pure function, many at once on every device."""

from twofold.training.cohort import Job as Job
from twofold.training.cohort import Outcome as Outcome
from twofold.training.cohort import TrialData as TrialData
from twofold.training.cohort import train_cohorts as train_cohorts
from twofold.training.devices import use_devices as use_devices
from twofold.training.optimizers import OPTIMIZERS as OPTIMIZERS
from twofold.training.run import Program as Program
from twofold.training.run import trial_key as trial_key
