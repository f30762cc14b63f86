"""Fails if schemathesis has not seen every operation succeed: one that returned only 404 has not been tested."""

import collections
import json
import os
import sys

seen = collections.defaultdict(collections.Counter)
with open(os.environ["NMC_ANSWERS"], encoding="utf-8") as file:
    for line in file:
        operation, status = json.loads(line)
        seen[operation][status] += 1

with open(sys.argv[1], encoding="utf-8") as file:
    paths = json.load(file)["paths"]
wanted = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
# The endless stream is not requested, and the seed has no attachments; tests/it/event_stream.rs and media.rs test them.
wanted -= {"GET /events", "GET /conversations/{id}/messages/{message_id}/media/{n}"}

for operation in sorted(wanted):
    print(f"{operation:48}", "  ".join(f"{status}: {count}" for status, count in sorted(seen[operation].items())))
missing = [operation for operation in sorted(wanted) if not any(200 <= status < 300 for status in seen[operation])]
if missing:
    sys.exit(f"never succeeded, so not tested: {', '.join(missing)}")
