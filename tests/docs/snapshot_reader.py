"""A reader of snapshot files without the library, from ``docs/snapshot-format.md`` alone."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def read(path: Any) -> tuple[dict[str, Any], Any]:
    """The description of a file, and a function that gives the values of a column."""
    content = Path(path).read_bytes()
    magic, version, _, length, _, check = struct.unpack_from("<8sIIQII", content)
    assert (magic, version, length) == (b"\x93PDCSNP\n", 1, len(content))
    sections = [struct.unpack_from("<8xQQI", content, at) for at in (32, 64)]
    data, text = (content[offset : offset + size] for offset, size, _ in sections)
    checks = [check, *(section[2] for section in sections)]
    assert [*map(zlib.crc32, (content[:28] + content[32:96], data, text))] == checks
    meta = json.loads(text)

    def array(block: Any) -> Any:
        return np.frombuffer(data, block[2], block[1], block[0])

    def split(whole: Any, sizes: Any) -> list[Any]:
        ends = np.cumsum(array(sizes))
        return [whole[end - size : end] for end, size in zip(ends, array(sizes), strict=True)]

    def held(wave: Any, n: int) -> Any:
        if "fields" in wave:
            return {name: values(column)[n] for name, column in wave["fields"]}
        if "arrays" in wave:
            return array(wave["arrays"][n]["data"]).reshape(wave["arrays"][n]["shape"])
        items = split(values(wave["items"]), wave["sizes"])[n]
        more = split(values(wave["values"]), wave["sizes"])[n] if "values" in wave else None
        return items if more is None else dict(zip(items, more, strict=True))

    def values(column: Any) -> list[Any]:
        match column["kind"]:
            case "none" | "empty":
                return [None] * column["count"]
            case "str" | "decimal" | "date" | "datetime":
                return [texts[n].decode() for n in array(column["texts"])]
            case "enum":
                names = meta["classes"][column["class"]]["members"]
                return [names[n] for n in array(column["numbers"])]
            case "ref":
                return [held(*heap[column["of"]][n]) for n in array(column["numbers"])]
            case "mixed":
                columns = [iter(values(each)) for each in column["columns"]]
                return [next(columns[tag]) for tag in array(column["tags"])]
            case "tuple" | "frozenset":
                return [tuple(part) for part in split(values(column["items"]), column["sizes"])]
        return [*array(column["data"])]

    texts = split(array(meta["strings"]["data"]).tobytes(), meta["strings"]["sizes"])
    heap: dict[str, list[Any]] = {}
    for wave in meta["heap"]:
        heap.setdefault(wave["of"], []).extend((wave, n) for n in range(wave["count"]))
    return meta, values
