def run_all(report, seed):
    pass
