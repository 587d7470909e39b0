"""Gates, one per file; the folder is the register."""

from moetheory.gating._base import AbstractGate as AbstractGate
from moetheory.gating._base import selected as selected
from moetheory.gating.competition import CompetitionGate as CompetitionGate
from moetheory.gating.input_free import InputFreeGate as InputFreeGate
from moetheory.gating.sigmoid import SigmoidGate as SigmoidGate
from moetheory.gating.softmax import SoftmaxGate as SoftmaxGate
