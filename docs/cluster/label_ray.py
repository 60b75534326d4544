#!/usr/bin/env python3
"""Labels a set of images in parts on a Ray cluster, then puts the parts together.

    python3 label_ray.py --parts 4 run photos labelled -- --averaged --threshold 0.9

Part i goes into labelled/part-i-of-4, and what it says into labelled/part-i-of-4.log. What follows `--` are further flags of
`ssgan label`. The same command goes on where parts failed, and leaves finished parts alone. README.md beside this file has
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
    parser.add_argument("run", type=Path, help="the run folder or checkpoint")
    parser.add_argument("images", type=Path, help="the images; the same files on every node")
    parser.add_argument("out", type=Path, help="folder of the parts and of what is made of them")
    args, flags = parts.arguments(parser)
    # Tasks have working directories of their own.
    run, images, out = (str(path.resolve()) for path in (args.run, args.images, args.out))
    command = [parts.SSGAN, "label", run, images, *flags]
    made = parts.perform_all(out, args.parts, command, finished="summary.json")
    command = [parts.SSGAN, "label", "--out", out, "--merge", *made]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
