def run_all(report):
    pass
