#!/usr/bin/env python3
"""numpy's float32 product of 1536 x 1024 x 1024, the yardstick of rates on a CPU: what a step could reach that is one large
product in a tuned library. Answers `step` with {"ms": ...}, as the peers of run.py do. Needs numpy."""

import json
import sys
import time

import numpy as np

M, N, K = 1536, 1024, 1024
REPEATS = 4


def main():
    random = np.random.default_rng(1)
    a, b = (random.standard_normal(shape, dtype=np.float32) for shape in ((M, K), (K, N)))
    out = np.empty((M, N), np.float32)
    say = lambda value: print(json.dumps(value), flush=True)
    say({"name": f"numpy {np.__version__}", "adapter": "cpu", "flop": REPEATS * 2 * M * N * K})
    for _ in sys.stdin:
        begun = time.perf_counter()
        for _ in range(REPEATS):
            np.matmul(a, b, out=out)
        say({"ms": 1e3 * (time.perf_counter() - begun)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
