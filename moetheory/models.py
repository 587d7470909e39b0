"""Gaussian mixture-of-experts models, with and without shared experts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from moetheory._arrays import as_floats
from moetheory._parts import (
    RESERVED_SYMBOLS,
    Kind,
    Module,
    check_parts,
    checked_input,
    dimension_of,
    require_parts,
    shared_symbol,
)
from moetheory.constraints import GateConstraint
from moetheory.experts import AbstractExpert, ConstantExpert, LinearExpert
from moetheory.gating import AbstractGate, InputFreeGate, SoftmaxGate, selected
from moetheory.gating._base import AbstractAffinity
from moetheory.mixing_measure import MixingMeasure


@dataclass(frozen=True)
class Family:
    """Which gate, experts and shared experts a model has, without its parameters.

    Parameters
    ----------
    gate, expert : Kind
        Gate and expert family of the routed atoms.
    shared : Kind, optional
        Expert family of the shared atoms.
    num_shared : int
        Number of shared atoms; 0 without a family for them.
    regression : True, optional
        True for regression functions (:class:`moetheory.RegressionMixture`), None for densities.
    constraint : GateConstraint, optional
        Known set that the gate's parameters are confined to when it is fitted; softmax gates only.

    Raises
    ------
    ValueError, TypeError
        If gate and experts are no kinds of gates and experts, or make no sense together, with the reason.

    Examples
    --------
    >>> from moetheory import CompetitionGate, LinearExpert
    >>> Family(CompetitionGate.kind(response="abs"), LinearExpert.kind()).num_shared
    0
    """

    gate: Kind
    expert: Kind
    shared: Kind | None = None
    num_shared: int = 0
    regression: Literal[True] | None = None
    constraint: GateConstraint | None = None

    def __post_init__(self) -> None:
        experts = (self.expert,) if self.shared is None else (self.expert, self.shared)
        kinds = ((self.gate, AbstractAffinity), *((expert, AbstractExpert) for expert in experts))
        if not all(isinstance(kind, Kind) and issubclass(kind.part, part) for kind, part in kinds):
            raise TypeError(f"gate={self.gate!r}, expert={self.expert!r}; need kinds: SoftmaxGate.kind(), LinearExpert.kind().")
        if (self.shared is None) != (self.num_shared == 0) or self.num_shared < 0:
            raise ValueError(f"shared={self.shared}, num_shared={self.num_shared}; give both or neither.")
        if self.regression and self.shared:
            raise ValueError("regression functions have no shared experts here: a shared part is half of a density.")
        self._check_weights()
        self._check_symbols()
        gate, expert = self.gate.prototype, self.expert.prototype
        if gate.responsive and isinstance(expert, ConstantExpert):
            raise ValueError(
                "constant experts respond alike at every input, so a competition gate would not depend on the input;"
                " use InputFreeGate, or experts that see the input."
            )
        if gate.vanishes_with_response and expert.vanishes:
            raise ValueError(
                f"all experts of {self.expert} can be zero at an input, where normalised responses are 0/0;"
                " use response='softplus' or form='exponential'."
            )

    def _check_weights(self) -> None:
        if self.constraint and self.gate != SoftmaxGate.kind():
            raise ValueError(f"constraint={self.constraint} with {self.gate}; sets of gates are for SoftmaxGate alone.")
        if self.regression and self.gate.part.joint:
            raise ValueError(f"{self.gate} models the inputs too, so there is no regression function of its own.")
        if not self.regression and not self.gate.part.normalised:
            raise ValueError(f"weights of {self.gate} do not sum to one, so there is no density; use RegressionMixture.")
        if self.shared and self.gate.part.joint:
            raise ValueError(f"{self.gate} models the inputs too, which shared experts do not.")

    def _check_symbols(self) -> None:
        """Raise where two blocks of the mixing measure would have one name."""
        for kinds in ((self.gate, self.expert), (self.shared,)):
            symbols = [*RESERVED_SYMBOLS, *(kind.part.symbols.get(name, name) for kind in kinds if kind for name in kind.fields)]
            twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
            if twice:
                raise ValueError(
                    f"{' and '.join(str(kind) for kind in kinds)} have the symbols {twice} twice; every field of gate and experts"
                    f" needs one of its own, and {', '.join(sorted(RESERVED_SYMBOLS))} are taken."
                )

    @property
    def kinked(self) -> bool:
        """Whether the density has kinks or jumps in the parameters."""
        return any(kind.prototype.kinked for kind in self._kinds if kind) or bool(self.constraint and self.constraint.kinked)

    @property
    def kinked_at_rows(self) -> bool:
        """Whether the likelihood of a sample has kinks, jumps or cusps in the parameters."""
        return self.kinked or getattr(self.gate.part, "cusped", False)

    def has_parameters_of(self, other: Family) -> bool:
        """Whether both families have the same parameters, whatever the number of shared atoms and of active ones."""
        pairs = zip(self._kinds, other._kinds, strict=True)
        return self.regression == other.regression and all(_without_top_k(one) == _without_top_k(own) for one, own in pairs)

    def of_atoms(self, number: int) -> Family:
        """The family of so many routed atoms.

        Over a single one a gate that divides by its sum has no say, and no parameters; a choice of more than there are is none.
        """
        gate, top_k = self.gate.part, self.gate.prototype.top_k
        says_nothing = number == 1 and gate.normalised and not gate.joint
        if says_nothing and not (set(self.gate.fields) <= set(gate.invariant_shifts) and not gate.responsive):
            return replace(self, gate=InputFreeGate.kind(), constraint=None)
        return replace(self, gate=_without_top_k(self.gate)) if top_k and top_k > number else self

    def redundant(self, num_atoms: int, dimension: int) -> int:
        """Number of coordinates of a fit of so many routed atoms that change nothing."""
        counts = (num_atoms, num_atoms, self.num_shared)
        return sum(kind.prototype.redundant(atoms, dimension) for kind, atoms in zip(self._kinds, counts, strict=True) if kind)

    @property
    def _kinds(self) -> tuple[Kind | None, ...]:
        return (self.gate, self.expert, self.shared)

    def __str__(self) -> str:
        shared = f", {self.num_shared} shared {self.shared}" if self.shared else ""
        known = f", gate in a known set of {self.constraint.size} parameters" if self.constraint else ""
        return f"{self.gate}, {self.expert}{shared}{known}" + (", regression function" if self.regression else "")


_checked_family = lru_cache(Family)


@lru_cache
def _without_top_k(kind: Kind | None) -> Kind | None:
    return kind and replace(kind, options=tuple((name, None if name == "top_k" else value) for name, value in kind.options))


SOFTMAX_LINEAR = Family(SoftmaxGate.kind(), LinearExpert.kind())


@final
class SharedExperts(Module):
    r"""Experts that take part at every input, :math:`\sum_i \omega_i N(y; h_1(x, \kappa_i), \tau_i)`.

    Parameters
    ----------
    expert : AbstractExpert
        Experts of the shared atoms.
    variance : (k1,) array, positive
        :math:`\tau`, in squared units of the response.
    weight : (k1,) array, positive, summing to one
        :math:`\omega`.

    References
    ----------
    arXiv 2505.10860, equation (1).

    Examples
    --------
    >>> from moetheory import LinearExpert
    >>> SharedExperts(LinearExpert([[2.0]], [0.0]), variance=[0.2], weight=[1.0]).num_experts
    1
    """

    expert: AbstractExpert
    variance: Float[Array, " k1"] = eqx.field(converter=as_floats)
    weight: Float[Array, " k1"] = eqx.field(converter=as_floats)

    def __check_init__(self) -> None:
        _check_counts("shared experts", self.expert, variance=self.variance, weight=self.weight)
        weight = self.weight
        if isinstance(weight, np.ndarray) and not (np.all(weight > 0) and abs(weight.sum() - 1) < 1e-9):
            raise ValueError(f"weight={weight}; need positive weights that sum to one: divide them by their sum.")

    @property
    def num_experts(self) -> int:
        """Number of shared atoms k1."""
        return len(self.variance)


@final
class MixtureOfExperts(Module):
    r"""Gaussian mixture of experts, :math:`p(y \mid x) = \sum_i g_i(x)\, N(y; h(x, \eta_i), \nu_i)`.

    With shared experts it is the mixture of two densities in equal parts,

    .. math:: p(y \mid x) = \tfrac12 \sum_{i \le k_1} \omega_i N(y; h_1(x, \kappa_i), \tau_i)
              + \tfrac12 \sum_{i \le k_2} g_i(x)\, N(y; h_2(x, \eta_i), \nu_i).

    Wherever all atoms are listed, the routed ones come first.

    Parameters
    ----------
    gate : AbstractGate
        Gate of the k routed atoms.
    expert : AbstractExpert
        Experts of the routed atoms.
    variance : (k,) array, positive
        :math:`\nu`, in squared units of the response (a variance, not a standard deviation).
    shared : SharedExperts, optional
        Shared experts.

    Raises
    ------
    ValueError, TypeError
        If numbers of atoms differ, a variance is not positive, or gate and experts are none or make no sense together.

    References
    ----------
    arXiv 2305.03288, equation (1); arXiv 2505.10860, equation (1).

    Examples
    --------
    >>> from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate
    >>> model = MixtureOfExperts(
    ...     gate=SoftmaxGate(intercept=[-8.0, 0.0], slope=[[25.0], [0.0]]),
    ...     expert=LinearExpert(slope=[[-20.0], [20.0]], intercept=[15.0, -5.0]),
    ...     variance=[0.09, 0.16],
    ... )
    >>> model.num_experts, model.dimension
    (2, 1)
    """

    gate: AbstractGate
    expert: AbstractExpert
    variance: Float[Array, " k"] = eqx.field(converter=as_floats)
    shared: SharedExperts | None = None

    def __check_init__(self) -> None:
        _check_counts("gate, expert and variance", self.gate, self.expert, variance=self.variance)
        check_parts(self.num_experts, self.gate, *self._experts)
        _ = self.family

    @cached_property
    def family(self) -> Family:
        """Gate, expert and shared families."""
        shared = (self.shared.expert.own_kind(), self.shared.num_experts) if self.shared else (None, 0)
        return _checked_family(self.gate.own_kind(), self.expert.own_kind(), *shared)

    @property
    def num_experts(self) -> int:
        """Number of routed atoms k."""
        return len(self.variance)

    @property
    def num_shared(self) -> int:
        """Number of shared atoms."""
        return self.shared.num_experts if self.shared else 0

    @property
    def dimension(self) -> int:
        """Dimension d of the input; 1 if nothing in the model depends on the input."""
        return dimension_of(self.gate, *self._experts)

    @property
    def _experts(self) -> tuple[AbstractExpert, ...]:
        return (self.expert, self.shared.expert) if self.shared else (self.expert,)

    @property
    def variances(self) -> Float[Array, " atoms"]:
        """Variances of all atoms."""
        return jnp.concatenate([self.variance, self.shared.variance]) if self.shared else self.variance

    def weights(self, x: Float[Array, " d"]) -> Float[Array, " atoms"]:
        """Weights of all atoms at one input; they sum to one."""
        routed = self.gate_weights(x)
        return routed if self.shared is None else 0.5 * jnp.concatenate([routed, self.shared.weight])

    def gate_weights(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """Gate weights of the routed atoms at one input; they sum to one."""
        return jax.nn.softmax(self._affinities(x))

    def means(self, x: Float[Array, " d"]) -> Float[Array, " atoms"]:
        """Means of all atoms at one input."""
        x = checked_input(x, self.gate, *self._experts)
        routed = self._routed_means(x)
        if self.shared is None:
            return routed
        return jnp.concatenate([routed, jax.vmap(lambda expert: expert.mean(x))(self.shared.expert)])

    def log_density(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, ""]:
        """Log of the conditional density of one observation, in nats; of the joint one for a joint gate."""
        return jax.nn.logsumexp(self.log_joint(x, y))

    def log_input_density(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Log-density of an input under a joint gate; zero for the others, which say nothing of inputs."""
        affinities = self._affinities(x)
        return jax.nn.logsumexp(affinities) - self.gate.log_normaliser(affinities)

    def conditional_log_density(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, ""]:
        """Log of the density of the response given the input, in nats, whatever the gate."""
        return self.log_density(x, y) - self.log_input_density(x) if self.gate.joint else self.log_density(x, y)

    def responsibilities(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, " atoms"]:
        """Posterior probability of each atom given one observation."""
        return jax.nn.softmax(self.log_joint(x, y))

    def mean(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Conditional mean of the response at one input."""
        return jnp.dot(self.weights(x), self.means(x))

    def take(self, routed, shared=None) -> MixtureOfExperts:
        """The model with the listed routed atoms in that order; of the shared ones an order of all, or None to leave them."""
        part = self.shared
        if shared is not None:
            part = SharedExperts(part.expert.take(shared), np.asarray(part.variance)[shared], np.asarray(part.weight)[shared])
        return MixtureOfExperts(self.gate.take(routed), self.expert.take(routed), np.asarray(self.variance)[routed], part)

    def representative(self) -> MixtureOfExperts:
        """The same model with its experts under the sign convention of their family."""
        shared = self.shared
        if shared:
            shared = SharedExperts(shared.expert.representative(), shared.variance, shared.weight)
        return MixtureOfExperts(self.gate, self.expert.representative(), self.variance, shared)

    def mixing_measure(self) -> MixingMeasure:
        """The mixing measure: masses and atoms as NumPy arrays, experts under their sign convention."""
        return self._measure

    @cached_property
    def _measure(self) -> MixingMeasure:
        blocks = {name: np.asarray(value) for name, value in self.gate.blocks().items()}
        log_mass = blocks.pop("log_mass", np.zeros(self.num_experts))
        blocks |= {name: np.asarray(value) for name, value in self.expert.representative().blocks().items()}
        blocks["nu"] = np.asarray(self.variance)[:, None]
        shared = _shared_measure(self.shared) if self.shared else None
        return MixingMeasure(log_mass, blocks, self.gate.translations, shared)

    def _routed_means(self, x):
        return jax.vmap(lambda expert: expert.mean(x))(self.expert)

    def _affinities(self, x):
        x = checked_input(x, self.gate, *self._experts)
        return log_affinities(self.gate, x, self._routed_means(x))

    def _log_weights(self, x):
        affinities = self._affinities(x)
        routed = affinities - self.gate.log_normaliser(affinities)
        if self.shared is None:
            return routed
        return jnp.concatenate([routed, jnp.log(self.shared.weight)]) - jnp.log(2.0)

    def log_joint(self, x: Float[Array, " d"], y: Float[Array, ""]) -> Float[Array, " atoms"]:
        """Logarithm of the weight times the density of every atom at one observation."""
        normal = -0.5 * (jnp.log(2 * jnp.pi * self.variances) + (y - self.means(x)) ** 2 / self.variances)
        return self._log_weights(x) + normal


def log_affinities(gate: AbstractGate, x: Float[Array, " d"], means: Float[Array, " k"]) -> Float[Array, " k"]:
    """Log-affinities of all atoms at one input, minus infinity for those that a top-K choice leaves out."""
    affinity = jax.vmap(lambda atom, mean: atom.log_affinity(x, mean))(gate, means)
    if gate.top_k is None:
        return affinity
    score = jax.vmap(lambda atom, mean: atom.score(x, mean))(gate, means)
    return jnp.where(selected(score, gate.top_k), affinity, -jnp.inf)


def _shared_measure(shared: SharedExperts) -> MixingMeasure:
    blocks = shared.expert.representative().blocks()
    atoms = {shared_symbol(name): np.asarray(value) for name, value in blocks.items()}
    return MixingMeasure(np.log(shared.weight), {**atoms, "tau": np.asarray(shared.variance)[:, None]})


def _check_counts(what: str, *parts, **vectors) -> None:
    for name, vector in vectors.items():
        if np.ndim(vector) != 1:
            raise ValueError(f"{name}={vector} of {what}; need one number per atom, (k,): [0.1, 0.2] for two.")
    require_parts(*parts)
    counts = {len(getattr(part, name)) for part in parts for name in part.present()} | {len(v) for v in vectors.values()}
    if len(counts) != 1:
        raise ValueError(f"{what} describe {sorted(counts)} atoms; need the same number k for all.")
    variance = vectors["variance"]
    if isinstance(variance, np.ndarray) and not np.all((variance > 0) & np.isfinite(variance)):
        raise ValueError(f"variance={variance}; need k positive finite variances (squares of standard deviations).")
