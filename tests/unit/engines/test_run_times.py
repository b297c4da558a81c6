from toilctl.engines.run_times import estimates


def test_estimate_is_what_nine_in_ten_runs_did_not_exceed():
    runs = [("sort", float(seconds)) for seconds in range(1, 21)]
    assert estimates(runs) == {"sort": 18.0}


def test_one_run_that_hung_does_not_count():
    runs = [("sort", 10.0)] * 20 + [("sort", 86400.0)]
    assert estimates(runs) == {"sort": 10.0}


def test_a_single_run_is_better_than_nothing():
    assert estimates([("sort", 7.0)]) == {"sort": 7.0}


def test_only_the_last_runs_count():
    assert estimates([("sort", 900.0)] * 100 + [("sort", 3.0)] * 50) == {"sort": 3.0}


def test_names_do_not_mix():
    assert estimates([("a", 1.0), ("b", 2.0)]) == {"a": 1.0, "b": 2.0}


def test_no_history_gives_no_estimate():
    assert estimates([]) == {}
