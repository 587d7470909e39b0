"""The command line: run, list, status, replay, report, figure, claims, identify."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from moetheory import __version__
from moetheory.cli_identify import add_identify
from moetheory.study.documents import LARGEST_STUDY, PRESETS

EXAMPLES = """\
examples:
  moetheory list simulations                         what is claimed, by whom, and how it is checked
  moetheory run simulations                          run the quick preset of every simulation (minutes)
  moetheory run simulations/softmax_exact.py --preset standard --jobs 2
  moetheory run simulations/softmax_exact.py --sizes 100,1000 --reps 20 --seed 1
  moetheory run simulations --device gpu             on a GPU, if there is one
  moetheory run simulations --backend dask --scheduler tcp://host:8786
  moetheory status --preset standard                 what the store holds of it
  moetheory replay softmax_exact/ours/1000/7         one replicate again, beside its stored row
  moetheory report --preset standard                 verdicts, figures and report from the stored rows
  moetheory figure --preset standard --out figures   the figures alone
  moetheory claims figures                           one page with all claims, and their slopes as pictures
  moetheory identify --gate softmax --cells 2,1      null directions, slow coordinates, predicted exponents

Ctrl-C or kill a run and start it again: it computes only what is missing.
"""
DEFAULT_STORE = "results/store"
DEFAULT_OUT = "default: results/PRESET, with the overridden sizes, replicates and seed"
LARGEST = 2**63 - 1
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
EXIT_OF_ERROR = {
    "StoreError": EXIT_FAILED,
    "SimulationError": EXIT_USAGE,
    "ReplayError": EXIT_USAGE,
    "IdentifyError": EXIT_USAGE,
    "RecordsError": EXIT_USAGE,
    "WorkersError": EXIT_USAGE,
    "WorkersLost": EXIT_FAILED,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    _mend_streams()
    parsed = build_parser().parse_args(arguments)
    try:
        with _termination_as_ctrl_c():
            code = parsed.command(parsed)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        words = "blocks that were done are stored, those under way begin anew: run the same command again to go on."
        print(f"\nstopped; {words}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        code = EXIT_FAILED if isinstance(error, OSError) else EXIT_OF_ERROR.get(type(error).__name__)
        if code is None:
            raise
        print(f"moetheory: {error}", file=sys.stderr)
        return code


def _mend_streams() -> None:
    """Write nowhere where a stream is closed, and escape what its encoding lacks: nothing computed is lost for want of a sign."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (as long as the process)
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


@contextmanager
def _termination_as_ctrl_c() -> Iterator[None]:
    """SIGTERM stops the command as Ctrl-C does; the first process of a container would not hear it otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def build_parser() -> argparse.ArgumentParser:
    """Parser of the eight commands."""
    parser = argparse.ArgumentParser(
        prog="moetheory",
        description="Check convergence-rate theorems for mixtures of experts by certified simulation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"moetheory {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add(commands, "list", _list, "list claims, sources and checks", paths=True)
    status = _add(commands, "status", _status, "show how much of a preset is stored", paths=True, store=True, preset=True)
    _add_overrides(status)
    replay = _add(commands, "replay", _replay, "compute one replicate again and compare it with its stored row", store=True)
    replay.add_argument("name", help="simulation/claim/n/replicate, such as softmax_exact/ours/1000/7")
    replay.add_argument("--simulations", nargs="+", default=["simulations"], help="where to find it (default: %(default)s)")
    replay.add_argument("--seed", type=_natural, default=0, help="seed of the study (default 0)")
    for name, command, words in (
        ("report", _report, "write verdicts, figures and report from stored rows"),
        ("figure", _figure, "draw the figures from stored rows"),
    ):
        parser_of = _add(commands, name, command, words, store=True, preset=True)
        _add_overrides(parser_of)
        parser_of.add_argument("simulations", nargs="*", help="names of simulations (default: all stored)")
        parser_of.add_argument("--out", type=_path, help=f"folder for what is written ({DEFAULT_OUT})")
    words = "page of all claims and a picture of all slopes per simulation, from the records beside the figures"
    claims = _add(commands, "claims", _claims, words)
    claims.add_argument("figures", nargs="?", type=_path, default=Path("figures"), help="their folder (default %(default)s)")
    claims.add_argument("--page", type=Path, default=Path("paper_notes/claims.md"), help="file to write (default %(default)s)")
    add_identify(commands)
    return parser


def _add_run(commands) -> None:
    words = "run simulations, then write verdicts, figures and report"
    run = _add(commands, "run", _run, words, paths=True, store=True, preset=True)
    _add_overrides(run)
    run.add_argument("--jobs", type=_positive, help="processes (default: all cores; on a GPU one)")
    run.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="what computes (default %(default)s)")
    run.add_argument("--backend", choices=("processes", "dask"), default="processes", help="who computes (default %(default)s)")
    run.add_argument("--scheduler", help="address or scheduler file of a dask cluster (default: one of --jobs workers here)")
    run.add_argument("--out", type=_path, help=f"folder for figures and report ({DEFAULT_OUT})")


def _add_overrides(parser) -> None:
    parser.add_argument("--reps", type=_replicates, help="replicates instead of the preset's")
    parser.add_argument("--sizes", type=_sizes, help="sample sizes instead of the preset's, such as 100,1000")
    parser.add_argument("--seed", type=_natural, default=0, help="seed of the study (default 0)")


def _add(commands, name, command, words, paths=False, store=False, preset=False):
    parser = commands.add_parser(
        name, help=words, description=words, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=command)
    if paths:
        parser.add_argument("paths", nargs="*", default=["simulations"], help="files or folders of simulations")
    if store:
        parser.add_argument("--store", type=_folder, default=DEFAULT_STORE, help="folder of stored rows (default %(default)s)")
    if preset:
        parser.add_argument("--preset", choices=PRESETS, default="quick", help="sizes and replicates (default %(default)s)")
    return parser


def _folder(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name is no folder; '.' is the current one")
    return text


def _path(text: str) -> Path:
    return Path(_folder(text))


def _natural(text: str) -> int:
    return _integer(text, 0)


def _positive(text: str) -> int:
    return _integer(text, 1)


def _replicates(text: str) -> int:
    return _integer(text, 1, LARGEST_STUDY, f"{LARGEST_STUDY:,}")


def _integer(text: str, least: int, most: int = LARGEST, named: str = "2^63 - 1") -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from {least} to {named}")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(_integer(part, 2) for part in text.replace("_", "").split(","))
    if len(set(sizes)) != len(sizes):
        raise argparse.ArgumentTypeError(f"{text!r} names a sample size twice")
    return sizes


def _settings(parsed):
    from moetheory.study.run import Settings

    return Settings(preset=parsed.preset, seed=parsed.seed, sizes=parsed.sizes, replicates=parsed.reps)


def _run(parsed) -> int:
    import jax

    from moetheory._config import use_device
    from moetheory.plotting.files import write_atomically
    from moetheory.study.discovery import load
    from moetheory.study.run import run_simulations
    from moetheory.study.store import Store
    from moetheory.study.workers import Workers

    found = use_device(parsed.device)
    if parsed.device == "gpu":
        print(found, file=sys.stderr)
    workers = Workers(parsed.jobs or (1 if jax.default_backend() == "gpu" else None), parsed.backend, parsed.scheduler)
    simulations = load(parsed.paths)
    write_atomically(_folder_for(parsed) / ".writable", b"").unlink()
    _tell_what_copies_cannot_reach(simulations)
    blocks = run_simulations(simulations, Store(parsed.store), _settings(parsed), workers)
    if not blocks:
        print("nothing to compute: all rows are stored.", file=sys.stderr)
    names = {simulation.name for simulation in simulations}
    claims, folder, *pictures = _draw(parsed, sorted(names) if parsed.out else None)
    return _tell(claims, folder, *pictures, [claim for claim in claims if claim.simulation in names])


def _tell_what_copies_cannot_reach(simulations) -> None:
    claims = [(simulation, claim) for simulation in simulations for claim in simulation.claims]
    found = [f"{simulation.name}/{claim.name}" for simulation, claim in claims if claim.beyond_copies()]
    if found:
        which = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        print(f"note: copies of the true atoms may not attain the truth in {which};", file=sys.stderr)
        print("      rates of split cells need not hold there.", file=sys.stderr)


def _list(parsed) -> int:
    from moetheory.study.discovery import load

    for simulation in load(parsed.paths):
        print(f"{simulation.name}: {simulation.title}" + (f" (arXiv {simulation.paper})" if simulation.paper else ""))
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
    claims, folder, *pictures = _draw(parsed, parsed.simulations or None)
    return _tell(claims, folder, *pictures, claims)


def _figure(parsed) -> int:
    _, folder, figures, _ = _draw(parsed, parsed.simulations or None)
    return _tell_figures(folder, figures)


def _claims(parsed) -> int:
    from moetheory.plotting.overview import save_overviews
    from moetheory.plotting.records import read_records
    from moetheory.report import write_claims_page

    save_overviews((record for _, record in read_records(parsed.figures)), parsed.figures)
    page, count = write_claims_page(parsed.figures, parsed.page)
    print(f"claims: {page} ({count} claims)")
    return 0


def _draw(parsed, simulations: Sequence[str] | None = None):
    """Evaluate the stored claims of a setting and draw them; all simulations by default."""
    from moetheory.plotting.overview import save_overviews
    from moetheory.plotting.records import records_of
    from moetheory.plotting.save import remove_others, save_all
    from moetheory.study.evaluate import evaluate_claims
    from moetheory.study.store import Store

    folder = _folder_for(parsed)
    claims = evaluate_claims(Store(parsed.store), _label(parsed), simulations)
    remove_others(claims, folder)
    return claims, folder, save_all(claims, folder), save_overviews(records_of(claims), folder)


def _label(parsed) -> str:
    from moetheory.study.documents import setting_label

    return setting_label(parsed.preset, parsed.seed, parsed.sizes, parsed.reps)


def _folder_for(parsed) -> Path:
    """Where figures and report go."""
    return parsed.out or Path("results") / _label(parsed)


def _tell(claims, folder: Path, figures, overviews, printed) -> int:
    from moetheory.report import format_table, verdict_table, write_report

    markdown, html = write_report(claims, folder, figures, overviews)
    print(format_table(verdict_table(printed)))
    print(f"\nreport:  {markdown}\n         {html}")
    return _tell_figures(folder, figures)


def _tell_figures(folder: Path, figures) -> int:
    print(f"figures: {folder} ({len(figures)} figures, each with its table and provenance)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
