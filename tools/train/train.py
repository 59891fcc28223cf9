#!/usr/bin/python3
"""Trains the digit detector on scenes of generate.py and writes darknet's files.

    train.py SCENES FOLDER/NAME [--steps N] [--batch N] [--seed N]

SCENES is a folder of generate.py. Prints the loss; keeps the best guess, an average over the last
steps, in FOLDER/NAME.npz, and exports it as NAME.cfg, .weights and .names.
"""
import argparse
import concurrent.futures
import copy
import ctypes
import json
import multiprocessing
import os
import time

import numpy as np
import torch
from PIL import Image, ImageDraw

from export import export
from layers import SIDE, STRIDE
from network import Network, loss_of

SMALL_SIDE = 224  # of the windows of the first 60 % of the steps, which take half the time
MIN_H = 18  # pixels of the input: zooming out makes no digit smaller


def letterbox(image):
    """The image as the network's input [SIDE,SIDE,3], resized as darknet and tessera do:
    bilinear, corners aligned, grey around. Also returns scale and offset of the picture in it."""
    w, h = image.size
    scale = min(SIDE / w, SIDE / h)
    fitted = max(1, int(w * SIDE / max(w, h))), max(1, int(h * SIDE / max(w, h)))
    sx, sy = (w - 1) / (fitted[0] - 1), (h - 1) / (fitted[1] - 1)
    coefficients = (sx, 0, .5 - .5 * sx, 0, sy, .5 - .5 * sy)
    small = image.transform(fitted, Image.AFFINE, coefficients, Image.BILINEAR)
    box = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    left, top = (SIDE - fitted[0]) // 2, (SIDE - fitted[1]) // 2
    box.paste(small, (left, top))
    return np.asarray(box), scale, left, top


def load_scene(task):
    """Input [SIDE,SIDE,3] and digits [n,5]: class, centre and size in pixels of the input."""
    folder, scene = task
    with Image.open(os.path.join(folder, scene["image"])) as image:
        pixels, scale, left, top = letterbox(image.convert("RGB"))
    rows = []
    for digit in scene["digits"]:
        x, y, w, h = (v * scale for v in digit["box"])
        rows.append((digit["class"], x + w / 2 + left, y + h / 2 + top, w, h))
    return pixels, np.array(rows, np.float32).reshape(-1, 5)


def keep_freed_memory():
    """Has the C library hold on to large blocks: a tenth less time, most of it page faults."""
    m_trim_threshold, m_mmap_max = -1, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2 ** 31 - 1)


def load_scenes(folder):
    with open(os.path.join(folder, "truth.json"), encoding="ascii") as file:
        scenes = json.load(file)["scenes"]
    pictures = np.empty((len(scenes), SIDE, SIDE, 3), np.uint8)
    truth = []
    with multiprocessing.Pool(2) as pool:
        tasks = [(folder, scene) for scene in scenes]
        for i, (pixels, digits) in enumerate(pool.imap(load_scene, tasks, chunksize=32)):
            pictures[i] = pixels
            truth.append(digits)
    return pictures, truth


def zoom_of(rng, digits, side):
    """Two factors, nearly equal: by chance, so that all digits fit if that leaves them large
    enough."""
    zoom = np.exp(rng.uniform(np.log(.75), np.log(1.35)) + rng.normal(0, .05, 2))
    zoom *= np.sqrt(side / SIDE)
    if len(digits):
        low, high = hull(digits)
        zoom *= min(1, (.97 * side / (high - low) / zoom).min())
        zoom *= max(1, min(1, MIN_H / digits[:, 4].min()) / zoom.min())
    return zoom


def hull(digits):
    half = digits[:, 3:] / 2
    return (digits[:, 1:3] - half).min(0) - 2, (digits[:, 1:3] + half).max(0) + 2


def shift_of(rng, digits, zoom, side):
    """All digits stay inside if they can, else the window lies around one of them."""
    if len(digits) == 0:
        return rng.uniform(np.minimum(0, side - SIDE * zoom), np.maximum(1e-3, side - SIDE * zoom))
    low, high = hull(digits)
    ends = -low * zoom, side - high * zoom
    if (ends[1] < ends[0]).any():
        return side * rng.uniform(.3, .7, 2) - digits[rng.integers(len(digits)), 1:3] * zoom
    if rng.random() < .5:
        return np.clip((side - SIDE * zoom) / 2 + rng.normal(0, 25, 2), *ends)
    return rng.uniform(*ends)


def shaken(rng, pixels, digits, side):
    """A window [side,side,3] of the picture, zoomed. Digits that its edge cuts are painted out."""
    zoom = zoom_of(rng, digits, side)
    shift = shift_of(rng, digits, zoom, side)
    coefficients = (1 / zoom[0], 0, -shift[0] / zoom[0], 0, 1 / zoom[1], -shift[1] / zoom[1])
    image = Image.fromarray(pixels).transform((side, side), Image.AFFINE, coefficients,
                                              Image.BILINEAR, fillcolor=(128, 128, 128))
    moved = digits.copy()
    moved[:, 1:3] = digits[:, 1:3] * zoom + shift
    moved[:, 3:] = digits[:, 3:] * zoom
    low, high = moved[:, 1:3] - moved[:, 3:] / 2, moved[:, 1:3] + moved[:, 3:] / 2
    is_whole = (low >= 0).all(1) & (high <= side).all(1)
    draw = ImageDraw.Draw(image)
    for corner, other in zip(low[~is_whole], high[~is_whole]):
        draw.rectangle((*corner.tolist(), *other.tolist()), (128, 128, 128))
    return np.asarray(image), moved[is_whole]


def batch_of(pictures, truth, order, seed, step, size, side):
    """Input [B,3,side,side] in 0..1 and per image digits [n,5] in cells. Depends on its
    arguments alone, whatever thread computes it."""
    rng = np.random.default_rng([seed, step])
    images, digits = [], []
    for i in order[step * size:(step + 1) * size]:
        pixels, rows = pictures[i], truth[i]
        if side != SIDE or rng.random() < .7:
            pixels, rows = shaken(rng, pixels, rows, side)
        images.append(pixels)
        rows = rows.copy()
        rows[:, 1:] /= STRIDE
        digits.append(torch.from_numpy(rows))
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    grey = torch.from_numpy(rng.random(size) < .15)
    x[grey] = x[grey].mean(1, keepdim=True)
    swapped = torch.from_numpy(rng.random(size) < .15)
    x[swapped] = x[swapped].flip(1)
    gain = rng.uniform(.8, 1.2, (size, 1, 1, 1))
    gain *= np.where(rng.random((size, 1, 1, 1)) < .15, -1, 1)
    offset = rng.uniform(-.1, .1, (size, 1, 1, 1))
    x = (x - .5) * torch.from_numpy(gain).float() + .5 + torch.from_numpy(offset).float()
    return x.clamp_(0, 1).contiguous(memory_format=torch.channels_last), digits


def rate_at(step, steps, peak):
    """Up over the first twentieth, then down along a cosine."""
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (.005 + .995 * .5 * (1 + np.cos(np.pi * (step - warm) / max(1, steps - warm))))


def average_into(kept, network, share):
    with torch.no_grad():
        for old, new in zip(kept.state_dict().values(), network.state_dict().values()):
            if old.dtype.is_floating_point:
                old.lerp_(new, share)


def train(pictures, truth, options):
    torch.manual_seed(options.seed)
    network = Network().to(memory_format=torch.channels_last)
    kept = copy.deepcopy(network)
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": .02},
                                   {"params": others, "weight_decay": 0}])
    rng = np.random.default_rng(options.seed)
    n_rounds = options.steps * options.batch // len(truth) + 1
    order = np.concatenate([rng.permutation(len(truth)) for _ in range(n_rounds)])
    began, losses = time.time(), []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        def later(step):
            side = SMALL_SIDE if step < .6 * options.steps else SIDE
            return pool.submit(batch_of, pictures, truth, order, options.seed, step, options.batch,
                               side)
        coming = later(0)
        for step in range(options.steps):
            x, digits = coming.result()
            coming = later(step + 1) if step + 1 < options.steps else None
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, options.steps, options.rate)
            loss = loss_of(network(x), digits)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
            optimizer.step()
            network.keep_scales_positive()
            average_into(kept, network, max(.005, 1 / (step + 1)))
            losses.append(float(loss))
            if (step + 1) % 50 == 0 or step + 1 == options.steps:
                print(f"step {step + 1}  loss {np.mean(losses[-50:]):.4f}  "
                      f"{time.time() - began:.0f} s", flush=True)
            if (step + 1) % 200 == 0:
                np.savez(options.result + ".npz", **kept.kept())
    return kept


def main():
    parser = argparse.ArgumentParser(description="train the digit detector")
    parser.add_argument("scenes")
    parser.add_argument("result")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=.003)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.makedirs(os.path.dirname(options.result) or ".", exist_ok=True)
    pictures, truth = load_scenes(options.scenes)
    keep_freed_memory()
    print(f"{len(truth)} scenes, {sum(map(len, truth))} digits", flush=True)
    arrays = train(pictures, truth, options).kept()
    np.savez(options.result + ".npz", **arrays)
    export(arrays, options.result)
    print(f"exported {options.result}.cfg, {sum(a.size for a in arrays.values())} numbers")


if __name__ == "__main__":
    main()
