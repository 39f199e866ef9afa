"""Entry of the console: settings, login, navigation, global scope, error boundary."""

from pathlib import Path

import streamlit as st

from pages.ui import identity, shell
from services import runtime
from services.access import User
from services.errors import OpsError, WrongSetting

# A material icon would be fetched from the internet by every browser that opens the console.
_PICTURES = Path(__file__).parent / "pages" / "ui"
_ICON = str(_PICTURES / "icon.svg")

st.set_page_config(page_title="GPU Fleet Console", page_icon=_ICON, layout="wide", initial_sidebar_state=300)
st.logo(str(_PICTURES / "wordmark.svg"), size="large", icon_image=_ICON)

try:
    runtime.current()
except WrongSetting as wrong:
    st.error(f"The console cannot start. {shell.words.plain(str(wrong))}", icon=":material/error:")
    st.stop()

person = identity.person()
# Without its pages, a process would send whoever comes by a deep link away before they could log in.
current = shell.navigation(shown=isinstance(person, User))
if not isinstance(person, User):
    identity.door(person)
shell.frame(current.title, person)
try:
    current.run()
except OpsError as problem:
    shell.explain(problem)
