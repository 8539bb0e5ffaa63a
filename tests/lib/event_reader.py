# SPDX-License-Identifier: Apache-2.0
"""A reader of KV events, by ZeroMQ's own library and another language's
MessagePack: it listens, finds gaps, asks for what it has missed, and so knows
what a server holds.

    reader = EventReader(listen, replay)
    reader.until(lambda: reader.keys() == {...})

Keys of the object form are (tenant, kind, key), blocks of the vllm form are
(model, hash).  Exit status 77 where Debian's python3-zmq or python3-msgpack is
missing.
"""
import sys
import time

try:
    import msgpack
    import zmq
except ImportError as missing:
    print(f"{missing.name} is missing (Debian packages python3-zmq, "
          "python3-msgpack)")
    sys.exit(77)

SECONDS = 30
END = (1 << 64) - 1


class Message:
    def __init__(self, frames):
        assert len(frames) == 3, frames
        self.topic, number, self.payload = frames
        assert len(number) == 8, number
        self.number = int.from_bytes(number, "big")
        self.is_end = self.payload == b""
        if not self.is_end:
            self.when, self.events, self.rank = msgpack.unpackb(
                self.payload, raw=False)


class EventReader:
    """misses(number): whether to look away when that message comes."""

    def __init__(self, listen, replay=None, topic=b"", misses=None):
        self.context = zmq.Context()
        self.listening = self.context.socket(zmq.SUB)
        self.listening.connect(listen)
        self.listening.subscribe(topic)
        self.asking = None
        self.replay = replay
        self.misses = misses or (lambda number: False)
        self.there, self.last = set(), None
        self.messages = []  # that came by themselves
        self.listings = self.repeats = 0

    def close(self):
        self.context.destroy(linger=0)

    def keys(self):
        return self.there

    # What came.

    def hear(self, seconds=SECONDS):
        """The next message; None after so long."""
        if not self.listening.poll(int(seconds * 1000)):
            return None
        message = Message(self.listening.recv_multipart())
        self.messages.append(message)
        return message

    def ask(self, start, seconds=SECONDS):
        """All replies from that number on, without the end."""
        if self.asking is None:
            self.asking = self.context.socket(zmq.DEALER)
            self.asking.connect(self.replay)
        self.asking.send_multipart([b"", start.to_bytes(8, "big")])
        replies = []
        while self.asking.poll(int(seconds * 1000)):
            message = Message(self.asking.recv_multipart())
            if message.is_end:
                assert message.number == END
                return replies
            replies.append(message)
        raise AssertionError(f"no end of a replay from {start} after "
                             f"{len(replies)} messages")

    # What it means.

    def apply(self, message):
        for event in message.events:
            if isinstance(event, dict):
                self._apply_object(event)
            else:
                self._apply_block(message.topic, event)
        self.last = message.number

    def _apply_object(self, event):
        tenant, kind = event["tenant_id"], event["event_type"]
        if kind == "cleared":
            self.there = {key for key in self.there
                          if tenant not in ("", key[0])}
            return
        key = tenant, event["kind"], event["object_key"]
        if kind == "stored":
            self.there.add(key)
        else:
            assert kind == "removed", kind
            self.there.discard(key)

    def _apply_block(self, topic, event):
        if event[0] == "AllBlocksCleared":
            self.there = set()
            return
        model = topic.split(b"@")[2].decode()
        for number in event[1]:
            if event[0] == "BlockStored":
                self.there.add((model, number))
            else:
                assert event[0] == "BlockRemoved", event
                self.there.discard((model, number))

    def follow(self, seconds):
        """Takes one message, and asks for those that are missing before it.
        False: none came."""
        message = self.hear(seconds)
        if message is None or self.misses(message.number):
            return message is not None
        if self.last is None or message.number > self.last + 1:
            self._catch_up()
        if self.last is not None and message.number == self.last + 1:
            self.apply(message)
        return True

    def _catch_up(self):
        start = 0 if self.last is None else self.last + 1
        replies = self.ask(start)
        is_repeat = bool(replies) and replies[0].number == start
        self.repeats += is_repeat
        self.listings += bool(replies) and not is_repeat
        for reply in replies:
            self.apply(reply)

    def until(self, is_so, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; {len(self.there)}"
                                     f" keys at {self.last}")
            self.follow(0.05)
