"""Counts the words of one Redis stream. watchbill runs one of these for each partition, on one machine at a time.

    consumer.py STREAM

It keeps nothing itself. Counts and offset stand in Redis and change together in commit.lua, so it may be killed at any
moment; the next one goes on where the offset stands. Python's standard library is all it needs.
"""

import os
import pathlib
import signal
import socket
import sys


class Refused(Exception):
    """Redis answered with an error."""


class Redis:
    """As much of Redis's protocol as a consumer needs."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.replies = self.socket.makefile("rb")

    def __call__(self, *words):
        parts = [str(word).encode() for word in words]
        request = [b"*%d\r\n" % len(parts)] + [b"$%d\r\n%s\r\n" % (len(part), part) for part in parts]
        self.socket.sendall(b"".join(request))
        return self.reply()

    def reply(self):
        line = self.replies.readline()
        if not line:
            sys.exit("Redis is gone")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Refused(rest)
        if kind == b"$":
            return None if rest == "-1" else self.replies.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        return rest


def consume(redis, stream, token, owner):
    script = redis("SCRIPT", "LOAD", (pathlib.Path(__file__).parent / "commit.lua").read_text())
    keys = [f"{stream}:{name}" for name in ("progress", "counts", "ledger", "owners")]

    def commit(entries):
        words = [part for id, (_, word) in entries for part in (id, word)]
        return redis("EVALSHA", script, len(keys), *keys, token, owner, *words)

    # Entering shows the token before it reads the offset. From here on an earlier owner cannot move it any more.
    offset = commit([])
    print(f"{stream}: {owner} with token {token} goes on from {offset}", flush=True)
    while True:
        news = redis("XREAD", "COUNT", 100, "BLOCK", 1000, "STREAMS", stream, offset)
        if news:
            offset = commit(news[0][1])


def main():
    stream, token, owner = sys.argv[1], os.environ["WATCHBILL_TOKEN"], os.environ["WATCHBILL_INSTANCE"]
    # No need to finish anything: a commit is done or not done, never half done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        consume(Redis(os.environ["REDIS_SOCKET"]), stream, token, owner)
    except Refused as refusal:
        sys.exit(f"{stream}: {owner} is refused and stops: {refusal}")


main()
