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


def of_plan(flags):
    """Those flags that a merge takes too: what is planned, not how it is trained."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--quick", "--ablate", "--paper", "--quiet", "--json"):
        parser.add_argument(flag, action="append_const", dest="flags", const=flag, default=[])
    for flag in ("--label-seeds", "--dataset", "--precision"):
        parser.add_argument(flag, action="append", dest="values", type=lambda value, flag=flag: f"{flag}={value}", default=[])
    known, _ = parser.parse_known_args(flags)
    return known.flags + known.values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--only", metavar="MODEL,...", help="train only these models")
    parser.add_argument("out", type=Path, help="folder of the parts and of the page that is made of them")
    args, flags = parts.arguments(parser)
    # Tasks have working directories of their own.
    out = str(args.out.resolve())
    only = ["--only", *args.only.split(",")] if args.only else []
    made = parts.perform_all(out, args.parts, [parts.SSGAN, "reproduce", *flags, *only])
    command = [parts.SSGAN, "reproduce", *of_plan(flags), "--out", out, "--merge", *made]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
