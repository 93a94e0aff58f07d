"""Work that is done as a whole: one at a time in a session, and a later run of the page waits for it."""

import threading

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared.whole import Whole


@pytest.fixture
def thread():
    started = []

    def start(act):
        started.append(threading.Thread(target=act))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.join(30)
        assert not one.is_alive()


def test_a_later_run_waits_for_the_work_of_an_earlier_one(thread):
    whole, begun, may_end, done = Whole(), threading.Event(), threading.Event(), []

    def work():
        with whole.work("Reading ...") as show:
            show(0.5, "Half")
            begun.set()
            may_end.wait(30)
            done.append("work")

    def wait():
        whole.wait()
        done.append("later run")

    thread(work)
    assert begun.wait(30)
    later = thread(wait)
    later.join(0.5)
    assert later.is_alive() and not done
    may_end.set()
    later.join(30)
    assert done == ["work", "later run"]


def test_work_that_fails_lets_the_next_begin():
    whole = Whole()
    with pytest.raises(ValueError, match="no image"), whole.work():
        raise ValueError("no image")
    whole.wait()
    with whole.work():
        pass


def test_a_page_that_is_asked_for_again_does_not_keep_the_work_from_beginning():
    def page():
        import streamlit as st
        from streamlit.runtime.scriptrunner import get_script_run_ctx
        from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

        from pages.shared.pressing import pressed
        from pages.shared.whole import Whole

        done = st.session_state.setdefault("done", [])
        if pressed("Take it", key="take"):
            get_script_run_ctx().script_requests.request_rerun(RerunData())
            with Whole().work("Taking it ..."):
                done.append("taken")
            st.text("Taken")
            done.append("drawn")

    app = AppTest.from_function(page).run()
    app.button(key="take").click().run()
    assert not app.exception
    assert app.session_state["done"] == ["taken"], "the run ends with the next thing that it draws"
