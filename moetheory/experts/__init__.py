"""Expert families, one per file; the folder is the register."""

from moetheory.experts._base import AbstractExpert as AbstractExpert
from moetheory.experts.constant import ConstantExpert as ConstantExpert
from moetheory.experts.feed_forward import FeedForwardExpert as FeedForwardExpert
from moetheory.experts.linear import LinearExpert as LinearExpert
from moetheory.experts.polynomial import PolynomialExpert as PolynomialExpert
