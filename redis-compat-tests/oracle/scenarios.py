"""Runs every hand-made scenario against a fresh pair of servers."""
import time

import scenarios_connection
import scenarios_protocol
import scenarios_pubsub
import scenarios_server
import scenarios_time
from script import Script, differences
from servers import Server, cloakroom_binary, redis_binary

GROUPS = (scenarios_connection, scenarios_protocol, scenarios_pubsub, scenarios_server, scenarios_time)


def _transcript(binary, options, play, expected=()):
    with Server(binary, options) as server:
        script = Script(server, expected)
        try:
            play(script)
        finally:
            script.close()
        return script.lines


def run_all(report, only=None):
    for group in GROUPS:
        for name, options, play in group.SCENARIOS:
            if only and only not in name:
                continue
            begin = time.monotonic()
            try:
                theirs = _transcript(redis_binary(), options, play)
                ours = _transcript(cloakroom_binary(), options, play, theirs)
            except (OSError, RuntimeError, ValueError, IndexError) as error:
                report.fail("scenario " + name, "%s: %s" % (type(error).__name__, str(error)[:600]))
                continue
            wrong = differences(theirs, ours)
            if wrong:
                report.fail("scenario " + name, "\n".join(wrong[:12]) +
                            ("\n... and %d more" % (len(wrong) - 12) if len(wrong) > 12 else ""))
            else:
                report.ok("scenario " + name, "%d steps, %.1f s" % (len(theirs), time.monotonic() - begin))
