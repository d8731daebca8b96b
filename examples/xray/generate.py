#!/usr/bin/python3
"""Renders chest radiographs that nobody has: normal, with a nodule, or with a pleural effusion.

    generate.py FOLDER [COUNT [SEED]]

writes COUNT pictures (default 12) as FOLDER/LABEL-NNN.png, to look at.  train.py imports it.  What is drawn
follows what a radiograph shows (lungs dark, bone and fluid bright); it is no patient's, and no substitute for one.
Needs Debian's python3-numpy and python3-pil.
"""
import io
import os
import sys

import numpy
from PIL import Image, ImageDraw

LABELS = ("normal", "nodule", "effusion")


def smooth(x):
    """0 to 1 as x goes from -1 to 1."""
    x = numpy.clip(x, -1, 1)
    return 0.5 + 0.25 * x * (3 - x * x)


def band(distance, width):
    return numpy.exp(-0.5 * (distance / width) ** 2)


def blurred_noise(rng, height, width, cell):
    """Noise without detail finer than `cell` pixels."""
    coarse = rng.normal(size=(height // cell + 2, width // cell + 2)).astype("f4")
    return numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))


class Patient:
    """Where things lie, in units of half the picture; y points down."""

    def __init__(self, rng):
        self.size = rng.uniform(0.9, 1.06)
        self.shift = rng.normal(0, 0.03, 2)
        self.turn = rng.normal(0, 0.03)
        self.lung_width, self.lung_height = rng.uniform(0.29, 0.37), rng.uniform(0.56, 0.68)
        self.lung_at = rng.uniform(0.40, 0.46)
        self.base = {-1: rng.uniform(0.42, 0.56), 1: rng.uniform(0.46, 0.60)}  # the diaphragm's domes
        self.heart = rng.uniform(0.20, 0.30), rng.uniform(0.24, 0.34), rng.uniform(0.07, 0.16)
        self.ribs = rng.uniform(0.15, 0.19), rng.uniform(0.25, 0.5), rng.uniform(0.03, 0.09)
        self.clavicle = rng.uniform(-0.72, -0.62), rng.uniform(0.12, 0.35)


def grid(patient, height, width):
    y, x = numpy.mgrid[0:height, 0:width].astype("f4")
    half = min(height, width) / 2
    x, y = (x - width / 2) / half, (y - height / 2) / half
    cos, sin = numpy.cos(patient.turn), numpy.sin(patient.turn)
    return (x * cos - y * sin) / patient.size - patient.shift[0], (x * sin + y * cos) / patient.size - patient.shift[1]


def lung(patient, x, y, side):
    """1 inside; its lower end is the diaphragm."""
    across = (x - side * patient.lung_at) / patient.lung_width
    along = (y + 0.08) / patient.lung_height
    oval = smooth((1 - numpy.sqrt(across ** 2 + numpy.abs(along) ** 2.6)) * 9)
    dome = patient.base[side] + 0.22 * (across + side * 0.15) ** 2
    return oval * smooth((dome - y) * 18)


def bones(patient, rng, x, y):
    step, slope, strength = patient.ribs
    out = 0.10 * band(x, 0.085) + 0.03 * band(x, 0.085) * numpy.sin(y * 34)  # the spine
    for side in (-1, 1):
        out_x = side * x
        for k in range(8):
            top = -0.78 + k * step
            line = top + slope * (out_x - 0.1) ** 2 - 0.10 * (out_x - 0.1)
            front = top + 0.1 + 0.55 * (out_x - 0.85) ** 2
            inside = smooth((out_x - 0.05) * 20) * smooth((0.86 - out_x) * 14)
            out = out + strength * band(y - line, 0.028) * inside + 0.35 * strength * band(y - front, 0.03) * inside
        clavicle = patient.clavicle[0] - patient.clavicle[1] * (out_x - 0.35)
        out = out + 1.3 * strength * band(y - clavicle, 0.03) * smooth((out_x - 0.08) * 16) * smooth((0.8 - out_x) * 10)
    return out


def vessels(patient, rng, x, y):
    """From the hila outwards, thinner and fainter."""
    out = numpy.zeros_like(x)
    for side in (-1, 1):
        for _ in range(rng.integers(7, 12)):
            angle, reach = rng.uniform(-1.4, 1.4), rng.uniform(0.18, 0.45)
            dx, dy = side * (x - side * 0.16), y + 0.02
            along, off = dx * numpy.cos(angle) + dy * numpy.sin(angle), dy * numpy.cos(angle) - dx * numpy.sin(angle)
            off = off - rng.uniform(-0.5, 0.5) * along ** 2
            out = out + rng.uniform(0.03, 0.10) * band(off, 0.012 + 0.012 * (along < reach / 2)) * \
                smooth((reach - along) * 8) * smooth((along + 0.02) * 30)
    return out


def nodule(patient, rng, x, y, lungs):
    """One or two round shadows where a lung is."""
    out = numpy.zeros_like(x)
    for _ in range(1 + (rng.random() < 0.25)):
        inside = numpy.argwhere(lungs > 0.9)
        row, column = inside[rng.integers(len(inside))]
        radius = rng.uniform(0.06, 0.11)
        away = numpy.hypot(x - x[row, column], (y - y[row, column]) * rng.uniform(0.85, 1.15))
        out = out + rng.uniform(0.15, 0.32) * smooth((radius - away) / radius * 2.2)
    return out


def effusion(patient, rng, x, y, sides):
    """Fluid: bright up to a meniscus that rises to the outer wall."""
    out = numpy.zeros_like(x)
    for side, inside in sides.items():
        across = side * x - 0.12
        level = patient.base[side] - rng.uniform(0.05, 0.38)
        out = out + rng.uniform(0.75, 1.0) * inside * smooth((y - level + rng.uniform(0.25, 0.5) * across ** 2) * 9)
    return out


def render(label, rng):
    """(picture, where): 8 bits, 120 to 160 pixels a side; of the same size, how much of the finding is where."""
    height, width = int(rng.integers(120, 161)), int(rng.integers(120, 161))
    patient = Patient(rng)
    x, y = grid(patient, height, width)
    lungs = {side: lung(patient, x, y, side) for side in (-1, 1)}
    air = lungs[-1] + lungs[1]
    body = smooth((0.98 - numpy.abs(x) ** 2.2 * (1.05 - 0.1 * y)) * 7) * smooth((y + 1.25 - 0.5 * numpy.abs(x)) * 5)
    wide, tall, off = patient.heart
    heart = smooth((1 - numpy.hypot((x - off) / wide, (y - 0.22) / tall)) * 5)
    tissue = 0.66 + 0.10 * smooth((y - 0.3) * 2) + 0.10 * band(x, 0.16)
    density = body * (tissue - 0.42 * air * (1 - 0.8 * heart) + bones(patient, rng, x, y))
    density = density + vessels(patient, rng, x, y) * air * (1 - heart)
    found = numpy.zeros_like(x)
    if label == "nodule":
        found = nodule(patient, rng, x, y, air * (1 - heart)) * air
    if label == "effusion":
        affected = (-1, 1) if rng.random() < 0.25 else (int(rng.choice((-1, 1))),)
        found = 0.40 * effusion(patient, rng, x, y, {s: lungs[s] * (1 - 0.8 * heart) for s in affected})
    density = density + found
    density = density + 0.02 * blurred_noise(rng, height, width, 18) + 0.012 * blurred_noise(rng, height, width, 6)
    density = density + rng.uniform(0.010, 0.030) * rng.normal(size=density.shape)
    level = numpy.clip(density * rng.uniform(0.88, 1.12) + rng.uniform(-0.04, 0.05), 0, 1) ** rng.uniform(0.8, 1.25)
    picture = Image.fromarray((level * 255).astype("u1"))
    at = width - 14 - rng.integers(6), 4 + rng.integers(8)
    ImageDraw.Draw(picture).text(at, "L", fill=int(rng.integers(180, 255)))
    return picture, Image.fromarray(found.astype("f4"))


def as_jpeg(picture, quality=75):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    count, seed = (int(x) for x in sys.argv[2:] + ["12", "1"][len(sys.argv) - 2:])
    rng = numpy.random.default_rng(seed)
    os.makedirs(sys.argv[1], exist_ok=True)
    for i in range(count):
        label = LABELS[i % len(LABELS)]
        render(label, rng)[0].save(os.path.join(sys.argv[1], "%s-%03d.png" % (label, i)))


if __name__ == "__main__":
    main()
