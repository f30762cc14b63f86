"""Handles every event once, from JetStream: a durable pull consumer on the stream NMC_EVENTS.

    NATS_URL=nats://localhost:4222 python jetstream_client.py inbox.db

JetStream remembers what was acknowledged. After a crash the event in progress comes again, and the inbox knows it.
"""

import asyncio
import json
import os
import sys

import nats
from nats.errors import Error, TimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from inbox import Inbox

STREAM = "NMC_EVENTS"
CONSUMER = os.environ.get("CONSUMER", "app-server")
# How long JetStream waits for an acknowledgement before it delivers an event again: longer than handling one takes.
ACK_WAIT = float(os.environ.get("ACK_WAIT", "30"))


async def subscribe(connection):
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        # One at a time, so that the events of a conversation are handled in their order, also after a crash.
        max_ack_pending=1,
    )
    # Creates the consumer if it does not exist; an existing one goes on where it was.
    return await connection.jetstream().pull_subscribe("nmc.event.>", durable=CONSUMER, stream=STREAM, config=config)


async def report(error):
    print(f"NATS: {error}", file=sys.stderr)


async def main(path):
    inbox = Inbox(path)
    connection = await nats.connect(
        os.environ["NATS_URL"],
        inbox_prefix=os.environ.get("NATS_INBOX_PREFIX", "_INBOX"),
        # Connects again for as long as it takes.
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        error_cb=report,
    )
    subscription = await subscribe(connection)
    while True:
        try:
            messages = await subscription.fetch(1, timeout=5)
        except TimeoutError:
            continue  # nothing new
        except (Error, OSError) as error:
            print(f"JetStream is away: {error}", file=sys.stderr)
            await asyncio.sleep(1)
            continue
        for message in messages:
            event = json.loads(message.data)
            # The answers to the operator's probes are no events for a subscriber.
            if event["event_type"] != "service.probed":
                inbox.handle(event)
            # Only now, because what is acknowledged does not come again.
            await message.ack()


asyncio.run(main(sys.argv[1]))
