"""Mixtures of experts as a scikit-learn regressor, for one's own data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any, Self

import jax
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from moetheory._parts import Kind
from moetheory.advice import advice_on
from moetheory.estimators import ExpectationMaximisation, Fit, MaximumLikelihood, ParameterBox, RandomStarts, Status
from moetheory.estimators.newton import PILOT
from moetheory.evaluation import by_rows, weights_and_means
from moetheory.family_names import kind_by_name
from moetheory.identifiability.fisher import cramer_rao_at
from moetheory.models import Family, MixtureOfExperts
from moetheory.quantiles import mixture_quantile
from moetheory.regressor_settings import AUTO, check_settings
from moetheory.sampling import Sample, respond
from moetheory.selection import select_number
from moetheory.units import Standardisation, check_sizes

ESTIMATORS = {"mle": MaximumLikelihood, "em": ExpectationMaximisation}

STANDARDISED_BOX = ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 100.0))
"""Default box, in standard deviations of inputs and response.

A gate slope of 40 passes from one expert to another (1% to 99%) within 0.23 standard deviations of an input;
expert slopes exceed 40 only for nearly collinear inputs; the variance floor is a residual of 1% of the spread
of the response, which keeps spikes on a few rows finite. A steeper gate or less noise needs a wider box.
"""


class MixtureOfExpertsRegressor(RegressorMixin, BaseEstimator):
    r"""Gaussian mixture of experts fitted to data: the best of several starts, with a status.

    .. math:: p(y \mid x) = \sum_{i=1}^k g_i(x)\, N(y; \eta_{1i}^\top x + \eta_{0i}, \nu_i), \qquad
              g_i(x) \propto \exp(\beta_{1i}^\top x + \beta_{0i}).

    Inputs and response are standardised as far as the family can absorb it (experts without an output offset keep the
    origin of the response, those of fixed scale and competition gates also its unit; linear predictors without intercept
    keep the origin of the inputs), the fit runs in a compact box in those units, and the model is reported in the units
    of the data. Starts use the data only.

    Parameters
    ----------
    n_experts : int, positive, or "auto"
        Number of (routed) atoms k; "auto" chooses it by ``criterion``, by BIC and ICL among the numbers whose fit has no
        variance on the floor of the box, if there are any: a likelihood that only the box bounds compares with nothing.
    gate : str, class or Kind
        ``"softmax"``, ``"sigmoid"`` (normalised), ``"competition"``, ``"input_free"``, ``"laplace"``, ``"cosine"``,
        ``"gaussian"`` (joint), ``"temperature"``, ``"activated_temperature"``, or a gate class of one's own.
    expert : str, class or Kind
        ``"linear"``, ``"constant"``, ``"polynomial"``, ``"feed_forward"``, or an expert class of one's own.
    estimator : {"mle", "em"}
        Certified maximum likelihood (Newton) or expectation-maximisation.
    n_starts : int, positive
        Random starts; the best end is kept.
    box : ParameterBox or None
        Parameter space in standardised units; None is ``STANDARDISED_BOX``: gates and experts up to 40,
        variances from 1e-4 to 100 times the response's. Where the family keeps a unit of the data, it widens with that.
    max_iter : int or None, positive
        Steps per start; None is the estimator's own default (``max_steps``).
    tol : float or None, non-negative
        Stopping tolerance: a relative gradient for "mle", a relative change of the log-likelihood for "em";
        None is the estimator's own default (``tolerance``).
    random_state : int, RandomState or None
        Source of the starts.
    gate_options, expert_options : dict or None
        Options of gate and expert, such as ``{"response": "abs", "intercept": True}``, ``{"top_k": 2}`` or
        ``{"activation": "tanh", "bias": True, "scale": True}``; optional parameters are asked for by True.
    n_shared : int, not negative
        Number of shared experts, which take part in half of the density at every input.
    shared_expert : str, class, Kind or None
        Family of the shared experts; None is the family of the routed ones.
    shared_options : dict or None
        Options of the shared experts; None is the options of the routed ones if the family is theirs.

    max_experts : int, positive
        Largest number of experts that "auto" considers.
    criterion : {"bic", "icl", "dendrogram"}
        How "auto" chooses: smallest BIC or ICL over all numbers, or the dendrogram of one fit of the largest number
        (softmax gates with linear experts; at least two experts). The dendrogram finds the true number less often than the
        others where rows are few, and does not leave out fits with a variance on the floor.

    Attributes
    ----------
    n_experts_ : int
        Number of (routed) atoms of ``model_``.
    selection_ : pandas.DataFrame
        Log-likelihood and criterion by number of experts, in standardised units, if the number was chosen.
    model_ : MixtureOfExperts
        The fitted model, in the units of the data; the gate of a single expert is input-free, since it has no say.
    log_likelihood_ : float
        Total log-likelihood of ``model_`` on the data, in nats and in the units of the data; that of inputs and responses
        for ``gate="gaussian"``.
    status_ : Status
        How the fit ended; ``status_.advice`` says what to do about it.
    certificate_ : Certificate
        Evidence for the status, in standardised units.
    n_iter_ : int
        Steps of the best start.
    n_features_in_ : int
        Dimension d of the input.
    feature_names_in_ : (d,) array of str
        Names of the inputs, if the data had some.

    Raises
    ------
    ValueError, TypeError
        If a setting or the data break the rules above.

    Warns
    -----
    ConvergenceWarning
        If the status is not ``converged`` or rows are fewer than parameters; predictions work all the same.

    Notes
    -----
    ``score`` is the :math:`R^2` of the conditional mean, as of every regressor of scikit-learn. To compare
    densities, take the mean of :meth:`predict_log_density` on held-out rows.

    There are no sample weights. :meth:`predict_quantile` gives prediction intervals, :meth:`standard_errors` those of the
    parameters.

    scikit-learn's ``check_estimator`` lets no regressor have ``predict_proba``, so this class is tagged a
    density estimator; the few tools that ask for the tag of a regressor (``StackingRegressor``,
    ``VotingRegressor``, ``PartialDependenceDisplay``) decline it.

    References
    ----------
    arXiv 2305.03288, equation (1).

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> X = generator.uniform(-1, 1, (200, 1))
    >>> which = generator.random(200) < 1 / (1 + np.exp(-6 * X[:, 0]))
    >>> y = np.where(which, 4 * X[:, 0] + 1, -2 * X[:, 0]) + 0.2 * generator.standard_normal(200)
    >>> regressor = MixtureOfExpertsRegressor(n_experts=2, n_starts=5, random_state=0).fit(X, y)
    >>> regressor.status_.value
    'converged'
    >>> np.sort(regressor.model_.expert.slope.ravel()).round()
    array([-2.,  4.])
    """

    def __init__(
        self,
        n_experts: int | str = 2,
        gate: str | type | Kind = "softmax",
        expert: str | type | Kind = "linear",
        estimator: str = "mle",
        n_starts: int = 20,
        box: ParameterBox | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        gate_options: Mapping[str, Any] | None = None,
        expert_options: Mapping[str, Any] | None = None,
        n_shared: int = 0,
        shared_expert: str | type | Kind | None = None,
        shared_options: Mapping[str, Any] | None = None,
        max_experts: int = 6,
        criterion: str = "bic",
    ) -> None:
        self.n_experts = n_experts
        self.gate = gate
        self.expert = expert
        self.estimator = estimator
        self.n_starts = n_starts
        self.box = box
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.gate_options = gate_options
        self.expert_options = expert_options
        self.n_shared = n_shared
        self.shared_expert = shared_expert
        self.shared_options = shared_options
        self.max_experts = max_experts
        self.criterion = criterion

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : (n, d) array, real
            Inputs.
        y : (n,) array, real
            Responses.

        Returns
        -------
        MixtureOfExpertsRegressor
            Itself, whatever the status.

        Raises
        ------
        ValueError
            If a setting or the data are unusable.
        """
        check_settings(self, list(ESTIMATORS))
        family = self._family()
        if self.n_experts != AUTO and (family.gate.prototype.top_k or 1) <= self.n_experts:
            family = family.of_atoms(self.n_experts)
        X, y = self._rows(X, y, reset=True)
        if self.n_experts != AUTO and self.n_experts > len(X):
            raise ValueError(f"n_experts={self.n_experts}, but n_samples={len(X)}; need at least a row for every expert.")
        check_sizes("X", X)
        check_sizes("y", y)
        units = Standardisation.of(family, X, y)
        sample = _in_no_order(units.sample(X, y))
        fit = self._fit_or_select(sample, family, units.box(self.box or STANDARDISED_BOX, sample))
        if fit.model is None:
            raise ValueError(f"the log-likelihood is not finite at any start: {fit.status.advice}")
        self._units, self._standardised_model = units, fit.model
        self.model_ = units.in_data_units(fit.model)
        self.n_experts_ = self.model_.num_experts
        self.log_likelihood_ = fit.log_likelihood - sample.size * units.log_unit(family)
        self.status_ = fit.status
        self.certificate_ = fit.certificate
        self.n_iter_ = fit.steps
        self._rows_fitted = len(X)
        advice = advice_on(fit, sample, getattr(self, "feature_names_in_", [f"x[{i + 1}]" for i in range(X.shape[1])]))
        if advice:
            warnings.warn(advice, ConvergenceWarning, stacklevel=2)
        return self

    def _fit_or_select(self, sample: Sample, family: Family, box: ParameterBox) -> Fit:
        estimator, generator = self._make_estimator(box), _generator(self.random_state)
        if self.n_experts != AUTO:
            vars(self).pop("selection_", None)
            return estimator.fit(sample, self.n_experts, generator, family=family)
        seed = int(generator.integers(2**32))
        chosen = select_number(estimator, sample, self.max_experts, self.criterion, seed, family)
        self.selection_ = chosen.table
        return chosen.fit

    def predict(self, X: ArrayLike) -> np.ndarray:
        r"""Conditional mean :math:`\sum_i g_i(x) h(x, \eta_i)` of every row, (n,), in response units."""
        weights, means = self._weights_and_means(X)
        return np.sum(weights * means, axis=1)

    def predict_quantile(self, X: ArrayLike, level: float) -> np.ndarray:
        r"""Quantile of the conditional law of y at every row, (n,): 0.05 and 0.95 bound a 90% prediction interval.

        ``level`` lies in (0, 1). The error of the estimated parameters is not in it.
        """
        if not (isinstance(level, Real) and 0 < level < 1):
            raise ValueError(f"level={level!r}; need a number between 0 and 1, such as 0.95.")
        weights, means = self._weights_and_means(X)
        return mixture_quantile(weights, means, np.sqrt(self.model_.variances), level)

    def predict_density(self, X: ArrayLike, y: ArrayLike) -> np.ndarray:
        r"""Conditional density :math:`p(y \mid x)` of every row, (n,), per response unit."""
        return np.exp(self.predict_log_density(X, y))

    def predict_log_density(self, X: ArrayLike, y: ArrayLike) -> np.ndarray:
        r"""Log conditional density :math:`\log p(y \mid x)` of every row, (n,), in nats."""
        return self._densities_and_responsibilities(X, y)[0]

    def predict_proba(self, X: ArrayLike, y: ArrayLike | None = None) -> np.ndarray:
        r"""Probability of every atom, shared ones last: weights given x, or responsibilities given x and y.

        Parameters
        ----------
        X : (n, d) array, real
            Inputs.
        y : (n,) array, real, optional
            Responses.

        Returns
        -------
        (n, k) array
            :math:`g_i(x)`, or :math:`g_i(x) N(y; h(x, \eta_i), \nu_i) / p(y \mid x)` if ``y`` is given.
        """
        return self._weights_and_means(X)[0] if y is None else self._densities_and_responsibilities(X, y)[1]

    def sample(self, X: ArrayLike, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draw a response for every row: an atom from the gate weights, then a normal response of that atom.

        Parameters
        ----------
        X : (n, d) array, real
            Inputs.
        random_state : int, RandomState or None
            Source of randomness.

        Returns
        -------
        (n,) array
            Responses.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return respond(self.model_, rows, _generator(random_state))

    def standard_errors(self, X: ArrayLike) -> dict[str, float]:
        r"""Standard errors of the parameters of ``model_`` by name, :math:`\sqrt{(I^{-1})_{cc} / n}`, n the rows of the fit.

        They are those of the limit law of a model that is true: every fitted expert one of its own, constant variances. An
        over-specified fit is not recognised (choose the number by BIC first), and other noise makes them too small or large.
        Gates are slow to reach that law: of sigmoid gates some 95% intervals covered 87% at n = 5,000, the others 91% or more.

        Parameters
        ----------
        X : (n, d) array, real
            Inputs of the fit, all or a random part of them: the expected information of a response is averaged over them,
            which takes about a second for every 5,000 different rows.

        Returns
        -------
        dict of str to float
            Gates relative to the last atom where only differences are determined; variances, not their logarithms.

        Raises
        ------
        ValueError
            If standard errors do not exist: the information is singular, or the fit is no interior maximum.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        if self.model_.gate.joint:
            raise ValueError(f"{type(self.model_.gate).__name__} models the inputs too; standard errors are for given inputs.")
        if self.status_ is not Status.CONVERGED:
            advice = f"the status is {self.status_.value!r}: {self.status_.advice}"
            raise ValueError(f"standard errors need an interior maximum; {advice}")
        bound = cramer_rao_at(self._standardised_model, self._units.inputs.transform(rows))
        if bound.singular:
            raise ValueError(f"standard errors do not exist: {bound.reason}")
        jacobian = self._units.jacobian(self._standardised_model)
        variance = np.diag(jacobian @ bound.covariance @ jacobian.T) / self._rows_fitted
        return dict(zip(bound.names, np.sqrt(variance).tolist(), strict=True))

    def __sklearn_tags__(self) -> Tags:
        """Tags of a density estimator; see the notes of the class."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "density_estimator"
        return tags

    def _weights_and_means(self, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        return weights_and_means(self.model_, validate_data(self, X, reset=False, dtype=np.float64))

    def _densities_and_responsibilities(self, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, ...]:
        check_is_fitted(self)
        rows = np.column_stack(self._rows(X, y, reset=False))
        return by_rows(_densities_and_responsibilities, self.model_, rows)

    def _rows(self, X: ArrayLike, y: ArrayLike, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, reset=reset, dtype=np.float64, y_numeric=True)
        return X, y.astype(np.float64)

    def _family(self) -> Family:
        gate = kind_by_name("gate", self.gate, self.gate_options)
        expert = kind_by_name("expert", self.expert, self.expert_options)
        if not self.n_shared:
            return Family(gate, expert)
        if self.shared_expert is None and self.shared_options is None:
            return Family(gate, expert, expert, int(self.n_shared))
        shared = kind_by_name("shared_expert", self.shared_expert or self.expert, self.shared_options)
        return Family(gate, expert, shared, int(self.n_shared))

    def _make_estimator(self, box: ParameterBox) -> MaximumLikelihood | ExpectationMaximisation:
        given = {"max_steps": self.max_iter, "tolerance": self.tol}
        settings = {name: value for name, value in given.items() if value is not None}
        return ESTIMATORS[self.estimator](starts=(RandomStarts(self.n_starts),), box=box, **settings)


def _in_no_order(sample: Sample) -> Sample:
    """Rows shuffled where parts of them are looked at first: every sixteenth row of a periodic order stands for nothing."""
    if sample.size < PILOT:
        return sample
    order = np.random.default_rng(0).permutation(sample.size)
    return Sample(sample.x[order], sample.y[order])


def _generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    return np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@jax.jit
def _densities_and_responsibilities(model: MixtureOfExperts, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, y = rows[:, :-1], rows[:, -1]
    return jax.vmap(model.conditional_log_density)(x, y), jax.vmap(model.responsibilities)(x, y)
