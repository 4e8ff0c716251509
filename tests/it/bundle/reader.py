"""Reads a bundle as docs/bundles.md describes it, with nothing of goldsmith's: `reader.py BUNDLE ADDRESS > FILE`.

Packed chunks need a zstd: Python's own (3.14), the module `zstandard`, or the program `zstd`.
"""
import hashlib
import json
import struct
import subprocess
import sys


def unzstd(data):
    try:
        from compression import zstd
        return zstd.decompress(data)
    except ImportError:
        pass
    try:
        import zstandard
        return zstandard.ZstdDecompressor().decompress(data)
    except ImportError:
        pass
    return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def read(file, at, length):
    file.seek(at)
    data = file.read(length)
    assert len(data) == length
    return data


def main(path, address):
    with open(path, "rb") as file:
        magic, version, zero = struct.unpack("<16sII", read(file, 0, 24))
        assert magic == b"goldsmith bundle" and version == 1 and zero == 0
        end = file.seek(0, 2)
        at, stored, length, digest, version, magic = struct.unpack("<QQQ32sI4s", read(file, end - 64, 64))
        assert magic == b"BNDL" and version == 1 and at + stored + 64 == end
        index = read(file, at, stored)
        assert hashlib.sha256(index).digest() == digest
        index = json.loads(index if stored == length else unzstd(index))
        offset, places = 24, []
        for _, _, stored in index["chunks"]:
            places.append(offset)
            offset += stored
        assert offset == at
        (entry,) = [entry for entry in index["files"] if address in entry["urls"]]
        whole = hashlib.sha256()
        for first, count in entry["chunks"]:
            for number in range(first, first + count):
                digest, length, stored = index["chunks"][number]
                assert stored > 0, "this chunk is in one of " + str(index["since"])
                data = read(file, places[number], stored)
                data = data if stored == length else unzstd(data)
                assert hashlib.sha256(data).hexdigest() == digest
                whole.update(data)
                sys.stdout.buffer.write(data)
        assert "sha256:" + whole.hexdigest() == entry["sha256"]


main(*sys.argv[1:])
