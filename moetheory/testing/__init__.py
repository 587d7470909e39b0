"""Laws that gates, experts, models, estimators and losses obey, and Hypothesis strategies to test them on.

Needs Hypothesis: install the extra ``testing``. A property test of one's own part takes five lines. It needs
``@settings(deadline=None)``: the first example waits for the compiler, which Hypothesis takes for a slow test otherwise.

Examples
--------
>>> from hypothesis import given, settings, strategies as st
>>> from moetheory import MaximumLikelihood, NearTruth
>>> @settings(max_examples=2, deadline=None)
... @given(truth=truths(num_experts=2, dimension=1), data=st.data())
... def test_my_estimator(truth, data):
...     check_estimator(MaximumLikelihood((NearTruth(0.05),)), data.draw(samples(truth)), truth)
>>> test_my_estimator()
"""

from moetheory._discovery import concrete_classes as concrete_classes
from moetheory.testing.estimators import check_estimator as check_estimator
from moetheory.testing.losses import check_loss as check_loss
from moetheory.testing.models import check_model as check_model
from moetheory.testing.parts import check_expert as check_expert
from moetheory.testing.parts import check_gate as check_gate
from moetheory.testing.strategies import SHAPES as SHAPES
from moetheory.testing.strategies import arbitrary_samples as arbitrary_samples
from moetheory.testing.strategies import mixing_measures as mixing_measures
from moetheory.testing.strategies import samples as samples
from moetheory.testing.strategies import seeds as seeds
from moetheory.testing.strategies import truths as truths
