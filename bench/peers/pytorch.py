#!/usr/bin/env python3
"""The training step of a trace in PyTorch, written as a PyTorch user would, for timing beside ssgan.

    pytorch.py --trace step.safetensors [--device cpu|cuda] [--mode eager|compile|graphs] [--tf32]

Reads commands from standard input, answers each with a line of JSON:
    check   losses of the traced step, with its parameters and random draws
    step    one whole step with fresh random draws: {"ms": ..., "losses": {...}}
    quit
Needs torch, numpy, safetensors and Python 3.11. `run.py` drives it.
"""

import argparse
import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "fixtures"))
from replay import SMOOTH, WEIGHTED, load, matched, padding, same_padding  # noqa: E402


class Weighted(nn.Module):
    """Dense or convolution, its weights plain or normalised to g v / |v|."""

    def __init__(self, layer, tensors, trained, sides):
        """sides: height and width of a transposed convolution's output, or None where its stride tells them."""
        super().__init__()
        self.layer, self.sides = layer, sides
        for name, t in tensors.items():
            t = nn.Parameter(t.clone(), requires_grad=name in trained)
            self.register_parameter(name, t)

    def weight_now(self):
        if hasattr(self, "weight"):
            return self.weight
        v = self.weight_v
        scale = self.weight_g / v.flatten(1).norm(dim=1)
        return v * scale.reshape([-1] + [1] * (v.dim() - 1))

    def forward(self, x):
        bias = getattr(self, "bias", None)
        if self.layer["op"] == "dense":
            return F.linear(x.flatten(1), self.weight_now(), bias)
        stride = self.layer.get("stride", 1)
        if self.layer["op"] == "conv_transpose2d":
            height, width = self.sides or [n * stride for n in x.shape[2:]]
            top, left = (same_padding(n, self.layer["kernel"], stride)[0] for n in (height, width))
            y = F.conv_transpose2d(x, self.weight_now(), bias, stride=stride, padding=(top, left))
            return y[:, :, :height, :width]
        left, right, top, bottom = padding(x.permute(0, 2, 3, 1), self.layer, "same", stride)
        if (left, top) == (right, bottom):
            return F.conv2d(x, self.weight_now(), bias, stride=stride, padding=(top, left))
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.weight_now(), bias, stride=stride)


def maps(layer, x):
    """Random maps of as many images, [rows, 6], as docs/models.md has them for `random_affine`."""
    warp, far = layer.get("warp", 0.2), layer.get("shift", 2)
    matrix = torch.eye(2, device=x.device).flatten() + warp * (2 * torch.rand(len(x), 4, device=x.device) - 1)
    return torch.cat([matrix, far * (2 * torch.rand(len(x), 2, device=x.device) - 1)], 1)


def move(x, maps):
    """Images read through maps: pixel o at A (o - m) + m - t, rows before columns; PyTorch has columns first, and pixels
    from -1 to 1."""
    m = torch.tensor([x.shape[2] - 1, x.shape[3] - 1], device=x.device) / 2
    matrix = maps[:, :4].reshape(-1, 2, 2) * m / m[:, None]
    theta = torch.cat([matrix, -(maps[:, 4:] / m)[:, :, None]], 2)
    theta = theta[:, [1, 0]][:, :, [1, 0, 2]]
    return F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=True), align_corners=True)


class Net(nn.Module):
    """A network of the model file. Images are NCHW inside."""

    def __init__(self, layers, tensors, trained, image):
        """tensors, trained: by "layer.name"; image: height and width of the data's images."""
        super().__init__()
        self.layers = layers
        self.weighted = nn.ModuleDict()
        at = lambda layer: [-(-n // layer["image_stride"]) for n in image] if "image_stride" in layer else None
        self.sides = [at(layer) for layer in layers]
        for i, layer in enumerate(layers):
            mine = {n.split(".", 1)[1]: t for n, t in tensors.items() if n.split(".")[0] == str(i)}
            learnt = {n.split(".", 1)[1] for n in trained if n.split(".")[0] == str(i)}
            if layer["op"] in WEIGHTED:
                self.weighted[str(i)] = Weighted(layer, mine, learnt, self.sides[i])
            elif layer["op"] == "batch_norm":
                norm = nn.Module()
                for name, t in mine.items():
                    if name.startswith("running"):
                        norm.register_buffer(name, t.clone())
                    else:
                        norm.register_parameter(name, nn.Parameter(t.clone()))
                self.weighted[str(i)] = norm

    def forward(self, x, draws=None, upto=None):
        """draws: the recorded random numbers by (layer, kind), or None to draw."""
        for i, layer in enumerate(self.layers[:upto]):
            op = layer["op"]
            if op in WEIGHTED:
                x = self.weighted[str(i)](x)
            elif op == "unflatten":
                height, width = self.sides[i] or (layer["height"], layer["width"])
                x = x.unflatten(1, (height, width, -1)).permute(0, 3, 1, 2)
            elif op == "batch_norm":
                p = self.weighted[str(i)]
                weight, bias = getattr(p, "weight", None), getattr(p, "bias", None)
                momentum, eps = layer.get("momentum", 0.1), layer.get("eps", 1e-5)
                x = F.batch_norm(x, p.running_mean, p.running_var, weight, bias, True, momentum, eps)
            elif op == "gaussian_noise":
                noise = torch.randn_like(x) if draws is None else draws(i, "noise", x)
                x = torch.add(x, noise, alpha=layer["sigma"])
            elif op == "dropout":
                x = F.dropout(x, layer["rate"]) if draws is None else x * draws(i, "dropout", x)
            elif op == "random_affine":
                x = move(x, maps(layer, x) if draws is None else draws(i, "affine", None))
            elif op == "max_pool2d":
                x = F.max_pool2d(x, layer["kernel"], layer.get("stride", layer["kernel"]))
            elif op == "flatten":
                x = x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x.flatten(1)
            elif op == "relu":
                x = F.relu(x)
            elif op == "leaky_relu":
                x = F.leaky_relu(x, layer.get("slope", 0.2))
            elif op in SMOOTH:
                x = F.softplus(x) if op == "softplus" else SMOOTH[op](x)
            else:
                raise ValueError(f"{op} is not among the layers of the benchmark's models")
        return x


class Step:
    """One step: D on generated, labelled and unlabelled rows, then G."""

    def __init__(self, trace, model, device, mode):
        self.trace, self.device = trace, device
        self.shape = trace["d_step.images"].shape[1:]
        nets = []
        for name in ("discriminator", "generator"):
            before = {n: t.to(device) for n, t in trace.group(f"before.{name}.").items() if ".exp_avg" not in n}
            trained = list(trace.group(f"grad.{name}."))
            nets.append(Net(model[name]["layers"], before, trained, self.shape[:2]).to(device))
        self.d, self.g = nets
        # The last are unlabelled images that come a second time.
        self.rows = [int(r) for r in trace["d_step.rows"]]
        self.labels = trace["d_step.labelled.label"].long().to(device)
        nchw = lambda x: x.permute(0, 3, 1, 2).contiguous().to(device)
        generated = self.rows[0]
        self.data = nchw(trace["d_step.images"][generated:])
        self.real = nchw(trace["g_step.images"][generated:])
        self.weight = trace.number("unsupervised_weight")
        self.entropy, self.consistency = trace.number("entropy_weight"), trace.number("consistency_weight")
        self.moments = trace.meta["generator_loss"] == "MomentMatching"
        self.matched = matched(trace.meta, self.d.layers)
        self.mean = trace.meta["feature_matching"] == "mean"
        options = {
            "betas": (trace.number("beta1"), trace.number("beta2")),
            "eps": trace.number("epsilon"),
            "fused": True,
            "capturable": mode == "graphs",
        }
        if mode != "graphs":
            del options["capturable"]
        params = lambda net: [p for p in net.parameters() if p.requires_grad]
        self.d_params, self.g_params = params(self.d), params(self.g)
        self.d_adam = torch.optim.Adam(self.d_params, trace.number("learning_rate"), **options)
        self.g_adam = torch.optim.Adam(self.g_params, trace.number("generator_learning_rate"), **options)
        self.d_loss, self.g_loss = self.d_losses, self.g_losses
        if mode in ("compile", "graphs"):
            how = "reduce-overhead" if mode == "graphs" else "default"
            self.d_loss = torch.compile(self.d_losses, mode=how)
            self.g_loss = torch.compile(self.g_losses, mode=how)

    def images(self, z, draws=None):
        made = self.g(z, draws)
        return made if made.dim() == 4 else made.unflatten(1, tuple(self.shape)).permute(0, 3, 1, 2)

    def d_losses(self, z, draws=None, g_draws=None):
        with torch.no_grad():
            made = self.images(z, g_draws)
        fake, known, real, again = self.d(torch.cat([made, self.data]), draws).split(self.rows)
        supervised = F.cross_entropy(known, self.labels)
        unlabelled = F.softplus(-real.logsumexp(1)).mean()
        spotted = F.softplus(fake.logsumexp(1)).mean()
        loss = supervised + self.weight * 0.5 * (unlabelled + spotted)
        if self.entropy:
            loss = loss - self.entropy * (real.softmax(1) * real.log_softmax(1)).sum(1).mean()
        if self.consistency:
            loss = loss + self.consistency * ((real.softmax(1) - again.softmax(1)) ** 2).sum(1).mean()
        return loss, supervised, unlabelled, spotted

    def features(self, x, draws, rows):
        part = None if draws is None else lambda i, kind, x: draws(i, kind, x, rows)
        f = self.d(x, part, self.matched)
        if f.dim() == 4:
            f = f.permute(0, 2, 3, 1)
        return f.flatten(1)

    def g_losses(self, z, draws=None, g_draws=None):
        made = self.features(self.images(z, g_draws), draws, slice(len(z)))
        # Apart: through one pass of both the backward pass would have the zeros of these rows too, which ours has not. It
        # normalises weights once more than ours.
        with torch.no_grad():
            real = self.features(self.real, draws, slice(len(z), None))
        loss = ((made.mean(0) - real.mean(0)) ** 2).sum()
        if self.moments:
            apart = torch.cov(made.T, correction=0) - torch.cov(real.T, correction=0)
            loss = loss + apart.square().sum()
        return loss / made.shape[1] if self.mean else loss

    def run(self, d_step, g_step):
        """d_step, g_step: (z, draws of D, draws of G)."""
        for p in self.d_params:
            p.requires_grad_(True)
        self.d_adam.zero_grad(set_to_none=True)
        total, *parts = self.d_loss(*d_step)
        total.backward()
        self.d_adam.step()
        # G's step needs no gradients of D's parameters.
        for p in self.d_params:
            p.requires_grad_(False)
        self.g_adam.zero_grad(set_to_none=True)
        generator = self.g_loss(*g_step)
        generator.backward()
        self.g_adam.step()
        names = ("discriminator", "supervised", "unlabelled", "generated", "generator")
        return {n: v.item() for n, v in zip(names, (total, *parts, generator))}

    def fresh(self):
        latent = self.trace["d_step.z"].shape
        z = lambda: torch.rand(latent, device=self.device)
        return self.run((z(), None, None), (z(), None, None))

    def recorded(self):
        def draws(step, net):
            def one(i, kind, x, rows=slice(None)):
                t = self.trace[f"{step}.{net}.{i}.{kind}"][rows].to(self.device)
                if kind == "affine":
                    return t
                return (t.permute(0, 3, 1, 2) if t.dim() == 4 else t).reshape(x.shape)

            return one

        args = [(self.trace[f"{s}.z"].to(self.device), draws(s, "discriminator"), draws(s, "generator"))
                for s in ("d_step", "g_step")]
        return self.run(*args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trace", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--mode", choices=("eager", "compile", "graphs"), default="eager")
    parser.add_argument("--tf32", action="store_true", help="TF32 on CUDA; off unless given")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    trace, model = load(args.trace, None, torch.float32)
    if trace.meta["generator_loss"] == "None" or trace.meta["method"] != "ssl":
        sys.exit("the peer trains a GAN: trace a step of one, --method ssl with another --generator-loss than none")
    if "balance_weight" in trace.meta and trace.number("balance_weight"):
        sys.exit("the peer has no balance term: trace a step without --balance-weight")
    make = lambda mode: Step(trace, model, args.device, mode)
    step = make(args.mode)
    synchronize = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    precision = ", TF32" if args.tf32 else ""
    say = lambda value: print(json.dumps(value), flush=True)
    say({"name": f"PyTorch {torch.__version__} {args.mode}{precision}", "adapter": args.device,
         "threads": torch.get_num_threads()})
    for line in sys.stdin:
        command = line.strip()
        if command == "check":
            say({"losses": make("eager").recorded()})
        elif command == "step":
            synchronize()
            begun = time.perf_counter()
            losses = step.fresh()
            synchronize()
            say({"ms": 1e3 * (time.perf_counter() - begun), "losses": losses})
        elif command == "quit":
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
