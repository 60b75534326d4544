#!/usr/bin/env python3
"""Labels a set of images in parts on a Ray cluster, then puts the parts together.

    python3 label_ray.py --parts 4 run photos labelled -- --averaged --threshold 0.9

Part i goes into labelled/part-i-of-4, and what it says into labelled/part-i-of-4.log. What follows `--` are further flags of
`ssgan label`. The same command goes on where parts failed, and leaves finished parts alone. README.md beside this file has
the commands around it.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import merge_labels
import ray

SSGAN = os.environ.get("SSGAN", "ssgan")  # the program, on every node
CPUS = int(os.environ.get("CPUS", "2"))  # cores that a part takes
IN_USE = 6  # exit status where another process has the folder


def label(part, command):
    """Runs one part to its end; when Ray repeats it on another node, it goes on where the part stopped."""
    # Without a limit, the software adapter and the readers of images take all cores of the node.
    limits = {"LP_NUM_THREADS": str(CPUS), "RAYON_NUM_THREADS": str(CPUS)}
    for pause in [5, 10, 20, 0]:
        if (Path(part) / "summary.json").exists():
            return part
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
    parser.add_argument("run", type=Path, help="the run folder or checkpoint")
    parser.add_argument("images", type=Path, help="the images; the same files on every node")
    parser.add_argument("out", type=Path, help="folder of the parts and of what is made of them")
    own, flags = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, flags = own[:at], own[at + 1 :]
    args = parser.parse_args(own)
    # Tasks have working directories of their own.
    run, images, out = (str(path.resolve()) for path in (args.run, args.images, args.out))

    Path(out).mkdir(parents=True, exist_ok=True)
    ray.init(address="auto")
    # A task whose node or worker dies is repeated as often as it takes; one that fails is not.
    task = ray.remote(num_cpus=CPUS, max_retries=-1)(label)
    waiting = []
    for i in range(1, args.parts + 1):
        part = f"{out}/part-{i}-of-{args.parts}"
        shard = ["--out", part, "--shard", f"{i}/{args.parts}"]
        waiting.append(task.remote(part, [SSGAN, "label", run, images, *shard, *flags]))
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
    merge_labels.merge(out, args.parts)


if __name__ == "__main__":
    main()
