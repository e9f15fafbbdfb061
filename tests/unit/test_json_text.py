"""JSON written by joining is what the encoder writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.web.json_text import encoded, encoded_texts


@given(st.lists(st.text(alphabet=st.sampled_from('ab ,"[]{}\\/\x7f\x1f\n\u2028é'), max_size=4), max_size=5))
def test_joined_texts_are_what_the_encoder_writes(texts: list[str]) -> None:
    assert encoded_texts("ids", texts) == encoded({"ids": texts})


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ['","'], ['a","b', "c"], ["agent-1", "agent-2"], ["\\"]])
def test_odd_lists_come_back_as_they_were(texts: list[str]) -> None:
    assert json.loads(encoded_texts("ids", texts)) == {"ids": texts}
