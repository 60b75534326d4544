#!/usr/bin/env python3
"""Trains the runs of the experiment in parts on a Ray cluster, then makes the page of all of them.

    python3 reproduce_ray.py --parts 5 report -- --ablate

Part i goes into report/part-i-of-5, and what it says into report/part-i-of-5.log. What follows `--` are further flags of
`ssgan reproduce`. The same command goes on where parts failed, and leaves finished runs alone. README.md beside this file has
the commands around it.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import ray

SSGAN = os.environ.get("SSGAN", "ssgan")  # the program, on every node
CPUS = int(os.environ.get("CPUS", "2"))  # cores that a part takes
IN_USE = 6  # exit status where another process has the folder


def train(part, command):
    """Runs one part to its end; when Ray repeats it on another node, it goes on from the last checkpoint."""
    # Without a limit, the software adapter takes all cores of the node.
    limits = {"LP_NUM_THREADS": str(CPUS), "RAYON_NUM_THREADS": str(CPUS)}
    for pause in [5, 10, 20, 0]:
        # Without setpriv the program would outlive a worker that is killed, and keep the folder locked.
        whole = ["setpriv", "--pdeathsig", "KILL", *command]
        with open(f"{part}.log", "a", encoding="utf-8") as log:
            status = subprocess.run(
                whole, env={**os.environ, **limits}, stdout=log, stderr=log, check=False
            ).returncode
        if status != IN_USE:
            break
        time.sleep(pause)
    if status != 0:
        raise RuntimeError(f"ssgan ended with status {status}: see {part}.log")
    return part


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--only", metavar="MODEL,...", help="train only these models")
    parser.add_argument("out", type=Path, help="folder of the parts and of the page that is made of them")
    own, flags = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, flags = own[:at], own[at + 1 :]
    args = parser.parse_args(own)
    # Tasks have working directories of their own.
    out = str(args.out.resolve())
    # A merge takes what is there, and no --only.
    only = ["--only", *args.only.split(",")] if args.only else []

    Path(out).mkdir(parents=True, exist_ok=True)
    ray.init(address="auto")
    # A task whose node or worker dies is repeated as often as it takes; one that fails is not.
    task = ray.remote(num_cpus=CPUS, max_retries=-1)(train)
    parts = [f"{out}/part-{i}-of-{args.parts}" for i in range(1, args.parts + 1)]
    waiting = []
    for i, part in enumerate(parts, 1):
        shard = ["--out", part, "--shard", f"{i}/{args.parts}"]
        waiting.append(task.remote(part, [SSGAN, "reproduce", *flags, *only, *shard]))
    failed = False
    while waiting:
        done, waiting = ray.wait(waiting)
        try:
            print("finished:", ray.get(done[0]))
        except ray.exceptions.RayError as error:
            failed = True
            print(error, file=sys.stderr)
    if failed:
        sys.exit("some parts failed; the same command goes on with them")
    sys.exit(subprocess.run([SSGAN, "reproduce", *flags, "--out", out, "--merge", *parts], check=False).returncode)


if __name__ == "__main__":
    main()
