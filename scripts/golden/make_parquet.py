"""Makes test/golden/pictures*.parquet: a dozen 8x8 pictures and labels as pyarrow writes them.

pictures.parquet      as Hugging Face's `datasets`: a struct of bytes and path, integer labels, features with class names,
                      snappy, row groups of 5
pictures-text.parquet plain bytes, labels as text, gzip, data pages of version 2, JPEG for every third picture

Picture i is one colour, (20 i, 255 - 20 i, 7), so that a reader can be checked without a decoder of its own; label i % 3.
"""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "test" / "golden"
CLASSES = ["cat", "dog", "hen"]


def picture(i: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (20 * i, 255 - 20 * i, 7)).save(out, kind, **({"quality": 100} if kind == "JPEG" else {}))
    return out.getvalue()


labels = [i % 3 for i in range(12)]
features = {
    "picture": {"_type": "Image"},
    "animal": {"names": CLASSES, "_type": "ClassLabel"},
}
table = pa.table(
    {
        "picture": pa.array(
            [{"bytes": picture(i), "path": f"{i}.png"} for i in range(12)],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        "animal": pa.array(labels, pa.int64()),
    }
).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
pq.write_table(table, FOLDER / "pictures.parquet", compression="snappy", row_group_size=5)

text = pa.table(
    {
        "image": pa.array([picture(i, "JPEG" if i % 3 == 0 else "PNG") for i in range(12)], pa.binary()),
        "label": pa.array([CLASSES[label] for label in labels]),
    }
)
pq.write_table(text, FOLDER / "pictures-text.parquet", compression="gzip", data_page_version="2.0")
