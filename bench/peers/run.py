#!/usr/bin/env python3
"""The same training step in ssgan and in other frameworks, one after the other in turns, in one run.

    run.py [--model dnn cnn quick best] [--rounds 15] [--ssgan PATH] [--adapter NAME]
           [--burn PATH] [--peer NAME ...] [--json FILE]

First every peer computes the losses of one recorded step from its parameters and random draws: they must be those of
ssgan, or it would not be the same work. Then the peers take turns, each a step that is not timed and one that is. The
ratio of medians is printed, and, of programs that compute on the CPU, the rate beside that of one large product in
numpy, which has its turn too. A step has fresh random draws, 100 labelled, 512 unlabelled and 512 generated rows for
D, 1024 rows for G; those of the recipes `quick` and `best` 512 more rows for D, the unlabelled images moved once
more; `best` matches the covariance of features too. The peers leave out what is no part of the step's mathematics:
the average of D's parameters and the draw of a minibatch. A peer that cannot run is named, and the others are timed.

Peers: pytorch (eager), pytorch-compile; with CUDA pytorch-cuda, pytorch-cuda-compile, pytorch-cuda-graphs and the
same with -tf32; burn-wgpu, burn-cpu where --burn names the program built in bench/peers/burn.
Needs torch, numpy, safetensors and Python 3.11 for the PyTorch peers, nothing else.
"""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
LOSSES = ("discriminator", "supervised", "unlabelled", "generated", "generator")
REST = 0.3  # seconds before a turn: threads of the peer before it spin for a while once they have nothing to do
TOLERANCE = 1e-3  # of a loss, between single-precision programs


class Peer:
    def __init__(self, label, command):
        self.label, self.times = label, []
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.hello = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.label} ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def commands(args, model, trace):
    """Label -> command line of every peer asked for."""
    python = [sys.executable, HERE / "pytorch.py", "--trace", trace]
    known = {"pytorch": python, "pytorch-compile": [*python, "--mode", "compile"]}
    for tf32 in ("", "-tf32"):
        for mode in ("eager", "compile", "graphs"):
            label = "pytorch-cuda" + ("" if mode == "eager" else f"-{mode}") + tf32
            known[label] = [*python, "--device", "cuda", "--mode", mode, *(["--tf32"] if tf32 else [])]
    for backend in ("wgpu", "cpu"):
        if args.burn:
            known[f"burn-{backend}"] = [args.burn, "--trace", trace, "--backend", backend]
    unknown = [p for p in args.peer if p not in known]
    if unknown:
        raise SystemExit(f"no peer {unknown[0]}: choose from {', '.join(known)}")
    return {label: known[label] for label in args.peer}


def recorded_losses(path):
    from safetensors import safe_open

    with safe_open(path, framework="np") as f:
        return {n: float(f.get_tensor(f"loss.{n}")) for n in LOSSES}


# Names of adapters that are the CPU, in lower case.
CPU = ("cpu", "llvmpipe", "swiftshader")

# Steps by the names that tables call them, as ssgan's flags.
STEPS = {"dnn": ["--model", "dnn"], "cnn": ["--model", HERE / "cnn.toml"], "quick": ["--recipe", "quick"],
         "best": ["--recipe", "best"]}

# The weights of the recipes' two terms begin at zero, where a peer without them would have the same losses.
AT_ONCE = {"quick": ["--ramp-epochs", "0"], "best": ["--ramp-epochs", "0"]}


def begin(label, command, failed):
    """The peer, or None and a line."""
    try:
        return Peer(label, command)
    except (RuntimeError, OSError) as e:
        print(e, file=sys.stderr)
        failed.append(label)
        return None


def turns(peers, args, failed):
    """Times the peers in turns; one that fails has no more."""
    for turn in range(args.warmup + args.rounds):
        for peer in list(peers):
            time.sleep(REST)
            try:
                # A step in training comes right after another: the first after a rest takes up to 1.3 times as long.
                peer.ask("step")
                ms = peer.ask("step")["ms"]
            except (RuntimeError, OSError) as e:
                if peer is peers[0]:
                    raise
                print(e, file=sys.stderr)
                failed.append(peer.label)
                peers.remove(peer)
                continue
            if turn >= args.warmup:
                peer.times.append(ms)


def measure(args, model, folder):
    flags = STEPS.get(model, ["--model", model])
    trace = pathlib.Path(folder) / f"{pathlib.Path(model).stem}.safetensors"
    adapter = ["--adapter", args.adapter] if args.adapter else []
    subprocess.run([args.ssgan, "trace-step", *flags, *AT_ONCE.get(model, []), "--out", trace, "--quiet", *adapter], check=True,
                   stdout=subprocess.DEVNULL)
    expected = recorded_losses(trace)
    ours = Peer("ssgan", [args.ssgan, "bench", "step", *flags, "--paced", "--quiet", *adapter])
    failed = []
    begun = [begin(label, command, failed) for label, command in commands(args, model, trace).items()]
    print(f"\n{model}: losses of one recorded step\n{'':24}" + "".join(f"{n:>15}" for n in LOSSES))
    print(f"{'ssgan':24}" + "".join(f"{expected[n]:15.7f}" for n in LOSSES))
    same, peers = True, [ours]
    for peer in filter(None, begun):
        try:
            losses = {n.removeprefix("loss."): v for n, v in peer.ask("check")["losses"].items()}
        except (RuntimeError, OSError) as e:
            print(e, file=sys.stderr)
            failed.append(peer.label)
            continue
        good = all(abs(losses[n] - expected[n]) <= TOLERANCE * abs(expected[n]) for n in LOSSES)
        same &= good
        peers.append(peer)
        print(f"{peer.label:24}" + "".join(f"{losses[n]:15.7f}" for n in LOSSES) + ("" if good else "  DIFFER"))
    peers.append(Peer("numpy's sgemm", [sys.executable, HERE / "sgemm.py"]))
    turns(peers, args, failed)
    rows = []
    for peer in peers:
        low, middle, high = statistics.quantiles(peer.times, n=4, method="inclusive")
        rows.append({"peer": peer.label, **peer.hello, "median_ms": middle, "p25_ms": low, "p75_ms": high,
                     "min_ms": min(peer.times), "times_ms": peer.times})
        peer.close()
    # The peers' steps are the same work as ours.
    for row in rows:
        row["gflops"] = row.get("flop", ours.hello["flop"]) / row["median_ms"] / 1e6
    print(f"\n{'':24}{'median ms':>12}{'p25':>9}{'p75':>9}{'min':>9}{'ssgan / it':>13}{'GFLOP/s':>10}{'of sgemm':>10}   program")
    for row in rows:
        on_cpu = any(name in row.get("adapter", "").lower() for name in CPU)
        share = f"{row['gflops'] / rows[-1]['gflops']:.0%}" if on_cpu else ""
        ratio = f"{rows[0]['median_ms'] / row['median_ms']:.2f}" if row is not rows[-1] else ""
        print(f"{row['peer']:24}{row['median_ms']:12.1f}{row['p25_ms']:9.1f}{row['p75_ms']:9.1f}{row['min_ms']:9.1f}"
              f"{ratio:>13}{row['gflops']:10.1f}{share:>10}   {row['name']}, {row.get('adapter', '')}")
    return {"model": model, "losses": expected, "same_losses": same, "failed": failed, "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["dnn", "cnn"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--ssgan", default=HERE.parents[1] / "target" / "release" / "ssgan")
    parser.add_argument("--adapter", help="of ssgan, as it takes it")
    parser.add_argument("--burn", help="program built from bench/peers/burn")
    parser.add_argument("--peer", nargs="+", default=["pytorch"])
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    if args.rounds < 2:
        parser.error("--rounds: at least 2, for quartiles")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the traces are removed
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(args, model, folder) for model in args.model]
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if all(r["same_losses"] and not r["failed"] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
