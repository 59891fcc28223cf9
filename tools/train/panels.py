"""Flat things with digits on them: plates, meters, displays, house numbers, labels, dials.

A panel is drawn at one and a half times its final size (very large ones smaller), seen from the
front; `scene.py` puts it into the picture in perspective. Sizes here are in panel pixels; `h` is
the height of a digit.
"""
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from backgrounds import LETTERS, cloudy, colour, muted, near
from fonts import glyph

MIN_CONTRAST = 70  # TUNING: levels of luma between digit and ground that people still read


def luma(rgb):
    return .3 * rgb[0] + .59 * rgb[1] + .11 * rgb[2]


def ink_on(rng, ground):
    """A colour that stands out from `ground`."""
    while True:
        rgb = colour(rng) if rng.random() < .6 else \
            near(rng, ((15,) * 3, (240,) * 3)[rng.integers(2)], 12)
        if abs(luma(rgb) - luma(ground)) >= MIN_CONTRAST:
            return rgb


def outline(mask):
    """The ink's outermost points, row by row: [n,2] of x, y."""
    ink = np.asarray(mask) > 100
    rows = np.flatnonzero(ink.any(axis=1))
    if rows.size == 0:
        return None
    first = ink[rows].argmax(axis=1)
    last = ink.shape[1] - ink[rows][:, ::-1].argmax(axis=1)
    points = np.concatenate([np.stack([first, rows], 1), np.stack([last, rows], 1),
                             np.stack([first, rows + 1], 1), np.stack([last, rows + 1], 1)])
    return points.astype(np.float64)


class Panel:
    """image [h,w] RGB, alpha [h,w] what of it is opaque, digits: (class, outline points)."""

    def __init__(self, w, h, ground=None):
        self.image = Image.new("RGB", (max(4, int(w)), max(4, int(h))), ground or (0, 0, 0))
        self.alpha = Image.new("L", self.image.size, 255 if ground else 0)
        self.draw = ImageDraw.Draw(self.image)
        self.digits = []

    def round_corners(self, radius):
        self.alpha = Image.new("L", self.image.size, 0)
        w, h = self.image.size
        ImageDraw.Draw(self.alpha).rounded_rectangle((0, 0, w - 1, h - 1), radius, 255)

    def put(self, char, ink, x, y, fill, opaque=False):
        """Draws a mask at x, y; a digit is remembered. opaque: the panel has no ground there."""
        self.draw.bitmap((x, y), ink, fill=fill)
        if opaque:
            region = (x, y, x + ink.size[0], y + ink.size[1])
            self.alpha.paste(ImageChops.lighter(self.alpha.crop(region), ink), region)
        points = outline(ink) if char.isdigit() else None
        if points is not None:
            self.digits.append((int(char), points + (x, y)))


class Line:
    """A line of characters in one font at digit height h: where each goes, relative to the
    line's left end and the digits' top."""

    def __init__(self, rng, text, font, h, spacing=None):
        probe = glyph("0", font, 100)
        self.size = max(6, int(round(100 * h / probe[0].size[1])))
        zero = glyph("0", font, self.size)
        gap = spacing if spacing is not None else rng.uniform(.08, .35)
        self.items, x = [], 0
        for char in text:
            ink = glyph(char, font, self.size) if char != " " else None
            if ink is None:
                x += int(h * .45)
                continue
            self.items.append((char, ink[0], x, ink[1] - zero[1]))
            x += ink[0].size[0] + max(2, int(gap * h))
        self.w = max(1, x - max(2, int(gap * h)))
        self.h = max([i[3] + i[1].size[1] for i in self.items] + [int(h)])

    def put(self, panel, x, y, fill, opaque=False):
        for char, ink, dx, dy in self.items:
            panel.put(char, ink, int(x + dx), int(max(0, y + dy)), fill, opaque)


def number(rng, low, high):
    return "".join(str(d) for d in rng.integers(0, 10, rng.integers(low, high + 1)))


def letters(rng, n):
    return "".join(rng.choice(list(LETTERS), n))


def plate(rng, fonts, h):
    patterns = (lambda: number(rng, 2, 7), lambda: letters(rng, 2) + " " + number(rng, 2, 4),
                lambda: letters(rng, 1) + number(rng, 3, 3) + letters(rng, 2),
                lambda: number(rng, 2, 3) + letters(rng, 2) + number(rng, 2, 2),
                lambda: number(rng, 2, 3) + " " + number(rng, 2, 4))
    line = Line(rng, patterns[rng.integers(len(patterns))](), fonts.any(rng), h)
    ground = ((235, 235, 230), (240, 200, 30), (20, 40, 120), (25, 25, 25), (20, 90, 50),
              colour(rng))[rng.integers(6)]
    ground = near(rng, ground, 8)
    margin = int(h * rng.uniform(.2, .6))
    panel = Panel(line.w + 2 * margin + int(h * .2), line.h + 2 * margin, ground)
    w, tall = panel.image.size
    ink = ink_on(rng, ground)
    if rng.random() < .6:
        rim = ink if rng.random() < .6 else colour(rng)
        panel.draw.rounded_rectangle((3, 3, w - 4, tall - 4), h * .15, None, rim,
                                     max(2, int(h * .05)))
    if rng.random() < .3:
        panel.draw.rectangle((0, 0, margin * .7, tall), (20, 50, 160))
    line.put(panel, margin, margin, ink)
    if rng.random() < .7:
        panel.round_corners(h * rng.uniform(.05, .3))
    return panel


def shade(panel, box, rng):
    """Darker above and below, as drums are."""
    x0, y0, x1, y1 = (int(v) for v in box)
    y = np.linspace(-1, 1, max(1, y1 - y0))
    curve = (1 - rng.uniform(.2, .7) * np.abs(y) ** rng.uniform(2, 5)) * 255
    band = Image.fromarray(curve.astype(np.uint8)[:, None]).resize((x1 - x0, max(1, y1 - y0)))
    part = ImageChops.multiply(panel.image.crop((x0, y0, x1, max(y0 + 1, y1))),
                               Image.merge("RGB", (band,) * 3))
    panel.image.paste(part, (x0, y0))


def drum(rng, panel, font, size, digit, box, ground, ink):
    """One drum of a counter: a digit in its window, and perhaps an edge of the next."""
    x0, y0, x1, y1 = box
    panel.draw.rectangle(box, ground)
    mask = glyph(digit, font, size)[0]
    x = (x0 + x1 - mask.size[0]) // 2
    room = max(0, (y1 - y0 - mask.size[1]) // 2)
    roll = int(rng.integers(-room, room + 1)) if room > 1 and rng.random() < .4 else 0
    y = y0 + (y1 - y0 - mask.size[1]) // 2 + roll
    panel.put(digit, mask, x, y, ink)
    if abs(roll) > room * .6:
        other = glyph(str((int(digit) + (1 if roll < 0 else 9)) % 10), font, size)[0]
        step = int(mask.size[1] * 1.35)
        window = panel.image.crop(box)
        ImageDraw.Draw(window).bitmap((x - x0, y - y0 + (step if roll < 0 else -step)), other, ink)
        panel.image.paste(window, (x0, y0))
    shade(panel, (x0, y0, x1 + 1, y1 + 1), rng)


def meter(rng, fonts, h):
    """A counter with drums in a housing, a unit beside it, words around."""
    text = number(rng, 3, 8)
    font = fonts.any(rng)
    size = Line(rng, "0", font, h).size
    widest = max(glyph(d, font, size)[0].size[0] for d in "0123456789")
    cell_w, cell_h = int(widest * rng.uniform(1.15, 1.8)), int(h * rng.uniform(1.15, 1.8))
    gap = int(h * rng.choice([0, .05, .15]))
    margin = int(h * rng.uniform(.3, 1.6))
    housing = muted(rng)
    drums_w = len(text) * (cell_w + gap)
    panel = Panel(drums_w + 2 * margin + int(h * 1.2), cell_h + 2 * margin, housing)
    w, tall = panel.image.size
    frame = near(rng, (20, 20, 20), 12) if rng.random() < .7 else muted(rng)
    pad = int(h * .12)
    panel.draw.rectangle((margin - pad, margin - pad, margin + drums_w - gap + pad,
                          margin + cell_h + pad), frame)
    ground = near(rng, ((15,) * 3, (235,) * 3, muted(rng))[rng.choice(3, p=[.5, .3, .2])], 8)
    ink = ink_on(rng, ground)
    n_red = int(rng.integers(0, 4)) if rng.random() < .5 else 0
    red = near(rng, (190, 30, 30), 15)
    for i, digit in enumerate(text):
        x = margin + i * (cell_w + gap)
        is_red = i >= len(text) - n_red
        cell = red if is_red else ground
        fill = ink if abs(luma(cell) - luma(ink)) >= MIN_CONTRAST else ink_on(rng, cell)
        drum(rng, panel, font, size, digit, (x, margin, x + cell_w, margin + cell_h), cell, fill)
    unit = rng.choice(["kWh", "m", "kW", "MWh", "km", "A"])
    ink = ink_on(rng, housing)
    Line(rng, unit, font, h * rng.uniform(.3, .6)).put(panel, w - int(h * 1.1), margin, ink)
    if margin > h * .8:
        Line(rng, letters(rng, 6), fonts.any(rng), h * .3).put(panel, margin, int(h * .2), ink)
    if rng.random() < .5:
        panel.round_corners(h * rng.uniform(.1, .8))
    return panel


def display(rng, fonts, h):
    """Seven segments: liquid crystal with ghosts, or light-emitting with a glow."""
    text = number(rng, 1, 6)
    font = fonts.segment(rng) if rng.random() < .8 else fonts.any(rng)
    line = Line(rng, text, font, h, rng.uniform(.15, .3))
    is_lit = rng.random() < .5
    if is_lit:
        ground = near(rng, (18, 16, 18), 8)
        ink = near(rng, ((255, 50, 40), (60, 255, 90), (80, 160, 255), (255, 180, 40),
                         (235, 235, 255))[rng.integers(5)], 10)
    else:
        ground = near(rng, ((150, 165, 130), (190, 195, 185), (110, 140, 190))[rng.integers(3)], 12)
        ink = near(rng, (30, 34, 30), 12)
        if rng.random() < .2:
            ground, ink = ink, ground
    margin = int(h * rng.uniform(.25, .7))
    panel = Panel(line.w + 2 * margin, line.h + 2 * margin, ground)
    if font in fonts.segments and rng.random() < .5:
        ghost = tuple(int(.93 * g + .07 * i) for g, i in zip(ground, ink))
        eight = glyph("8", font, line.size)[0]
        for _, mask, x, _ in line.items:
            panel.draw.bitmap((margin + x + mask.size[0] - eight.size[0], margin), eight, ghost)
    line.put(panel, margin, margin, ink)
    if is_lit and rng.random() < .6:
        glow = panel.image.filter(ImageFilter.GaussianBlur(h * .12))
        panel.image = ImageChops.add(panel.image, glow.point(lambda v: int(v * .7)))
    outer = Panel(panel.image.size[0] + margin, panel.image.size[1] + margin, muted(rng))
    outer.image.paste(panel.image, (margin // 2, margin // 2))
    outer.digits = [(c, p + margin // 2) for c, p in panel.digits]
    return outer


def house_number(rng, fonts, h):
    """Large digits upon the wall itself, with a shadow; or on an enamel plaque."""
    line = Line(rng, number(rng, 1, 4), fonts.any(rng), h)
    if rng.random() < .5:
        ground = near(rng, ((20, 40, 130), (240, 240, 235), (30, 80, 50), (20, 20, 20))
                      [rng.integers(4)], 10)
        margin = int(h * rng.uniform(.25, .6))
        panel = Panel(line.w + 2 * margin, line.h + 2 * margin, ground)
        ink = ink_on(rng, ground)
        if rng.random() < .5:
            w, tall = panel.image.size
            panel.draw.rectangle((4, 4, w - 5, tall - 5), None, ink, max(2, int(h * .03)))
        line.put(panel, margin, margin, ink)
        if rng.random() < .3:
            panel.round_corners(h)
        return panel
    return bare(rng, line, h)


def bare(rng, line, h, ink=None):
    """Digits without a ground of their own; the scene says what colour stands out there."""
    margin = int(h * .15) + 2
    panel = Panel(line.w + 2 * margin, line.h + 2 * margin)
    panel.bare_line = (line, margin)
    return panel


def label(rng, fonts, h):
    """Paper with rows of words and numbers, perhaps a bar code."""
    ground = near(rng, (238, 236, 228) if rng.random() < .7 else muted(rng), 8)
    ink = ink_on(rng, ground)
    font = fonts.any(rng)
    lines = []
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.integers(3)
        if kind == 0:
            text = number(rng, 2, 8)
        elif kind == 1:
            text = letters(rng, 2) + " " + number(rng, 1, 5)
        else:
            word = letters(rng, int(rng.integers(2, 6))).lower().replace("l", "h")
            text = word + " " + number(rng, 1, 3)
        lines.append(Line(rng, text, font if rng.random() < .7 else fonts.any(rng),
                          h * rng.uniform(1, 1.3)))
    margin = int(h * .4)
    leading = int(h * rng.uniform(.35, .8))
    has_bars = rng.random() < .3
    tall = sum(line.h + leading for line in lines) + 2 * margin + (int(h * 1.5) if has_bars else 0)
    panel = Panel(max(line.w for line in lines) + 2 * margin, tall, ground)
    y = margin
    for line in lines:
        line.put(panel, margin, y, ink)
        y += line.h + leading
    if has_bars:
        x = margin
        while x < panel.image.size[0] - margin:
            wide = int(rng.integers(1, max(3, int(h * .12))))
            panel.draw.rectangle((x, y, x + wide, tall - margin), ink)
            x += wide + int(rng.integers(1, max(3, int(h * .12)))) + 1
    return panel


def dial(rng, fonts, h):
    """A round gauge: numbers along the scale, ticks, a needle that ends before the numbers."""
    font = fonts.any(rng)
    step = int(rng.choice([1, 2, 5, 10, 20, 25, 50]))
    n = int(rng.integers(4, 10))
    radius = h * max(3.2, n * (.42 if step < 10 else .6))
    side = int(2 * radius + h * 2.4)
    ground = near(rng, (235, 233, 225) if rng.random() < .7 else (25, 25, 28), 8)
    panel = Panel(side, side, ground)
    centre, ink = side / 2, ink_on(rng, ground)
    rim = radius + h * .95
    for i in range(n):
        angle = np.pi * (1.25 - 1.5 * i / (n - 1))
        dx, dy = np.cos(angle), -np.sin(angle)
        panel.draw.line((centre + dx * rim, centre + dy * rim, centre + dx * (rim + h * .25),
                         centre + dy * (rim + h * .25)), ink, max(2, int(h * .08)))
        line = Line(rng, str(i * step), font, h, .1)
        line.put(panel, centre + dx * radius - line.w / 2, centre + dy * radius - h / 2, ink)
    angle, reach = rng.uniform(-.5, 3.6), radius - h * 1.4
    needle = ink if rng.random() < .5 else (200, 30, 30)
    tip = centre + np.cos(angle) * reach, centre - np.sin(angle) * reach
    panel.draw.line((centre, centre, *tip), needle, max(2, int(h * .1)))
    panel.draw.ellipse((centre - h * .3, centre - h * .3, centre + h * .3, centre + h * .3), needle)
    panel.alpha = Image.new("L", panel.image.size, 0)
    ImageDraw.Draw(panel.alpha).ellipse((0, 0, side - 1, side - 1), 255)
    return panel


def single(rng, fonts, h):
    """One to three digits on whatever is there."""
    return bare(rng, Line(rng, number(rng, 1, 3), fonts.any(rng), h), h)


KINDS = {"plate": plate, "meter": meter, "display": display, "house number": house_number,
         "label": label, "dial": dial, "single": single}


def worn(rng, panel):
    """Dirt and uneven colour over a panel that has a ground."""
    if hasattr(panel, "bare_line") or rng.random() < .5:
        return
    w, h = panel.image.size
    share = rng.uniform(.1, .5)
    dirt = cloudy(rng, w // 3 + 1, h // 3 + 1).convert("L").point(lambda v: int(share * (255 - v)))
    panel.image.paste((0, 0, 0), mask=dirt.resize((w, h)))
