"""Results on disk: one JSON file per day and scenario, and one table over the newest of each, made anew every time."""

import dataclasses
import json

from bench import machine
from bench.figures import Spread

TITLE = """# Results

The newest run of every scenario, written by `bench/run`. The proxy has one worker and one core to itself, origin and
load share the other. Medians of interleaved rounds, with the smallest, the largest, and the median distance from the
median (MAD); a ratio is the median of the ratios of neighbouring runs. What each scenario does:
[bench/README.md](../README.md).
"""


def record(folder, outcome, programs, described):
    """Writes `<date>-<scenario>.json` and the table; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "scenario": outcome.scenario,
        "about": outcome.about,
        "date": machine.today(),
        "commit": machine.commit(),
        "machine": described,
        "versions": machine.versions(programs),
        "unit": outcome.unit,
        "subjects": {
            name: {**dataclasses.asdict(Spread.of(values)), "rounds": values} for name, values in outcome.rounds.items()
        },
        "claims": [{**dataclasses.asdict(claim), "holds": claim.holds} for claim in outcome.claims],
        "facts": outcome.facts,
        "skipped": outcome.skipped,
    }
    path = folder / f"{document['date']}-{outcome.scenario}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (folder / "README.md").write_text(table(folder))
    return path


def newest(folder):
    """The latest document of every scenario, by scenario. File names begin with the date, so order is age."""
    latest = {}
    for path in sorted(folder.glob("????-??-??-*.json")):
        document = json.loads(path.read_text())
        latest[document["scenario"]] = document
    return latest


def table(folder):
    """The whole README of the results folder."""
    parts = [TITLE]
    for name, document in newest(folder).items():
        place = document["machine"]
        versions = ", ".join(f"{peer} {version}" for peer, version in document["versions"].items())
        parts.append(
            f"## {name}\n{document['about']}.\n\n"
            f"{document['date']}, commit {document['commit'] or 'unknown'}; {place['cpu']}, {place['cores']} cores, "
            f"Linux {place['kernel']}, load before {place['load_before']:.1f}; {versions}.\n"
        )
        if document["subjects"]:
            parts.append(subjects_table(document))
        if document["claims"]:
            parts.append(claims_table(document))
        parts.extend(f"Skipped: {reason}\n" for reason in document["skipped"])
    return "\n".join(parts)


def subjects_table(document):
    lines = [f"| {document['unit']} | median | min | max | MAD | requests/s | failed |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for name, row in sorted(document["subjects"].items(), key=lambda item: item[1]["median"]):
        fact = document["facts"].get(name, {})
        cells = [f"{row[key]:.2f}" for key in ("median", "min", "max", "mad")]
        cells += [str(fact.get("requests_per_second", "")), str(fact.get("failed", ""))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def claims_table(document):
    lines = ["| claim | value | min to max | bound | holds |", "|---|--:|--:|--:|---|"]
    for claim in document["claims"]:
        spread = claim["spread"]
        width = f"{spread['min']:.3g} to {spread['max']:.3g}" if spread else ""
        sign = "≤" if claim["relation"] == "<=" else "≥"
        verdict = "yes" if claim["holds"] else "**no**"
        lines.append(f"| {claim['text']} | {claim['value']:.3g} | {width} | {sign} {claim['bound']:g} | {verdict} |")
    return "\n".join(lines) + "\n"


def print_outcome(outcome):
    """The same for the terminal, on standard output."""
    print(f"\n{outcome.scenario}: {outcome.about}")
    for name, values in sorted(outcome.rounds.items(), key=lambda item: Spread.of(item[1]).median):
        spread = Spread.of(values)
        width = f"min {spread.min:.2f} max {spread.max:.2f} MAD {spread.mad:.2f}"
        print(f"  {name:16s} {spread.median:10.2f} {outcome.unit} ({width})  {facts_line(outcome.facts.get(name, {}))}")
    for name, value in outcome.facts.items():
        if name not in outcome.rounds:
            print(f"  {name}: {value}")
    for claim in outcome.claims:
        width = f" ({claim.spread.min:.3g} to {claim.spread.max:.3g})" if claim.spread else ""
        verdict = "holds" if claim.holds else "DOES NOT HOLD"
        print(f"  {verdict:14s} {claim.text}: {claim.value:.4g}{width} {claim.relation} {claim.bound:g}")
    for reason in outcome.skipped:
        print(f"  skipped: {reason}")
    if not outcome.claims:
        print("  nothing claimed: no subject of a claim took part")


def facts_line(facts):
    return "  ".join(f"{key} {value}" for key, value in facts.items())
