"""Estimators, one per file, with their starts, boxes and certificates."""

from moetheory.estimators._base import ALGORITHM as ALGORITHM
from moetheory.estimators._base import AbstractEstimator as AbstractEstimator
from moetheory.estimators.accelerated_em import AcceleratedEM as AcceleratedEM
from moetheory.estimators.box import ParameterBox as ParameterBox
from moetheory.estimators.expectation_maximisation import ExpectationMaximisation as ExpectationMaximisation
from moetheory.estimators.fit import Certificate as Certificate
from moetheory.estimators.fit import Fit as Fit
from moetheory.estimators.least_squares import LeastSquares as LeastSquares
from moetheory.estimators.maximum_likelihood import MaximumLikelihood as MaximumLikelihood
from moetheory.estimators.published_starts import PublishedGaussianStart as PublishedGaussianStart
from moetheory.estimators.starts import NearTruth as NearTruth
from moetheory.estimators.starts import PublishedNearTruth as PublishedNearTruth
from moetheory.estimators.starts import RandomStarts as RandomStarts
from moetheory.estimators.starts import Splits as Splits
from moetheory.estimators.starts import StartRule as StartRule
from moetheory.estimators.stochastic_gradient import StochasticGradient as StochasticGradient
from moetheory.status import Status as Status
