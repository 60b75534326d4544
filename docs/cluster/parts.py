"""What label_ray.py and reproduce_ray.py share: the parts of a task on a Ray cluster."""

import os
import subprocess
import sys
import time
from pathlib import Path

import ray

SSGAN = os.environ.get("SSGAN", "ssgan")  # the program, on every node
SSGAN = os.path.abspath(SSGAN) if os.sep in SSGAN else SSGAN  # tasks have working directories of their own
CPUS = int(os.environ.get("CPUS", "2"))  # cores that a part takes
# Exit statuses: another process has the folder; a training has diverged, and all others of the part are done.
IN_USE, DIVERGED = 6, 8


def perform(part, command, finished):
    """Runs one part to its end; when Ray repeats it on another node, the program goes on where the part stopped. Where it writes
    the file `finished` last, a part that has that file is left alone."""
    # Without a limit, the software adapter and the readers of images take all cores of the node.
    limits = {"LP_NUM_THREADS": str(CPUS), "RAYON_NUM_THREADS": str(CPUS)}
    for pause in [5, 10, 20, 0]:
        if finished and (Path(part) / finished).exists():
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
    if status == DIVERGED:
        return f"{part}, where a training has diverged: see {part}.log"
    if status != 0:
        raise RuntimeError(f"ssgan ended with status {status}: see {part}.log")
    return part


def arguments(parser):
    """The script's own arguments, and the program's flags, which follow `--`."""
    own, flags = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, flags = own[:at], own[at + 1 :]
    return parser.parse_args(own), flags


def perform_all(out, count, command, finished=None):
    """The folders of `count` parts of `command`, when all are finished; ends the script if some failed."""
    Path(out).mkdir(parents=True, exist_ok=True)
    ray.init(address="auto")
    # With the task, not by name: the nodes need no copy of this file, and CPUS is what it is here.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    # A task whose node or worker dies is repeated as often as it takes; one that fails is not.
    task = ray.remote(num_cpus=CPUS, max_retries=-1)(perform)
    parts = [f"{out}/part-{i}-of-{count}" for i in range(1, count + 1)]
    waiting = []
    for i, part in enumerate(parts, 1):
        shard = ["--out", part, "--shard", f"{i}/{count}"]
        waiting.append(task.remote(part, [*command, *shard], finished))
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
    return parts
