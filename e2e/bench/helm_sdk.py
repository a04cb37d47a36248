"""What a render costs in Helm's own Go SDK: the twin of crates/chart/examples/measure.rs, line for line.

Reads lines `NAME TIMES CHART [VALUES]`, writes lines `NAME MILLISECONDS` with the CPU time of a render, all threads
counted, the collector of the Go runtime among them.
"""

import json
import sys
import time

import helm_python

for line in sys.stdin:
    name, times, path, *values = line.split()
    given = {}
    if values:
        with open(values[0], encoding="utf-8") as file:
            given = json.load(file)
    try:
        chart = helm_python.Chart.load(path)
        chart.render(given, name="web-0", namespace="shop")
        start = time.process_time()
        for number in range(1, int(times) + 1):
            chart.render(given, name=f"web-{number}", namespace="shop")
        print(name, (time.process_time() - start) * 1000 / int(times), flush=True)
    except helm_python.HelmError:
        print(name, "failed", flush=True)
