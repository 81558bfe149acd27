"""Plans of trials; what is here needs no JAX (`twofold.study.conduct` trains them)."""

from twofold.study.plan import factorial as factorial
from twofold.study.plan import fresh_rounds as fresh_rounds
from twofold.study.trial import Trial as Trial
