"""The network and its loss in torch."""
import torch
import torch.nn.functional as F
from torch import nn

from layers import ANCHORS, CLASSES, LAYERS, reorg_places, shapes

N_ANCHORS = len(ANCHORS)


class Network(nn.Module):
    """[B,3,H,W] in 0..1 -> [B, anchors, 5 + classes, H/16, W/16]. H and W are multiples of 32.

    A pool right behind a convolution is computed before normalisation and activation: with
    scales above zero (`keep_scales_positive`) the result is the same, at a quarter of the time.
    """

    def __init__(self):
        super().__init__()
        self.kernels, self.norms = nn.ModuleDict(), nn.ModuleDict()
        found, last = shapes(), len(LAYERS) - 1
        used_again = {i for kind, *rest in LAYERS if kind == "route" for i in rest}
        self.early_pools = set()
        for number, (kind, *rest) in enumerate(LAYERS):
            if kind != "conv":
                continue
            channels = found[number - 1][0] if number else 3
            self.kernels[str(number)] = nn.Conv2d(channels, rest[0], rest[1], padding=rest[1] // 2,
                                                  bias=number == last)
            if number != last:
                self.norms[str(number)] = nn.BatchNorm2d(rest[0], momentum=.03)
                if LAYERS[number + 1][0] == "pool" and number not in used_again:
                    self.early_pools.add(number)
        nn.init.normal_(self.kernels[str(last)].weight, 0, .01)
        with torch.no_grad():
            self.kernels[str(last)].bias.view(N_ANCHORS, -1)[:, 4] = -5
        self.places = {}

    def reorg(self, x):
        b, c, h, w = x.shape
        if (c, h, w) not in self.places:
            self.places[c, h, w] = torch.from_numpy(reorg_places(c, h, w))
        return x.reshape(b, -1)[:, self.places[c, h, w]].reshape(b, 4 * c, h // 2, w // 2)

    def forward(self, x):
        outputs = []
        for number, (kind, *rest) in enumerate(LAYERS):
            if kind == "conv":
                x = self.kernels[str(number)](x)
                if number in self.early_pools:
                    x = F.max_pool2d(x, 2)
                if str(number) in self.norms:
                    x = F.leaky_relu(self.norms[str(number)](x), .1, inplace=True)
            elif kind == "pool":
                x = x if number - 1 in self.early_pools else F.max_pool2d(x, 2)
            elif kind == "route":
                x = torch.cat([outputs[i] for i in rest], 1)
            else:
                x = self.reorg(x)
            outputs.append(x)
        b, _, h, w = x.shape
        return x.reshape(b, N_ANCHORS, 5 + CLASSES, h, w)

    def keep_scales_positive(self):
        with torch.no_grad():
            for number in self.early_pools:
                self.norms[str(number)].weight.clamp_(min=1e-3)

    def kept(self):
        """What export.py reads, as numpy arrays."""
        arrays = {}
        for number, kernel in self.kernels.items():
            arrays[f"{number}.kernel"] = kernel.weight
            if number in self.norms:
                norm = self.norms[number]
                arrays.update({f"{number}.scale": norm.weight, f"{number}.bias": norm.bias,
                               f"{number}.mean": norm.running_mean,
                               f"{number}.variance": norm.running_var})
            else:
                arrays[f"{number}.bias"] = kernel.bias
        return {name: array.detach().numpy() for name, array in arrays.items()}


def overlap(a, b):
    """IoU of boxes (x, y, w, h) around centres, and GIoU; broadcasts."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = (high - low).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common
    hull = (torch.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2) -
            torch.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)).prod(-1)
    iou = common / (union + 1e-9)
    return iou, iou - (hull - union) / (hull + 1e-9)


def assign(truth, h, w):
    """Each digit takes, in the cell of its centre, the anchor most like it that is still free.
    truth: per image [n,5] of class, x, y, w, h in cells. Returns places and rows of truth."""
    anchors = torch.tensor(ANCHORS)
    places, rows = [], []
    for image, digits in enumerate(truth):
        taken = set()
        for row in digits[digits[:, 4].argsort()] if len(digits) else []:
            common = torch.minimum(row[3:], anchors).prod(1)
            likeness = common / (row[3:].prod() + anchors.prod(1) - common)
            x, y = min(w - 1, int(row[1])), min(h - 1, int(row[2]))
            for anchor in likeness.argsort(descending=True).tolist():
                if (anchor, y, x) not in taken:
                    taken.add((anchor, y, x))
                    places.append((image, anchor, y, x))
                    rows.append(row)
                    break
    return torch.tensor(places, dtype=torch.long).reshape(-1, 4), \
        torch.stack(rows) if rows else torch.zeros(0, 5)


def decoded(out):
    """Boxes (x, y, w, h) in cells: [B, anchors, h, w, 4]."""
    h, w = out.shape[-2:]
    anchors = torch.tensor(ANCHORS).view(1, N_ANCHORS, 2, 1, 1)
    grid = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")[::-1])
    centre = out[:, :, :2].sigmoid() + grid
    size = out[:, :, 2:4].clamp(max=4).exp() * anchors
    return torch.cat([centre, size], 2).permute(0, 1, 3, 4, 2)


def loss_of(out, truth):
    """Sum of four terms per digit: box, object, no object, class."""
    h, w = out.shape[-2:]
    places, rows = assign(truth, h, w)
    n = max(1, len(rows))
    boxes = decoded(out)
    spared = torch.zeros(out[:, :, 4].shape, dtype=torch.bool)
    with torch.no_grad():  # who overlaps a digit well is not told that there is nothing
        for image, digits in enumerate(truth):
            if len(digits):
                iou, _ = overlap(boxes[image].unsqueeze(3), digits[:, 1:])
                spared[image] = iou.amax(-1) > .6
    i, a, y, x = places.unbind(1)
    target = torch.zeros_like(out[:, :, 4])
    target[i, a, y, x] = 1
    spared[i, a, y, x] = False
    score = F.binary_cross_entropy_with_logits(out[:, :, 4], target, reduction="none")
    weight = torch.where(target > 0, 1., .5) * ~spared
    chosen = out[i, a, :, y, x]
    shape = chosen[:, 2:4] - torch.log(rows[:, 3:] / torch.tensor(ANCHORS)[a])
    _, giou = overlap(boxes[i, a, y, x], rows[:, 1:])
    box = 2 * (1 - giou).sum() + .2 * shape.abs().sum()
    kind = F.cross_entropy(chosen[:, 5:], rows[:, 0].long(), reduction="sum", label_smoothing=.02)
    return (box + (score * weight).sum() + kind) / n
