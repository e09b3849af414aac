"""The server each client test talks to: with the session index on."""
import os

from servers import Server, cloakroom_binary, is_redis


def start(*options):
    return Server(cloakroom_binary(), ["--session-index", "yes", *options])


def has_index():
    return not is_redis(cloakroom_binary())


def environment(server, **more):
    return dict(os.environ, PORT=str(server.port), INDEX="yes" if has_index() else "no", **more)
