"""A notice outlasts pages that are drawn again for other reasons, and goes with the next change."""

from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    from pages.shared.notice import Notice

    notice = st.session_state.setdefault("notice", Notice())
    if text := st.session_state.pop("say", ""):
        notice.say(text)
    notice.draw(st.session_state["state"])


def shown(app):
    app.run()
    assert not app.exception
    return [success.value for success in app.success]


def test_a_notice_stays_until_something_else_has_changed():
    app = AppTest.from_function(page)
    app.session_state["state"] = (1, "categories")
    assert shown(app) == []
    app.session_state["say"], app.session_state["state"] = "Added 2.", (2, "categories")
    assert shown(app) == ["Added 2\\."]
    assert shown(app) == ["Added 2\\."], "drawn again, as nothing has changed"
    app.session_state["say"] = "Nothing new."
    assert shown(app) == ["Nothing new\\."]
    app.session_state["state"] = (2, "history")
    assert shown(app) == []
    app.session_state["state"] = (2, "categories")
    assert shown(app) == [], "it does not come back"
