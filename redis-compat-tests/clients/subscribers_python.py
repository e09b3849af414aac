"""redis-py as a subscriber, and Spring Session's indexed repository played as it speaks to Redis."""
import time

import redis

from report import expect, expect_true
from servers_of_tests import start

PREFIX = "spring:session:"
DATABASE = 0


def _next(pubsub, timeout_s=10.0):
    """The next message that is no confirmation."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=0.5)
        if message:
            return message
    raise AssertionError("no message came")


def channels_and_patterns(server):
    client = redis.Redis(port=server.port, decode_responses=True)
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    pubsub.psubscribe("ne*")
    expect([pubsub.get_message(timeout=5)["type"] for _ in range(2)], ["subscribe", "psubscribe"], "confirmations")
    expect(client.publish("news", "hello"), 2, "receivers")
    expect(sorted(_next(pubsub)["type"] for _ in range(2)), ["message", "pmessage"], "messages")
    expect((client.pubsub_channels(), client.pubsub_numpat(), client.pubsub_numsub("news")), (["news"], 1, [("news", 1)]), "PUBSUB")
    pubsub.ping()
    expect(pubsub.get_message(timeout=5)["type"], "pong", "PING while subscribed")
    pubsub.unsubscribe()
    pubsub.punsubscribe()
    expect([pubsub.get_message(timeout=5)["data"] for _ in range(2)], [1, 0], "subscriptions left")
    expect(client.publish("news", "to nobody"), 0, "receivers")
    pubsub.close()


def listening_thread(server):
    client = redis.Redis(port=server.port, decode_responses=True)
    pubsub = client.pubsub()
    got = []
    pubsub.subscribe(**{"work": lambda message: got.append(message["data"])})
    thread = pubsub.run_in_thread(sleep_time=0.01)
    while client.pubsub_numsub("work")[0][1] == 0:
        time.sleep(0.005)
    for n in range(100):
        client.publish("work", n)
    deadline = time.monotonic() + 10
    while len(got) < 100 and time.monotonic() < deadline:
        time.sleep(0.005)
    thread.stop()
    thread.join()
    expect(got, [str(n) for n in range(100)], "messages in order")


class IndexedRepository:
    """What Spring Session's RedisIndexedSessionRepository sends, save by save."""

    def __init__(self, server):
        self.client = redis.Redis(port=server.port, decode_responses=True)
        flags = self.client.config_get("notify-keyspace-events")["notify-keyspace-events"]
        wanted = flags + "".join(flag for flag in "Egx" if flag not in flags and not (flag != "E" and "A" in flags))
        self.client.config_set("notify-keyspace-events", wanted)
        self.events = self.client.pubsub()
        self.events.subscribe("__keyevent@%d__:del" % DATABASE, "__keyevent@%d__:expired" % DATABASE)
        self.events.psubscribe(PREFIX + "event:%d:created:*" % DATABASE)
        for _ in range(3):
            self.events.get_message(timeout=5)

    @staticmethod
    def principal(name):
        return PREFIX + "index:org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME:" + name

    def save(self, session, user, ttl_ms):
        minute = PREFIX + "expirations:%d" % (int(time.time() * 1000 + ttl_ms) // 60000 * 60000 + 60000)
        shadow = PREFIX + "sessions:expires:" + session
        self.client.hset(PREFIX + "sessions:" + session, mapping={"creationTime": "1", "maxInactiveInterval": "1800", "principal": user})
        self.client.sadd(minute, "expires:" + session)
        self.client.pexpire(minute, ttl_ms + 300_000)
        self.client.append(shadow, "")
        self.client.pexpire(shadow, ttl_ms)
        self.client.pexpire(PREFIX + "sessions:" + session, ttl_ms + 300_000)
        self.client.sadd(self.principal(user), session)
        self.client.publish(PREFIX + "event:%d:created:%s" % (DATABASE, session), "{}")

    def find(self, user):
        return self.client.smembers(self.principal(user))

    def handle(self):
        """One event, as the listener does: a shadow key that went takes the session out of its principal's index."""
        message = _next(self.events)
        if message["type"] == "pmessage":
            return "created"
        event = message["channel"].rsplit(":", 1)[1]
        if not message["data"].startswith(PREFIX + "sessions:expires:"):
            return event + " of something else"
        session = message["data"][len(PREFIX + "sessions:expires:"):]
        user = self.client.hget(PREFIX + "sessions:" + session, "principal")
        self.client.srem(self.principal(user), session)
        self.client.delete(PREFIX + "sessions:" + session)
        return event


def spring_session_indexed(server):
    repository = IndexedRepository(server)
    repository.save("s1", "ann", 60_000)
    repository.save("s2", "ann", 150)
    expect([repository.handle(), repository.handle()], ["created", "created"], "created events")
    expect(repository.find("ann"), {"s1", "s2"}, "sessions of the principal")
    expect(repository.handle(), "expired", "the event of a session whose time is over")
    expect(repository.find("ann"), {"s1"}, "the principal's index after it")
    expect(repository.handle(), "del of something else", "the hash that went with it")
    repository.client.delete(PREFIX + "sessions:expires:s1")
    expect(repository.handle(), "del", "logout")
    expect(repository.find("ann"), set(), "nothing is left")
    expect_true(repository.client.keys(PREFIX + "sessions:*") == [], "no session is left")


TESTS = [channels_and_patterns, listening_thread, spring_session_indexed]


def run_all(report):
    with start() as server:
        for test in TESTS:
            report.run("redis-py 4.3.4: " + test.__name__.replace("_", " "), test, server)
