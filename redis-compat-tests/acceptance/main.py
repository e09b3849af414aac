"""mission.md's systems as tests: the API back end's flow, the session index' guarantees, the science web app's flow.

  run acceptance [--quick|--full]
Environment: CLOAKROOM_SERVER is the server under test.
"""
import api_backend
import index_ends
import index_links
import index_races
import index_seen
import science_app
from report import Report

SUITES = (api_backend, science_app, index_ends, index_links, index_seen, index_races)


def main(argv):
    report = Report()
    for suite in SUITES:
        suite.run_all(report, "--full" in argv)
    report.finish()
