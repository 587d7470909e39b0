"""Whether a fitted model contains the truth, so that its maximum is at least as likely."""

from __future__ import annotations

import numpy as np

from moetheory.estimators import ParameterBox
from moetheory.estimators.layout import layout_of
from moetheory.models import Family
from moetheory.regression import Model


def holds(family: Family, num_experts: int, box: ParameterBox, truth: Model) -> bool:
    """Whether the model of ``num_experts`` atoms, in its box, surely contains the truth.

    With more atoms than the truth it does where a split atom leaves the density as it is: where masses multiply the
    weights and all atoms are active.
    """
    true, gate = truth.family, truth.gate
    splits = "intercept" in gate.invariant_shifts and "intercept" in gate.present() and gate.top_k is None
    kinds = (family.gate, family.expert, family.shared) == (true.gate, true.expert, true.shared)
    nested = kinds and family.regression == true.regression and family.constraint is None and family.num_shared >= true.num_shared
    atoms = num_experts == truth.num_experts or (splits and num_experts > truth.num_experts)
    layout = layout_of(truth)
    limits, point = box.bounds(layout), layout.pack(truth)
    return bool(nested and atoms and np.all((limits.lower <= point) & (point <= limits.upper)))
