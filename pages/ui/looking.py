"""How often a part of a page renews itself, decided anew at each look."""

from __future__ import annotations

from contextlib import suppress

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState, get_script_run_ctx

__all__ = ["look_again_in"]


def look_again_in(seconds: float) -> None:
    """Sets the interval at which the present fragment runs again, from now on; nothing outside of one.

    ``st.fragment`` takes ``run_every`` once, when the whole page runs. The message is the one that it sends.
    """
    with suppress(AttributeError, RuntimeError):  # Streamlit's own matters: the first interval holds then
        context = get_script_run_ctx()
        fragment_id = ThreadState.get().fragment_id
        if context is None or not fragment_id or not context.fragment_ids_this_run:
            return
        message = ForwardMsg()
        message.auto_rerun.interval = seconds
        message.auto_rerun.fragment_id = fragment_id
        context.enqueue(message)
