"""Gates, one per file."""

from moetheory.gating._base import AbstractGate as AbstractGate
from moetheory.gating.softmax import SoftmaxGate as SoftmaxGate
