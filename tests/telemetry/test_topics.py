"""
Topics of MQTT mean what their templates say.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain.topics import BadTemplate, Place, TopicTemplate, parse_templates, place_of

LEVEL = st.text("abcdefgh0123456789._-", min_size=1, max_size=8)


@given(LEVEL, LEVEL)
def test_the_usual_topics_name_gateway_and_format(gateway: str, format: str):
    template = TopicTemplate.parse("warmgrid/{gateway}/{format}")

    assert template.subscription == "warmgrid/+/+"
    assert template.read(f"warmgrid/{gateway}/{format}") == Place(gateway, format)
    assert template.read(f"warmgrid/{gateway}/{format}/more") is None
    assert template.read(f"other/{gateway}/{format}") is None


def test_the_first_template_that_fits_counts_and_what_no_level_tells_is_given():
    templates = parse_templates(
        "wmbusmeters/+?gateway=7&format=wmbusmeters, plant/{gateway}/{channel},"
        "old/{gateway}/#?format=line"
    )

    assert [t.subscription for t in templates] == ["wmbusmeters/+", "plant/+/+", "old/+/#"]
    assert place_of("wmbusmeters/pool", templates) == Place("7", "wmbusmeters")
    assert place_of("plant/9/heat.energy", templates) == Place("9", "figure", "heat.energy")
    assert place_of("old/3/a/b", templates) == Place("3", "line")
    assert place_of("wmbusmeters/a/b", templates) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no template"),
        ("a/{format}", "say whose gateway"),
        ("a/{gateway}", "say how to read it"),
        ("a/{gateway}/{gateway}/{format}", "twice"),
        ("a/{gateway}/{format}?format=line", "twice"),
        ("a/#/{gateway}/{format}", "only at the end"),
        ("a/{site}/{gateway}/{format}", "none of {gateway}"),
        ("a//{gateway}/{format}", "no level"),
        ("a+/{gateway}/{format}", "no level"),
        ("a/{gateway}/{format}?channel=x", "channel is not known"),
    ],
)
def test_a_template_that_cannot_be_understood_says_why(text: str, says: str):
    with pytest.raises(BadTemplate, match=says):
        parse_templates(text)
