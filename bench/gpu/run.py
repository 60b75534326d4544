#!/usr/bin/env python3
"""Everything that is measured first where there is a GPU, in parts of at most ten minutes:

    run.py PACK OUT [--parts report peers tiles paper best] [--seconds 570] [--adapter NAME]

PACK is what pack.sh gathers. OUT gets a folder for each part, and summary.json with what came of each. The same command goes
on: finished runs are passed over, others are resumed.

report   `ssgan gpu-report`
peers    a step of the dnn, of the cnn and of `--recipe best` in turns with PyTorch on CUDA: eager, compiled, CUDA graphs, each
         with and without TF32 (../peers); needs torch, numpy and safetensors
tiles    every tile on the products of the dnn (`ssgan bench kernel gemm`), and what `--tune full` chooses for dnn and cnn
paper    `--recipe paper` on MNIST, one label seed after another
best     `--recipe best` on MNIST, label seeds 1 to 10
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = [f"pytorch-cuda{mode}{tf32}" for mode in ("", "-compile", "-graphs") for tf32 in ("", "-tf32")]
# The driver of NVIDIA's containers describes itself to no loader that is unpacked later.
NVIDIA = ["/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json", "/etc/vulkan/icd.d/nvidia_icd.json",
          "/usr/share/vulkan/icd.d/nvidia_icd.json"]


class Bench:
    def __init__(self, args):
        self.pack, self.out = args.pack.resolve(), args.out.resolve()
        self.until = 0.0
        self.seconds = args.seconds
        self.ssgan = self.pack / "ssgan"
        self.adapter = ["--adapter", args.adapter] if args.adapter else []
        self.env = dict(os.environ)
        # It is in /sbin, which is not on an ordinary user's PATH.
        ldconfig = shutil.which("ldconfig", path=os.environ.get("PATH", os.defpath) + ":/sbin:/usr/sbin")
        if ldconfig and "libvulkan.so.1" not in self.text([ldconfig, "-p"]):
            self.unpack_loader()

    def unpack_loader(self):
        root = self.out / "loader"
        for package in self.pack.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        folders = {str(file.parent) for file in root.rglob("libvulkan.so.1")}
        self.env["LD_LIBRARY_PATH"] = ":".join([*folders, self.env.get("LD_LIBRARY_PATH", "")]).strip(":")
        driver = next((file for file in NVIDIA if os.path.exists(file)), None)
        if driver and "VK_DRIVER_FILES" not in self.env:
            self.env["VK_DRIVER_FILES"] = driver

    def text(self, command):
        return subprocess.run(command, capture_output=True, text=True, env=self.env).stdout

    def left(self):
        return self.until - time.monotonic()

    def run(self, name, command):
        """Whether it ended well in the time that is left; what it says goes into OUT/NAME.log and .json."""
        log = self.out / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as err, open(log.with_suffix(".json"), "wb") as out:
            command = [str(word) for word in command]
            err.write((" ".join(command) + "\n").encode())
            err.flush()
            process = subprocess.Popen(command, stdout=out, stderr=err, env=self.env, start_new_session=True)
            try:
                return process.wait(max(1.0, self.left())) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                end(process)

    def report(self):
        folder, new = self.out / "report", self.out / "report-new"
        shutil.rmtree(new, ignore_errors=True)
        form = [] if self.seconds >= 570 else ["--quick"]
        self.run("report-command", [self.ssgan, "gpu-report", new, *form, *self.adapter])
        # An earlier one stays until there is another.
        if (new / "report.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
        file = folder / "report.json"
        if not file.exists():
            return {"failed": "no report"}
        report = json.loads(file.read_text())
        return {"complete": report["complete"], "page": "report/index.html",
                "sections": {s["key"]: s["status"] for s in report["sections"]}}

    def peers(self):
        found = {}
        for model in ("dnn", "cnn", "best"):
            if self.left() < 30:
                break
            file = self.out / "peers" / f"{model}-times.json"
            file.unlink(missing_ok=True)
            done = self.run(f"peers/{model}", [sys.executable, HERE.parent / "peers" / "run.py", "--ssgan", self.ssgan,
                                               "--model", model, "--peer", *PEERS, "--json", file, *self.adapter])
            found[model] = {"all": done}
            if file.exists():
                result = json.loads(file.read_text())[0]
                found[model] |= {"same_losses": result["same_losses"], "failed": result["failed"],
                                 "median_ms": {row["peer"]: round(row["median_ms"], 4) for row in result["rows"]}}
        return found

    def tiles(self):
        """The plain products of the dnn with every tile, the largest first; then what trying all tiles chooses for each product
        of the models, windows among them."""
        found = {}
        for (m, n, k), columns in sorted(dnn_products(), key=lambda product: -product[0][0] * product[0][1] * product[0][2]):
            if self.left() < 0.4 * self.seconds:
                break
            name = f"{m}x{n}x{k}" + ("-columns" if columns else "")
            if self.run(f"tiles/{name}", [self.ssgan, "bench", "kernel", "gemm", "--shape", f"{m}x{n}x{k}", "--json", "--quiet",
                                          *(["--columns"] if columns else []), *self.adapter]):
                found[name] = fastest(json.loads((self.out / f"tiles/{name}.json").read_text()))
        chosen = {}
        for model in ("dnn", "cnn"):
            folder = self.out / "tiles" / model
            shutil.rmtree(folder, ignore_errors=True)
            if self.left() > 20:
                self.run(f"tiles/full-{model}", [self.ssgan, "train", "--model", model, "--tune", "full", "--max-steps", 1,
                                                 "--quiet", "--out", folder, *self.adapter])
            if (folder / "tiles.json").exists():
                chosen[model] = json.loads((folder / "tiles.json").read_text())["tiles"]
        return {"fastest": found, "chosen": chosen}

    def trainings(self, recipe, seeds):
        found = {}
        for seed in seeds:
            folder = self.out / recipe / f"label-seed-{seed}"
            summary = folder / "summary.json"
            if self.left() < 15 and not summary.exists():
                break
            if not finished(summary):
                new = ["--recipe", recipe, "--dataset", "mnist", "--data-dir", self.pack / "mnist", "--offline",
                       "--label-seed", seed, "--out", folder]
                begun = (folder / "config.toml").exists()
                self.run(f"{recipe}/train-{seed}", [self.ssgan, "train", *(["--resume", folder] if begun else new),
                                                    "--max-seconds", int(max(5, self.left() - 10)), *self.adapter])
            if (folder / "metrics.csv").exists():
                found[seed] = {**so_far(folder / "metrics.csv"), "finished": finished(summary)}
            if summary.exists():
                s = json.loads(summary.read_text())
                found[seed] |= {key: s[key] for key in ("seconds", "ms_per_step")}
        return found

    def paper(self):
        return self.trainings("paper", range(1, 11))

    def best(self):
        return self.trainings("best", range(1, 11))


def end(process):
    """Ends a program and what it has begun. In a session of its own Ctrl-C does not reach it; a training saves first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def so_far(metrics):
    """The last evaluation of a run, whether the run has ended or not."""
    with open(metrics, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    evaluated = [row for row in rows if row["test_accuracy"]]
    last = evaluated[-1] if evaluated else {}
    return {"steps": int(rows[-1]["step"]) if rows else 0, "evaluated_after_epoch": int(last["epoch"]) if last else None,
            **{key: float(last[key]) for key in ("test_accuracy", "test_accuracy_ema") if last.get(key)}}


def finished(summary):
    """Whether a run came to its last epoch."""
    if not summary.exists():
        return False
    s = json.loads(summary.read_text())
    rows = (summary.parent / "metrics.csv").read_text().splitlines()
    return int(rows[-1].split(",")[1]) == s["epochs"]


def dnn_products():
    """M, N, K of the products of a step of the dnn, and whether A is stored by columns: forward, gradients by the inputs, by the
    weights."""
    found = set()
    for rows, widths in ((1124, (784, 1000, 500, 250, 250, 250, 10)), (512, (100, 500, 500, 784))):
        for inputs, outputs in zip(widths, widths[1:]):
            found |= {((rows, outputs, inputs), False), ((rows, inputs, outputs), False), ((outputs, inputs, rows), True)}
    return found


def fastest(bench):
    rows = [(row["time"]["p50"], row["variant"]) for row in bench["variants"] if row.get("time")]
    seconds, variant = min(rows, default=(None, None))
    return {"variant": variant, "ms": seconds and round(1e3 * seconds, 4),
            "gflops": seconds and round(bench["flop"] / seconds / 1e9, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parts = ("report", "peers", "tiles", "paper", "best")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--seconds", type=float, default=570, help="for each part")
    parser.add_argument("--adapter", help="as ssgan takes it")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun ends too
    args.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(args)
    file = args.out / "summary.json"
    summary = json.loads(file.read_text()) if file.exists() else {"machine": platform.platform()}
    for part in args.parts:
        begun = time.monotonic()
        bench.until = begun + args.seconds
        try:
            result = getattr(bench, part)()
        except Exception as e:  # the other parts are worth having
            result = {"failed": f"{type(e).__name__}: {e}"}
        summary[part] = {"result": result, "seconds": round(time.monotonic() - begun, 1)}
        file.write_text(json.dumps(summary, indent=1) + "\n")
        print(part, json.dumps(summary[part]), flush=True)


if __name__ == "__main__":
    main()
