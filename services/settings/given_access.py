"""What may be given about who gets in, what they may do and see, and what actions may do."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from services.settings.fields import PATH, Namespace, Section, given, secret

Group = Annotated[str, Field(min_length=1, max_length=256)]
Claim = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,200}$")]
Header = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]

_ADDRESS = "an address such as https://login.example.com/realms/main"
_CLAIM = "the name of a claim"
_HEADER = "the name of an HTTP header"
_GROUPS = "names of groups, or * for everybody who is logged in"
_COMMAS = "Comma-separated in the environment."


class View(Section):
    """What a group may see of what belongs to somebody."""

    namespaces: tuple[Namespace, ...] = given((), "Namespaces the group sees.", "names of namespaces")
    teams: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = given(
        (), "Teams whose workloads the group sees.", "names of teams"
    )


class Login(BaseModel):
    """Who gets in, as what, and what they see."""

    login: Literal["none", "oidc", "proxy"] = given(
        "none",
        "How people log in: none (a live console then only reads), oidc (OpenID Connect), or proxy (a proxy in front "
        "logs people in and names them in headers).",
        "none, oidc or proxy",
    )
    login_hours: float = given(
        12.0,
        "How long after a login a person is let in, in hours; also when the login's own expiry is later.",
        "a number of hours above 0, at most 720",
        gt=0,
        le=720,
        allow_inf_nan=False,
    )
    login_write_minutes: float = given(
        60.0,
        "How long after a login a person may change things, in minutes; later they read until they log in again.",
        "a number of minutes above 0, at most 43200",
        gt=0,
        le=43_200,
        allow_inf_nan=False,
    )
    oidc_issuer: str = given("", "Address of the provider as its tokens name it.", _ADDRESS, max_length=2000)
    oidc_metadata_url: str = given(
        "",
        "Address of the provider's metadata, where it is not the issuer's with /.well-known/openid-configuration.",
        "an address",
        max_length=2000,
    )
    oidc_client_id: str = given("", "Id of this console at the provider.", "a client id", max_length=500)
    oidc_client_secret: SecretStr | None = secret("Secret of this console at the provider.")
    oidc_client_secret_file: str = given("", "File that holds the client secret.", PATH)
    oidc_redirect_uri: str = given(
        "",
        "Address of this console for browsers, ending in /oauth2callback; registered at the provider.",
        "an address that ends in /oauth2callback",
        max_length=2000,
    )
    oidc_cookie_secret: SecretStr | None = secret(
        "Random text of at least 32 characters that signs the login's cookie; the same on all replicas."
    )
    oidc_cookie_secret_file: str = given("", "File that holds the cookie's secret.", PATH)
    oidc_expiry: bool = given(
        True,
        "Also end a login when its identity token expires. Where tokens live for minutes only (Keycloak), set false: "
        "a login then lasts as long as login_hours says.",
        "true or false",
    )
    oidc_scopes: tuple[Annotated[str, Field(pattern=r"^[!-~]{1,200}$")], ...] = given(
        ("openid", "profile", "email"),
        f"Scopes asked for; many providers need another one to tell groups. {_COMMAS}",
        "names of scopes, openid among them",
    )
    oidc_subject_claim: Claim = given("sub", "Claim that identifies a person for good.", _CLAIM)
    oidc_name_claim: Claim = given("name", "Claim with the name shown; without it the e-mail or the subject.", _CLAIM)
    oidc_groups_claim: Claim = given("groups", "Claim with the groups of a person: a list or one text.", _CLAIM)
    act_as_claim: Claim = given(
        "sub", "Claim with the name Kubernetes knows a person by, where actions are done as the person.", _CLAIM
    )
    act_as_prefix: Annotated[str, Field(pattern=r"^[!-~]{0,100}$")] = given(
        "", "Put before name and groups when Kubernetes is told them, such as oidc:.", "a text without spaces"
    )
    proxy_user_header: Header = given("X-Forwarded-User", "Header with the person's id.", _HEADER)
    proxy_name_header: Header = given("X-Forwarded-Preferred-Username", "Header with the name shown.", _HEADER)
    proxy_groups_header: Header = given("X-Forwarded-Groups", "Header with the groups, comma-separated.", _HEADER)
    admin_groups: tuple[Group, ...] = given((), f"Groups that may do everything. {_COMMAS}", _GROUPS)
    operator_groups: tuple[Group, ...] = given((), f"Groups that may act on clusters and gateways. {_COMMAS}", _GROUPS)
    finance_groups: tuple[Group, ...] = given((), f"Groups that may edit budgets and prices. {_COMMAS}", _GROUPS)
    viewer_groups: tuple[Group, ...] = given(("*",), f"Groups that may read. {_COMMAS}", _GROUPS)
    views: dict[Group, View] = given(
        {},
        "What groups see of workloads, in the file only: namespaces and teams by group. While there is any, people see "
        "what their groups say and nothing else; operators, finance and admins whose groups are not named see all.",
        "a mapping of groups to namespaces and teams",
    )
    view_all_groups: tuple[Group, ...] = given((), f"Groups that see everything in spite of views. {_COMMAS}", _GROUPS)


class Actions(BaseModel):
    """What actions may do."""

    actions: Literal["on", "dry-run", "off"] = given(
        "on", "Changes: on, dry-run (planned and rehearsed, never applied), or off.", "on, dry-run or off"
    )
    act_as: Literal["person", "service"] = given(
        "person",
        "Whose rights changes are done with: the logged-in person's, by impersonation, or the console's own.",
        "person or service",
    )
    second_person: bool = given(False, "High-risk changes need another person's approval.", "true or false")
    breaker_nodes: int = given(
        20,
        "Changes stop once everybody together has touched this many nodes within the window.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    breaker_pool_ratio: float = given(
        0.5,
        "Changes stop once this share of a pool's nodes has been touched within the window.",
        "a ratio above 0, at most 1",
        gt=0,
        le=1,
        allow_inf_nan=False,
    )
    breaker_window_minutes: float = given(
        60.0,
        "The window of the two above, in minutes.",
        "a number of minutes from 1 to 1440",
        ge=1,
        le=1440,
        allow_inf_nan=False,
    )
    audit_days: int = given(
        400, "How long the record of changes is kept, in days.", "a whole number from 365 to 3650", ge=365, le=3650
    )
