# SPDX-License-Identifier: Apache-2.0
"""Commands over hashes, sorted sets and the router's scripts, to compare a
server with redis-server by.

    LINES   one command a line, told apart at spaces, and
    LISTS   the rest, in this order, from an empty server on
    Chance  more of them, by chance
"""
import random

from router import PRUNE_ENGINE, PRUNE_REQUEST, SHA1

LINES = """
HSET h
HSET h a
HSET h a b c
HSET h a 1 b 2
HSET h a 1 c 3
HSET h a 2 a 3
HGET h a
HGET h nothing
HGET nothing a
HGET h
HGETALL h
HGETALL nothing
HGETALL
HKEYS h
HKEYS nothing
HKEYS
HKEYS h h
HLEN h
HLEN nothing
HLEN
HEXISTS h a
HEXISTS h nothing
HEXISTS nothing a
HEXISTS h
HMGET h a nothing b a
HMGET nothing a b
HMGET h
HDEL h a a nothing
HDEL nothing a
HDEL h
HKEYS h
HDEL h b c
EXISTS h
TYPE h
HSET h a 1
ZADD h 1 m
ZADD z
ZADD z 1
ZADD z x m
ZADD z 1 m x
ZADD z 1 m
ZADD z 1 m 2 n
ZADD z CH 3 m 2 n
ZADD z NX XX 1 m
ZADD z NX GT 1 m
ZADD z LT NX 1 m
ZADD z GT LT 1 m
ZADD z INCR 1 m 2 n
ZADD z INCR
ZADD z INCR 1.5 m
ZADD z NX INCR 1.5 m
ZADD z XX INCR 1.5 nothing
ZADD nothing XX 1 m
EXISTS nothing
ZADD z INCR inf m
ZADD z INCR -inf m
ZADD z nan m
ZADD z inf m
ZADD z -inf n
ZADD z 0.1 p
ZADD z -0 minus
ZADD z 1e300 big
ZADD z 0x10 hex
ZADD z 1e400 over
ZADD z 1e-400 under
ZADD z 123456789012345678 large
ZADD z 3.14e-320 denormal
ZADD z +5 plus
ZADD z 1 m x q
ZADD z NX CH 1 m
ZADD z XX CH 5 m
ZADD z GT CH 4 m
ZADD z LT CH 4 m
ZADD z GT CH 4 q
ZADD z gt ch incr 9 q
ZADD z lt incr 9 q
ZRANGE z 0 -1
ZRANGE z 0 -1 WITHSCORES
ZRANGE z 1 3 withscores rev
ZRANGE z -3 -2
ZRANGE z 0 0 REV
ZRANGE z 0 0 REV REV
ZRANGE z -1 0
ZRANGE z 5 -900
ZRANGE z 100 200
ZRANGE z -9223372036854775808 9223372036854775807
ZRANGE z 0 -1 LIMIT 0 1
ZRANGE z 0 -1 LIMIT a b
ZRANGE z 0 -1 LIMIT 0
ZRANGE z 0 -1 nonsense
ZRANGE z a 1
ZRANGE z 0 1.5
ZRANGE z 0
ZRANGE nothing 0 -1
ZRANGE nothing 0 -1 WITHSCORES
ZRANGE nothing a b
ZRANGE nothing 0 -1 nonsense
ZREVRANGE z 0 1
ZREVRANGE z 0 1 WITHSCORES
ZREVRANGE z 0 1 REV
ZREVRANGE z 0 1 LIMIT 0 1
ZREVRANGE z 0
ZCARD z
ZCARD nothing
ZCARD
ZCARD h
ZRANGE h 0 -1
HKEYS z
HLEN z
HGET z a
HDEL z a
HSET z a b
HEXISTS z a
HMGET z a
HGETALL z
TYPE z
TTL z
PTTL h
PERSIST z
EVALSHA abc 1 h
EVALSHA 0000000000000000000000000000000000000000 1 h
EVALSHA 0000000000000000000000000000000000000000 x h
EVALSHA 0000000000000000000000000000000000000000 5 h
EVALSHA 0000000000000000000000000000000000000000 -1 h
EVALSHA x
EVALSHA x 1
EVAL
EVAL x 1
SCRIPT
SCRIPT EXISTS
SCRIPT EXISTS abc
SCRIPT LOAD
SCRIPT LOAD a b
SCRIPT nonsense
EXISTS h z nothing h
DEL h z nothing h
DEL h
UNLINK z h
"""

REQUEST, ENGINE = SHA1[PRUNE_REQUEST], SHA1[PRUNE_ENGINE]
LISTS = [
    ["ZADD", "z", "", "m"],
    ["ZADD", "z", " 1", "m"],
    ["ZADD", "z", "1 ", "m"],
    ["ZADD", "z", "1\0", "m"],
    ["ZADD", "z", "9" * 255, "m"],
    ["ZADD", "z", "1", ""],
    ["ZADD", "z", "1", bytes(range(256))],
    ["ZRANGE", "z", "0", "-1"],
    ["HSET", "", "", ""],
    ["HGETALL", ""],
    ["HSET", bytes(range(256)), bytes(range(255)), bytes(range(254))],
    ["HGETALL", bytes(range(256))],
    ["HSET", "h", "f" * 4000, "v" * 4000],
    ["HGET", "h", "f" * 4000],
    ["HKEYS", "k" * 5000],
    ["HGETALL", "k" * 5000],
    ["ZRANGE", "k" * 5000, "0", "-1"],
    ["HDEL", "k" * 5000, "f"],
    ["HDEL", "h", "f" * 5000],
    ["HSET", "07", "f", "v"],
    ["HSET", "7", "f", "w"],
    ["HGETALL", "07"],
    ["HGETALL", "7"],
    ["HSET", "h"] + [str(i) for i in range(200)],
    ["HLEN", "h"],
    ["HMGET", "h"] + [str(i) for i in range(300)],
    ["HDEL", "h"] + [str(i) for i in range(100)],
    ["HLEN", "h"],
    ["ZADD", "many"] + [str(i * 7 % 20) if i % 2 == 0 else "m" + str(i)
                        for i in range(240)],
    ["ZRANGE", "many", "0", "-1", "WITHSCORES"],
    ["ZADD", "many", "CH"] + [str(i % 5) if i % 2 == 0 else "m" + str(i)
                              for i in range(240)],
    ["ZRANGE", "many", "10", "-10", "REV", "WITHSCORES"],
    ["EVALSHA", REQUEST, 0],
    ["EVALSHA", REQUEST, 1, "z"],
    ["EVALSHA", REQUEST, 1, "h"],
    ["EVALSHA", REQUEST, 1, "nothing"],
    ["EVALSHA", REQUEST, 2, "nothing", "h"],
    ["EVALSHA", REQUEST, 0, "h"],
    ["EVALSHA", ENGINE, 0],
    ["EVALSHA", ENGINE, 2, "z", "z"],
    ["EVALSHA", ENGINE, 2, "z", "h"],
    ["EVALSHA", ENGINE, 3, "z", "h", "z"],
    ["EVALSHA", ENGINE, 3, "z", "nothing", "h"],
    ["EVALSHA", ENGINE, 2, "z", "nothing", "h"],
    ["EXISTS", "z"],
    ["EVALSHA", ENGINE, 1, "many"],
    ["EVALSHA", ENGINE, 2, "h", "nothing"],
    ["EXISTS", "h", "many"],
    ["EVAL", PRUNE_REQUEST, "x", "h"],
    ["SCRIPT", "EXISTS", REQUEST, ENGINE, REQUEST.upper(), "x"],
]


class Chance:
    """Commands over few keys, right and wrong."""

    KEYS = ["1", "2", "engine:1", "engine:01", "k", "01",
            "18446744073709551616"]
    FIELDS = ["a", "b", "", "1", "17", "x" * 100, "\r\n"]
    SCORES = ["0", "1", "-1", "1.5", "3", "3000000000", "-1e9", "inf", "x"]
    SHAPES = [
        "HSET key field value", "HSET key field value field value",
        "HSET key field", "HDEL key field", "HDEL key field field field",
        "HGET key field", "HEXISTS key field", "HLEN key", "HKEYS key",
        "HGETALL key", "HMGET key field field", "ZADD key score field",
        "ZADD key score field score field score field",
        "ZADD key flag score field", "ZADD key flag flag score field",
        "ZRANGE key rank rank", "ZRANGE key rank rank WITHSCORES",
        "ZRANGE key rank rank REV", "ZREVRANGE key rank rank WITHSCORES",
        "ZCARD key", "DEL key", "DEL key key", "EXISTS key key", "TYPE key",
        "EVALSHA request 1 key", "EVALSHA engine 2 key key",
        "EVALSHA engine 3 key key key", "SELECT space", "DBSIZE", "TTL key",
    ]

    def __init__(self, seed):
        self.random = random.Random(seed)
        # Short fields, so that a redis-server keeps them in order.
        self.words = {
            "key": self.KEYS, "value": ["", "", "1", "v" * 50],
            "field": [field[:60] for field in self.FIELDS],
            "score": self.SCORES, "space": ["0", "0", "0", "5"],
            "flag": ["NX", "XX", "GT", "LT", "CH", "INCR"],
            "rank": ["0", "1", "-1", "-2", "3", "x"],
            "request": [REQUEST], "engine": [ENGINE],
        }

    def next(self):
        return [self.random.choice(self.words.get(word, [word]))
                for word in self.random.choice(self.SHAPES).split()]
