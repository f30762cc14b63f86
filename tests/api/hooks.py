"""Makes most of schemathesis's requests name data that exists (the seed of `with-service`).

The value that schemathesis generated decides what a request names, not chance, so that a run can be repeated.
"""

import itertools
import json
import os
import urllib.request

import schemathesis

with open(os.environ["NMC_SEED"], encoding="utf-8") as file:
    SEED = json.load(file)

# These are erased repeatedly; the seed's customers are kept.
FORGOTTEN = ["+12125553000", "+12125553001"]
THERE = {
    "business_id": SEED["businesses"],
    "id": SEED["conversations"],
    "call_sid": SEED["calls"],
    "twilio_sid": SEED["messages"],
    "customer_phone": SEED["customers"],
    "phone": FORGOTTEN,
}
# These are put and deleted; the seed's businesses stay unchanged.
SHORT_LIVED = ["short-lived", "another"]
ANSWERS = open(os.environ["NMC_ANSWERS"], "a", encoding="utf-8", buffering=1)  # noqa: SIM115: stays open to the end
# A completed conversation accepts no commands, so only TO_COMPLETE are completed. The first conversation is for
# `client.py`; OTHERS are emergencies.
TO_COMPLETE, OTHERS = SEED["conversations"][1:3], SEED["conversations"][3:-1]
# After a false alarm, the AI may end the conversation at any time.
FALSE_ALARMS = SEED["conversations"][-1:]
# The number in the seed, which is also the example in the document.
OUR_NUMBERS = ["+15555551111"]
# For Idempotency-Key.
SERIAL = itertools.count()
# Valid values, which a random text never is.
GOOD = {"forward_to": "+15555552222", "timezone": "America/New_York", "trade": "plumbing"}


def send(method, path, body):
    request = urllib.request.Request(f"{os.environ['NMC']}{path}", method=method)
    request.add_header("Authorization", f"Bearer {os.environ['KEY']}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, json.dumps(body).encode(), timeout=10) as answer:
        return json.load(answer)


def there_from_the_start(business_id):
    """Puts a business, so that the first request to delete it finds it."""
    business = {"name": "Short-lived", "user_id": "user", "phone_numbers": ["+15556669999"], **GOOD}
    send("PUT", f"/businesses/{business_id}", business)


there_from_the_start(SHORT_LIVED[0])


def opt_out(number):
    """An opt-out of nobody in the seed, which may be lifted."""
    return {"business_id": SEED["businesses"][0], "customer_phone": f"+1212555{number:04}", "source": "phone"}


OPT_OUTS = [send("POST", "/opt-outs", opt_out(4000 + number))["id"] for number in range(8)]


def pick(value):
    return sum(value.encode("utf-8", "surrogatepass"))


def is_of_business(operation):
    """Whether the operation is about a business itself, and not about its list of numbers."""
    return operation.path == "/businesses/{business_id}"


def choice(name, operation):
    """The existing values that a parameter of this operation may have."""
    if name == "business_id" and operation.method in ("put", "delete") and is_of_business(operation):
        return SHORT_LIVED
    if name == "id" and operation.path.startswith("/dead-letters"):
        return [str(letter) for letter in SEED["dead_letters"]]
    if name == "id" and operation.path.startswith("/opt-outs"):
        return OPT_OUTS
    if name == "id" and operation.method == "post":
        if operation.path.endswith("/false-alarm"):
            return FALSE_ALARMS
        return TO_COMPLETE if operation.path.endswith("/complete") else OTHERS
    return THERE[name]


def known(parameters, operation):
    """The parameters, with three in four of the values that should name something replaced by one that exists."""
    if isinstance(parameters, dict):
        for name in THERE.keys() & parameters.keys():
            value = parameters[name]
            if isinstance(value, str) and pick(value) % 4:
                there = choice(name, operation)
                parameters[name] = there[pick(value) // 4 % len(there)]
    return parameters


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return known(path_parameters, context.operation)


@schemathesis.hook
def map_query(context, query):
    return known(query, context.operation)


@schemathesis.hook
def map_body(context, body):
    """Makes half of the businesses and opt-outs valid, if the parts that schemathesis varied allow it."""
    if context.operation.method == "put" and isinstance(body, dict) and isinstance(body.get("name"), str):
        if pick(body["name"]) % 2:
            body.pop("id", None)
            for name, good in GOOD.items():
                if isinstance(body.get(name), str):
                    body[name] = good
            for name in ("phone_numbers", "emergency_contacts"):
                if isinstance(body.get(name), list):
                    body[name] = [f"+1555666{n:04}" if isinstance(of, str) else of for n, of in enumerate(body[name])]
    if context.operation.path == "/opt-outs" and isinstance(body, dict) and isinstance(body.get("source"), str):
        if pick(body["source"]) % 2:
            body.update(opt_out(5000))
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """Protects the seed: schemathesis also sends values that it found in responses.

    The seed's businesses keep their numbers (without its number, a business loses its conversations), its customers are
    not erased, and no conversation is completed that other commands need.
    """
    parameters = case.path_parameters or {}
    method = case.method.lower()
    # Of the few valid messages, none would come through with a key that another request had, or a state that nobody has seen.
    # The coverage phase also tries a request without a key of the API, which a changed header would hide.
    is_coverage = "coverage" in str(case.meta.phase.name).lower()
    if method == "post" and case.operation.path.endswith("/{id}/messages") and not is_coverage:
        for name, good in {"Idempotency-Key": f"key-{next(SERIAL)}", "If-Match": "*"}.items():
            value = (case.headers or {}).get(name)
            if value is not None and pick(f"{value}{parameters}{case.body}") % 4:
                case.headers[name] = good
    numbers = case.body.get("phone_numbers") if isinstance(case.body, dict) else None
    loses = method == "delete" or (method == "put" and numbers != OUR_NUMBERS)
    if loses and is_of_business(case.operation) and parameters.get("business_id") in SEED["businesses"]:
        parameters["business_id"] = SHORT_LIVED[0]
    if method == "delete" and parameters.get("phone") in SEED["customers"]:
        parameters["phone"] = FORGOTTEN[0]
    if isinstance(case.body, dict) and case.operation.path == "/opt-outs":
        if case.body.get("customer_phone") in SEED["customers"]:
            case.body["customer_phone"] = FORGOTTEN[0]
    if method == "post" and parameters.get("id") in SEED["conversations"]:
        there = choice("id", case.operation)
        if parameters["id"] not in there:
            parameters["id"] = there[0]


@schemathesis.hook
def after_call(context, case, response):
    """Records the operation and the status, for `answered.py`."""
    ANSWERS.write(json.dumps([case.operation.label, response.status_code]) + "\n")
