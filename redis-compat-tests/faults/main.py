"""Hostile and broken clients: the server keeps answering, its memory stays bounded.

  run faults [--quick|--full]
Environment: CLOAKROOM_SERVER is the server under test.
"""
import dying_clients
import endless_replies
import hostile_clients
import hostile_input
import life_and_death
import memory_limit
import memory_of_clients
import subscribers
from report import Report

SUITES = (
    hostile_input, hostile_clients, dying_clients, endless_replies, life_and_death,
    memory_limit, memory_of_clients, subscribers,
)


def main(argv):
    report = Report()
    for suite in SUITES:
        suite.run_all(report, "--full" in argv)
    report.finish()
