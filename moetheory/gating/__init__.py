"""Gates, one per file; the folder is the register."""

from moetheory.gating._base import AbstractAffinity as AbstractAffinity
from moetheory.gating._base import AbstractGate as AbstractGate
from moetheory.gating._base import named_term as named_term
from moetheory.gating._base import selected as selected
from moetheory.gating.activated_temperature import ActivatedTemperatureGate as ActivatedTemperatureGate
from moetheory.gating.competition import CompetitionGate as CompetitionGate
from moetheory.gating.cosine import CosineGate as CosineGate
from moetheory.gating.gaussian import GaussianGate as GaussianGate
from moetheory.gating.input_free import InputFreeGate as InputFreeGate
from moetheory.gating.laplace import LaplaceGate as LaplaceGate
from moetheory.gating.sigmoid import SigmoidGate as SigmoidGate
from moetheory.gating.softmax import SoftmaxGate as SoftmaxGate
from moetheory.gating.temperature import TemperatureGate as TemperatureGate
from moetheory.gating.unnormalised_sigmoid import UnnormalisedSigmoidGate as UnnormalisedSigmoidGate
