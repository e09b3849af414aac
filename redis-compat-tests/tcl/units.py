"""The units of Redis' suite that are run, named as in its test_helper.tcl; those that last longest come first."""

QUICK = (
    "unit/pause",
    "integration/logging",
    "integration/redis-cli",
    "unit/introspection",
    "unit/expire",
    "unit/client-eviction",
    "unit/type/set",
    "unit/type/hash",
    "unit/other",
    "unit/type/string",
    "unit/multi",
    "unit/scan",
    "unit/querybuf",
    "unit/replybufsize",
    "integration/redis-benchmark",
    "unit/lazyfree",
    "unit/info",
    "unit/introspection-2",
    "unit/limits",
    "unit/networking",
    "unit/type/incr",
    "unit/keyspace",
    "unit/protocol",
    "unit/pubsub",
    "unit/pubsubshard",
    "unit/auth",
    "unit/slowlog",
    "unit/shutdown",
    "unit/info-command",
    "unit/quit",
    "unit/violations",
    "unit/printver",
)
# They wait, or fill memory, for minutes.
FULL = ("unit/obuf-limits", "unit/maxmemory", "unit/latency-monitor")
IO_THREADS = (1, 4)


def directives(io_threads):
    """What the servers of a unit are started with besides; the suite would have all of them write one pid file in /run."""
    return {"io-threads": io_threads, "pidfile": "''"}
