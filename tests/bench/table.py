#!/usr/bin/env python3
"""Medians of a results file as Markdown, and medians of ratios.

    table.py FILE TITLE BASE COLUMN...    COLUMN: metric[:digits], metric/ for
                                          the ratio to the row BASE
    table.py FILE --limit ROW METRIC OP NUMBER [METRIC OP NUMBER]...
                                          METRIC may be a ratio too: metric/BASE;
                                          OP is <= or >=; one of them must hold
"""
import statistics
import sys
from collections import defaultdict

values = defaultdict(lambda: defaultdict(list))


def read(path):
    for line in open(path, encoding="utf-8"):
        row, metric, value = line.rstrip("\n").split("\t")
        if value:
            values[row][metric].append(float(value))


def median(row, metric):
    got = values[row].get(metric) if row in values else None
    return statistics.median(got) if got else None


def ratio(row, base, metric):
    """Of both in the same round, seconds apart, where all rounds have both: the machine
    changes by half within minutes"""
    a, b = (values[r].get(metric, []) if r in values else [] for r in (row, base))
    if not a or not b:
        return None
    if len(a) == len(b) and all(b):
        return statistics.median(x / y for x, y in zip(a, b))
    b = statistics.median(b)
    return statistics.median(a) / b if b else None


def text(number, digits):
    return "-" if number is None else f"{number:.{digits}f}"


def table(title, base, columns):
    print(f"\n**{title}**\n")
    print("| path | " + " | ".join(
        c[:-1] + f" : {base}" if c.endswith("/") else c.split(":")[0]
        for c in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for row in sorted(values, key=lambda name: name != base):
        cells = []
        for column in columns:
            if column.endswith("/"):
                cells.append(text(ratio(row, base, column[:-1]), 2))
            else:
                metric, _, digits = column.partition(":")
                cells.append(text(median(row, metric), int(digits or 2)))
        if any(c != "-" for c in cells):
            print(f"| {row} | " + " | ".join(cells) + " |")


def limit(row, wanted):
    good, said = False, []
    for metric, op, number in zip(*[iter(wanted)] * 3):
        name, _, base = metric.partition("/")
        got = ratio(row, base, name) if base else median(row, metric)
        good = good or got is not None and (
            got <= float(number) if op == "<=" else got >= float(number))
        said.append(f"{metric} = {text(got, 3)}, wanted {op} {number}")
    print(f"{'ok    ' if good else 'BROKEN'}  {row}: {'; or '.join(said)}")
    return 0 if good else 1


read(sys.argv[1])
if sys.argv[2] == "--limit":
    sys.exit(limit(sys.argv[3], sys.argv[4:]))
table(sys.argv[2], sys.argv[3], sys.argv[4:])
