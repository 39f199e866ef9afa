"""The form that adds, changes and removes a budget."""

from functools import partial
from zlib import crc32

import streamlit as st

from pages.ui import proposal, queries, queries_money, words
from pages.ui.shell import Page
from services import runtime
from services.access import Right, why_not
from services.cost import budgetedit
from services.domain.cost.budget import SCOPES, THRESHOLDS, Budget
from services.domain.cost.budgetfindings import SCOPED
from services.domain.cost.budgetrules import LONGEST
from services.domain.cost.budgetyaml import WEEKDAYS, micro_of, usd
from services.domain.cost.periods import KINDS, Calendar
from services.reading import Reading

_TOLD, _WHICH = "budgets_told", "budgets_which"
_NEW = "new"
_DAYS = [*WEEKDAYS, *(str(number) for number in range(1, 32))]


def refusal(page: Page) -> str:
    """Why this person may not change budgets, "" when they may."""
    return why_not(page.user, Right.BUDGETS, policy=queries.policy().actions, now=runtime.current().now())


def draw(page: Page, chosen: str) -> None:
    """The form, or why there is none."""
    found = queries_money.budgets(page.mode, page.scope).value
    if found is None:
        return
    st.subheader("Change budgets", anchor=False)
    complaints()
    reason = refusal(page)
    if reason:
        st.caption(f":material/lock: {words.plain(reason)}")
        if not found.standings:
            return
    known = {one.budget.id: one.budget for one in found.standings}
    with st.expander("Write a budget", icon=":material/edit:", expanded=not known):
        options = ["change", _NEW] if chosen in known else [_NEW]
        names = {"change": f"Change {known[chosen].name}" if chosen in known else "", _NEW: "Add a budget"}
        asked = st.segmented_control(
            "What",
            options,
            default=options[0],
            required=True,
            key=_WHICH,
            format_func=lambda name: words.plain(names[name]),
        )
        budget = known[chosen] if asked == "change" else _begun(found.suggested if not known else None)
        _form(budget, disabled=bool(reason))


def _begun(suggested: int | None) -> Budget:
    """A new budget: of the fleet, for as much as the last month cost, in round numbers, where that is known."""
    if not suggested:
        return Budget("", "", "team", 0)
    step = 10 ** max(len(str(suggested)) - 2, 4)
    return Budget("", "Fleet, monthly", "fleet", -(-suggested // step) * step)


def _form(budget: Budget, *, disabled: bool) -> None:
    token = crc32(repr(budget).encode())  # another budget, or revision, is another form
    keys = {name: f"budgets_{name}_{token}" for name in _FIELDS}
    calendar = budget.calendar
    with st.form(f"budgets_form_{token}", border=False):
        left, right = st.columns(2)
        left.text_input("Name", budget.name, key=keys["name"], max_chars=LONGEST["name"], disabled=disabled)
        right.text_input(
            "Amount, USD",
            usd(budget.amount_micro) if budget.amount_micro else "",
            key=keys["amount"],
            placeholder="12000",
            disabled=disabled,
        )
        left.selectbox(
            "For",
            SCOPES,
            SCOPES.index(budget.scope),
            key=keys["scope"],
            format_func=lambda name: SCOPED[name],
            disabled=disabled,
            help="Fleet, cluster and GPU model: all money of those nodes, held or not. Team, namespace and label: what "
            "their pods held. API provider: what the gateway counted.",
        )
        right.text_input(
            "Which",
            budget.value,
            key=keys["value"],
            placeholder="Its name; key=value of a label; empty for the fleet",
            max_chars=LONGEST["value"],
            disabled=disabled,
        )
        left.selectbox("Begins anew every", KINDS, KINDS.index(calendar.kind), key=keys["kind"], disabled=disabled)
        right.selectbox(
            "On",
            _DAYS,
            _DAYS.index(WEEKDAYS[calendar.day] if calendar.kind == "week" else str(calendar.day)),
            key=keys["day"],
            disabled=disabled,
            help="A weekday for weeks, a day of the month for months and quarters; of no meaning for days.",
        )
        left.text_input(
            "Thresholds, %",
            ", ".join(f"{share * 100:g}" for share in budget.thresholds),
            key=keys["thresholds"],
            disabled=disabled,
        )
        right.selectbox(
            "Quarter's first month",
            [1, 2, 3],
            calendar.month - 1,
            key=keys["month"],
            disabled=disabled,
            help="1: January, April, July, October. Of no meaning for the others.",
        )
        left.text_input("Owner", budget.owner, key=keys["owner"], max_chars=LONGEST["owner"], disabled=disabled)
        right.text_input(
            "Channel", budget.channel, key=keys["channel"], max_chars=LONGEST["channel"], disabled=disabled
        )
        st.checkbox("Also when it is expected to overrun", budget.projected, key=keys["projected"], disabled=disabled)
        with st.container(horizontal=True):
            st.form_submit_button(
                "Save this budget" if budget.id else "Add this budget",
                key=f"budgets_save_{token}",
                type="primary",
                on_click=partial(_save, keys, budget),
                disabled=disabled,
            )
            if budget.id:
                st.form_submit_button(
                    "Remove this budget",
                    key=f"budgets_remove_{token}",
                    on_click=partial(_remove, budget),
                    disabled=disabled,
                    help="Its history stays.",
                )


_FIELDS = (
    "name", "amount", "scope", "value", "kind", "day", "month", "thresholds", "projected", "owner", "channel",
)  # fmt: skip


def _save(keys: dict[str, str], before: Budget) -> None:
    given = {name: st.session_state.get(key) for name, key in keys.items()}
    try:
        budget = _written(given, before)
    except ValueError as error:
        st.session_state[_TOLD] = [str(error)]
        return
    found = budgetedit.save(runtime.current(), proposal.person(), budget)
    told(found, f"{budget.name} is saved.")


def _written(given: dict[str, object], before: Budget) -> Budget:
    """The budget a form says. Raises ValueError that says what is wrong."""
    text = {name: str(given.get(name) or "").strip() for name in _FIELDS}
    kind, day = text["kind"], text["day"]
    if kind == "week" and day not in WEEKDAYS:
        raise ValueError("A week begins on a weekday.")
    if kind in ("month", "quarter") and day in WEEKDAYS:
        raise ValueError(f"A {kind} begins on a day of the month, 1 to 31.")
    number = WEEKDAYS.index(day) if kind == "week" else 1 if kind == "day" else int(day)
    month = int(text["month"] or 1) if kind == "quarter" else 1
    try:
        amount = micro_of(text["amount"])
    except ValueError as error:
        raise ValueError(f"The amount {error}.") from None
    return Budget(
        id=before.id,
        name=text["name"],
        scope=text["scope"],
        amount_micro=amount,
        value="" if text["scope"] == "fleet" else text["value"],
        calendar=Calendar(kind, queries.policy().cost.zone, number, month),
        thresholds=_thresholds(text["thresholds"]),
        projected=bool(given.get("projected")),
        owner=text["owner"],
        channel=text["channel"],
        revision=before.revision,
    )


def _thresholds(text: str) -> tuple[float, ...]:
    parts = [part.strip().rstrip("%").strip() for part in text.split(",")]
    try:
        return tuple(sorted(round(float(part) / 100, 6) for part in parts if part)) or (
            () if not text.strip() else THRESHOLDS
        )
    except ValueError:
        raise ValueError("Thresholds are percentages with commas between, such as 50, 80, 100.") from None


def _remove(budget: Budget) -> None:
    told(budgetedit.remove(runtime.current(), proposal.person(), budget), f"{budget.name} is removed.")


def told(found: Reading[object], done: str) -> None:
    """Say how a change went, and have everything read anew when it was made."""
    if found.value is None:
        problem = found.problem
        said = "No database is configured." if problem is None else f"{problem.message} {problem.hint}".strip()
        st.session_state[_TOLD] = [said]
        if problem is not None:
            queries.forget()  # somebody else may have changed it: what is drawn next is as it is now
        return
    st.session_state.pop(_WHICH, None)
    queries.forget()
    st.toast(words.plain(done), icon=":material/check:")


def complaints() -> None:
    """Say what was wrong with the last entry."""
    for said in st.session_state.pop(_TOLD, []):
        st.error(words.plain(words.sentence(said)), icon=":material/error:")
