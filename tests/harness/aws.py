# Serves DynamoDB and SQS on a free port of 127.0.0.1, which it prints, until its standard input ends.
#
# moto's own server handles requests in threads, but what it keeps in memory is not safe for that: concurrent
# conditional writes could both succeed. Here connections have threads and stay open, and requests take turns.
import collections
import functools
import io
import json
import os
import sys
import threading

from moto import backends
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *args):
        pass


def copy_item(item, memo):
    copied = object.__new__(Item)
    copied.hash_key, copied.range_key = item.hash_key, item.range_key
    copied.attrs = type(item.attrs).__new__(type(item.attrs))
    dict.update(copied.attrs, item.attrs)
    return copied


def copy_table(table, memo):
    if table.name in snapshots:
        return snapshots[table.name]
    copied = snapshots[table.name] = object.__new__(Table)
    copied.__dict__.update(table.__dict__)
    copied.items = type(table.items)(dict)
    for partition, items in table.items.items():
        copied.items[partition] = {sort: copy_item(item, memo) for sort, item in items.items()}
    return copied


def project(item, paths):
    copied = copy_item(item, None)
    for name in item.attrs.keys() - {name for (name,) in paths}:
        del copied.attrs[name]
    return copied


# Before each transaction moto copies the whole table in depth, once for each action, to have something to go back to.
# Once is enough, and expressions as simple as this project's replace values and never change one, so that values can be
# shared. Nor do they look into a value, so that to project an item is to leave some out.
snapshots = {}
Item.__deepcopy__ = copy_item
Table.__deepcopy__ = copy_table
Item.project = project

# What moto looks up anew for each request or works out generally for each value, where that takes most of its time.
backends.list_of_moto_modules = functools.cache(lambda find=backends.list_of_moto_modules: list(find()))

cast_value = DynamoType.cast_value.fget
DynamoType.cast_value = property(lambda value: value.value if value.type in ("S", "B") else cast_value(value))

to_regular_json = DynamoType.to_regular_json
DynamoType.to_regular_json = lambda value: (
    {value.type: value.value} if value.type in ("S", "N", "BOOL") else to_regular_json(value)
)

serialize_structure = BaseJSONSerializer._serialize_type_structure


def serialize_value(serializer, serialized, value, shape, key):
    if shape.name != "AttributeValue" or not {"S", "N", "BOOL"} & value.keys():
        serialize_structure(serializer, serialized, value, shape, key)
        return
    serialized[key] = value


BaseJSONSerializer._serialize_type_structure = serialize_value

moto = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


# A transaction that is sent again with the token of one that succeeded changes nothing and succeeds, as AWS has it; moto
# takes no notice of tokens.
succeeded = collections.OrderedDict()


def token_of(environ):
    if not environ.get("HTTP_X_AMZ_TARGET", "").endswith(".TransactWriteItems"):
        return None
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length) if length else -1)  # chunked bodies end by themselves
    environ["wsgi.input"] = io.BytesIO(body)
    return json.loads(body).get("ClientRequestToken")


def app(environ, start_response):
    with turn:
        token = token_of(environ)
        if token in succeeded:
            start_response("200 OK", succeeded[token])
            return [b"{}"]
        begun = []

        def start(status, headers, exc_info=None):
            begun[:] = [status, headers]
            return start_response(status, headers, exc_info)

        snapshots.clear()
        answer = moto(environ, start)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        if token and begun[0].startswith("200"):
            succeeded[token] = [h for h in begun[1] if h[0].lower() != "content-length"] + [("Content-Length", "2")]
            if len(succeeded) > 10000:
                succeeded.popitem(last=False)
        return [body]


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
threading.Thread(target=end_with_parent, daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
