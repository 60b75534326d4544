"""Compares a run's event files, as TensorBoard reads them, with its metrics and pictures, for
tests/ecosystem/tensorboard.rs.

python check_tensorboard.py RUN
"""

import csv
import pathlib
import sys

from tensorboard.backend.event_processing import event_accumulator

run = pathlib.Path(sys.argv[1])
# 0: all of each kind, not a sample of them.
everything = {event_accumulator.SCALARS: 0, event_accumulator.IMAGES: 0}
events = event_accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance=everything)
events.Reload()


def curve(tag):
    points = [(e.step, e.value) for e in events.Scalars(tag)]
    assert len({step for step, _ in points}) == len(points), f"{tag}: a step is there twice: {points}"
    return points


rows = list(csv.DictReader((run / "metrics.csv").open()))
columns = [c for c in rows[0] if c not in ("step", "epoch")]
compared = 0
for column in columns:
    of_epoch = column.startswith(("test_", "validation_"))
    tag = ("evaluation/" if of_epoch else "train/") + column
    wanted = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
    if not wanted:
        assert tag not in events.Tags()["scalars"], tag
        continue
    found = curve(tag)
    assert [step for step, _ in found] == [step for step, _ in wanted], (tag, found)
    assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(found, wanted)), (tag, found)
    compared += 1
assert compared >= 8, f"only {compared} curves"
timing = list(csv.DictReader((run / "timing.csv").open()))
assert [step for step, _ in curve("time/ms_per_step")] == [int(row["step"]) for row in timing]

(tag,) = events.Tags()["images"]
pictures = events.Images(tag)
files = sorted((run / "samples").glob("*.png"))
assert [picture.encoded_image_string for picture in pictures] == [file.read_bytes() for file in files]
print(f"{compared} curves of {len(rows)} steps, {len(pictures)} pictures")
