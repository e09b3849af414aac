"""The API back end's session manager, as mission.md describes it, over one synchronous redis-py client."""
import json
import time
import uuid

import redis

TTL_S = 3600


class SessionExpired(Exception):
    pass


class SessionInvalid(Exception):
    pass


class StoreFull(Exception):
    pass


class SessionManager:
    """Tells expired sessions from invalid ones by the ids it has handed out itself, as the API's signed tokens do."""

    def __init__(self, port, ttl_s=TTL_S):
        self.redis = redis.Redis(port=port, decode_responses=True)
        self.ttl_s = ttl_s
        self.issued = set()

    def create(self, user_id, device="web"):
        session_id = str(uuid.uuid4())
        now = time.time()
        data = {"user_id": user_id, "device": device, "created_at": now, "last_accessed": now,
                "user_data": {"id": user_id, "email": "%s@example.org" % user_id, "username": user_id,
                              "full_name": "User " + user_id, "role": "member"}}
        try:
            self.redis.setex("session:" + session_id, self.ttl_s, json.dumps(data))
            self.redis.sadd("user_sessions:" + user_id, session_id)
        except redis.exceptions.ResponseError as error:
            if str(error).startswith("OOM") or "OOM" in str(error) or "maxmemory" in str(error):
                raise StoreFull(str(error)) from error
            raise
        self.issued.add(session_id)
        return session_id

    def validate(self, session_id):
        key = "session:" + session_id
        raw = self.redis.get(key)
        if raw is None:
            raise SessionExpired(session_id) if session_id in self.issued else SessionInvalid(session_id)
        data = json.loads(raw)
        data["last_accessed"] = time.time()
        self.redis.setex(key, self.ttl_s, json.dumps(data))
        self.redis.expire("user_sessions:" + data["user_id"], self.ttl_s)
        return data

    def logout(self, session_id):
        self.issued.discard(session_id)
        return self.redis.delete("session:" + session_id) == 1

    def logout_all(self, user_id):
        ids = self.redis.smembers("user_sessions:" + user_id)
        return self.redis.delete(*["session:" + i for i in ids]) if ids else 0

    def active(self, user_id):
        return self.redis.smembers("user_sessions:" + user_id)

    def stats(self):
        return {"total_sessions": len(self.redis.keys("session:*")), "total_users": len(self.redis.keys("user_sessions:*")),
                "session_ttl_seconds": self.ttl_s}
