#!/usr/bin/env python3
"""Puts the parts of a labelling together: merge_labels.py OUT PARTS

The parts are the folders OUT/part-1-of-PARTS to OUT/part-PARTS-of-PARTS, written by `ssgan label --shard 1/PARTS` and so on.
OUT gets the labels.csv, skipped.csv and summary.json that one labelling of all images has.
"""

import csv
import itertools
import json
import os
import sys
from pathlib import Path

COUNTS = ["images", "given", "predicted", "unsure", "contradicted", "skipped"]


def rows(part, name):
    """The table's column names and its rows."""
    with open(part / name, newline="", encoding="utf-8") as file:
        names, *rest = csv.reader(file)
    return names, rest


def write(path, text):
    """Whole or not there, so that an interrupted merge leaves nothing that looks finished."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    os.replace(temporary, path)


def write_table(path, names, rest):
    """Quoted as the program quotes."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rest])
    os.replace(temporary, path)


def moved(path, part, out):
    """A path that leads from the part's folder, from OUT. In skipped.csv not all do: others stay as they are."""
    return os.path.relpath(part / path, out) if os.path.lexists(part / path) else path


def merged_labels(out, parts):
    """Part i has the images i, i + PARTS, i + 2 * PARTS, ... So the rows are taken from the parts in turn."""
    tables = [rows(part, "labels.csv") for part in parts]
    names = tables[0][0]
    for part, (own, rest) in zip(parts, tables):
        if own != names:
            sys.exit(f"{part}: labels.csv has other columns than {parts[0]}'s: label it again with the same flags")
        for row in rest:
            row[0] = moved(row[0], part, out)
    turns = itertools.zip_longest(*(rest for _, rest in tables))
    return names, [row for turn in turns for row in turn if row is not None]


def merged_summary(parts):
    """Counts are added; the rest, which says how images were judged, must be the same in all parts."""
    summaries = [json.loads((part / "summary.json").read_text(encoding="utf-8")) for part in parts]
    total = summaries[0]
    for part, summary in zip(parts[1:], summaries[1:]):
        for key in total:
            if key not in [*COUNTS, "classes", "accuracy_on_given", "next"] and summary[key] != total[key]:
                sys.exit(
                    f"{part}: {key} is {summary[key]}, and {total[key]} in {parts[0]}: they were not labelled alike; "
                    "label one of them again where the run's own data can be read, on the same kind of adapter"
                )
        for key in COUNTS:
            total[key] += summary[key]
        for own, other in zip(total["classes"], summary["classes"]):
            for key in ["given", "predicted", "unsure"]:
                own[key] += other[key]
    if total["given"] > 0:
        total["accuracy_on_given"] = round(1 - total["contradicted"] / total["given"], 6)
    # Each part has a next.csv and a review.html of its own, which cannot be added up.
    total["next"] = None
    return total


def merge(out, count):
    out = Path(out).resolve()
    parts = [out / f"part-{i}-of-{count}" for i in range(1, count + 1)]
    unfinished = [str(part) for part in parts if not (part / "summary.json").is_file()]
    if unfinished:
        sys.exit(f"not finished: {', '.join(unfinished)}")
    summary = merged_summary(parts)
    write_table(out / "labels.csv", *merged_labels(out, parts))
    skipped = [rows(part, "skipped.csv") for part in parts]
    write_table(
        out / "skipped.csv",
        skipped[0][0],
        [[moved(path, part, out), why] for part, (_, rest) in zip(parts, skipped) for path, why in rest],
    )
    write(out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    print(f"{summary['images']} images, {summary['skipped']} skipped: {out / 'labels.csv'}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal() or int(sys.argv[2]) < 1:
        sys.exit(__doc__)
    merge(sys.argv[1], int(sys.argv[2]))
