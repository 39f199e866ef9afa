from typing import Any

import pytest

from services.domain.change.ownership import owner


def deployment(*, managers: tuple[str, ...] = (), **meta: Any) -> dict[str, Any]:
    fields = [{"manager": name, "operation": "Update"} for name in managers]
    return {"kind": "Deployment", "metadata": {"name": "warm", "managedFields": fields, **meta}}


KEPT = "It is kept by {}, which may put it back at once. Make the change there as well."
MANAGED = "It is managed by {}, whose next run may overwrite this. Make the change there as well."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            deployment(annotations={"argocd.argoproj.io/tracking-id": "platform:apps/Deployment:gpu/warm"}),
            KEPT.format("Argo CD (application platform)"),
        ),
        (deployment(labels={"argocd.argoproj.io/instance": "app"}), KEPT.format("Argo CD (application app)")),
        (
            deployment(labels={"app.kubernetes.io/instance": "app"}, managers=("argocd-application-controller",)),
            KEPT.format("Argo CD (application app)"),
        ),
        (
            deployment(
                labels={
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }
            ),
            KEPT.format("Flux (Kustomization flux-system/apps)"),
        ),
        (deployment(labels={"helm.toolkit.fluxcd.io/name": "gw"}), KEPT.format("Flux (HelmRelease gw)")),
        (
            deployment(
                labels={"app.kubernetes.io/managed-by": "Helm"},
                annotations={"meta.helm.sh/release-name": "gw", "meta.helm.sh/release-namespace": "llm"},
            ),
            MANAGED.format("Helm (release llm/gw)"),
        ),
        (deployment(managers=("kubectl-edit", "kustomize-controller")), KEPT.format("Flux")),
        (deployment(managers=("helm",)), MANAGED.format("Helm")),
        (deployment(managers=("Terraform",)), MANAGED.format("Terraform")),
        (deployment(annotations={"configmanagement.gke.io/managed": "enabled"}), KEPT.format("Config Sync")),
        (deployment(labels={"kapp.k14s.io/app": "17"}), KEPT.format("kapp (app 17)")),
        (
            deployment(labels={"addonmanager.kubernetes.io/mode": "Reconcile"}),
            KEPT.format("the cluster's add-on manager"),
        ),
        (
            deployment(ownerReferences=[{"kind": "ClusterPolicy", "name": "cluster-policy", "controller": True}]),
            KEPT.format("its controller ClusterPolicy cluster-policy"),
        ),
    ],
)
def test_who_keeps_an_object_is_said_with_what_to_do(body: dict[str, Any], said: str) -> None:
    assert owner(body) == said


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        deployment(),
        deployment(managers=("kubectl-client-side-apply", "gpu-fleet-console", "kube-controller-manager")),
        deployment(labels={"app.kubernetes.io/instance": "app"}),
        deployment(labels={"app.kubernetes.io/managed-by": "Helm"}),
        deployment(annotations={"meta.helm.sh/release-name": "gw"}),
        deployment(ownerReferences=[{"kind": "Node", "name": "a"}]),
        deployment(labels={"addonmanager.kubernetes.io/mode": "EnsureExists"}),
    ],
)
def test_nobody_is_named_without_a_sign(body: dict[str, Any]) -> None:
    assert owner(body) == ""


def test_what_flux_was_told_to_leave_alone_is_nobodys() -> None:
    body = deployment(
        labels={"kustomize.toolkit.fluxcd.io/name": "apps"},
        annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        managers=("kustomize-controller",),
    )
    assert owner(body) == ""


def test_a_manager_of_the_status_alone_keeps_nothing() -> None:
    body = deployment()
    body["metadata"]["managedFields"] = [{"manager": "helm-controller", "subresource": "status"}]
    assert owner(body) == ""


def test_flux_is_named_before_the_helm_release_it_makes() -> None:
    body = deployment(
        labels={"helm.toolkit.fluxcd.io/name": "gw", "app.kubernetes.io/managed-by": "Helm"},
        annotations={"meta.helm.sh/release-name": "gw"},
    )
    assert "Flux (HelmRelease gw)" in owner(body)


def test_names_are_cut_and_stay_on_one_line() -> None:
    said = owner(deployment(annotations={"argocd.argoproj.io/tracking-id": "a\nb" + "x" * 500 + ":apps"}))
    assert "\n" not in said
    assert len(said) < 300
