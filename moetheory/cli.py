"""The command line: run, list, status, replay, report, figure, identify."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """\
examples:
  moetheory list simulations                         what is claimed, by whom, and how it is checked
  moetheory run simulations                          run the quick preset of every simulation (minutes)
  moetheory run simulations/softmax_exact.py --preset standard --jobs 2
  moetheory run simulations/softmax_exact.py --sizes 100,1000 --reps 20 --seed 1
  moetheory status --preset standard                 what the store holds of it
  moetheory replay softmax_exact/ours/1000/7         one replicate again, beside its stored row
  moetheory report --preset standard                 verdicts, figures and report from the stored rows
  moetheory figure --preset standard --out figures   the figures alone

Ctrl-C or kill a run and start it again: it computes only what is missing.
"""
IDENTIFY_EXAMPLES = """\
examples:
  moetheory identify --gate softmax --expert linear --cells 2,1      two atoms fitted to the first of two true ones
  moetheory identify --gate competition --gate-option response=abs --gate-option intercept=true --expert linear
  moetheory identify --expert feed_forward --expert-option activation=tanh --expert-option bias=true --cells 2,2
  moetheory identify --expert linear --shared-expert linear --shared-cells 2
  moetheory identify --table                                         every row of the reference table, recomputed
"""
PRESETS = ("quick", "standard", "paper")
DEFAULT_STORE = "results/store"
DEFAULT_OUT = "default: results/PRESET, with the overridden sizes, replicates and seed"
LARGEST = 2**63 - 1
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
EXIT_OF_ERROR = {
    "StoreError": EXIT_FAILED,
    "SimulationError": EXIT_USAGE,
    "ReplayError": EXIT_USAGE,
    "IdentifyError": EXIT_USAGE,
}


class IdentifyError(ValueError):
    """A gate, expert, option or cell pattern that cannot be tested."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return parsed.command(parsed)
    except KeyboardInterrupt:
        print("\nstopped; finished blocks are stored: run the same command again to go on.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        code = EXIT_FAILED if isinstance(error, OSError) else EXIT_OF_ERROR.get(type(error).__name__)
        if code is None:
            raise
        print(f"moetheory: {error}", file=sys.stderr)
        return code


def build_parser() -> argparse.ArgumentParser:
    """Parser of the seven commands."""
    parser = argparse.ArgumentParser(
        prog="moetheory",
        description="Check convergence-rate theorems for mixtures of experts by certified simulation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add(commands, "list", _list, "list claims, sources and checks", paths=True)
    status = _add(commands, "status", _status, "show how much of a preset is stored", paths=True, store=True, preset=True)
    _add_overrides(status)
    replay = _add(commands, "replay", _replay, "compute one replicate again and compare it with its stored row", store=True)
    replay.add_argument("name", help="simulation/claim/n/replicate, such as softmax_exact/ours/1000/7")
    replay.add_argument("--simulations", nargs="+", default=["simulations"], help="files or folders of simulations")
    replay.add_argument("--seed", type=_natural, default=0)
    for name, command, words in (
        ("report", _report, "write verdicts, figures and report from stored rows"),
        ("figure", _figure, "draw the figures from stored rows"),
    ):
        parser_of = _add(commands, name, command, words, store=True, preset=True)
        _add_overrides(parser_of)
        parser_of.add_argument("simulations", nargs="*", help="names of simulations (default: all stored)")
        parser_of.add_argument("--out", type=Path, help=f"folder for what is written ({DEFAULT_OUT})")
    _add_identify(commands)
    return parser


def _add_run(commands) -> None:
    words = "run simulations, then write verdicts, figures and report"
    run = _add(commands, "run", _run, words, paths=True, store=True, preset=True)
    _add_overrides(run)
    run.add_argument("--jobs", type=_positive, help="processes (default: all cores)")
    run.add_argument("--out", type=Path, help=f"folder for figures and report ({DEFAULT_OUT})")


def _add_overrides(parser) -> None:
    parser.add_argument("--reps", type=_positive, help="replicates instead of the preset's")
    parser.add_argument("--sizes", type=_sizes, help="sample sizes instead of the preset's, such as 100,1000")
    parser.add_argument("--seed", type=_natural, default=0, help="seed of the study (default 0)")


def _add_identify(commands) -> None:
    words = "null directions, slow coordinates and predicted exponents of a gate with experts"
    parser = _add(commands, "identify", _identify, words, epilog=IDENTIFY_EXAMPLES)
    parser.add_argument("--gate", default="softmax", help="name of a gate (default softmax)")
    parser.add_argument("--expert", default="linear", help="name of an expert family (default linear)")
    parser.add_argument("--cells", type=_cells, default=(2, 1), help="fitted atoms per true atom (default 2,1)")
    parser.add_argument("--shared-expert", help="name of the expert family of shared experts (default: none)")
    parser.add_argument("--shared-cells", type=_cells, help="fitted shared atoms per true one, such as 2")
    for part in ("gate", "expert", "shared-expert"):
        words = f"option of the {part.replace('-', ' ')}, such as intercept=true; may be repeated"
        parser.add_argument(f"--{part}-option", action="append", default=[], metavar="NAME=VALUE", help=words)
    parser.add_argument("--table", action="store_true", help="recompute the reference table instead")


def _add(commands, name, command, words, paths=False, store=False, preset=False, epilog=EXAMPLES):
    parser = commands.add_parser(
        name, help=words, description=words, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=command)
    if paths:
        parser.add_argument("paths", nargs="*", default=["simulations"], help="files or folders of simulations")
    if store:
        parser.add_argument("--store", default=DEFAULT_STORE, help=f"folder of stored rows (default {DEFAULT_STORE})")
    if preset:
        parser.add_argument("--preset", choices=PRESETS, default="quick")
    return parser


def _natural(text: str) -> int:
    return _integer(text, 0)


def _positive(text: str) -> int:
    return _integer(text, 1)


def _integer(text: str, least: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from {least} to 2^63 - 1")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(_integer(part, 2) for part in text.replace("_", "").split(","))
    if len(set(sizes)) != len(sizes):
        raise argparse.ArgumentTypeError(f"{text!r} names a sample size twice")
    return sizes


def _cells(text: str) -> tuple[int, ...]:
    return tuple(_integer(part, 1) for part in text.split(","))


def _settings(parsed):
    from moetheory.study.run import Settings

    return Settings(preset=parsed.preset, seed=parsed.seed, sizes=parsed.sizes, replicates=parsed.reps)


def _run(parsed) -> int:
    from moetheory.study.discovery import load
    from moetheory.study.run import run_simulations
    from moetheory.study.store import Store

    simulations = load(parsed.paths)
    blocks = run_simulations(simulations, Store(parsed.store), _settings(parsed), parsed.jobs)
    if not blocks:
        print("nothing to compute: all rows are stored.", file=sys.stderr)
    claims, folder, figures = _draw(parsed)
    names = {simulation.name for simulation in simulations}
    return _tell(claims, folder, figures, [claim for claim in claims if claim.simulation in names])


def _list(parsed) -> int:
    from moetheory.study.discovery import load

    for simulation in load(parsed.paths):
        print(f"{simulation.name}: {simulation.title} (arXiv {simulation.paper})")
        for claim in simulation.claims:
            print(f"  {claim.name} [{claim.evidence}, {claim.variant}] {claim.title}")
            print(f"    {claim.statement}")
            print(f"    source: {claim.source}")
            print(f"    checks: {', '.join(check.name for check in claim.checks)}")
    return 0


def _status(parsed) -> int:
    from moetheory.study.discovery import load
    from moetheory.study.run import missing_blocks, wanted_cells
    from moetheory.study.store import Store

    store, settings = Store(parsed.store), _settings(parsed)
    for simulation in load(parsed.paths):
        cells = wanted_cells([simulation], settings)
        missing = missing_blocks(cells, store)
        fits = sum(len(block.replicates) for block in missing if not block.stored)
        total = sum(cell.replicates for cell in cells)
        print(f"{simulation.name}: {total - fits} of {total} fits stored; {len(missing)} blocks to compute")
    return 0


def _replay(parsed) -> int:
    from moetheory.study.discovery import load
    from moetheory.study.replay import cell_of, replay
    from moetheory.study.store import Store

    claim, cell, replicate = cell_of(load(parsed.simulations), parsed.name, parsed.seed)
    table = replay(Store(parsed.store), claim, cell, replicate)
    print(table.to_string(index=False))
    if table["agree"].isna().all():
        print("no stored row of that name; nothing to compare with.")
        return 0
    differing = table.loc[table["agree"] == False, "quantity"].tolist()  # noqa: E712  (None means not stored)
    print("the replayed row equals the stored one." if not differing else f"differing: {', '.join(differing)}")
    return EXIT_FAILED if differing else 0


def _report(parsed) -> int:
    claims, folder, figures = _draw(parsed, parsed.simulations or None)
    return _tell(claims, folder, figures, claims)


def _figure(parsed) -> int:
    _, folder, figures = _draw(parsed, parsed.simulations or None)
    return _tell_figures(folder, figures)


def _draw(parsed, simulations: Sequence[str] | None = None):
    """Evaluate the stored claims of a setting and draw them; all simulations by default."""
    from moetheory.plotting import save_all
    from moetheory.study.documents import setting_label
    from moetheory.study.evaluate import evaluate_claims
    from moetheory.study.store import Store

    label = setting_label(parsed.preset, parsed.seed, parsed.sizes, parsed.reps)
    folder = parsed.out or Path("results") / label
    claims = evaluate_claims(Store(parsed.store), label, simulations)
    return claims, folder, save_all(claims, folder)


def _tell(claims, folder: Path, figures, printed) -> int:
    from moetheory.report import format_table, verdict_table, write_report

    markdown, html = write_report(claims, folder, figures)
    print(format_table(verdict_table(printed)))
    print(f"\nreport:  {markdown}\n         {html}")
    return _tell_figures(folder, figures)


def _tell_figures(folder: Path, figures) -> int:
    print(f"figures: {folder} ({len(figures)} figures, each with its table and provenance)")
    return 0


def _identify(parsed) -> int:
    from moetheory.identifiability.cone import cone_of
    from moetheory.identifiability.influence import expand
    from moetheory.identifiability.rank import rank_of
    from moetheory.identifiability.reference import INPUTS

    if parsed.table:
        return _identify_table()
    try:
        truth, origin = _identified_truth(parsed)
        expansion = expand(truth, INPUTS, parsed.cells, parsed.shared_cells)
        ranks, coordinates = rank_of(expansion), cone_of(expansion)
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
    print(f"\n{_coordinates_text(coordinates)}")
    return 0


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
    return name, words.get(value.lower(), int(value) if value.isdecimal() else value)


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
    return 0 if tuple(found) == ROWS else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
