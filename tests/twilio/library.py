"""Uses the Twilio simulator with Twilio's official library, as any of its users would.

library.py PROGRAM: starts the simulator on the loopback, tests it, and ends it. The exit status is 1 if a test fails.
"""

import json
import subprocess
import sys
import unittest
import urllib.request
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "a-token-for-tests"
OURS, OTHER, CUSTOMER = "+15555551111", "+15555551112", "+12125551234"
SERVICE = "MG00000000000000000000000000000001"


class OnLoopback(TwilioHttpClient):
    """Sends what is meant for a host of Twilio to the simulator, with everything else as the library wrote it."""

    def __init__(self, base):
        super().__init__(timeout=10)
        self.base = urlsplit(base)
        self.hosts = set()

    def request(self, method, url, *arguments, **named):
        meant = urlsplit(url)
        # The simulator names its own address in the URLs of further pages.
        assert meant.netloc.endswith(".twilio.com") or meant.netloc == self.base.netloc, url
        self.hosts.add(meant.netloc)
        here = urlunsplit((self.base.scheme, self.base.netloc, meant.path, meant.query, ""))
        return super().request(method, here, *arguments, **named)


class Simulator:
    """The running simulator."""

    def __init__(self, program):
        arguments = ["--bind", "127.0.0.1:0", "--account-sid", ACCOUNT, "--auth-token", TOKEN]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.base = line.removeprefix("twilio-sim: ").strip()
        assert self.base.startswith("http://127.0.0.1:"), line

    def put(self, path, value):
        data = json.dumps(value).encode()
        request = urllib.request.Request(
            f"{self.base}/_sim{path}", data=data, method="PUT", headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 204, answer.status

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdout.close()


class Library(unittest.TestCase):
    """Every test has an account of its own content: it begins with no messages and two numbers."""

    program = None

    @classmethod
    def setUpClass(cls):
        cls.simulator = Simulator(cls.program)
        cls.addClassCleanup(cls.simulator.end)
        cls.simulator.put("/numbers", {"of_account": {ACCOUNT: [OURS, OTHER]}, "lacking": {OTHER: ["mms"]}})
        cls.simulator.put(
            "/services",
            [
                {
                    "sid": SERVICE,
                    "account_sid": ACCOUNT,
                    "friendly_name": "Plumbers",
                    "inbound_request_url": "https://calls.example.com/sms",
                    "senders": [OURS, OTHER],
                    "campaigns": ["VERIFIED"],
                }
            ],
        )

    def setUp(self):
        self.http = OnLoopback(self.simulator.base)
        self.client = Client(ACCOUNT, TOKEN, http_client=self.http)

    def send(self, **fields):
        return self.client.messages.create(**{"to": CUSTOMER, "from_": OURS, "body": "Hi!", **fields})

    def refused(self, **fields):
        with self.assertRaises(TwilioRestException) as raised:
            self.send(**fields)
        return raised.exception

    def status_and_code(self, ask):
        """Those of a refusal; of a list, the library has no exception of its own for it."""
        with self.assertRaises(TwilioException) as raised:
            ask()
        error = raised.exception
        if isinstance(error, TwilioRestException):
            return error.status, error.code
        answer = error.args[1]
        return answer.status_code, json.loads(answer.text)["code"]

    def test_a_message_that_was_sent_is_fetched_by_its_sid(self):
        sent = self.send(body="Hi! I missed your call", validity_period=60)
        self.assertEqual((sent.account_sid, sent.status, sent.num_segments), (ACCOUNT, "queued", "1"))
        self.assertEqual((sent.direction, sent.error_code, sent.date_sent), ("outbound-api", None, None))
        self.assertRegex(sent.sid, "^SM[0-9a-f]{32}$")
        self.assertLess(abs(datetime.now(timezone.utc) - sent.date_created), timedelta(minutes=1))
        fetched = self.client.messages(sent.sid).fetch()
        self.assertEqual((fetched.body, fetched.to, fetched.from_), ("Hi! I missed your call", CUSTOMER, OURS))
        self.assertEqual(self.http.hosts, {"api.twilio.com"})

    def test_messages_are_listed_over_all_pages_newest_first_and_filtered(self):
        to = "+12125550188"
        sent = [self.send(to=to, body=str(n)).sid for n in range(5)]
        listed = self.client.messages.list(to=to, from_=OURS, page_size=2)
        self.assertEqual([message.sid for message in listed], sent[::-1])
        self.assertEqual(self.client.messages.list(to="+12125550199"), [])
        self.assertEqual(len(self.client.messages.list(to=to, limit=3, page_size=2)), 3)
        page = self.client.messages.page(to=to, page_size=2)
        self.assertEqual(len(list(page)), 2)
        self.assertTrue(page.next_page_url.startswith("https://api.twilio.com/2010-04-01/Accounts/"))
        self.assertEqual([message.body for message in page.next_page()], ["2", "1"])

    def test_a_message_that_there_is_not_is_not_found(self):
        self.assertEqual(self.status_and_code(self.client.messages("SM" + "0" * 32).fetch), (404, 20404))

    def test_what_twilio_refuses_is_an_exception_with_its_code(self):
        for fields, code in [
            ({"to": "+15005550001"}, 21211),
            ({"to": "12125551234"}, 21211),
            ({"to": "+15005550004"}, 21610),
            ({"to": "+15005550009"}, 21614),
            ({"from_": "+15005550007"}, 21606),
            ({"body": "x" * 1601}, 21617),
            ({"status_callback": "nowhere"}, 21609),
        ]:
            with self.subTest(**fields):
                error = self.refused(**fields)
                self.assertEqual((error.status, error.code, error.method), (400, code, "POST"))
                self.assertTrue(error.msg)

    def test_another_token_is_refused_for_everything(self):
        stranger = Client(ACCOUNT, "another", http_client=self.http)
        for ask in [
            lambda: stranger.messages.create(to=CUSTOMER, from_=OURS, body="Hi!"),
            stranger.messages.list,
            stranger.incoming_phone_numbers.list,
            stranger.messaging.v1.services.list,
            stranger.api.accounts(ACCOUNT).fetch,
        ]:
            self.assertEqual(self.status_and_code(ask), (401, 20003))

    def test_the_account_is_active(self):
        account = self.client.api.accounts(ACCOUNT).fetch()
        self.assertEqual((account.sid, account.status, account.type), (ACCOUNT, "active", "Full"))

    def test_numbers_are_listed_with_what_they_can_do(self):
        listed = self.client.incoming_phone_numbers.list(page_size=1)
        self.assertEqual([number.phone_number for number in listed], [OURS, OTHER])
        self.assertEqual([number.capabilities["mms"] for number in listed], [True, False])
        (found,) = self.client.incoming_phone_numbers.list(phone_number=OTHER)
        self.assertEqual((found.sid, found.trunk_sid, found.status), (listed[1].sid, None, "in-use"))
        self.assertEqual(self.client.incoming_phone_numbers.list(phone_number=CUSTOMER), [])

    def test_a_number_is_changed_by_its_sid_and_keeps_what_is_not_named(self):
        (number,) = self.client.incoming_phone_numbers.list(phone_number=OTHER)
        changed = number.update(
            voice_url="https://calls.example.com/call", voice_method="GET", sms_application_sid="AP" + "0" * 32
        )
        self.assertEqual((changed.voice_url, changed.voice_method), ("https://calls.example.com/call", "GET"))
        changed = self.client.incoming_phone_numbers(number.sid).update(sms_application_sid="", status_callback="")
        self.assertEqual((changed.sms_application_sid, changed.status_callback), ("", ""))
        fetched = self.client.incoming_phone_numbers(number.sid).fetch()
        self.assertEqual((fetched.voice_url, fetched.sms_method), ("https://calls.example.com/call", "POST"))
        for fields, code in [({"sms_url": "nowhere"}, 21402), ({"voice_method": "PUT"}, 21403)]:
            self.assertEqual(self.status_and_code(lambda: number.update(**fields)), (400, code))
        nobodys = self.client.incoming_phone_numbers("PN" + "9" * 32)
        self.assertEqual(self.status_and_code(lambda: nobodys.update(voice_url="https://x.example")), (404, 20404))

    def test_messaging_services_have_senders_and_a_campaign(self):
        (service,) = self.client.messaging.v1.services.list()
        self.assertEqual((service.sid, service.friendly_name), (SERVICE, "Plumbers"))
        self.assertEqual(service.inbound_request_url, "https://calls.example.com/sms")
        self.assertIs(service.use_inbound_webhook_on_number, False)
        senders = service.phone_numbers.list(page_size=1)
        self.assertEqual([sender.phone_number for sender in senders], [OURS, OTHER])
        (campaign,) = service.us_app_to_person.list()
        self.assertEqual((campaign.campaign_status, campaign.messaging_service_sid), ("VERIFIED", SERVICE))
        self.assertRegex(campaign.sid, "^QE[0-9a-f]{32}$")
        nobodys = self.client.messaging.v1.services("MG" + "9" * 32)
        self.assertEqual(self.status_and_code(nobodys.us_app_to_person.list), (404, 20404))

    def test_a_conversation_has_participants_and_messages_in_both_orders(self):
        conversation = self.client.conversations.v1.conversations.create(friendly_name="A blocked sink")
        self.assertRegex(conversation.sid, "^CH[0-9a-f]{32}$")
        self.assertEqual((conversation.account_sid, conversation.state), (ACCOUNT, "active"))
        binding = {"messaging_binding_address": CUSTOMER, "messaging_binding_proxy_address": OURS}
        participant = conversation.participants.create(**binding)
        self.assertRegex(participant.sid, "^MB[0-9a-f]{32}$")
        fetched = conversation.participants.list()[0].fetch()
        self.assertEqual(fetched.sid, participant.sid)
        numbers = fetched.messaging_binding
        self.assertEqual((numbers["address"], numbers["proxy_address"]), (CUSTOMER, OURS))
        bodies = ["one", "two", "three"]
        posted = [conversation.messages.create(author=OURS, body=body, attributes='{"n": 1}') for body in bodies]
        self.assertRegex(posted[0].sid, "^IM[0-9a-f]{32}$")
        self.assertEqual((posted[0].conversation_sid, posted[0].author, posted[0].index), (conversation.sid, OURS, 0))
        self.assertEqual(json.loads(posted[0].attributes), {"n": 1})
        listed = conversation.messages.list(order="desc", page_size=2)
        self.assertEqual([message.body for message in listed], bodies[::-1])
        self.assertEqual([message.body for message in conversation.messages.list(order="asc")], bodies)
        self.assertEqual(self.http.hosts - {urlsplit(self.simulator.base).netloc}, {"conversations.twilio.com"})

        another = self.client.conversations.v1.conversations.create()
        with self.assertRaises(TwilioRestException) as raised:
            another.participants.create(**binding)
        self.assertEqual((raised.exception.status, raised.exception.code), (409, 50416))
        self.assertIn(conversation.sid, raised.exception.msg)
        self.assertEqual(conversation.update(state="closed").state, "closed")
        with self.assertRaises(TwilioRestException):
            conversation.messages.create(author=OURS, body="four")
        self.assertTrue(another.delete())
        self.assertEqual(self.status_and_code(another.fetch), (404, 20404))


if __name__ == "__main__":
    Library.program = sys.argv.pop(1)
    unittest.main()
