"""Receives spans over OTLP/HTTP, decodes them with OpenTelemetry's own protobuf messages, and writes each as a line of
JSON. A request that does not decode is answered 400.

    receiver.py SPANS ADDRESS

SPANS is the file of spans; ADDRESS gets `host:port` once the receiver listens.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

spans_path, address_path = sys.argv[1:]
writing = Lock()


def value_of(value):
    """An AnyValue as JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    plain = getattr(value, kind)
    return plain if isinstance(plain, (str, bool, int, float)) else MessageToDict(value)


def attributes_of(holder):
    return {pair.key: value_of(pair.value) for pair in holder.attributes}


def spans_of(request):
    for of_resource in request.resource_spans:
        resource = attributes_of(of_resource.resource)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {
                    "resource": resource,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_span_id": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
                    "attributes": attributes_of(span),
                    "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
                    "events": [{"name": event.name, "attributes": attributes_of(event)} for event in span.events],
                }


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportTraceServiceRequest()
        try:
            if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
                raise DecodeError(f"{self.path} {self.headers['Content-Type']}")
            request.ParseFromString(body)
        except DecodeError as error:
            return self.answer(400, str(error).encode())
        lines = "".join(json.dumps(span) + "\n" for span in spans_of(request))
        with writing, open(spans_path, "a", encoding="utf-8") as file:
            file.write(lines)
        self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
with open(address_path + ".unfinished", "w", encoding="utf-8") as file:
    file.write("%s:%s" % server.server_address)
os.rename(address_path + ".unfinished", address_path)
server.serve_forever()
