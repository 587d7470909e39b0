"""The command line's identify: rank test, cone test and profile check of a gate with experts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress

EXAMPLES = """\
examples:
  moetheory identify --gate softmax --expert linear --cells 2,1      two atoms fitted to the first of two true ones
  moetheory identify --gate competition --gate-option response=abs --gate-option intercept=true --expert linear
  moetheory identify --expert feed_forward --expert-option activation=tanh --expert-option bias=true --cells 2,2
  moetheory identify --expert linear --shared-expert linear --shared-cells 2
  moetheory identify --profile eta_0 --offsets=-0.3,-0.15              the profile check of a coordinate as well
  moetheory identify --table                                         every row of the reference table, recomputed
"""


OFFSETS = (0.3, 0.15)
MOST_COPIES = 20
"""Of one true atom; polynomial systems of more take minutes to hours."""


class IdentifyError(ValueError):
    """A gate, expert, option or cell pattern that cannot be tested."""


def add_identify(commands) -> None:
    """Add the command to the parser of the command line."""
    words = "null directions, slow coordinates and predicted exponents of a gate with experts"
    parser = commands.add_parser(
        "identify", help=words, description=words, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=_identify)
    parser.add_argument("--gate", default="softmax", help="name of a gate (default softmax)")
    parser.add_argument("--expert", default="linear", help="name of an expert family (default linear)")
    parser.add_argument("--cells", type=_cells, default=(2, 1), help="fitted atoms per true atom (default 2,1)")
    parser.add_argument("--shared-expert", help="name of the expert family of shared experts (default: none)")
    parser.add_argument("--shared-cells", type=_cells, help="fitted shared atoms per true one, such as 2")
    for part in ("gate", "expert", "shared-expert"):
        words = f"option of the {part.replace('-', ' ')}, such as intercept=true; may be repeated"
        parser.add_argument(f"--{part}-option", action="append", default=[], metavar="NAME=VALUE", help=words)
    parser.add_argument("--profile", metavar="COORDINATE", help="add the profile check of a coordinate, such as eta_0")
    parser.add_argument("--offsets", type=_offsets, help="its distances (default 0.3,0.15)")
    parser.add_argument("--table", action="store_true", help="recompute the reference table instead")


def _cells(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


def _offsets(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no numbers; write them with commas, such as 0.3,0.15") from error


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_COPIES:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to {MOST_COPIES}")
    return int(text)


def _identify(parsed) -> int:
    from moetheory.identifiability.cone import cone_of
    from moetheory.identifiability.influence import expand
    from moetheory.identifiability.rank import rank_of
    from moetheory.identifiability.reference import INPUTS

    if parsed.table:
        return _identify_table()
    if parsed.offsets is not None and not parsed.profile:
        raise IdentifyError("--offsets without --profile: name the coordinate whose profile is wanted.")
    try:
        truth, origin = _identified_truth(parsed)
        expansion = expand(truth, INPUTS, parsed.cells, parsed.shared_cells)
        ranks, coordinates = rank_of(expansion), cone_of(expansion)
        profile = f"\n\n{_profile_text(truth, parsed)}" if parsed.profile else ""
    except TypeError as error:
        words = f"an option has a value of the wrong type ({error}); top_k and degree are numbers, fields are true or false."
        raise IdentifyError(words) from error
    except (ValueError, ArithmeticError) as error:
        raise IdentifyError(error) from error
    print(f"{truth.family}; X uniform on [{INPUTS.low[0]:g}, {INPUTS.high[0]:g}]\n{_atoms_text(truth, origin)}\n")
    print(f"null directions: {ranks.nulls}, of which invariances {ranks.invariances}, interactions {ranks.interactions}", end="")
    print(f" (smallest other singular value {ranks.smallest_other:.2g})")
    for relation in ranks.relations:
        print(f"  {'invariance ' if relation.invariance else 'interaction'}  {relation}")
    print(f"\n{_coordinates_text(coordinates)}{profile}")
    return 0


def _profile_text(truth, parsed) -> str:
    import pandas as pd

    from moetheory.identifiability.profile import profile_check
    from moetheory.identifiability.reference import INPUTS

    found = profile_check(truth, INPUTS, parsed.profile, parsed.offsets or OFFSETS)
    columns = {"offset": found.offsets, "Hellinger distance": [f"{distance:.3g}" for distance in found.distances]}
    table = pd.DataFrame(columns | {"status": [status.value for status in found.statuses]})
    pairs = zip(found.local_exponents, found.exponents, strict=True)
    slopes = "; ".join(f"q = {q:.2f}, exponent {exponent:.3f}" for q, exponent in pairs)
    head = f"profile of {found.coordinate}, atom {found.atom + 1} split in two"
    return f"{head}:\n{table.to_string(index=False)}\nlocal slopes: {slopes}"


def _identified_truth(parsed):
    """The truth that the arguments name, and where its parameters come from."""
    from moetheory import experts, gating
    from moetheory.identifiability.reference import reference_or_example
    from moetheory.models import MixtureOfExperts, SharedExperts

    gate = _kind("gate", gating, gating.AbstractGate, parsed.gate, parsed.gate_option)
    expert = _kind("expert", experts, experts.AbstractExpert, parsed.expert, parsed.expert_option)
    truth, origin = reference_or_example(gate, expert, len(parsed.cells))
    if parsed.shared_expert is None:
        if parsed.shared_cells or parsed.shared_expert_option:
            raise IdentifyError("cells or options of shared experts without --shared-expert; name their family.")
        return truth, origin
    shared = _kind("shared expert", experts, experts.AbstractExpert, parsed.shared_expert, parsed.shared_expert_option)
    count = len(parsed.shared_cells or (1,))
    part = SharedExperts(shared.example(count, 1), [0.25] * count, [1 / count] * count)
    return MixtureOfExperts(truth.gate, truth.expert, truth.variance, part), origin


def _kind(what: str, package, base: type, name: str, options: Sequence[str]):
    """The gate or expert family of a name and its options."""
    from moetheory._discovery import classes_by_file

    register = classes_by_file(package, base)
    if name not in register:
        raise IdentifyError(f"no {what} {name!r}; choose one of {', '.join(register)}.")
    return register[name].kind(**dict(_option(option) for option in options))


def _option(text: str):
    name, equals, value = text.partition("=")
    if not equals:
        raise IdentifyError(f"option {text!r} has no value; write NAME=VALUE, such as intercept=true.")
    words = {"true": True, "false": False, "none": None}
    return name, words.get(value.lower(), _number(value))


def _number(text: str) -> float | str:
    """A whole or other number, or the text where it is none."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _atoms_text(truth, origin: str) -> str:
    import pandas as pd

    text = f"truth ({origin}; masses exp(log_mass)):"
    measure = truth.mixing_measure()
    for part in [measure] + ([measure.shared] if measure.shared else []):
        columns = {"log_mass": part.log_mass, **{name: block[:, 0] for name, block in part.atoms.items()}}
        text += "\n" + pd.DataFrame(columns, index=range(1, part.num_atoms + 1)).round(4).to_string()
    return text


def _coordinates_text(coordinates) -> str:
    import dataclasses
    from fractions import Fraction

    import pandas as pd

    table = pd.DataFrame([dataclasses.asdict(one) for one in coordinates])
    table["slow"] = table["slow"].map({True: "slow", False: "no"})
    table["residual"] = [f"{value:.2g}" if value == value else "" for value in table["residual"]]
    table["exponent"] = [str(Fraction(one.exponent).limit_denominator(10**6)) if one.exponent else "-" for one in coordinates]
    return table.to_string(index=False)


def _identify_table() -> int:
    import pandas as pd

    from moetheory.identifiability.cone import recomputed
    from moetheory.identifiability.reference import ROWS

    found = [recomputed(row) for row in ROWS]
    heads = ("n_num", "n1", "n21", "n22", "slow (2,1)", "slow (2,2)")
    lines = []
    for expected, other in zip(ROWS, found, strict=True):
        pairs = zip(expected.entries(), other.entries(), strict=True)
        cells = {head: f"{a} | {b}" for head, (a, b) in zip(heads, pairs, strict=True)}
        lines.append({"gate and expert": str(expected), **cells, "agree": "yes" if expected == other else "NO"})
    print("expected | found")
    print(pd.DataFrame(lines).to_string(index=False))
    return 0 if tuple(found) == ROWS else 1
