"""Real clients against a running server: redis-py, node-redis, ioredis, connect-redis, phpredis, redis-cli.

  run clients [--quick|--full]
Environment: CLOAKROOM_SERVER is the server under test.
"""
import flow_python
import foreign
import handshakes
import subscribers_python
import tools_redis
from report import Report

SUITES = (flow_python, subscribers_python, handshakes, tools_redis, foreign)


def main(argv):
    report = Report()
    for suite in SUITES:
        suite.run_all(report)
    report.finish()
