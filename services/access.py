"""Who somebody is, what they may do and what they see.

Roles are sets of rights; groups of the login map to roles and to views in the settings.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from services.domain import claims as claim
from services.domain.scope import EVERYTHING, Sight
from services.errors import Refused


class Right(StrEnum):
    """One thing a person may do."""

    READ = "read"
    BUDGETS = "budgets"  # edit budgets and prices
    SPENDERS = "spenders"  # see spend by person or key
    ACT = "act"  # change clusters and gateways
    ADMIN = "admin"  # reset breakers and the like


ROLES: Mapping[str, frozenset[Right]] = {
    "viewer": frozenset({Right.READ}),
    "finance": frozenset({Right.READ, Right.BUDGETS, Right.SPENDERS}),
    "operator": frozenset({Right.READ, Right.ACT}),
    "admin": frozenset(Right),
}
"""A person with several roles has the rights of all of them."""


@dataclass(frozen=True)
class User:
    """A person, as of this request.

    ``id`` is stable (the login's subject), ``name`` for people. ``via`` is "oidc", "proxy", "none" or "demo";
    ``logged_in_at`` None where there was no login. ``kube_name`` and ``groups`` are what Kubernetes is told when it is
    asked on the person's behalf; ``address`` is where the request came from. ``sees`` limits what they may see.
    """

    id: str
    name: str
    rights: frozenset[Right]
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    kube_name: str = ""
    via: str = "none"
    logged_in_at: datetime | None = None
    address: str = ""
    sees: Sight = EVERYTHING


@dataclass(frozen=True)
class ActionPolicy:
    """What the installation allows actions.

    ``mode``: "on", "dry-run" (nothing is ever applied) or "off". ``as_person``: write with the logged-in user's own
    rights, by impersonation; otherwise with the service account's. ``login_max_age``: an older login may read but not
    write. ``second_person``: high-risk plans need another person's approval. The breaker trips above ``breaker_nodes``
    nodes, or ``breaker_pool_ratio`` (0..1) of a pool, touched within ``breaker_window`` by everybody together.
    """

    mode: str = "on"
    as_person: bool = True
    login_max_age: timedelta = timedelta(hours=1)
    second_person: bool = False
    breaker_nodes: int = 20
    breaker_pool_ratio: float = 0.5
    breaker_window: timedelta = timedelta(hours=1)
    audit_kept: timedelta = timedelta(days=400)


EVERYBODY = "*"
"""The group everybody who is logged in belongs to."""
MOST_GROUPS = 500
_CLOCKS_APART = timedelta(minutes=5)
_OURS_ALONE = "system:"  # what Kubernetes calls its own users and groups; nobody is ever told to be one


@dataclass(frozen=True)
class Login:
    """How people log in, and what their groups give them.

    ``how`` is "none", "oidc" or "proxy". ``subject``, ``name`` and ``groups`` are the claims (of a proxy: headers) that
    say who somebody is; ``act_as`` is the claim with the name Kubernetes knows them by, ``prefix`` stands before that
    name and the groups when it is told them. A token must be from ``issuer`` for ``audience``. ``roles`` are groups by
    role, ``views`` what groups see; ``see_all`` are groups that see everything. A login older than ``max_age``, or with
    ``expires`` one whose token has expired, is over.
    """

    how: str = "none"
    issuer: str = ""
    audience: str = ""
    subject: str = "sub"
    name: str = "name"
    groups: str = "groups"
    act_as: str = "sub"
    prefix: str = ""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    views: Mapping[str, Sight] = field(default_factory=dict)
    see_all: frozenset[str] = frozenset()
    max_age: timedelta = timedelta(hours=12)
    expires: bool = True


@dataclass(frozen=True)
class Denied:
    """Why somebody who logged in is not let in, in sentences for them; ``over``: logging in again helps."""

    says: str
    over: bool = False


def user_from(claims: Mapping[str, Any], login: Login, now: datetime, *, address: str = "") -> User | Denied:
    """The person an OpenID Connect identity token speaks of; its signature was checked when it was received."""
    id_ = claim.identifier(claims.get(login.subject))
    since = claim.instant(claims.get("auth_time")) or claim.instant(claims.get("iat"))
    if not id_ or since is None or since > now + _CLOCKS_APART:
        return Denied("The login says not who you are or when you logged in. Tell whoever runs this console.")
    if str(claims.get("iss", login.issuer)).rstrip("/") != login.issuer.rstrip("/"):
        return Denied("The login is from a provider this console does not know.")
    meant_for = claims.get("aud", login.audience)
    if login.audience not in (meant_for if isinstance(meant_for, list) else [meant_for]):
        return Denied("The login was made for another application.")
    expiry = claim.instant(claims.get("exp"))
    if now - since > login.max_age or (login.expires and expiry is not None and expiry <= now):
        return Denied("Your login is over.", over=True)
    groups = claim.names(claim.found(claims, login.groups))
    if len(groups) > MOST_GROUPS or login.groups in (claims.get("_claim_names") or {}):
        return Denied("You are in too many groups for a login to tell. Tell whoever runs this console.")
    kube = claim.identifier(claim.found(claims, login.act_as))
    if login.act_as == "email" and claims.get("email_verified") is not True:
        kube = ""  # anybody could have typed it
    named = claim.shown(claim.found(claims, login.name)) or claim.shown(claims.get("email")) or claim.shown(id_)
    return _person(id_, named, groups, kube, login, since, address)


def user_from_headers(
    headers: Mapping[str, str], login: Login, since: datetime, now: datetime, *, address: str = ""
) -> User | Denied:
    """The person a proxy names in headers.

    The proxy vouched for them when the page was opened, at ``since``. Safe only where the proxy removes these headers
    from what browsers send, and nobody reaches the console past it.
    """
    id_ = claim.identifier(headers.get(login.subject))
    if not id_:
        return Denied("The proxy in front of this console named nobody. Log in there and open the page again.")
    if now - since > login.max_age:
        return Denied("You opened this page too long ago.", over=True)
    groups = claim.names((headers.get(login.groups) or "").split(","))
    if len(groups) > MOST_GROUPS:
        return Denied("You are in too many groups for a login to tell. Tell whoever runs this console.")
    return _person(id_, claim.shown(headers.get(login.name)) or claim.shown(id_), groups, id_, login, since, address)


def _person(
    id_: str, name: str, groups: tuple[str, ...], kube: str, login: Login, since: datetime, address: str
) -> User | Denied:
    roles = tuple(role for role, members in login.roles.items() if _in(groups, members))
    if not roles:
        return Denied(f"You are logged in as {name}, but none of your groups may use this console.")
    own = [group for group in groups if not f"{login.prefix}{group}".startswith(_OURS_ALONE)]
    kube_name = f"{login.prefix}{kube}" if kube else ""
    return User(
        id=id_,
        name=name,
        rights=frozenset().union(*(ROLES[role] for role in roles)),
        roles=roles,
        groups=tuple(f"{login.prefix}{group}" for group in own),
        kube_name="" if kube_name.startswith(_OURS_ALONE) else kube_name,
        via=login.how,
        logged_in_at=since,
        address=claim.shown(address),
        sees=_sight(groups, roles, login),
    )


def _in(groups: Collection[str], members: Collection[str]) -> bool:
    return EVERYBODY in members or any(group in members for group in groups)


def _sight(groups: Collection[str], roles: Collection[str], login: Login) -> Sight:
    """Without views everything; with them what the person's groups say, of viewers nothing else."""
    if not login.views or _in(groups, login.see_all):
        return EVERYTHING
    mine = [login.views[group] for group in groups if group in login.views]
    if not mine and set(roles) != {"viewer"}:
        return EVERYTHING
    mine += [login.views[EVERYBODY]] if EVERYBODY in login.views else []
    return Sight(
        namespaces=frozenset().union(*(view.namespaces or () for view in mine)),
        teams=frozenset().union(*(view.teams or () for view in mine)),
    )


ANONYMOUS = User(id="anonymous", name="Not logged in", rights=ROLES["viewer"], roles=("viewer",))
DEMO = User(id="demo", name="Demo user", rights=ROLES["admin"], roles=("admin",), via="demo")


def why_not(user: User, right: Right, *, policy: ActionPolicy, now: datetime) -> str:
    """Why the person may not do it, in one sentence for them; "" when they may."""
    if right not in user.rights:
        if user.via == "none":
            return "Nobody is logged in, so this console only reads."
        needed = next(role for role, rights in ROLES.items() if right in rights)
        has = " and ".join(user.roles) or "no role"
        return f"This needs the role {needed}; you have {has}."
    if right is Right.READ:
        return ""
    if right is Right.ACT and policy.mode == "off":
        return "Actions are switched off in this installation."
    if user.logged_in_at is not None and now - user.logged_in_at > policy.login_max_age:
        if user.via == "proxy":
            return "You opened this page too long ago to make changes. Reload it."
        return "Your login is too old to make changes. Log out and in again."
    if right is Right.ACT and policy.as_person and user.via in {"oidc", "proxy"} and not user.kube_name:
        return "Changes are made with your own rights, and your login does not say who you are to Kubernetes."
    return ""


def require(user: User, right: Right, *, policy: ActionPolicy, now: datetime) -> None:
    """Raise Refused when :func:`why_not` has a reason."""
    reason = why_not(user, right, policy=policy, now=now)
    if reason:
        raise Refused(reason)
