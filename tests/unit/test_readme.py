from bench.readme import README, written


def test_the_accuracy_table_is_what_the_kept_results_say() -> None:
    assert written(README.read_text()) == README.read_text()


def test_each_table_goes_to_its_own_place_and_a_page_without_places_stays_as_it_is() -> None:
    page = "<!-- fewshot -->\nold\n<!-- /fewshot -->\n<!-- detect -->\n<!-- /detect -->\nend\n"
    assert "old" not in written(page)
    assert written(page).index("| backbone |") < written(page).index("| data set |")
    assert written("no places") == "no places"
