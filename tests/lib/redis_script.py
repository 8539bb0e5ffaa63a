# SPDX-License-Identifier: Apache-2.0
"""Commands to compare a server with redis-server by.

    SCRIPT          in this order, from an empty server on: the same replies
    ON_PURPOSE      (command, reply, why): where the reply is another
    RandomCommands  more of them, by chance
"""
import random

BINARY = bytes(range(256))

# One command a line, told apart at spaces; a list where an argument has spaces,
# is empty, or is binary.
LINES = """
PING
PING hello
PING a b
ECHO hello
ECHO
ECHO a b
SELECT 1
SELECT 0
SELECT -1
SELECT x
SELECT
SELECT 1 2
GET nothing
GET
GET a b
SET
SET k
SET k v
GET k
get k
GeT k
SET k w
GET k
STRLEN k
STRLEN nothing
STRLEN
EXISTS k
EXISTS k k nothing k
EXISTS
TYPE k
TYPE nothing
TYPE
DEL k nothing
DEL k
DEL
GET k
SET a 1
SET b 2
UNLINK a b c
UNLINK
MSET a 1 b 2 c 3
MGET a b c d
MGET a
MGET
MSET a
MSET a 1 b
MSET
MSET a 1 a 2
GET a
SETNX a 3
SETNX fresh 3
GET a
GET fresh
SETNX
SETNX a
SETNX a b c
SET n v NX
SET n w NX
GET n
SET n w XX
GET n
SET missing v XX
GET missing
SET n x NX XX
SET n x XX NX
SET n x GET
GET n
SET o x GET
GET o
SET o y NX GET
SET p y NX GET
SET p z XX GET
SET q z XX GET
GET q
SET n x nonsense
SET n x EX
SET n x PX
SET n x EX abc
SET n x EX 0
SET n x EX -1
SET n x PX 0
SET n x EX 1.5
SET n x EX 10 PX 10
SET n x PX 10 EX 10
SET n x EX 10 KEEPTTL
SET n x KEEPTTL EX 10
SET n x EX abc nonsense
SET n x EX 0 nonsense
SET n x EXAT 0
SET n x PXAT -5
SET n x EXAT abc
SET n x EX 9223372036854775807
SET n x PX 9223372036854775807
SET n x EX 99999999999999999999
GET n
SET n x EX 100
TTL n
SET n y KEEPTTL
TTL n
SET n y
TTL n
SET n x ex 100 nx
SET n x xx ex 100 get
SET n x EXAT 1
EXISTS n
SET n x PXAT 1
GET n
SETEX s 100 v
TTL s
GET s
SETEX s 0 v
SETEX s -1 v
SETEX s abc v
SETEX s 1.5 v
SETEX s 9223372036854775807 v
SETEX s 100
SETEX s 100 v w
SETEX s
GET s
PSETEX s 100000 v
TTL s
PSETEX s 0 v
PSETEX s abc v
PSETEX s
SET g hello
GETRANGE g 0 -1
GETRANGE g 1 3
GETRANGE g 0 0
GETRANGE g -3 -1
GETRANGE g -100 2
GETRANGE g -1 -3
GETRANGE g 3 1
GETRANGE g 5 9
GETRANGE g 4 9
GETRANGE g 0 -100
GETRANGE g -100 -101
GETRANGE g -101 -100
GETRANGE g -100 -100
GETRANGE g 9223372036854775807 9223372036854775807
GETRANGE g -9223372036854775808 -9223372036854775808
GETRANGE g -9223372036854775808 9223372036854775807
GETRANGE g a 1
GETRANGE g 1 a
GETRANGE g 1
GETRANGE nothing 0 -1
GETRANGE nothing a -1
TTL g
PTTL g
TTL nothing
PTTL nothing
TTL
PTTL
EXPIRE g 100
TTL g
EXPIRE g 200 NX
EXPIRE g 200 XX
TTL g
EXPIRE g 100 GT
EXPIRE g 300 GT
TTL g
EXPIRE g 400 LT
EXPIRE g 100 LT
TTL g
EXPIRE g 50 XX GT
EXPIRE g 500 XX GT
TTL g
PERSIST g
PERSIST g
TTL g
EXPIRE g 100 GT
EXPIRE g 100 XX
EXPIRE g 100 LT
TTL g
PERSIST g
EXPIRE g 100 NX
EXPIRE g 100 NX XX
EXPIRE g 100 NX GT
EXPIRE g 100 LT NX
EXPIRE g 100 GT LT
EXPIRE g 100 nonsense
EXPIRE g 100 NX nonsense
EXPIRE nothing 100
EXPIRE nothing 100 nonsense
EXPIRE nothing abc
EXPIRE nothing abc nonsense
EXPIRE nothing 100 NX XX
EXPIRE g abc
EXPIRE g 9223372036854775807
EXPIRE g -9223372036854775808
EXPIRE g
EXPIRE
PEXPIRE g 100000
TTL g
PEXPIRE g abc
PEXPIRE g 9223372036854775807
PEXPIRE g 200000 GT
TTL g
PEXPIRE
EXPIRE g 0
EXISTS g
SET g hello
EXPIRE g -5
GET g
SET g hello
PEXPIRE g -1 NX
GET g
PERSIST nothing
PERSIST
PERSIST a b
SET g hello EX 100
MSET g new
TTL g
SETNX g other
DBSIZE
DBSIZE x
SELECT 3
DBSIZE
SET other space
DBSIZE
EXISTS g
FLUSHDB
DBSIZE
SET other space
SELECT 0
EXISTS g
FLUSHDB nonsense
FLUSHALL nonsense
FLUSHALL ASYNC SYNC
FLUSHDB SYNC
DBSIZE
SELECT 3
DBSIZE
SELECT 0
FLUSHALL ASYNC
SELECT 3
DBSIZE
SELECT 0
FLUSHDB ASYNC
FLUSHALL SYNC
SCAN
SCAN x
SCAN -1
SCAN 0 MATCH
SCAN 0 COUNT
SCAN 0 COUNT x
SCAN 0 COUNT 0
SCAN 0 COUNT -1
SCAN 0 nonsense
SCAN 0 nonsense x
MEMORY
MEMORY USAGE nothing
CLIENT
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME
CLIENT SETNAME a b
CLIENT nonsense
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT NO-EVICT maybe
CLIENT NO-EVICT
CONFIG
CONFIG GET nonsense
CONFIG GET save
CONFIG GET appendonly
COMMAND INFO nonsense
COMMAND DOCS nonsense
COMMAND nonsense
HELLO 4
HELLO 1
HELLO x
HELLO 2 nonsense
HELLO 2 AUTH
HELLO 2 AUTH default
HELLO 2 AUTH nobody x
HELLO 2 SETNAME
AUTH
AUTH x
AUTH default x
AUTH nobody x
AUTH a b c
nonsense
nonsense a b c
NONSENSE a
READONLY
READWRITE
ASKING
FLUSHALL
"""

LISTS = [
    ["SET", "", "empty key"],
    ["GET", ""],
    ["EXISTS", ""],
    ["SET", "empty value", ""],
    ["GET", "empty value"],
    ["STRLEN", "empty value"],
    ["GETRANGE", "empty value", 0, -1],
    ["GETRANGE", "empty value", 0, 0],
    ["DEL", "", "empty value"],
    ["MSET", "", "", "x", ""],
    ["MGET", "", "x", "y"],
    ["SET", BINARY, BINARY],
    ["GET", BINARY],
    ["GETRANGE", BINARY, 10, 13],
    ["EXISTS", BINARY],
    ["TYPE", BINARY],
    ["DEL", BINARY],
    ["SET", b"\r\n", b"$5\r\nhello\r\n"],
    ["GET", b"\r\n"],
    ["SET", "a b", "c d"],
    ["GET", "a b"],
    ["ECHO", BINARY],
    ["ECHO", ""],
    ["PING", BINARY],
    ["PING", ""],
    ["SET", "n", "v", "EX", ""],
    ["SET", "n", "v", "EX", " 5"],
    ["SET", "n", "v", "EX", "+5"],
    ["SET", "n", "v", "EX", "05"],
    ["SET", "n", "v", ""],
    ["EXPIRE", "a b", ""],
    ["SELECT", ""],
    ["", "a"],
    [""],
    ["a" * 300, "b" * 300, "c" * 300],
    ["nonsense", "a\r\nb", "c\x00d", "e"],
    ["nonsense"] + ["argument"] * 40,
    ["CLIENT", "SETNAME", ""],
    ["CLIENT", "GETNAME"],
    ["CLIENT", "x" * 200],
    ["SET", "large", BINARY * 300],
    ["GET", "large"],
    ["GETRANGE", "large", 1000, 70000],
    ["GETRANGE", "large", -70000, -1],
    ["SET", "large", BINARY * 9000, "GET"],
    ["GET", "large"],
    ["MGET", "large", "nothing", "large", "a b"],
    ["SET", "large", b"small", "XX", "GET"],
    ["GET", "large"],
    ["MSET", "a", BINARY * 300, "b", "", "c", BINARY * 9000, "d", "x"],
    ["MGET", "d", "c", "b", "a"],
    ["STRLEN", "c"],
    ["FLUSHALL"],
]

SCRIPT = [line.split(" ") for line in LINES.strip().split("\n")] + LISTS

# Where this server's reply is meant to be another: (command, its reply, why).
ON_PURPOSE = [
    (["SCAN", "-1"], b"-ERR invalid cursor\r\n",
     "a cursor is one that SCAN gave"),
    (["SCAN", "0", "MATCH", "x" * 1025],
     b"-ERR pattern longer than 1024 bytes\r\n",
     "a name is matched while others wait"),
    (["READONLY"], b"+OK\r\n", "this node answers for any key"),
    (["READWRITE"], b"+OK\r\n", "this node answers for any key"),
    (["ASKING"], b"+OK\r\n", "this node answers for any key"),
    (["CLIENT", "SETINFO", "LIB-NAME", "redis-py"], b"+OK\r\n",
     "came with Redis 7.2, which newer clients expect"),
    (["CLIENT", "SETINFO", "LIB-VER"],
     b"-ERR wrong number of arguments for 'client|setinfo' command\r\n",
     "came with Redis 7.2"),
    (["CLIENT", "SETNAME", "a b"],
     b"-ERR Client names cannot contain spaces, newlines or special "
     b"characters, nor be longer than 63\r\n", "names have a limit here"),
    (["HELLO", 2, "SETNAME", "a\nb"],
     b"-ERR Client names cannot contain spaces, newlines or special "
     b"characters, nor be longer than 63\r\n", "names have a limit here"),
    (["CONFIG", "SET", "save", ""],
     b"-ERR CONFIG takes GET here: the configuration is changed in its file "
     b"and by SIGHUP\r\n", "administration is not on the data port"),
    (["MEMORY", "STATS"], b"-ERR MEMORY takes USAGE and a key here\r\n",
     "INFO memory says it"),
    (["SELECT", 16], b"+OK\r\n", "256 namespaces, not 16"),
    (["SELECT", 255], b"+OK\r\n", "256 namespaces, not 16"),
    (["SELECT", 256], b"-ERR DB index is out of range\r\n",
     "256 namespaces, not 16"),
    (["SELECT", 0], b"+OK\r\n", "back again"),
    (["EXPIRE", "nothing", 2305843010],
     b"-ERR invalid expire time in 'expire' command\r\n",
     "time is counted in nanoseconds: 73 years are the most"),
    (["SET", "n", "v", "PXAT", 9223372036854775807],
     b"-ERR invalid expire time in 'set' command\r\n",
     "time is counted in nanoseconds: 292 years are the most"),
    (["SET", "k" * 4097, "v"], b"-ERR key longer than limits.key\r\n",
     "keys have a limit here"),
    (["GET", "k" * 4097], b"$-1\r\n", "no such key can be there"),
    (["EXISTS", "k" * 4097], b":0\r\n", "no such key can be there"),
    (["PING", "x" * 65537],
     b"-ERR an argument of 65537 bytes is too long for 'ping', which takes at "
     b"most 65536\r\n", "only values may be long"),
    (["INCR", "n"],
     b"-ERR unknown command 'INCR', with args beginning with: 'n' \r\n",
     "a cache of chunks counts nothing"),
    (["MULTI"], b"-ERR unknown command 'MULTI', with args beginning with: "
     b"\r\n", "no transactions"),
    (["SUBSCRIBE", "a"], b"-ERR unknown command 'SUBSCRIBE', with args "
     b"beginning with: 'a' \r\n", "no publishing"),
]


class RandomCommands:
    """Commands over few keys, right and wrong, whose replies depend on nothing
    but the commands before them: lifetimes are long or over."""

    KEYS = ["a", "b", "c", "", "d" * 50]
    VALUES = [b"", b"x", b"hello", b"\0\r\n", b"y" * 5000, b"z" * 70000]
    NUMBERS = ["0", "1", "-1", "5", "100", "-9223372036854775808",
               "9223372036854775807", "abc", "1.5", "", " 1", "00", "-0"]
    WORDS = ["NX", "XX", "KEEPTTL", "GET", "get", "nonsense", "EX", "100000",
             "PX", "500000"]
    SHAPES = [
        "SET key value", "SET key value word", "SET key value word word",
        "SET key value word word word", "SET key value EX life",
        "SET key value life PX", "SET key value EXAT life", "GET key",
        "GETRANGE key number number", "EXPIRE key life",
        "EXPIRE key life condition", "EXPIRE key life condition condition",
        "PERSIST key", "MSET key value", "MSET key value key value",
        "MSET key value key", "MGET key key key", "MGET key",
        "EXISTS key key", "DEL key", "UNLINK key key", "SETEX key life value",
        "PSETEX key life value", "SETNX key value", "STRLEN key", "TYPE key",
        "SELECT space", "FLUSHDB", "PING", "ECHO word", "RESET", "HELLO 2",
        "HELLO 3", "GET key key", "SET key", "SETEX key key", "DEL", "MGET",
        "getrange key number", "nonsense key", "key",
    ]

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = {
            "key": lambda: self.random.choice(self.KEYS),
            "value": lambda: self.random.choice(self.VALUES),
            "number": lambda: self.random.choice(self.NUMBERS),
            "word": lambda: self.random.choice(self.WORDS),
            "life": lambda: self.random.choice(
                [str(self.random.randrange(10 ** 5, 10 ** 8)), "0", "-1",
                 "abc"]),
            "condition": lambda: self.random.choice(["NX", "XX", "GT", "LT"]),
            "space": lambda: self.random.choice(["0", "1", "2", "-1", "x"]),
        }

    def next(self):
        return [self.words.get(word, lambda: word)()
                for word in self.random.choice(self.SHAPES).split()]
