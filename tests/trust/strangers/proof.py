"""Recomputes a tlog-proof from its specification (c2sp.org/tlog-proof, signed-note,
tlog-cosignature, RFC 6962), with nothing of semper's.

usage: proof.py ENTRY PROOF LOG_KEY [WITNESS_KEY …]   prints log, number, size, witnesses
"""

import base64
import hashlib
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def parse_key(text: str):
    name, hashed, encoded = text.split("+", 2)
    raw = base64.b64decode(encoded)
    digest = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    assert digest.hex() == hashed, "the key's hash is wrong"
    return name, digest, raw[0], Ed25519PublicKey.from_public_bytes(raw[1:])


def signatures(lines):
    for line in lines:
        dash, name, encoded = line.split(" ")
        assert dash == "—"
        raw = base64.b64decode(encoded)
        yield name, raw[:4], raw[4:]


def signed(key, text: str, all_signatures) -> bool:
    name, hashed, kind, public = key
    for other, other_hash, sig in all_signatures:
        if (other, other_hash) != (name, hashed):
            continue
        if kind == 1:
            public.verify(sig, text.encode())
        else:
            time = int.from_bytes(sig[:8], "big")
            public.verify(sig[8:], f"cosignature/v1\ntime {time}\n{text}".encode())
        return True
    return False


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    node = lambda a, b: hashlib.sha256(b"\x01" + a + b).digest()
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn > 0, "the path is too long"
        if fn & 1 or fn == sn:
            r = node(p, r)
            while fn & 1 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "the path is too short"
    return r


def main(entry: str, proof: str, log: str, witnesses: list[str]) -> None:
    head, text, lines = pathlib.Path(proof).read_text().split("\n\n", 2)
    text += "\n"
    header, *rest = head.split("\n")
    assert header == "c2sp.org/tlog-proof@v1"
    if rest[0].startswith("extra "):
        rest = rest[1:]
    index = int(rest[0].removeprefix("index "))
    path = [base64.b64decode(line) for line in rest[1:]]
    origin, size, root = text.splitlines()[:3]
    found = list(signatures(lines.splitlines()))
    key = parse_key(log)
    assert key[0] == origin and signed(key, text, found), "not signed by the log"
    leaf = hashlib.sha256(b"\x00" + pathlib.Path(entry).read_bytes()).digest()
    assert root_from(leaf, index, int(size), path) == base64.b64decode(root), "another root"
    seen = [key[0] for key in map(parse_key, witnesses) if signed(key, text, found)]
    print(origin, index, size, ",".join(seen))


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
