"""The session flow with redis-py as Debian ships it (python3-redis 4.3.4)."""
import json
import uuid

import redis

from report import expect, expect_true
from servers import poll_until
from servers_of_tests import has_index, start

TTL_S = 3600


def login(client, user, device="web"):
    session_id = str(uuid.uuid4())
    data = json.dumps({"user_id": user, "device": device, "name": "caf\u00e9"})
    pipe = client.pipeline(transaction=True)
    pipe.setex("session:" + session_id, TTL_S, data)
    pipe.sadd("user_sessions:" + user, session_id)
    expect(pipe.execute(), [True, 1], "login")
    return session_id


def session_flow(server):
    client = redis.Redis(port=server.port, client_name="web-1", health_check_interval=30)
    user = str(uuid.uuid4())
    ids = [login(client, user) for _ in range(4)]
    key = "session:" + ids[0]
    expect(json.loads(client.get(key))["user_id"], user, "validate")
    client.expire(key, 100)
    client.getex(key, ex=TTL_S)
    expect_true(client.ttl(key) > 3590, "GETEX extends")
    expect({m.decode() for m in client.smembers("user_sessions:" + user)}, set(ids), "list")
    expect(client.delete(key), 1, "logout")
    expect(client.get(key), None, "after logout")
    client.pexpire("session:" + ids[1], 50)
    expect_true(poll_until(lambda: client.get("session:" + ids[1]) is None, 5.0), "expiry")
    if has_index():
        expect({m.decode() for m in client.smembers("user_sessions:" + user)}, set(ids[2:]), "set after logout and expiry")
    client.delete(*["session:" + i for i in ids[2:]])
    if has_index():
        expect(client.exists("user_sessions:" + user), 0, "emptied set")
    client.close()


def transactions(server):
    client = redis.Redis(port=server.port)
    client.set("counter", 0)

    def step(pipe):
        value = int(pipe.get("counter"))
        if value == 0:
            redis.Redis(port=server.port).set("counter", 10)
        pipe.multi()
        pipe.set("counter", value + 1)

    client.transaction(step, "counter")
    expect(client.get("counter"), b"11", "retried after WatchError")
    with client.pipeline() as pipe:
        pipe.set("a", 1).hset("a", "f", "v").incr("a")
        results = pipe.execute(raise_on_error=False)
    expect_true(results[0] is True and isinstance(results[1], redis.ResponseError) and results[2] == 2, repr(results))


def administration(server):
    client = redis.Redis(port=server.port, decode_responses=True)
    expect_true(client.ping(), "PING")
    info = client.info()
    expect(info["redis_version"], "7.0.15", "version")
    expect_true("used_memory" in client.info("memory"), "INFO memory")
    expect_true(client.config_get("maxmemory*")["maxmemory-policy"], "CONFIG GET")
    expect_true(client.client_id() > 0 and client.client_list(), "CLIENT")
    client.client_setname("admin")
    expect(client.client_getname(), "admin", "CLIENT GETNAME")
    expect_true(isinstance(client.dbsize(), int) and isinstance(client.time(), tuple), "DBSIZE, TIME")
    client.set("scan:1", "x")
    expect(list(client.scan_iter("scan:*")), ["scan:1"], "SCAN")
    client.hset("h", mapping={"a": 1, "b": 2})
    expect(client.hgetall("h"), {"a": "1", "b": "2"}, "HGETALL")
    expect(sorted(client.hscan_iter("h")), [("a", "1"), ("b", "2")], "HSCAN")
    expect_true(client.memory_usage("h") > 0, "MEMORY USAGE")
    expect(client.object("encoding", "h"), "listpack", "OBJECT ENCODING")
    expect_true("get" in client.command(), "COMMAND")
    expect_true(isinstance(client.slowlog_get(), list), "SLOWLOG GET")
    with client.monitor() as monitor:
        redis.Redis(port=server.port).get("watched by monitor")
        seen = [monitor.next_command()["command"] for _ in range(1)]
    expect_true("watched by monitor" in seen[0], "MONITOR: %r" % seen)


def binary_and_databases(server):
    client = redis.Redis(port=server.port, db=1)
    value = bytes(range(256)) * 40
    client.setex("session:" + "b" * 32, 1800, value)
    expect(client.get("session:" + "b" * 32), value, "binary value in db 1")
    expect(client.keys("session:*"), [b"session:" + b"b" * 32], "KEYS session:*")
    expect(redis.Redis(port=server.port, db=2).keys("*"), [], "db 2")


def authentication(_):
    with start("--requirepass", "secret") as server:
        try:
            redis.Redis(port=server.port).ping()
            raise AssertionError("no password was accepted")
        except redis.AuthenticationError:
            pass
        try:
            redis.Redis(port=server.port, password="wrong").ping()
            raise AssertionError("a wrong password was accepted")
        except (redis.AuthenticationError, redis.ResponseError) as error:
            expect_true("WRONGPASS" in str(error) or "invalid" in str(error), str(error))
        expect_true(redis.Redis(port=server.port, password="secret").ping(), "AUTH password")
        expect_true(redis.Redis(port=server.port, username="default", password="secret").ping(), "AUTH default password")


def locks_and_counters(server):
    """SET NX PX as a lock and a fixed-window limiter, as the limiters without Lua do it."""
    client = redis.Redis(port=server.port)
    expect_true(client.set("lock", "me", nx=True, px=100000) and not client.set("lock", "you", nx=True, px=100000), "lock")
    counts = []
    for _ in range(3):
        pipe = client.pipeline()
        pipe.incr("limit:login")
        pipe.expire("limit:login", 300, nx=True)
        counts.append(pipe.execute()[0])
    expect(counts, [1, 2, 3], "limiter")


TESTS = [session_flow, transactions, administration, binary_and_databases, authentication, locks_and_counters]


def run_all(report):
    with start() as server:
        for test in TESTS:
            report.run("redis-py 4.3.4: " + test.__name__.replace("_", " "), test, server)
