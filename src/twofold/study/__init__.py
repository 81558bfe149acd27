"""Plans of trials, and how they are conducted."""

from twofold.study.conduct import Listener as Listener
from twofold.study.conduct import Silence as Silence
from twofold.study.conduct import conduct as conduct
from twofold.study.keep import KEEP as KEEP
from twofold.study.keep import Keeper as Keeper
from twofold.study.plan import factorial as factorial
from twofold.study.plan import fresh_rounds as fresh_rounds
from twofold.study.trial import Trial as Trial
