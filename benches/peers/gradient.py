#!/usr/bin/env python3
"""Memory and time of one gradient of a Glow with the libraries of requirements.txt: one fresh process, one line of JSON.

    python gradient.py --lib invertible --size 64 --depth 16 --hidden 256 --batch 8
    python gradient.py --check      compares the gradients of the three ways of glow.py

The keys are those of `cargo bench --bench gradient`, which runs this program.
"""

import argparse
import ctypes
import gc
import json
import os
import resource
import statistics
import sys
import time

import torch

from glow import WAYS
from libraries import LIBRARIES, subject

FEWEST = 3
AGREEMENT = 1e-9


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lib", choices=LIBRARIES, default="pytorch")
    for name, default in dict(size=64, depth=16, hidden=256, batch=8, scales=3, channels=3, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=5, help="for each of the three times; 0: memory only")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--most-mib", type=int, help="an error, instead of a machine without memory, beyond this")
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def status(key):
    with open("/proc/self/status") as lines:
        value = next(line for line in lines if line.startswith(key + ":"))
    return int(value.split()[1]) / 1024


def ticks():
    """Processor time of the whole machine and what of it was spent, and the time spent by this process in seconds."""
    with open("/proc/stat") as lines:
        fields = [int(field) for field in lines.readline().split()[1:9]]
    return sum(fields), sum(fields) - fields[3] - fields[4], time.process_time()


def elsewhere(before, after):
    """The share of the machine that other processes took."""
    machine, busy, own = (b - a for a, b in zip(before, after))
    others = busy - own * os.sysconf("SC_CLK_TCK")
    return round(max(others, 0) / machine, 3) if machine else None


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def give_back():
    """Returns freed memory to the system: kept, it would hide as much of what comes next."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def settings(a, **changes):
    return {name: getattr(a, name) for name in ("size", "channels", "scales", "depth", "hidden")} | changes


def gradient(s, x):
    for parameter in s.module.parameters():
        parameter.grad = None
    s.loss(x).backward()


def median_ms(seconds, run):
    times = []
    while sum(times) < seconds or (0 < len(times) < FEWEST and sum(times) < 2 * seconds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return round(1e3 * statistics.median(times), 3) if times else None


def measure(a):
    # What is imported and started lazily must not count as memory of the gradient.
    side = 2**a.scales
    gradient(subject(a.lib, **settings(a, size=side, depth=1, hidden=8)), torch.rand(2, a.channels, side, side))
    s = subject(a.lib, **settings(a))
    x = torch.rand(a.batch, a.channels, a.size, a.size)
    if a.channels_last:
        s.module.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in s.module.parameters() if p.requires_grad)
    give_back()
    built = status("VmRSS")
    forget_peak()
    start = time.perf_counter()
    gradient(s, x)
    first = time.perf_counter() - start
    peak = status("VmHWM")
    for parameter in s.module.parameters():
        parameter.grad = None

    before = ticks()
    gradient_ms = median_ms(a.seconds, lambda: gradient(s, x))
    forward_ms = inverse_ms = error = None
    if a.seconds > 0:
        with torch.no_grad():
            z = s.forward(x)
            forward_ms = median_ms(a.seconds, lambda: s.forward(x))
            again = s.inverse(list(z))
            error = float(torch.linalg.vector_norm(again - x) / torch.linalg.vector_norm(x))
            inverse_ms = median_ms(a.seconds, lambda: s.inverse(list(z)))
    return {
        "lib": a.lib,
        **{name: getattr(a, name) for name in ("size", "depth", "hidden", "batch", "scales", "channels", "threads")},
        "channels_last": a.channels_last,
        "parameters": parameters,
        "built_mib": round(built, 3),
        "peak_beyond_model_mib": round(peak - built, 3),
        "weight_gradients_mib": round(4 * parameters / 2**20, 3),
        "first_gradient_ms": round(1e3 * first, 3),
        "gradient_ms": gradient_ms,
        "forward_ms": forward_ms,
        "inverse_ms": inverse_ms,
        "busy_elsewhere": elsewhere(before, ticks()) if a.seconds > 0 else None,
        "inverse_error": error,
        "torch": torch.__version__,
    }


def check(a):
    """Gradients of every parameter in every way, in double precision, against those of autograd."""
    torch.set_default_dtype(torch.float64)
    x = torch.rand(a.batch, a.channels, a.size, a.size)
    found = {}
    for way in WAYS:
        torch.manual_seed(1)
        s = subject(way, **settings(a))
        gradient(s, x)
        found[way] = [parameter.grad for parameter in s.module.parameters()]
    worst = {
        way: max(float((a - b).norm() / a.norm()) for a, b in zip(found["pytorch"], gradients))
        for way, gradients in found.items()
    }
    return {"worst_relative_error": worst, "agree": max(worst.values()) < AGREEMENT}


def main():
    a = arguments()
    if a.most_mib:
        limit = a.most_mib * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    line = check(a) if a.check else measure(a)
    print(json.dumps(line))
    sys.exit(0 if line.get("agree", True) else 1)


if __name__ == "__main__":
    main()
