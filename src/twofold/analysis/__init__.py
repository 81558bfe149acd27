"""What the numbers mean. NumPy, SciPy and pandas only: it reads a table of trials, wherever that comes from.

`scipy.stats` is named in full throughout, for `import scipy` loads it only when it is first used: it takes longer than
all else that a study needs to begin, whose statistics need `scipy.special` alone.
"""

from twofold.analysis.chance import CHANCE as CHANCE
from twofold.analysis.chance import chance_of_trials as chance_of_trials
from twofold.analysis.chance import chances as chances
from twofold.analysis.choice import SELECT_ON as SELECT_ON
from twofold.analysis.choice import choice as choice
from twofold.analysis.choice import choice_of_summaries as choice_of_summaries
from twofold.analysis.classes import classes_of as classes_of
from twofold.analysis.classes import images_told_apart as images_told_apart
from twofold.analysis.classes import only_digits as only_digits
from twofold.analysis.collapse import BOTH_DEAD as BOTH_DEAD
from twofold.analysis.collapse import DIVERGED as DIVERGED
from twofold.analysis.collapse import HEALTHY as HEALTHY
from twofold.analysis.collapse import KINDS as KINDS
from twofold.analysis.collapse import LAYER_DEAD as LAYER_DEAD
from twofold.analysis.collapse import ONE_DEAD as ONE_DEAD
from twofold.analysis.collapse import OUTLIER as OUTLIER
from twofold.analysis.collapse import branch_units as branch_units
from twofold.analysis.collapse import collapse as collapse
from twofold.analysis.collapse import dead_units as dead_units
from twofold.analysis.collapse import explained as explained
from twofold.analysis.collapse import is_own as is_own
from twofold.analysis.collapse import kind_of as kind_of
from twofold.analysis.contrasts import benjamini_hochberg as benjamini_hochberg
from twofold.analysis.contrasts import contrast as contrast
from twofold.analysis.contrasts import holm as holm
from twofold.analysis.contrasts import sign_flip as sign_flip
from twofold.analysis.designs import Design as Design
from twofold.analysis.designs import lacking_designs as lacking_designs
from twofold.analysis.designs import own_designs as own_designs
from twofold.analysis.designs import with_factors as with_factors
from twofold.analysis.effects import EFFECTS as EFFECTS
from twofold.analysis.effects import effects as effects
from twofold.analysis.effects import effects_by_round as effects_by_round
from twofold.analysis.effects import main_effects as main_effects
from twofold.analysis.findings import Findings as Findings
from twofold.analysis.findings import findings as findings
from twofold.analysis.own import is_marked as is_marked
from twofold.analysis.own import told_apart as told_apart
from twofold.analysis.own import typed_texts as typed_texts
from twofold.analysis.paper import agreement as agreement
from twofold.analysis.paper import grid_agreement as grid_agreement
from twofold.analysis.paper import grid_reference as grid_reference
from twofold.analysis.paper import is_papers as is_papers
from twofold.analysis.paper import study_reference as study_reference
from twofold.analysis.power import power as power
from twofold.analysis.power import power_table as power_table
from twofold.analysis.power import rounds_needed as rounds_needed
from twofold.analysis.spread import spread as spread
from twofold.analysis.summary import paired_differences as paired_differences
from twofold.analysis.summary import summary as summary
from twofold.analysis.trials import AnalysisError as AnalysisError
from twofold.analysis.trials import as_trials as as_trials
from twofold.analysis.trials import by_round as by_round
from twofold.analysis.trials import for_every_value as for_every_value
from twofold.analysis.trials import questions_told_apart as questions_told_apart
from twofold.analysis.trials import select as select
from twofold.analysis.trials import settings_of as settings_of
from twofold.analysis.trials import using as using
from twofold.analysis.trials import varying_settings as varying_settings
from twofold.analysis.trials import without_unused as without_unused
from twofold.networks import in_order as in_order
