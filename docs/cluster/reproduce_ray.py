#!/usr/bin/env python3
"""Trains the runs of the experiment in parts on a Ray cluster, then makes the page of all of them.

    python3 reproduce_ray.py --parts 5 report -- --ablate

Part i goes into report/part-i-of-5, and what it says into report/part-i-of-5.log. What follows `--` are further flags of
`ssgan reproduce`. The same command goes on where parts failed, and leaves finished runs alone. README.md beside this file has
the commands around it.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--only", metavar="MODEL,...", help="train only these models")
    parser.add_argument("out", type=Path, help="folder of the parts and of the page that is made of them")
    args, flags = parts.arguments(parser)
    # Tasks have working directories of their own.
    out = str(args.out.resolve())
    # A merge takes what is there, and no --only.
    only = ["--only", *args.only.split(",")] if args.only else []
    made = parts.perform_all(out, args.parts, [parts.SSGAN, "reproduce", *flags, *only])
    command = [parts.SSGAN, "reproduce", *flags, "--out", out, "--merge", *made]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
