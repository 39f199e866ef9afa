from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import access
from services.access import ActionPolicy, Denied, Login, Right, User
from services.domain.scope import EVERYTHING, Sight
from services.errors import Refused

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
LOGIN = Login(
    how="oidc",
    issuer="https://login.example.com/main",
    audience="console",
    roles={"viewer": frozenset("*"), "operator": frozenset({"gpu-ops"}), "admin": frozenset({"gpu-admins", "root"})},
)
CLAIMS = {
    "iss": "https://login.example.com/main",
    "aud": "console",
    "sub": "u-17",
    "name": "Ada Lovelace",
    "groups": ["staff", "gpu-ops"],
    "iat": EPOCH - 600,
    "exp": EPOCH + 3000,
}


def person(login: Login = LOGIN, **changes: Any) -> User:
    found = access.user_from({**CLAIMS, **changes}, login, NOW)
    assert isinstance(found, User), found
    return found


def denied(login: Login = LOGIN, **changes: Any) -> Denied:
    found = access.user_from({**CLAIMS, **changes}, login, NOW)
    assert isinstance(found, Denied), found
    return found


def test_claims_become_a_person() -> None:
    ada = access.user_from(CLAIMS, LOGIN, NOW, address="10.1.2.3")
    assert ada == User(
        id="u-17",
        name="Ada Lovelace",
        rights=frozenset({Right.READ, Right.ACT}),
        roles=("viewer", "operator"),
        groups=("staff", "gpu-ops"),
        kube_name="u-17",
        via="oidc",
        logged_in_at=datetime(2026, 6, 3, 11, 50, tzinfo=UTC),
        address="10.1.2.3",
        sees=EVERYTHING,
    )


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["gpu-ops"], ("viewer", "operator")),
        ("staff gpu-admins", ("viewer", "admin")),
        ("staff,root", ("viewer", "admin")),
        ([], ("viewer",)),
        (None, ("viewer",)),
        ({"gpu-ops": True}, ("viewer",)),
        ([["gpu-ops"], 7, "GPU-OPS", "gpu-ops "], ("viewer", "operator")),
        (["gpu-ops\x00"], ("viewer",)),
    ],
)
def test_groups_come_as_a_list_or_a_text_and_only_exact_names_count(groups: object, roles: tuple[str, ...]) -> None:
    assert person(groups=groups).roles == roles


def test_groups_may_lie_inside_another_claim() -> None:
    nested = replace(LOGIN, groups="realm_access.roles")
    assert person(nested, realm_access={"roles": ["gpu-admins"]}).roles == ("viewer", "admin")
    assert person(nested, realm_access="gpu-admins").roles == ("viewer",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aud": "other"}, "made for another application"),
        ({"aud": ["other", "third"]}, "made for another application"),
        ({"aud": None}, "made for another application"),
        ({"iss": "https://evil.example.com"}, "provider this console does not know"),
        ({"sub": ""}, "who you are"),
        ({"sub": "a\nb"}, "who you are"),
        ({"sub": "a" * 257}, "who you are"),
        ({"sub": 17}, "who you are"),
        ({"iat": None}, "when you logged in"),
        ({"iat": "yesterday"}, "when you logged in"),
        ({"iat": True}, "when you logged in"),
        ({"iat": 1e30}, "when you logged in"),
        ({"iat": EPOCH + 3600}, "when you logged in"),
        ({"groups": [f"g{n}" for n in range(501)]}, "too many groups"),
        ({"_claim_names": {"groups": "src1"}}, "too many groups"),
    ],
)
def test_a_login_that_cannot_be_trusted_lets_nobody_in(changes: dict[str, Any], says: str) -> None:
    refusal = denied(**changes)
    assert says in refusal.says
    assert not refusal.over


def test_one_audience_of_several_and_a_slash_at_the_issuers_end_are_enough() -> None:
    assert person(aud=["other", "console"], iss="https://login.example.com/main/").id == "u-17"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": EPOCH},
        {"iat": EPOCH - 12 * 3600 - 1, "exp": EPOCH + 9999},
        {"auth_time": EPOCH - 12 * 3600 - 1},  # the provider remembered them; they typed nothing today
    ],
)
def test_a_login_ends_with_its_token_and_at_our_own_limit(changes: dict[str, Any]) -> None:
    assert denied(**changes) == Denied("Your login is over.", over=True)


def test_short_tokens_can_be_let_live_until_our_own_limit() -> None:
    assert person(replace(LOGIN, expires=False), exp=EPOCH - 1).id == "u-17"
    assert denied(replace(LOGIN, expires=False), iat=EPOCH - 13 * 3600).over


def test_whoever_has_no_role_is_told_so() -> None:
    nobody = replace(LOGIN, roles={"viewer": frozenset({"gpu-users"})})
    assert denied(nobody).says == "You are logged in as Ada Lovelace, but none of your groups may use this console."


def test_names_are_shown_on_one_line_and_cut() -> None:
    assert person(name=" Ada\n\u202eLovelace\t ").name == "Ada Lovelace"
    assert person(name="x" * 500).name == "x" * 99 + "…"
    assert person(name=None, email="ada@example.com").name == "ada@example.com"
    assert person(name=None).name == "u-17"


def test_kubernetes_is_told_prefixed_names_and_never_its_own() -> None:
    prefixed = person(replace(LOGIN, prefix="oidc:"), groups=["gpu-ops", "system:masters"])
    assert (prefixed.kube_name, prefixed.groups) == ("oidc:u-17", ("oidc:gpu-ops", "oidc:system:masters"))
    bare = person(sub="system:admin", groups=["gpu-ops", "system:masters"])
    assert (bare.kube_name, bare.groups) == ("", ("gpu-ops",))


def test_an_address_nobody_verified_is_not_told_to_kubernetes() -> None:
    by_mail = replace(LOGIN, act_as="email")
    assert person(by_mail, email="ada@example.com", email_verified=True).kube_name == "ada@example.com"
    assert person(by_mail, email="ada@example.com").kube_name == ""
    assert person(by_mail, email="ada@example.com", email_verified="true").kube_name == ""


ML, WEB = Sight(frozenset({"ml"}), frozenset({"ml-team"})), Sight(frozenset({"web"}), frozenset())
VIEWS = replace(LOGIN, views={"ml": ML, "web": WEB}, see_all=frozenset({"auditors"}))


@pytest.mark.parametrize(
    ("groups", "sees"),
    [
        (["ml"], ML),
        (["ml", "web", "staff"], Sight(frozenset({"ml", "web"}), frozenset({"ml-team"}))),
        (["staff"], Sight(frozenset(), frozenset())),
        (["gpu-ops"], EVERYTHING),
        (["gpu-ops", "web"], WEB),
        (["ml", "auditors"], EVERYTHING),
    ],
)
def test_people_see_what_their_groups_say(groups: list[str], sees: Sight) -> None:
    assert person(VIEWS, groups=groups).sees == sees


def test_what_everybody_sees_adds_to_what_groups_see() -> None:
    shared = replace(VIEWS, views={"*": WEB, "ml": ML})
    assert person(shared, groups=["staff"]).sees == WEB
    assert person(shared, groups=["ml"]).sees == Sight(frozenset({"ml", "web"}), frozenset({"ml-team"}))
    assert person(shared, groups=["gpu-ops"]).sees == EVERYTHING


PROXY = replace(LOGIN, how="proxy", subject="X-User", name="X-Name", groups="X-Groups")


def test_a_proxys_headers_become_a_person() -> None:
    headers = {"X-User": "ada", "X-Name": "Ada", "X-Groups": "gpu ops, gpu-ops"}
    since = NOW - timedelta(hours=2)
    ada = access.user_from_headers(headers, PROXY, since, NOW, address="10.0.0.9")
    assert isinstance(ada, User)
    assert (ada.id, ada.name, ada.roles, ada.groups) == ("ada", "Ada", ("viewer", "operator"), ("gpu ops", "gpu-ops"))
    assert (ada.via, ada.kube_name, ada.logged_in_at, ada.address) == ("proxy", "ada", since, "10.0.0.9")


def test_without_the_proxys_header_nobody_is_let_in() -> None:
    nobody = access.user_from_headers({"X-Groups": "gpu-admins"}, PROXY, NOW, NOW)
    assert isinstance(nobody, Denied)
    assert "named nobody" in nobody.says


def test_a_tab_that_stays_open_is_asked_to_reload() -> None:
    stale = access.user_from_headers({"X-User": "ada"}, PROXY, NOW - timedelta(hours=13), NOW)
    assert stale == Denied("You opened this page too long ago.", over=True)


@pytest.mark.parametrize(
    ("user", "right", "policy", "says"),
    [
        (person(), Right.ACT, ActionPolicy(), ""),
        (access.DEMO, Right.ACT, ActionPolicy(), ""),
        (access.ANONYMOUS, Right.READ, ActionPolicy(), ""),
        (access.ANONYMOUS, Right.ACT, ActionPolicy(), "Nobody is logged in, so this console only reads."),
        (person(groups=[]), Right.ACT, ActionPolicy(), "This needs the role operator; you have viewer."),
        (person(), Right.ADMIN, ActionPolicy(), "This needs the role admin; you have viewer and operator."),
        (person(), Right.ACT, ActionPolicy(mode="off"), "Actions are switched off in this installation."),
        (
            person(iat=EPOCH - 3601),
            Right.ACT,
            ActionPolicy(),
            "Your login is too old to make changes. Log out and in again.",
        ),
        (person(iat=EPOCH - 3601), Right.READ, ActionPolicy(), ""),
        (
            person(sub="system:x"),
            Right.ACT,
            ActionPolicy(),
            "Changes are made with your own rights, and your login does not say who you are to Kubernetes.",
        ),
        (person(sub="system:x"), Right.ACT, ActionPolicy(as_person=False), ""),
    ],
)
def test_why_somebody_may_not_is_said_in_a_sentence(user: User, right: Right, policy: ActionPolicy, says: str) -> None:
    assert access.why_not(user, right, policy=policy, now=NOW) == says
    if says:
        with pytest.raises(Refused, match=says[:20]):
            access.require(user, right, policy=policy, now=NOW)


def test_only_the_role_that_says_so_edits_budgets() -> None:
    finance = person(replace(LOGIN, roles={"finance": frozenset({"money"})}), groups=["money"])
    assert finance.rights == {Right.READ, Right.BUDGETS, Right.SPENDERS}
