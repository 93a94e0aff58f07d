"""A press is carried out once, whatever ends the run that was told of it; and never about something else."""

from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    from pages.shared.pressing import Presses, pressed
    from pages.shared.session import get_state

    state = get_state()
    presses = state.of(Presses)
    presses.begin_page(st.session_state.get("page", "project"))
    if st.session_state.pop("another_run", False):
        st.session_state["carried_out_before"] = len(st.session_state["carried_out"])
        if "project" in st.session_state:
            state.project.id = st.session_state["project"]
        if "then_about" in st.session_state:
            st.session_state["about"] = st.session_state["then_about"]
        st.rerun()
    done = st.session_state.setdefault("carried_out", [])
    if st.session_state.get("is_there", True):
        is_dead = st.session_state.get("is_dead", False)
        if pressed("Go", key="go", about=st.session_state.get("about", 1), disabled=is_dead):
            done.append("go")
    with st.form("form"):
        text = st.text_input("Text", key="text")
        is_sent = pressed("Send", key="send", draw=st.form_submit_button)
    if is_sent:
        done.append(f"sent {text}")
    if not st.session_state.pop("is_part", False):  # as a fragment's run
        presses.end_page()


def opened():
    return AppTest.from_function(page).run()


def done(app):
    assert not app.exception
    return app.session_state["carried_out"]


def test_a_press_is_carried_out_once():
    app = opened()
    app.button(key="go").click().run()
    assert done(app) == ["go"]
    app.run()
    assert done(app) == ["go"]
    app.button(key="go").click().run()
    assert done(app) == ["go", "go"]


def test_a_press_outlives_the_run_that_was_told_of_it():
    app = opened()
    app.session_state["another_run"] = True
    app.button(key="go").click().run()
    assert app.session_state["carried_out_before"] == 0, "the first run ended before its button"
    assert done(app) == ["go"]


def test_a_form_is_sent_by_the_run_after_one_that_was_broken_off():
    app = opened()
    app.session_state["another_run"] = True
    app.text_input(key="text").set_value("hello")
    app.button(key="send").click().run()
    assert done(app) == ["sent hello"]


def test_a_press_is_not_about_another_project():
    app = opened()
    app.session_state["project"], app.session_state["another_run"] = 7, True
    app.button(key="go").click().run()
    assert done(app) == []


def test_a_press_is_not_about_what_its_button_is_about_now():
    app = opened()
    app.session_state["then_about"], app.session_state["another_run"] = 2, True
    app.button(key="go").click().run()
    assert done(app) == []


def test_a_press_of_a_dead_button_does_not_wait_until_it_lives():
    app = opened()
    app.session_state["is_dead"], app.session_state["is_part"] = True, True
    app.button(key="go").click().run()
    app.session_state["is_dead"] = False
    app.run()
    assert done(app) == []


def test_a_press_is_forgotten_with_its_page():
    app = opened()
    app.session_state["page"], app.session_state["is_there"] = "review", False
    app.button(key="go").click().run()
    app.session_state["page"], app.session_state["is_there"] = "project", True
    app.run()
    assert done(app) == []


def test_a_press_is_forgotten_with_its_button():
    app = opened()
    app.session_state["is_there"] = False
    app.button(key="go").click().run()
    app.session_state["is_there"] = True
    app.run()
    assert done(app) == []


def kept():
    import streamlit as st

    from pages.shared.pressing import Presses, carrying_out, drop_press, pressed
    from pages.shared.session import get_state

    started = st.session_state.setdefault("started", [])
    if pressed("Make", key="make", is_kept=True):
        with carrying_out("make"):
            started.append(st.session_state.get("wanted", 1))
            if st.session_state.pop("broken_off", False):
                st.session_state["wanted"] = 2
                st.rerun()
            if st.session_state.pop("cancelled", False):
                drop_press("make")
                st.rerun()
            if st.session_state.pop("fails", False):
                raise OSError("disk full")
    get_state().of(Presses).end_page()


def test_work_that_was_broken_off_begins_again_with_what_is_wanted_now():
    app = AppTest.from_function(kept).run()
    app.session_state["broken_off"] = True
    app.button(key="make").click().run()
    assert app.session_state["started"] == [1, 2]
    app.run()
    assert app.session_state["started"] == [1, 2]


def test_work_that_failed_is_not_tried_again_by_itself():
    app = AppTest.from_function(kept).run()
    app.session_state["fails"] = True
    app.button(key="make").click().run()
    assert len(app.exception) == 1
    app.run()
    assert not app.exception
    assert app.session_state["started"] == [1]


def test_cancelled_work_does_not_begin_again():
    app = AppTest.from_function(kept).run()
    app.session_state["cancelled"] = True
    app.button(key="make").click().run()
    assert app.session_state["started"] == [1]


def test_a_kept_press_waits_for_its_answer_and_goes_with_its_button():
    def page():
        import streamlit as st

        from pages.shared.pressing import Presses, pressed
        from pages.shared.session import get_state

        is_there = st.session_state.get("is_there", True)
        st.session_state["asked"] = is_there and pressed("Ask", key="ask", is_kept=True)
        get_state().of(Presses).end_page()

    app = AppTest.from_function(page).run()
    assert not app.session_state["asked"]
    app.button(key="ask").click().run()
    app.run()
    assert app.session_state["asked"]
    app.session_state["is_there"] = False
    app.run()
    app.session_state["is_there"] = True
    app.run()
    assert not app.session_state["asked"]


def asks_for_a_name():
    import streamlit as st

    from pages.shared.naming import with_name
    from pages.shared.pressing import Presses, pressed
    from pages.shared.session import get_state

    state = get_state()
    if pressed("Keep", key="keep", is_kept=True):
        with_name(
            state.project,
            "keep",
            lambda: st.session_state.setdefault("kept_by", []).append(state.project.who),
        )
    state.of(Presses).end_page()


def test_a_question_stays_while_the_page_is_drawn_again():
    app = AppTest.from_function(asks_for_a_name).run()
    app.button(key="keep").click().run()
    for _ in range(2):
        assert [field.label for field in app.text_input] == ["Your name, for the journal"]
        app.run()
    app.text_input[0].set_value("Ann")
    app.button(key="name-said").click().run()
    assert app.session_state["kept_by"] == ["Ann"]
    app.run()
    assert not app.text_input and app.session_state["kept_by"] == ["Ann"]
    app.button(key="keep").click().run()
    assert not app.text_input and app.session_state["kept_by"] == ["Ann", "Ann"]
