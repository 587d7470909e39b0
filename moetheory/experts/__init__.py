"""Expert families, one per file."""

from moetheory.experts._base import AbstractExpert as AbstractExpert
from moetheory.experts.linear import LinearExpert as LinearExpert
