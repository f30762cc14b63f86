"""Handles every event once, from Redis: the stream conversation.events:log, from where the last run stopped.

    REDIS_URL=redis://localhost:6379 python redis_client.py inbox.db

Redis does not know what this reader has handled: the inbox keeps the place, in the same transaction. The log is kept for
30 days, and new entries end the wait at once, so the channel conversation.events is not needed.
"""

import json
import os
import sys
import time

import redis

from inbox import Inbox

LOG = "conversation.events:log"
# In seconds. The connection's own limit must be longer than the wait for new entries.
WAIT, LIMIT = 5, 10


def main(path):
    inbox = Inbox(path)
    # RESP2, so that answers have the same form with every version of Redis. Connects again with the next command.
    connection = redis.Redis.from_url(
        os.environ["REDIS_URL"], decode_responses=True, socket_timeout=LIMIT, socket_connect_timeout=LIMIT, protocol=2
    )
    while True:
        try:
            # Without a place, from the first entry.
            found = connection.xread({LOG: inbox.place() or "0"}, count=100, block=WAIT * 1000)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            print(f"Redis is away: {error}", file=sys.stderr)
            time.sleep(1)
            continue
        for _, entries in found or []:
            for place, fields in entries:
                inbox.handle(json.loads(fields["event"]), place)


main(sys.argv[1])
