"""Whose hands write: a person's own rights, or the console's service account."""

from services.access import User
from services.ports import Sources, Writable


def hand(sources: Sources, cluster: str, user: User) -> Writable:
    """What writes to a cluster for a person: with their own rights where they logged in and the policy says so."""
    target = sources.clusters[cluster].cluster
    return target.as_user(user) if impersonates(sources, user) else target


def impersonates(sources: Sources, user: User) -> bool:
    """Whether writes carry the person's name to Kubernetes."""
    return sources.policy.actions.as_person and user.via in ("oidc", "proxy")
