from shared.changes import ChangeRecord, decode_change, encode_change
from shared.pictures import Facts

FACTS = Facts(etag="0x1", sha256="a" * 64, width=640, height=480)


def test_a_record_survives_the_queue() -> None:
    record = ChangeRecord(path="parts/images/Schlüssel/1.jpg", facts=FACTS, traceparent="00-a-b-01")
    assert decode_change(encode_change(record)) == record


def test_facts_that_do_not_fit_into_one_kilobyte_are_left_out() -> None:
    record = ChangeRecord(path="p/images/a/" + "x" * 1000, facts=FACTS)
    assert decode_change(encode_change(record)) == ChangeRecord(path=record.path)


def test_a_message_of_somebody_else_is_recognised() -> None:
    assert decode_change("hello") is None
    assert decode_change('{"other": 1}') is None
