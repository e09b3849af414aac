"""The science web app (mission.md, last row): pickled values in db 1, looked at from redis-cli."""
import pickle
import subprocess
import time
import uuid

import redis

from report import expect, expect_true
from servers import Server, cloakroom_binary, poll_until

TTL_S = 1800


def _session(user, count=40):
    return pickle.dumps({"user_id": user, "created_at": time.time(), "data": list(range(count)), "blob": bytes(range(256))}, 5)


def pickled_sessions(server):
    client = redis.Redis(port=server.port, db=1)
    ids = [uuid.uuid4().hex for _ in range(50)]
    values = {i: _session("u%d" % (n % 5)) for n, i in enumerate(ids)}
    for session_id, value in values.items():
        client.setex("session:" + session_id, TTL_S, value)
    expect({k.decode()[8:] for k in client.keys("session:*")}, set(ids), "KEYS session:*")
    for session_id, value in values.items():
        raw = client.get("session:" + session_id)
        expect(raw, value, "bytes come back as they went in")
        pickle.loads(raw)
    expect(redis.Redis(port=server.port, db=0).dbsize(), 0, "db 0 is empty")
    active = sum(1 for key in client.keys("session:*") if client.ttl(key) > 0)
    expect(active, 50, "active count")
    mine = [key for key in client.keys("session:*") if pickle.loads(client.get(key))["user_id"] == "u3"]
    expect(client.delete(*mine), 10, "destroy all sessions of a user")
    expect(len(client.keys("session:*")), 40, "the others stay")


def from_redis_cli(server):
    def cli(*args):
        return subprocess.run(["redis-cli", "-p", str(server.port), "-n", "1", *args], capture_output=True, timeout=20).stdout
    client = redis.Redis(port=server.port, db=1)
    client.flushdb()
    value = _session("cli", 3)
    client.setex("session:cli", TTL_S, value)
    expect(cli("KEYS", "session:*"), b"session:cli\n", "KEYS")
    expect_true(TTL_S - 10 <= int(cli("TTL", "session:cli")) <= TTL_S, "TTL")
    expect(cli("GET", "session:cli"), value + b"\n", "GET")


def clean_up(server):
    client = redis.Redis(port=server.port, db=1)
    client.flushdb()
    for number in range(20):
        client.setex("session:%d" % number, TTL_S, _session("x"))
    for number in range(10):
        client.pexpire("session:%d" % number, 30)
    expect_true(poll_until(lambda: client.dbsize() == 10, 10.0), "expired sessions leave DBSIZE without being read")
    expect(len(client.keys("session:*")), 10, "active sessions")


def file_migration(server):
    """`{session_id}.json` files come in by SETEX."""
    client = redis.Redis(port=server.port, db=1)
    for number in range(20):
        client.setex("session:migrated-%d" % number, TTL_S, b'{"user_id": "u%d"}' % number)
    expect(client.get("session:migrated-7"), b'{"user_id": "u7"}', "migrated")


def flask_session(server):
    """Flask-Session's own prefix with pickles, its commands SETEX, GET, DEL."""
    client = redis.Redis(port=server.port)
    key = "session:" + str(uuid.uuid4())
    client.setex(name=key, value=pickle.dumps({"_permanent": True, "user": 7}), time=2678400)
    expect(pickle.loads(client.get(key))["user"], 7, "GET")
    expect(client.delete(key), 1, "DEL")


def operation_time(server):
    client = redis.Redis(port=server.port, db=1)
    value = _session("speed")
    begin = time.monotonic()
    for number in range(1000):
        client.setex("session:speed", TTL_S, value)
        client.get("session:speed")
    each_ms = (time.monotonic() - begin) / 2
    expect_true(each_ms < 0.5, "%.3f ms per operation" % each_ms)


def run_all(report, _full):
    with Server(cloakroom_binary(), ["--session-index", "yes"]) as server:
        for test in (pickled_sessions, from_redis_cli, clean_up, file_migration, flask_session, operation_time):
            report.run("science web app: " + test.__name__.replace("_", " "), test, server)
