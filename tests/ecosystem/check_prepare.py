"""Compares what the Python of docs/export.md makes of a picture with what this program makes of it, for tests/ecosystem/onnx.rs.

python check_prepare.py FOLDER: there picture.png, and of each policy NAME.json (the model's metadata) and NAME.bytes.
"""

import json
import pathlib
import re
import sys

import numpy as np
from PIL import Image

# The program resamples rows before columns, Pillow columns before rows; both round in between.
TOLERANCE = 2

page = pathlib.Path(__file__).parents[2] / "docs" / "export.md"
blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
(code,) = [block for block in blocks if "def prepare" in block]
exec(code)

folder = pathlib.Path(sys.argv[1])
for file in sorted(folder.glob("*.json")):
    told = json.loads(file.read_text())
    sizes = tuple(int(told["image_" + side]) for side in ("height", "width", "channels"))
    wanted = np.fromfile(file.with_suffix(".bytes"), np.uint8).reshape(sizes)
    picture = Image.open(folder / "picture.png")
    untouched = picture.size == (sizes[1], sizes[0]) and sizes[2] == 3
    given = prepare(picture, told)
    assert (given.dtype, given.shape) == (np.uint8, sizes), f"{file.stem}: {given.dtype}, {given.shape}"
    difference = np.abs(given.astype(int) - wanted).max()
    assert difference <= (0 if untouched else TOLERANCE), f"{file.stem}: bytes differ by {difference}"
    print(f"{file.stem}: bytes differ by at most {difference}")
