"""Acts as an App Server, with the client that a public generator made from openapi/openapi.json."""

import json
import os

from nevermisscall_client import AuthenticatedClient
from nevermisscall_client.api.businesses import get_business, put_business
from nevermisscall_client.api.calls import get_call
from nevermisscall_client.api.conversations import (
    complete,
    get_conversation,
    list_conversations,
    list_messages,
    send_message,
    take_over,
)
from nevermisscall_client.models import Business, Completion, NewMessage, Takeover

URL = os.environ["NMC"]
with open(os.environ["NMC_SEED"], encoding="utf-8") as file:
    SEED = json.load(file)
CUSTOMER = SEED["customers"][0]


def having(key):
    # An undocumented answer raises an exception.
    return AuthenticatedClient(base_url=URL, token=key, raise_on_unexpected_status=True)


def said(response, status):
    assert response.status_code == status, response
    return response.parsed


def main():
    client = having(os.environ["KEY"])
    business = Business(
        name="Lou's Locks",
        user_id="user-lou",
        phone_numbers=["+15555558888"],
        forward_to="+15555552222",
        timezone="America/Chicago",
        trade="locksmith",
    )
    put = said(put_business.sync_detailed("lous-locks", client=client, body=business), 200)
    read = said(get_business.sync_detailed("lous-locks", client=client), 200)
    assert (put.id, read.id, read.trade) == ("lous-locks", "lous-locks", "locksmith"), read
    said(get_business.sync_detailed("nobody", client=client), 404)
    business.trade = "juggling"
    refused = said(put_business.sync_detailed("lous-locks", client=client, body=business), 400)
    assert refused.error.details[0].field == "trade", refused

    found = said(list_conversations.sync_detailed(client=client, customer_phone=CUSTOMER, limit=10), 200)
    conversation = found.conversations[0]
    assert conversation.customer_phone == CUSTOMER, conversation
    assert said(get_call.sync_detailed(SEED["calls"][0], client=client), 200).customer_phone == CUSTOMER
    taken = said(
        take_over.sync_detailed(conversation.id, client=client, body=Takeover(user_id="lou", reason="I know her")), 200
    )
    assert taken.ownership_changed and taken.conversation.ownership == "user", taken
    body = NewMessage(user_id="lou", body="On my way.")
    sent = said(send_message.sync_detailed(conversation.id, client=client, body=body), 201)
    messages = said(list_messages.sync_detailed(conversation.id, client=client), 200).messages
    assert [message.id for message in messages][-1] == sent.id, messages
    assert {message.sender_type for message in messages} == {"customer", "ai", "user"}, messages
    body = Completion(user_id="lou", outcome="done")
    assert said(complete.sync_detailed(conversation.id, client=client, body=body), 200).status == "completed"
    body = Takeover(user_id="lou", reason="again")
    said(take_over.sync_detailed(conversation.id, client=client, body=body), 409)

    reader = having(os.environ["READ_KEY"])
    assert said(get_conversation.sync_detailed(conversation.id, client=reader), 200).outcome == "done"
    said(put_business.sync_detailed("lous-locks", client=reader, body=read), 403)
    wrong = said(list_conversations.sync_detailed(client=having("a-wrong-key")), 401)
    assert wrong.error.code == "UNAUTHORIZED", wrong
    print("the generated client: business, conversation, takeover, message, completion, keys: all as documented")


main()
