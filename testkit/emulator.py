"""Starts the emulator for the tests: it ends with whoever started it, and its queues have a clock
that a test can move.

A queue whose name begins with NAME- follows the clock called NAME once it has been set by the
request AmazonSQS.SetClock; all others follow the real one.

It also remembers how it has read an expression, which by itself it does again for every item that
it compares with one: the suites ask for lists of hundreds, thousands of times.
"""

import contextvars
import functools
import json
import os
import sys
import threading
import time as real_time

from ministack.services import dynamodb, sqs

clocks = {}
now = contextvars.ContextVar("now", default=None)


class Time:
    """The module `time`, but for what time it is."""

    def __getattr__(self, name):
        return getattr(real_time, name)

    @staticmethod
    def time():
        moment = now.get()
        return real_time.time() if moment is None else moment


sqs.time = Time()
handle_request = sqs.handle_request


async def handle_with_clock(method, path, headers, body, query_params):
    try:
        data = json.loads(body)
    except ValueError:
        data = {}
    queue = data.get("QueueUrl", "").rsplit("/", 1)[-1]
    if headers.get("x-amz-target") == "AmazonSQS.SetClock":
        clocks[data["Clock"]] = data["Micros"] / 1_000_000
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, b"{}"
    now.set(clocks.get(queue.split("-", 1)[0]))
    return await handle_request(method, path, headers, body, query_params)


sqs.handle_request = handle_with_clock

tokens = functools.lru_cache(maxsize=None)(dynamodb._tokenize)
dynamodb._tokenize = lambda expression: list(tokens(expression))
dynamodb._condition_syntax_error = functools.lru_cache(maxsize=None)(
    dynamodb._condition_syntax_error
)


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

from ministack.app import main  # noqa: E402  (after the patch, which it would overlook)

sys.argv = ["ministack"]
main()
