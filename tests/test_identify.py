"""The published definitions of identifiability, mistakes at the boundary, and the command line of the tests."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from moetheory import (
    CompetitionGate,
    FeedForwardExpert,
    Grid,
    LaplaceGate,
    LinearExpert,
    MixtureOfExperts,
    PolynomialExpert,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    cli,
)
from moetheory.identifiability import reference
from moetheory.identifiability.cone import cone_test
from moetheory.identifiability.definitions import dependent_sets, strongly_identifiable, weakly_identifiable
from moetheory.identifiability.influence import expand
from moetheory.identifiability.rank import numerator_nulls, rank_test
from moetheory.identifiability.reference import INPUTS, ROWS, reference_model

LINES = LinearExpert([[1.5], [-1.0]], [0.5, -0.7])
X1 = MixtureOfExperts(
    SoftmaxGate([-0.5, 0.0], [[-1.5], [0.0]]),
    FeedForwardExpert([[-1.0], [1.0]], scale=[3.0, 3.0], activation="gelu"),
    [0.4, 0.4],
    SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.25], [1.0]),
)
X1_INPUTS = Uniform((-3.0,), (3.0,))


# -- the published definitions ------------------------------------------------------------------------------------------


def experts(activation, slopes, bias=None, scale=None):
    return FeedForwardExpert(np.reshape(slopes, (-1, 1)), bias, scale, activation)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_inner_biases_violate_the_strong_definition_and_cost_nothing(activation):
    biased = experts(activation, [1.5], bias=[0.5])
    assert not strongly_identifiable(biased, INPUTS, joint=False)
    assert [str(one) for one in dependent_sets(biased, INPUTS, joint=False)["S3"]] == ["x d h2[1]/d eta_b = d h2[1]/d eta_1"]
    assert weakly_identifiable(biased, INPUTS, joint=False)
    assert strongly_identifiable(experts(activation, [1.5]), INPUTS, joint=False)
    found = cone_test(reference_model(SoftmaxGate.kind(), experts(activation, [1.0], [0.0], [1.0]).own_kind()), INPUTS, (2, 1))
    assert {one.exponent for one in found if one.fitted == 2} == {0.25}


@pytest.mark.parametrize(("activation", "weak"), [("tanh", False), ("gelu", True)])
def test_opposite_inner_slopes_break_the_joint_reading(activation, weak):
    pair = experts(activation, [1.5, -1.5])
    assert strongly_identifiable(pair, INPUTS, joint=False) and weakly_identifiable(pair, INPUTS, joint=False)
    assert not strongly_identifiable(pair, INPUTS, joint=True)
    assert weakly_identifiable(pair, INPUTS, joint=True) is weak
    assert strongly_identifiable(experts(activation, [1.5, -1.0]), INPUTS, joint=True)


@pytest.mark.parametrize("bias", [None, [0.5, 0.5]], ids=("bias-free", "inner bias"))
@pytest.mark.parametrize("activation", ["tanh", "gelu", "logistic", "relu"])
def test_free_scales_break_the_joint_reading_at_equal_inner_parts(activation, bias):
    pair = experts(activation, [1.5, 1.5], bias, scale=[1.2, 1.6])
    assert not weakly_identifiable(pair, INPUTS, joint=True)
    assert not strongly_identifiable(pair, INPUTS, joint=True)
    found = {str(one) for one in dependent_sets(pair, INPUTS, joint=True)["weak"]}
    assert ("d h2[2]/d eta_2 = d h2[1]/d eta_2" in found) is (activation != "relu")
    assert weakly_identifiable(pair, INPUTS, joint=False) is (activation != "relu")


def test_free_scales_violate_the_third_set_at_one_parameter_vector():
    found = {str(one) for one in dependent_sets(experts("gelu", [1.5], scale=[2.0]), INPUTS, joint=False)["S3"]}
    assert found == {"d2 h2[1]/d eta_1 d eta_2 = 0.5 d h2[1]/d eta_1", "d2 h2[1]/d eta_2^2 = 0"}


def test_the_experts_of_the_corrected_first_experiment_fail_jointly_and_are_fast():
    sets = dependent_sets(X1.expert, X1_INPUTS, joint=True, shared=X1.shared.expert)
    assert sets["S3"] and sets["weak"]
    assert not sets["S1"] and not sets["S2"]
    assert rank_test(X1, X1_INPUTS, (2, 1), (2,)).interactions == 0
    assert {one.exponent for one in cone_test(X1, X1_INPUTS, (2, 1), (2,)) if one.fitted == 2} == {0.25}


def test_linear_experts_are_weakly_identifiable_only():
    line = LinearExpert([[1.5]], [0.5])
    assert weakly_identifiable(line, INPUTS, joint=False) and not strongly_identifiable(line, INPUTS, joint=False)
    shared = dependent_sets(line, INPUTS, joint=False, shared=line)
    assert [str(one) for one in shared["S2"]] == ["1 = (d h1[1]/d kappa_0)^2"]
    assert not shared["S1"]


# -- mistakes -----------------------------------------------------------------------------------------------------------


def model(gate=None, **options):
    return MixtureOfExperts(gate or SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LINES, [0.5, 0.8], **options)


@pytest.mark.parametrize(
    ("truth", "arguments", "message"),
    [
        (model(), {"cells": (2, 1, 1)}, r"cells=\(2, 1, 1\); need 2 integers of at least 1"),
        (model(), {"cells": (0, 1)}, "need 2 integers of at least 1"),
        (model(), {"cells": (1.5, 1)}, "need 2 integers of at least 1"),
        (model(), {"shared_cells": (1,)}, "the model has no shared experts; leave them out"),
        (X1, {"shared_cells": (1, 1)}, "need 1 integers of at least 1"),
        (model(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]], top_k=1)), {}, "top_k=1: the density jumps"),
        (model(SigmoidGate([0.2, 0.0], [[0.8], [0.0]])), {"cells": (2, 1)}, "use cells of equal size, or a gate with exp"),
        (model(CompetitionGate("softplus")), {"cells": (2, 1)}, "no copies of the true atoms attain the truth"),
        (model(), {"inputs": Uniform((0.0, 0.0), (1.0, 1.0))}, "inputs have dimension 2, the model 1"),
        (model(), {"responses": [0.0, 1.0, 3.0]}, "need evenly spaced increasing numbers"),
        (model(SoftmaxGate([0.2, 0.0], [[800.0], [0.0]])), {}, "numbers that are not finite on the grid"),
    ],
)
def test_mistakes_are_explained(truth, arguments, message):
    inputs = arguments.pop("inputs", INPUTS)
    with pytest.raises(ValueError, match=message):
        expand(truth, inputs, **arguments)


def test_an_unclear_gap_is_an_error():
    """Atoms that almost coincide leave singular values between nothing and something."""
    twins = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[0.8], [0.0]]), LinearExpert([[1.0], [1.0]], [0.0, 1e-4]), [0.5, 0.5])
    with pytest.raises(ArithmeticError, match="no clear gap"):
        rank_test(twins, INPUTS, (2, 2))


def test_mistakes_of_definitions_are_explained():
    with pytest.raises(ValueError, match="parameter vectors .* are not distinct"):
        dependent_sets(experts("gelu", [1.0, 1.0]), INPUTS, joint=True)
    with pytest.raises(ValueError, match="inputs have dimension 2, but an expert has 1 parameters"):
        dependent_sets(experts("gelu", [1.0]), Uniform((0.0, 0.0), (1.0, 1.0)), joint=False)


def test_the_reference_setting_says_what_it_has():
    with pytest.raises(ValueError, match="does not have SoftmaxGate.*degree=3"):
        reference_model(SoftmaxGate.kind(), PolynomialExpert.kind(degree=3))
    with pytest.raises(ValueError, match="positive linear experts"):
        reference_model(SoftmaxGate.kind(), FeedForwardExpert.kind(), positive=True)


def test_a_grid_counts_as_its_interval():
    assert numerator_nulls(model(), Grid((-1.5,), (1.5,))) == 6


# -- command line ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys):
    def call(*arguments):
        try:
            code = cli.main(["identify", *arguments])
        except SystemExit as exit:
            code = exit.code
        return code, *capsys.readouterr()

    return call


def options(part, **values):
    return [word for name, value in values.items() for word in (f"--{part}-option", f"{name}={value}")]


def test_identify_prints_null_directions_and_exponents(call):
    code, output, _ = call("--gate", "softmax", "--expert", "linear", "--cells", "2,1")
    assert code == 0
    assert "null directions: 5, of which invariances 2, interactions 3 (smallest other singular value 0.32)" in output
    assert "interaction  d2 u[1]/d eta_0^2 = 2 d u[1]/d nu" in output
    assert "reference setting" in output
    row = next(line.split() for line in output.splitlines() if line.split()[:2] == ["u[1]", "eta_0"])
    assert row[2:4] == ["2", "slow"] and row[5:] == ["1/8", "Gaussian", "heat", "relation,", "rbar(2)", "=", "4"]


def test_identify_takes_options_of_gates_and_shared_experts(call):
    gate = ["--gate", "competition", *options("gate", response="softplus", intercept="true")]
    code, output, _ = call(*gate, "--expert", "linear", "--cells", "2,1", "--shared-expert", "linear", "--shared-cells", "2")
    assert code == 0
    assert "response=softplus, form=exponential, with intercept), LinearExpert(), 1 shared LinearExpert()" in output
    assert "d2 u_s[1]/d kappa_0^2 = 2 d u_s[1]/d tau" in output
    rows = {tuple(line.split()[:2]): line.split() for line in output.splitlines() if line.split()}
    assert rows["u[1]", "eta_0"][3] == "no" and rows["u_s[1]", "kappa_0"][3] == "slow"


def test_identify_falls_back_on_examples(call):
    code, output, _ = call("--expert", "polynomial", *options("expert", degree=3), "--cells", "1,2,1")
    assert code == 0
    assert "examples of gate and expert" in output and "slow" in output


def test_the_profile_check_follows_when_asked_for(call):
    code, output, _ = call("--gate", "input_free", "--profile", "eta_0", "--offsets=0.2,0.1")
    assert code == 0
    assert "profile of eta_0, atom 1 split in two" in output
    assert re.search(r"q = [34]\.\d\d, exponent 0\.1[23]", output)
    code, _, errors = call("--offsets", "0.2,0.1")
    assert code == 2 and "--offsets without --profile" in errors
    code, output, errors = call("--profile", "eta_7")
    assert output == ""
    assert code == 2
    assert "eta_7" in errors


def test_identify_has_its_own_examples(call):
    code, output, _ = call("--help")
    assert code == 0
    lines = [line.split("   ")[0].split() for line in output.splitlines() if line.startswith("  moetheory ")]
    assert len(lines) == 6
    for line in lines:
        cli.build_parser().parse_args(line[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gate", "hard"], "no gate 'hard'; choose one of activated_temperature, competition, cosine,"),
        (["--expert", "cubic"], "no expert 'cubic'; choose one of constant, feed_forward, linear, polynomial."),
        (["--shared-expert", "cubic"], "no shared expert 'cubic'; choose one of constant, feed_forward"),
        (["--gate", "competition", *options("gate", response="relu")], "choose a response of ['softplus', 'abs'"),
        (options("gate", temperature=2), "SoftmaxGate has no options ['temperature']; it has ['top_k']."),
        (["--gate-option", "top_k"], "option 'top_k' has no value; write NAME=VALUE"),
        (options("gate", top_k=2), "top_k=2: the density jumps"),
        (options("gate", top_k="two"), "top_k=two; need an integer from 1"),
        (["--gate", "cosine", *options("gate", slope_norm="far")], "an option has a value of the wrong type"),
        (["--gate", "sigmoid"], "no copies of the true atoms attain the truth"),
        (["--cells", "2,0"], "'0' is not an integer from 1"),
        (["--cells", "21"], "'21' is not an integer from 1 to 20"),
        (["--gate", "competition", *options("gate", intercept="no")], "{'intercept': 'no'}; need True or False"),
        (["--shared-cells", "2"], "without --shared-expert; name their family"),
        (options("expert", bias="true"), "LinearExpert has no options ['bias']; it has []."),
    ],
)
def test_words_that_mean_nothing_are_explained(call, arguments, message):
    code, output, errors = call(*arguments)
    assert (code, output) == (2, "")
    assert message in errors


def test_identify_table_shows_expected_and_found_side_by_side(call, monkeypatch):
    monkeypatch.setattr(reference, "ROWS", ROWS[:1])
    code, output, _ = call("--table")
    assert code == 0
    assert "InputFreeGate() ConstantExpert() 2 | 2 1 | 1 2 | 2 3 | 3 eta_0 | eta_0 eta_0 | eta_0 yes" in " ".join(output.split())
    monkeypatch.setattr(reference, "ROWS", (replace(ROWS[0], first=2),))
    code, output, _ = call("--table")
    assert code == 1
    assert "2 | 1" in output and " NO" in output


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.55), (0.5, 0.501), (-1.995, 1.0)])
def test_kinks_of_experts_however_near_to_each_other_are_told_apart(first, second):
    pair = FeedForwardExpert([[1.0], [1.0]], [first, second], activation="relu")
    assert weakly_identifiable(pair, Uniform((-2.0,), (2.0,)), joint=True)


def test_kinks_of_experts_of_two_inputs():
    pair = FeedForwardExpert([[1.0, 0.5], [1.0, 0.5]], [0.5, 0.53], activation="relu")
    assert weakly_identifiable(pair, Uniform((-2.0, -2.0), (2.0, 2.0)), joint=True)


def test_centres_of_several_inputs_have_names_and_answers_of_their_own():
    gate = LaplaceGate([0.2, 0.0], [[1.8, 0.3], [-1.6, 0.1]])
    truth = MixtureOfExperts(gate, LinearExpert([[0.8, 0.2], [-0.5, 0.4]], [1.0, -0.7]), [0.5, 0.8])
    found = {c.name: c.residual for c in cone_test(truth, Uniform((-1.5, -1.0), (1.5, 1.0)), (2, 1)) if c.fitted == 2}
    assert found["beta_1[1]"] == pytest.approx(0.0217, abs=5e-4)
    assert found["beta_1[2]"] == pytest.approx(0.0622, abs=5e-4)
