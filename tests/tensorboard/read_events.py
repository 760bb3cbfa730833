"""Reads a run's TensorBoard file with the tensorboard package and prints what is in it as JSON.

Usage: python3 read_events.py DIR    (needs: pip install tensorboard)
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0})
events.Reload()
tags = events.Tags()
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in tags["scalars"]}
histograms = {
    tag: [
        {
            "step": event.step,
            "min": event.histogram_value.min,
            "max": event.histogram_value.max,
            "num": event.histogram_value.num,
            "sum": event.histogram_value.sum,
            "counted": sum(event.histogram_value.bucket),
        }
        for event in events.Histograms(tag)
    ]
    for tag in tags["histograms"]
}
# What newer plugins make of old-style summaries is under tensors.
json.dump({"scalars": scalars, "histograms": histograms, "tensors": sorted(tags["tensors"])}, sys.stdout)
