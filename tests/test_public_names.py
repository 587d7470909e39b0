"""The public names: they load lazily, are documented, and concrete classes are final."""

import ast
import inspect
import subprocess
import sys

import pytest

import moetheory
from moetheory.estimators import AbstractEstimator, StartRule
from moetheory.experts import AbstractExpert
from moetheory.gating import AbstractGate
from moetheory.inputs import InputLaw

ABSTRACT = (AbstractGate, AbstractExpert, AbstractEstimator, StartRule, InputLaw)


@pytest.mark.parametrize("name", moetheory.__all__)
def test_public_name_loads_and_is_documented(name):
    documented = getattr(moetheory, name).__doc__
    assert documented
    assert len(documented.splitlines()[0]) > 10


@pytest.mark.parametrize("name", [name for name in moetheory.__all__ if not name.startswith("Abstract")])
def test_public_docstring_has_an_example(name):
    assert ">>>" in getattr(moetheory, name).__doc__ or name in ("Certificate", "Fit")


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = moetheory.Nonsense


def test_type_checkers_and_editors_see_the_same_names():
    """Lazily loaded names are nothing that they could follow."""
    source = ast.parse(inspect.getsource(moetheory))
    block = next(one for one in source.body if isinstance(one, ast.If))
    seen = {alias.asname: one.module for one in block.body for alias in one.names}
    assert seen == moetheory._HOME


def test_importing_the_package_does_not_import_jax():
    code = "import moetheory, moetheory.rates, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def own_subclasses(base):
    """Subclasses in the package, those of abstract ones too."""
    for cls in base.__subclasses__():
        if cls.__module__.startswith("moetheory."):
            yield cls
            yield from own_subclasses(cls)


@pytest.mark.parametrize("base", ABSTRACT, ids=lambda base: base.__name__)
def test_classes_are_abstract_or_final(base):
    found = list(own_subclasses(base))
    assert found
    for cls in found:
        assert inspect.isabstract(cls) or getattr(cls, "__final__", False), f"{cls.__name__} is concrete and not final"
