"""Check convergence-rate theorems for mixtures of experts by certified simulation.

The public names below load on first use, so that stored tables can be read, drawn and reported without JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moetheory._parts import Kind as Kind
    from moetheory.constraints import (
        LinearGateMap as LinearGateMap,
        LowRankGateMap as LowRankGateMap,
        PiecewiseLinearGateMap as PiecewiseLinearGateMap,
    )
    from moetheory.estimators import (
        AcceleratedEM as AcceleratedEM,
        Certificate as Certificate,
        ExpectationMaximisation as ExpectationMaximisation,
        Fit as Fit,
        LeastSquares as LeastSquares,
        MaximumLikelihood as MaximumLikelihood,
        NearTruth as NearTruth,
        ParameterBox as ParameterBox,
        PublishedNearTruth as PublishedNearTruth,
        RandomStarts as RandomStarts,
        Splits as Splits,
        Status as Status,
        StochasticGradient as StochasticGradient,
    )
    from moetheory.experts import (
        AbstractExpert as AbstractExpert,
        ConstantExpert as ConstantExpert,
        FeedForwardExpert as FeedForwardExpert,
        LinearExpert as LinearExpert,
        PolynomialExpert as PolynomialExpert,
    )
    from moetheory.gating import (
        AbstractGate as AbstractGate,
        ActivatedTemperatureGate as ActivatedTemperatureGate,
        CompetitionGate as CompetitionGate,
        CosineGate as CosineGate,
        GaussianGate as GaussianGate,
        InputFreeGate as InputFreeGate,
        LaplaceGate as LaplaceGate,
        SigmoidGate as SigmoidGate,
        SoftmaxGate as SoftmaxGate,
        TemperatureGate as TemperatureGate,
        UnnormalisedSigmoidGate as UnnormalisedSigmoidGate,
    )
    from moetheory.identifiability import (
        cone_test as cone_test,
        cramer_rao as cramer_rao,
        fisher_information as fisher_information,
        profile_check as profile_check,
        project as project,
        project_regression as project_regression,
        rank_test as rank_test,
    )
    from moetheory.inputs import GaussianMixtureInputs as GaussianMixtureInputs, Grid as Grid, Uniform as Uniform
    from moetheory.mixing_measure import MixingMeasure as MixingMeasure
    from moetheory.models import Family as Family, MixtureOfExperts as MixtureOfExperts, SharedExperts as SharedExperts
    from moetheory.rates import estimate_slope as estimate_slope, judge_slope as judge_slope, plan_replicates as plan_replicates
    from moetheory.regression import RegressionMixture as RegressionMixture
    from moetheory.routers import router_trajectory as router_trajectory
    from moetheory.sampling import Sample as Sample, draw as draw
    from moetheory.selection import bic as bic, dendrogram as dendrogram, icl as icl, select_number as select_number
    from moetheory.study.sweep import sweep as sweep

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
