# SPDX-License-Identifier: Apache-2.0
"""What the llm-d router (kvBlockIndexConfig.redisConfig) sends to the Redis it
keeps its block index in: keys, fields, scripts and sequences of commands.

Block keys are FNV-1a-64 over canonical CBOR of [parent, tokens, extra], and the
first parent follows from a seed and the model's name in the same way.
"""
import hashlib
import json

from raw_client import encode

# Data on the wire: the router knows its two scripts by the SHA-1 of these very
# bytes, and sends the text itself to a server that does not know them.
PRUNE_REQUEST = (
    "\n\tlocal hashLen = redis.call('HLEN', KEYS[1])\n\tif hashLen == 0 then\n"
    "\t\tredis.call('DEL', KEYS[1])\n\t\treturn 1\n\tend\n\treturn 0\n")
PRUNE_ENGINE = (
    "\n\tfor i = 2, #KEYS do\n\t\tif redis.call('HLEN', KEYS[i]) > 0 then\n"
    "\t\t\treturn 0\n\t\tend\n\tend\n\tredis.call('DEL', KEYS[1])\n"
    "\treturn 1\n")
SHA1 = {text: hashlib.sha1(text.encode()).hexdigest()
        for text in (PRUNE_REQUEST, PRUNE_ENGINE)}


def fnv(data):
    number = 0xcbf29ce484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001b3 % (1 << 64)
    return number


def cbor(value):
    """Of None, unsigned integers, text and lists; the shortest form of each."""
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        size = next(i for i in range(4) if number < 1 << (8 << i))
        return (bytes([major << 5 | 24 + size]) +
                number.to_bytes(1 << size, "big"))
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(cbor(item) for item in value)


def block_keys(tokens, model="Qwen/Qwen3-0.6B", seed="", block=16):
    parent = fnv(cbor([fnv(seed.encode()), None, model]))
    keys = []
    for first in range(0, len(tokens) - block + 1, block):
        parent = fnv(cbor([parent, tokens[first:first + block], None]))
        keys.append(parent)
    return keys


def pod(number, tier="gpu"):
    """The field that says a pod has a block."""
    return json.dumps(
        {"PodIdentifier": f"10.0.{number >> 8}.{number & 255}:8000",
         "DeviceTier": tier, "Speculative": False, "HasGroup": False,
         "GroupIdx": 0}, separators=(",", ":"))


def engine_key(number):
    return f"engine:{number}"


def add(engine_keys, request_keys, fields):
    """A pipeline: each engine key's request keys (as many for each, or one for
    several), then who has the blocks."""
    commands = []
    if len(engine_keys) > len(request_keys):
        share = len(engine_keys) // len(request_keys)
        mapped = [[request_keys[i // share]] for i in range(len(engine_keys))]
    else:
        share = len(request_keys) // max(1, len(engine_keys))
        mapped = [request_keys[i * share:(i + 1) * share]
                  for i in range(len(engine_keys))]
    for key, requests in zip(engine_keys, mapped):
        commands += [["ZADD", engine_key(key), index, request]
                     for index, request in enumerate(requests)]
    return commands + [["HSET", request, field, ""]
                       for request in request_keys for field in fields]


def look_up(request_keys):
    return [["HKEYS", key] for key in request_keys]


def evict(key, request_keys, fields):
    """What follows the ZRANGE of an engine key that gave these request keys."""
    commands = []
    for request in request_keys:
        commands += [["HDEL", request, field] for field in fields]
        commands.append(["EVALSHA", SHA1[PRUNE_REQUEST], 1, request])
    commands.append(["EVALSHA", SHA1[PRUNE_ENGINE], 1 + len(request_keys),
                     engine_key(key)] + list(request_keys))
    return commands


def pipeline(commands):
    return b"".join(encode(*command) for command in commands)
