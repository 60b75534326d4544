"""Compares exported models with what this program makes of the same images, for tests/ecosystem/onnx.rs.

python check_onnx.py FOLDER: there NAME.onnx, NAME.images (bytes), NAME.logits (32-bit floats) and NAME.json (sizes).
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

# Of logits between -20 and 20, absolute: ONNX Runtime adds up products in another order.
TOLERANCE = 1e-4


def check(model_file):
    told = json.loads(model_file.with_suffix(".json").read_text())
    onnx.checker.check_model(str(model_file), full_check=True)
    model = onnx.load(model_file)
    assert model.opset_import[0].version >= 17, model.opset_import
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    classes = told["classes"]
    assert json.loads(metadata["class_names"]) == told["class_names"], metadata
    sizes = [int(metadata["image_" + side]) for side in ("height", "width", "channels")]
    assert sizes == told["image"], metadata
    assert metadata["parameters"] == ("averaged" if told["averaged"] else "raw"), metadata

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model_file), options, ["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["N", *sizes]), given
    outputs = [(o.name, o.type, o.shape) for o in session.get_outputs()]
    assert outputs == [(n, "tensor(float)", ["N", classes]) for n in ("logits", "probabilities")], outputs

    images = np.fromfile(model_file.with_suffix(".images"), np.uint8).reshape(-1, *sizes)
    wanted = np.fromfile(model_file.with_suffix(".logits"), np.float32).reshape(len(images), classes)
    batches = range(0, len(images), told["batch"])
    parts = [session.run(None, {"images": images[i : i + told["batch"]]}) for i in batches]
    logits, probabilities = (np.concatenate(p) for p in zip(*parts))
    difference = np.abs(logits - wanted).max()
    # Errors grow with the logits. Of noise, pooled features hardly differ from image to image, and initialisation by the data
    # makes these differences as large as any: those of `photo` are in the thousands.
    tolerance = TOLERANCE * max(1, np.abs(wanted).max() / 20)
    assert wanted.std() > 1e-2, "logits that are all alike compare nothing"
    assert difference < tolerance, f"{model_file.name}: logits differ by {difference}"
    assert (logits.argmax(1) == wanted.argmax(1)).all(), f"{model_file.name}: labels differ"
    exponentials = np.exp(wanted - wanted.max(1, keepdims=True))
    softmax = exponentials / exponentials.sum(1, keepdims=True)
    assert np.abs(probabilities - softmax).max() < TOLERANCE, f"{model_file.name}: probabilities"
    if not told["compares"]:
        # The answer for an image depends on no other image.
        alone = session.run(["logits"], {"images": images[7:8]})[0]
        assert np.abs(alone - wanted[7:8]).max() < tolerance, f"{model_file.name}: an image alone"
    print(f"{model_file.stem}: {len(images)} images, labels equal, logits differ by at most {difference:.1e}")


for file in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    check(file)
