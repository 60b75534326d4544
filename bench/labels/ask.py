#!/usr/bin/env python3
"""What labels are worth that the classifier asks for: a run on MNIST, the images that `ssgan label --next` wants labelled after
it, with the labels that MNIST has for them, and a training from the start with both.

    ask.py RUN --data-dir MNIST --out FOLDER [--count 20] [--ssgan PATH] [-- FLAGS OF ssgan train]

FOLDER, a new one, gets `set` (MNIST's images, the labels of those to test on, and a table of the labels that RUN had),
`labelled` (what `ssgan label` writes, next.csv filled in) and `run`. Without flags RUN's seed and `--recipe best`.
Needs nothing beyond Python.
"""

import argparse
import csv
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tomllib

IMAGES = "train-images-idx3-ubyte"
KEPT = (IMAGES, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IDX_HEAD = 8  # bytes before the labels of an IDX file


def found(folder, name):
    """The file, plain or gzipped."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise SystemExit(f"{folder}: no {name}, plain or .gz")


def labels_of(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data)[IDX_HEAD:]


def make_set(run, data, folder):
    """MNIST with the labels that the run had, named by a table."""
    folder.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(found(data, name), folder)
    chosen = json.loads((run / "labelled.json").read_text())["train"]
    labels = labels_of(found(data, "train-labels-idx1-ubyte"))
    with open(folder / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        rows.writerows([f"{IMAGES}#{image}", labels[image]] for image in chosen)
    return labels


def fill_in(table, labels):
    """Gives every image of next.csv its label; returns which they are."""
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    asked = [int(row["path"].rsplit("#", 1)[1]) for row in rows]
    for row, image in zip(rows, asked):
        row["label"] = str(labels[image])
    with open(table, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0].keys())
        out.writeheader()
        out.writerows(rows)
    return asked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True, help="folder of MNIST's four IDX files")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, choices=range(1, 1001), default=20, metavar="N")
    parser.add_argument("--ssgan", default="target/release/ssgan")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, flags = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    if args.out.exists():
        parser.error(f"{args.out} is there already: name another folder with --out")
    labels = make_set(args.run, args.data_dir, args.out / "set")
    labelled = args.out / "labelled"
    command = [args.ssgan, "label", args.run, args.out / "set", "--out", labelled, "--next", str(args.count)]
    subprocess.run(command, check=True)
    asked = fill_in(labelled / "next.csv", labels)
    print(f"asked for, of the training images: {asked}", flush=True)
    seed = tomllib.loads((args.run / "config.toml").read_text())["seed"]
    flags = flags or ["--recipe", "best", "--seed", str(seed)]
    subprocess.run([args.ssgan, "train", labelled, "--out", args.out / "run", *flags], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
