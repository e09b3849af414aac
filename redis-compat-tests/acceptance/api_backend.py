"""The API back end's whole flow (mission.md, third row) from one synchronous client."""
import time

import redis

from report import expect, expect_true
from servers import Server, cloakroom_binary, poll_until
from session_manager import SessionExpired, SessionInvalid, SessionManager, StoreFull

COMPOSE = ["--session-index", "yes", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]


def life_of_a_session(server):
    manager = SessionManager(server.port)
    session_id = manager.create("u1")
    before = manager.validate(session_id)
    expect(before["user_data"]["email"], "u1@example.org", "user data")
    manager.redis.expire("session:" + session_id, 10)
    after = manager.validate(session_id)
    expect_true(after["last_accessed"] >= before["last_accessed"], "last_accessed moves")
    expect_true(manager.redis.ttl("session:" + session_id) > 3590, "an access extends the TTL")
    expect(manager.active("u1"), {session_id}, "list")
    expect(manager.logout(session_id), True, "logout")
    expect(manager.logout(session_id), False, "second logout")
    expect(manager.active("u1"), set(), "list after logout")


def several_devices(server):
    manager = SessionManager(server.port)
    ids = {device: manager.create("u2", device) for device in ("web", "phone", "tablet")}
    expect(manager.active("u2"), set(ids.values()), "three devices")
    manager.logout(ids["phone"])
    expect(manager.active("u2"), {ids["web"], ids["tablet"]}, "two devices")
    expect(manager.validate(ids["web"])["device"], "web", "the others stay valid")
    expect(manager.logout_all("u2"), 2, "log out everywhere")
    expect(manager.redis.exists("user_sessions:u2"), 0, "emptied set")


def expired_and_invalid(server):
    manager = SessionManager(server.port)
    session_id = manager.create("u3")
    manager.redis.pexpire("session:" + session_id, 40)
    expect_true(poll_until(lambda: not manager.redis.exists("session:" + session_id), 5.0), "expires")
    for wrong, kind in ((session_id, SessionExpired), ("never-issued", SessionInvalid)):
        try:
            manager.validate(wrong)
            raise AssertionError("%s was valid" % wrong)
        except kind:
            pass
    expect(manager.active("u3"), set(), "list after expiry")


def statistics(server):
    manager = SessionManager(server.port)
    manager.redis.flushall()
    for number in range(30):
        manager.create("user%d" % (number % 10))
    expect(manager.stats(), {"total_sessions": 30, "total_users": 10, "session_ttl_seconds": 3600}, "stats")
    manager.logout_all("user0")
    expect(manager.stats(), {"total_sessions": 27, "total_users": 9, "session_ttl_seconds": 3600}, "stats after logout")


def health(server):
    client = redis.Redis(port=server.port, decode_responses=True)
    expect(client.ping(), True, "PING")
    info = client.info()
    for field in ("redis_version", "uptime_in_seconds", "connected_clients", "used_memory_human", "keyspace_hits",
                  "keyspace_misses", "total_commands_processed", "maxmemory_policy"):
        expect_true(field in info, "INFO lacks " + field)
    memory = client.info("memory")
    expect(memory["maxmemory"], 256 * 1024 * 1024, "maxmemory")
    expect_true(0 < memory["used_memory"] <= memory["used_memory_peak"], "used_memory")
    with client.monitor() as monitor:
        redis.Redis(port=server.port).get("session:seen-by-monitor")
        expect_true("session:seen-by-monitor" in monitor.next_command()["command"], "MONITOR")


def thousand_creations(server):
    manager = SessionManager(server.port)
    begin = time.monotonic()
    ids = [manager.create("bulk%d" % (number % 100)) for number in range(1000)]
    creations_s = time.monotonic() - begin
    begin = time.monotonic()
    for session_id in ids:
        manager.redis.get("session:" + session_id)
    reads_s = time.monotonic() - begin
    print("     1000 creations %.3f s, 1000 validations %.3f s" % (creations_s, reads_s))
    expect_true(creations_s < 1.0, "1000 creations took %.2f s" % creations_s)


def memory_full(_):
    options = ["--session-index", "yes", "--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]
    with Server(cloakroom_binary(), options) as server:
        manager = SessionManager(server.port)
        created = []
        try:
            while len(created) < 50000:
                created.append(manager.create("full"))
            raise AssertionError("50000 sessions fit in 4 MB")
        except StoreFull as error:
            text = str(error)
        expect_true(text == "OOM command not allowed when used memory > 'maxmemory'." or
                    text == "command not allowed when used memory > 'maxmemory'.", repr(text))
        if created:
            expect(manager.redis.get("session:" + created[0]) is not None, True, "reads go on")
            expect(manager.logout(created[0]), True, "logouts go on")
        manager.logout_all("full")
        expect_true(manager.create("after"), "room again after logging out")


def eviction_keeps_the_index_true(_):
    options = ["--session-index", "yes", "--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru"]
    with Server(cloakroom_binary(), options) as server:
        client = redis.Redis(port=server.port, decode_responses=True)
        for number in range(30000):
            pipe = client.pipeline(transaction=True)  # apart, a session could be evicted before its SADD: a pending id
            pipe.setex("session:evict-%d" % number, 3600, "x" * 300)
            pipe.sadd("user_sessions:e%d" % (number % 500), "evict-%d" % number)
            pipe.execute()
        expect_true(client.info("stats")["evicted_keys"] > 0, "something was evicted")
        live = {key[8:] for key in client.keys("session:*")}
        for user in client.keys("user_sessions:*"):
            stale = client.smembers(user) - live
            expect(stale, set(), "ids without a session in %s" % user)


def run_all(report, full):
    with Server(cloakroom_binary(), COMPOSE) as server:
        for test in (life_of_a_session, several_devices, expired_and_invalid, statistics, health, thousand_creations):
            report.run("API back end: " + test.__name__.replace("_", " "), test, server)
    report.run("API back end: memory full", memory_full, full)
    report.run("API back end: eviction keeps the index true", eviction_keeps_the_index_true, full)
