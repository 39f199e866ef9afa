"""Randomness that is a pure function: a number drawn for (entity, moment) is the same whenever it is drawn.

The generator is splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) used as a
counter-based hash: the entity's key is the state, the moment the counter. Nothing is remembered between draws, so any
span of time can be computed alone and in any order.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DRAW = np.uint64(0xD1B54A32D192ED03)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""The alphabet of Kubernetes' name suffixes (apimachinery ``pkg/util/rand``)."""


def key(*parts: str | int) -> int:
    """A 64-bit key for a named entity; equal parts give equal keys in every process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mixed(keys: Keys, moments: Ints, draw: int = 0) -> Keys:
    """64 well-mixed bits for each pair of key and moment (arrays broadcast); ``draw`` separates several uses."""
    z = keys + moments.astype(np.uint64) * _GOLDEN
    if draw:
        z = z + np.full(1, draw, np.uint64) * _DRAW
    z = (z ^ (z >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def uniform(keys: Keys, moments: Ints, draw: int = 0) -> Floats:
    """A number in [0, 1) for each pair of key and moment."""
    return np.asarray((mixed(keys, moments, draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def smooth(keys: Keys, seconds: Ints, every_s: int, draw: int = 0) -> Floats:
    """A number in [0, 1) that wanders: drawn once per ``every_s`` and joined by straight lines."""
    block = seconds // every_s
    share = (seconds - block * every_s) / every_s
    return np.asarray(uniform(keys, block, draw) * (1.0 - share) + uniform(keys, block + 1, draw) * share)


def uuid(*parts: str | int) -> str:
    """An RFC 4122 shaped identifier, the same for the same parts."""
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def suffix(value: int, length: int = 5) -> str:
    """A Kubernetes-style random suffix made of the bits of ``value``."""
    letters = []
    for _ in range(length):
        value, place = divmod(value, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)
