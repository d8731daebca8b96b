#!/usr/bin/env python3
"""A plot of compare.py's results: for each case how many times as fast as ONNX Runtime, as SVG.

    plot.py RESULTS.json OUT.svg [--threads N]

A bar for each precision, on a logarithmic axis; 1 is ONNX Runtime itself.  Needs nothing but Python.
"""
import argparse
import json
import math
from xml.sax.saxutils import escape

BAR, GAP, LEFT, RIGHT, TOP, BOTTOM, WIDTH = 13, 9, 190, 60, 66, 34, 860
COLOURS = {"highest": "#1f6f78", "high": "#4da3a8", "medium": "#a9d0d0"}
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def text(x, y, words, size=13, anchor="start", colour="#222"):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>' % (
        x, y, size, anchor, colour, escape(words))


def ratios(measured, threads):
    """Case, and for each precision how many times as fast."""
    for m in measured:
        base = m["engines"]["onnxruntime"]["ms"]
        if m["threads"] == threads:
            yield m["case"], {e[6:]: base / o["ms"] for e, o in m["engines"].items() if e.startswith("blind:")}


def draw(rows, threads):
    every = [r for _, bars in rows for r in bars.values()]
    low, high = min(min(every) / 1.1, 0.8), max(max(every) * 1.15, 2.0)
    height = TOP + sum(len(bars) * BAR + GAP for _, bars in rows) + BOTTOM

    def place(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ratio / low) / math.log(high / low)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
           'font-family="Helvetica, Arial, sans-serif">' % (WIDTH, height, WIDTH, height),
           '<rect width="100%" height="100%" fill="white"/>',
           text(16, 26, "Times as fast as ONNX Runtime, %d thread%s" % (threads, "s" if threads > 1 else ""), 17)]
    x = 16
    for precision in dict.fromkeys(p for _, bars in rows for p in bars):
        out.append('<rect x="%d" y="39" width="12" height="12" fill="%s"/>' % (x, COLOURS[precision]))
        out.append(text(x + 17, 50, "precision " + precision))
        x += 150
    for tick in TICKS:
        if low <= tick <= high:
            out.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/>' % (
                place(tick), place(tick), TOP - 6, height - BOTTOM, "#222" if tick == 1 else "#ddd"))
            out.append(text(place(tick), height - BOTTOM + 18, "%g" % tick, 12, "middle"))
    y = TOP
    for case, bars in rows:
        out.append(text(LEFT - 10, y + len(bars) * BAR / 2 + 4, case, 12, "end"))
        for precision, ratio in bars.items():
            begin, end = sorted((place(1), place(ratio)))
            out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
                begin, y, max(end - begin, 0.5), BAR - 1, COLOURS[precision]))
            out.append(text(end + 4, y + BAR - 3, "%.2f" % ratio, 11, colour="#555"))
            y += BAR
        y += GAP
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("out")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with open(args.results) as f:
        rows = list(ratios(json.load(f), args.threads))
    if not rows:
        raise SystemExit("plot.py: no results of %d threads in '%s'" % (args.threads, args.results))
    with open(args.out, "w") as f:
        f.write(draw(rows, args.threads))


if __name__ == "__main__":
    main()
