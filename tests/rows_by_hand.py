"""Claims and stored rows made by hand, whose slopes, levels and laws are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from study_cases import BOX, MLE

from moetheory import MaximumLikelihood, RandomStarts
from moetheory.study import ChiSquared, Claim, Level, Rate, Settings, Simulation, Store
from moetheory.study.checks import Check
from moetheory.study.describe import describe
from moetheory.study.documents import claim_document
from moetheory.study.evaluate import evaluate_claims
from moetheory.study.store import SCHEMAS

SIZES = (100, 1000, 10_000)
D1 = Rate("softmax_d1", "D1", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.0)
LEVEL = Level("efficiency.nu[1]", "efficiency", low=0.9, high=1.1)
RATIO = ChiSquared("likelihood_ratio", "likelihood ratio", degrees=8)
OTHER = MaximumLikelihood((RandomStarts(2),), BOX)


def claim(*checks: Check, **changes) -> Claim:
    return replace(MLE, checks=checks, **changes)


def powers(exponent, replicates=40, spread=0.2, seed=0):
    """Replicates of a loss that falls like n to the minus exponent, by sample size."""
    noise = np.random.default_rng(seed).normal(0, spread, (len(SIZES), replicates))
    return {n: n**-exponent * np.exp(row) for n, row in zip(SIZES, noise, strict=True)}


class Case:
    """A store with claims and rows written into it by hand."""

    def __init__(self, folder, *claims, replicates=40, sizes=SIZES, seed=0):
        self.store, self.claims, self.seed = Store(folder), claims, seed
        settings = Settings("quick", seed=seed, sizes=sizes, replicates=replicates)
        simulation = Simulation("By hand", "0000.00000", claims, name="hand")
        for order, one in enumerate(claims):
            document = describe(simulation, one, order, settings)
            self.store.put_document(claim_document("hand", one.name, settings.label), document)
        self.label = settings.label

    def keys(self, one, n, count):
        columns = {"data_id": one.data_id(n), "fit_id": one.fit_id(), "n": n, "seed": self.seed}
        return pd.DataFrame({"replicate": range(count)}).assign(**columns)

    def fits(self, n, count, one=None, **columns):
        blank = {"string": "", "int64": 0, "double": 0.0}
        kinds = {field.name: str(field.type) for field in SCHEMAS["fits"]}
        rows = self.keys(one or self.claims[0], n, count)
        defaults = {"status": "converged", "cell_pattern": "1-1", "parameters": [[0.0]] * count}
        for name, kind in kinds.items():
            if name not in rows:
                rows[name] = columns.get(name, defaults.get(name, blank.get(kind)))
        self.store.append("fits", rows, f"fits-{len(list(self.store.path.glob('fits/*')))}")
        return self

    def measures(self, quantity, values, one=None):
        for n, numbers in values.items():
            rows = self.keys(one or self.claims[0], n, len(numbers)).assign(quantity=quantity, value=np.array(numbers))
            self.store.append("measures", rows, f"{quantity.replace('[', '').replace(']', '')}-{n}")
        return self

    def results(self):
        return evaluate_claims(self.store, self.label)

    def check(self):
        (result,) = self.results()
        (check,) = result.checks
        return check


def measured(folder, check, values, replicates=40):
    case = Case(folder, claim(check), replicates=replicates)
    for n, numbers in values.items():
        case.fits(n, len(numbers))
    return case.measures(check.quantity, values).check()
