"""Who else keeps an object as it is: a change made past them is put back, or lost at their next release.

Facts: Argo CD tracks by the annotation argocd.argoproj.io/tracking-id ("app:group/Kind:namespace/name"; the default
since 3.0) or by a label, app.kubernetes.io/instance unless configured otherwise, which many charts set as well. Flux
labels what it applies with its Kustomization or HelmRelease, and leaves alone what is annotated
kustomize.toolkit.fluxcd.io/reconcile: disabled. Helm labels and annotates what it installs, and writes only at a
release. All of them leave their name among the field managers.
"""

from collections.abc import Mapping
from typing import Any

LONGEST = 80
_FLUX = {"kustomize.toolkit.fluxcd.io": "Kustomization", "helm.toolkit.fluxcd.io": "HelmRelease"}
_ARGO_MANAGERS = ("argocd-controller", "argocd-application-controller", "argocd-server")
_MANAGERS = {
    **dict.fromkeys(_ARGO_MANAGERS, "Argo CD"),
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "flux": "Flux",
    "fleetagent": "Rancher Fleet",
    "fleet-agent": "Rancher Fleet",
    "configsync": "Config Sync",
    "Terraform": "Terraform",
    "pulumi-kubernetes": "Pulumi",
    "helm": "Helm",
}
"""Field managers by the tool that writes under that name, the ones that write all the time first."""
_AT_RELEASE = ("Helm", "Terraform", "Pulumi")
"""Tools that write when somebody runs them; the others watch and put back."""


def owner(body: Mapping[str, Any]) -> str:
    """One sentence for people on who keeps the object as it is and what to do; "" when nobody is known to.

    ``body`` is the whole object, with its managedFields.
    """
    meta = _mapping(body.get("metadata"))
    keeper = _keeper(meta)
    if not keeper:
        return ""
    if keeper.startswith(_AT_RELEASE):
        return f"It is managed by {keeper}, whose next run may overwrite this. Make the change there as well."
    return f"It is kept by {keeper}, which may put it back at once. Make the change there as well."


def _keeper(meta: Mapping[str, Any]) -> str:
    labels, annotations = _mapping(meta.get("labels")), _mapping(meta.get("annotations"))
    managers = _managers(meta)
    return (
        _argo(labels, annotations, managers)
        or _flux(labels, annotations)
        or _helm(labels, annotations)
        or _other(labels, annotations)
        or _controller(meta)
        or next((tool for name, tool in _MANAGERS.items() if name in managers and not _let_go(tool, annotations)), "")
    )


def _argo(labels: Mapping[str, Any], annotations: Mapping[str, Any], managers: set[str]) -> str:
    tracked = str(annotations.get("argocd.argoproj.io/tracking-id") or "").partition(":")[0]
    application = tracked or labels.get("argocd.argoproj.io/instance")
    if not application and managers & set(_ARGO_MANAGERS):
        application = labels.get("app.kubernetes.io/instance")
    return f"Argo CD (application {_short(application)})" if application else ""


def _flux(labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> str:
    for group, kind in _FLUX.items():
        name = labels.get(f"{group}/name")
        if name and not _let_go("Flux", annotations):
            place = labels.get(f"{group}/namespace")
            return f"Flux ({kind} {_short(f'{place}/{name}' if place else name)})"
    return ""


def _let_go(tool: str, annotations: Mapping[str, Any]) -> bool:
    """Whether the object itself says that Flux leaves it alone."""
    said = str(annotations.get("kustomize.toolkit.fluxcd.io/reconcile") or "").lower()
    return tool == "Flux" and said == "disabled"


def _helm(labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> str:
    release = annotations.get("meta.helm.sh/release-name")
    if labels.get("app.kubernetes.io/managed-by") != "Helm" or not release:
        return ""
    place = annotations.get("meta.helm.sh/release-namespace")
    return f"Helm (release {_short(f'{place}/{release}' if place else release)})"


def _other(labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> str:
    if annotations.get("configmanagement.gke.io/managed") == "enabled":
        return "Config Sync"
    if labels.get("addonmanager.kubernetes.io/mode") == "Reconcile":
        return "the cluster's add-on manager"
    return f"kapp (app {_short(labels['kapp.k14s.io/app'])})" if labels.get("kapp.k14s.io/app") else ""


def _controller(meta: Mapping[str, Any]) -> str:
    """The object that owns this one as its controller, such as the operator's policy of a DaemonSet."""
    for owner_ in _listed(meta.get("ownerReferences")):
        if owner_.get("controller"):
            return _short(f"its controller {owner_.get('kind')} {owner_.get('name')}")
    return ""


def _managers(meta: Mapping[str, Any]) -> set[str]:
    """Field managers of the object itself; those of its status only report."""
    return {str(entry.get("manager")) for entry in _listed(meta.get("managedFields")) if not entry.get("subresource")}


def _listed(found: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list | tuple) else []


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _short(name: Any) -> str:
    text = " ".join(str(name).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
