from bench.readme import README, written


def test_the_accuracy_table_is_what_the_kept_results_say() -> None:
    assert written(README.read_text()) == README.read_text()
