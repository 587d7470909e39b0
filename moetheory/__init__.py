"""Check convergence-rate theorems for mixtures of experts by certified simulation.

The public names below load on first use, so that stored tables can be read, drawn and reported without JAX.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "AbstractGate": "moetheory.gating",
    "SoftmaxGate": "moetheory.gating",
    "SigmoidGate": "moetheory.gating",
    "CompetitionGate": "moetheory.gating",
    "InputFreeGate": "moetheory.gating",
    "LaplaceGate": "moetheory.gating",
    "CosineGate": "moetheory.gating",
    "TemperatureGate": "moetheory.gating",
    "ActivatedTemperatureGate": "moetheory.gating",
    "GaussianGate": "moetheory.gating",
    "UnnormalisedSigmoidGate": "moetheory.gating",
    "AbstractExpert": "moetheory.experts",
    "ConstantExpert": "moetheory.experts",
    "LinearExpert": "moetheory.experts",
    "PolynomialExpert": "moetheory.experts",
    "FeedForwardExpert": "moetheory.experts",
    "MixtureOfExperts": "moetheory.models",
    "SharedExperts": "moetheory.models",
    "RegressionMixture": "moetheory.regression",
    "LinearGateMap": "moetheory.constraints",
    "PiecewiseLinearGateMap": "moetheory.constraints",
    "LowRankGateMap": "moetheory.constraints",
    "Family": "moetheory.models",
    "Kind": "moetheory._parts",
    "MixingMeasure": "moetheory.mixing_measure",
    "Sample": "moetheory.sampling",
    "Uniform": "moetheory.inputs",
    "Grid": "moetheory.inputs",
    "GaussianMixtureInputs": "moetheory.inputs",
    "draw": "moetheory.sampling",
    "MaximumLikelihood": "moetheory.estimators",
    "ExpectationMaximisation": "moetheory.estimators",
    "AcceleratedEM": "moetheory.estimators",
    "LeastSquares": "moetheory.estimators",
    "StochasticGradient": "moetheory.estimators",
    "ParameterBox": "moetheory.estimators",
    "NearTruth": "moetheory.estimators",
    "Splits": "moetheory.estimators",
    "PublishedNearTruth": "moetheory.estimators",
    "RandomStarts": "moetheory.estimators",
    "Fit": "moetheory.estimators",
    "Status": "moetheory.estimators",
    "Certificate": "moetheory.estimators",
    "fisher_information": "moetheory.identifiability",
    "cramer_rao": "moetheory.identifiability",
    "rank_test": "moetheory.identifiability",
    "cone_test": "moetheory.identifiability",
    "profile_check": "moetheory.identifiability",
    "project": "moetheory.identifiability",
    "project_regression": "moetheory.identifiability",
    "bic": "moetheory.selection",
    "icl": "moetheory.selection",
    "dendrogram": "moetheory.selection",
    "select_number": "moetheory.selection",
    "router_trajectory": "moetheory.routers",
    "estimate_slope": "moetheory.rates",
    "judge_slope": "moetheory.rates",
    "plan_replicates": "moetheory.rates",
    "sweep": "moetheory.study.sweep",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'moetheory' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
