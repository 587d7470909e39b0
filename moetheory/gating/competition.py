"""Competition gates: the affinity of an atom is the response of its own expert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import Kind
from moetheory.gating._base import AbstractGate
from moetheory.gating._softplus import SMALLEST_RESPONSE, factored, factored_softplus, log_softplus, softplus

RESPONSES: dict[str, Callable] = {
    "softplus": softplus,
    "abs": jnp.abs,
    "identity": lambda h: h,
    "square": lambda h: 0.25 * h * h,
    "norm": jnp.abs,
}
r"""Response functions r(h): softplus, |h|, h, h^2 / 4, and the L2 norm of the response, for one output equal to |h|."""
FORMS = ("exponential", "normalised")


@final
class CompetitionGate(AbstractGate):
    r"""Competition gate: experts with strong responses win.

    Exponential form :math:`A_i(x) = \beta_{0i} + r(h(x, \eta_i))`, normalised form
    :math:`A_i(x) = \beta_{0i} + \log r(h(x, \eta_i))`. The gate has no input-dependent parameter of its own.

    Parameters
    ----------
    response : {"softplus", "abs", "identity", "square", "norm"}
        :math:`r(h) = \log(1 + e^h)`, :math:`|h|`, :math:`h`, :math:`h^2 / 4`, or the L2 norm of the response, which for
        one output is :math:`|h|`.
    form : {"exponential", "normalised"}
        Whether weights are proportional to :math:`e^{r}` or to r.
    intercept : (k,) array, real, optional
        :math:`\beta_0`; the mass of atom i in the mixing measure is :math:`\exp \beta_{0i}`. None for masses of one.
    top_k : int, optional
        Atoms that take part at an input: those with the largest r(h). None for all.

    Raises
    ------
    ValueError
        If response or form is unknown, or weights could be negative (identity in normalised form).

    References
    ----------
    Working model of this package for arXiv 2505.13380 and 2402.02526 (their theorems are unconfirmed); the public training
    code of the former normalises softplus responses over the winners, that of the latter takes a softmax of L2 norms.

    Examples
    --------
    >>> CompetitionGate("abs", intercept=[0.2, 0.0]).translations
    ('log_mass',)
    """

    response: str = eqx.field(default="softplus", static=True)
    form: str = eqx.field(default="exponential", static=True)
    intercept: Float[Array, " k"] | None = eqx.field(default=None, converter=as_floats)
    top_k: int | None = eqx.field(default=None, static=True)

    predictors: ClassVar = (("intercept",),)
    symbols: ClassVar = {"intercept": "beta_0"}
    invariant_shifts: ClassVar = ("intercept",)
    responsive: ClassVar = True

    def __check_init__(self) -> None:
        if self.response not in RESPONSES or self.form not in FORMS:
            raise ValueError(
                f"response={self.response!r}, form={self.form!r}; choose a response of {list(RESPONSES)} and a form of {FORMS}."
            )
        if self.response == "identity" and self.form == "normalised":
            raise ValueError(
                "response='identity' in normalised form gives negative weights where an expert is negative;"
                " use form='exponential', or response='softplus'."
            )

    @property
    def kinked(self) -> bool:
        return self.top_k is not None or self.response in ("abs", "norm")

    @property
    def vanishes_with_response(self) -> bool:
        return self.form == "normalised" and self.response != "softplus"

    def link(self, *predictors, response=None, term=None):
        affinity = self._log_strength(response)
        return affinity + predictors[0] if predictors else affinity

    def _log_strength(self, response):
        if (self.response, self.form) == ("softplus", "normalised"):
            return log_softplus(response)
        value = RESPONSES[self.response](response)
        return value if self.form == "exponential" else jnp.log(jnp.maximum(value, SMALLEST_RESPONSE))

    def factored_link(self, *predictors, response=None, term=None):
        exponent, factor = self._factored_strength(response)
        return (exponent + predictors[0] if predictors else exponent), factor

    def _factored_strength(self, response):
        if self.form == "normalised":
            return factored_softplus(response) if self.response == "softplus" else factored(RESPONSES[self.response](response))
        if self.response == "softplus":
            return jnp.maximum(response, 0.0), 1.0 + jnp.exp(-jnp.abs(response))
        return RESPONSES[self.response](response), 1.0

    def score(self, x, response=None):
        """The response r(h), or h where that has the same order: softplus of two low responses may be one number."""
        return response if self.response == "softplus" else RESPONSES[self.response](response)

    def redundant(self, num_atoms, dimension):
        """Of responses of which only the largest counts: intercepts."""
        return num_atoms - 1 if self.top_k == 1 and self.intercept is not None else 0

    def blocks(self):
        return {} if self.intercept is None else {"log_mass": self.intercept}

    def divided(self, copies):
        """Without intercepts masses cannot be divided: the copies keep theirs."""
        intercept = None if self.intercept is None else self.intercept - np.log(copies)
        return CompetitionGate(self.response, self.form, intercept, self.top_k)

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        valid = [(r, f) for r in RESPONSES for f in FORMS if (r, f) != ("identity", "normalised")]
        plain = [cls.kind(response=response, form=form, intercept=True) for response, form in valid]
        bare = [cls.kind(response="softplus", form=form) for form in FORMS]
        return (*plain, *bare, *(cls.kind(response="abs", form=form, intercept=True, top_k=2) for form in FORMS))

    @classmethod
    def example(cls, num_experts: int, dimension: int, intercept: bool = False, **options: Any) -> CompetitionGate:
        return cls(intercept=0.3 * np.sin(1.0 + np.arange(num_experts)) if intercept else None, **options)
