"""GPU units and the one unit in which they add up: the GPU equivalent.

A *unit* is what a pod can ask for: a whole GPU, a time-sliced or MPS replica, a MIG instance. A *GPU equivalent* is the
share of a physical GPU that a unit stands for:

- whole GPU: 1
- MIG instance: its compute slices over the slices of the GPU (1g of an A100, H100, H200, B200 = 1/7; of an A30 = 1/4)
- time-sliced or MPS unit: 1 / replicas (of the GPU, or of the MIG instance)

Sources: NVIDIA MIG user guide (7 compute slices; A30: 4), k8s-device-plugin README (replicas), GFD label reference.
"""

import math
import re
from collections.abc import Mapping

MIG_SLICES = 7
MIG_SLICES_A30 = 4

_PROFILE = re.compile(r"^(\d+)(?:c\.(\d+))?g\.(\d+)gb")
_PRODUCT_SUFFIX = re.compile(r"(?:-MIG-(?P<profile>INVALID|\d+g\.\d+gb[\w.+-]*?))?(?P<shared>-SHARED)?$")
_GPU_RESOURCE = re.compile(
    r"^(?:nvidia\.com/(?:gpu(?:\.shared)?|mig-[\w.+-]+)|amd\.com/gpu|gpu\.intel\.com/(?:i915|xe)|habana\.ai/gaudi)$"
)
_VENDOR = re.compile(r"^(?:NVIDIA|Tesla)[-_ ]+", re.IGNORECASE)


def is_gpu_resource(name: str) -> bool:
    """Whether a resource name is a schedulable GPU unit of a vendor we know."""
    return name.startswith(("nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/")) and bool(
        _GPU_RESOURCE.match(name)
    )


def mig_profile(resource: str) -> str:
    """The profile in a MIG resource name: "nvidia.com/mig-1g.10gb.shared" → "1g.10gb"; "" for any other resource."""
    if not resource.startswith("nvidia.com/mig-"):
        return ""
    return resource.removeprefix("nvidia.com/mig-").removesuffix(".shared")


def mig_fraction(profile: str, model: str) -> float:
    """GPU equivalents of one instance of a profile on a GPU model; NaN when the profile cannot be read.

    "1g.10gb" on an H100 → 1/7, on an A30 "2g.12gb" → 2/4. A compute instance "1c.3g.40gb" counts its own slice.
    """
    match = _PROFILE.match(profile)
    if match is None:
        return math.nan
    slices = MIG_SLICES_A30 if re.search(r"\bA30\b", model) else MIG_SLICES
    return min(int(match.group(1)) / slices, 1.0)


def product_parts(product: str) -> tuple[str, str, bool]:
    """Split GFD's ``nvidia.com/gpu.product`` into product, MIG profile of the ``single`` strategy ("" if none), shared.

    "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb-SHARED" → ("NVIDIA-A100-SXM4-80GB", "1g.10gb", True). "INVALID" is a profile too.
    """
    match = _PRODUCT_SUFFIX.search(product)
    if match is None or not match.group(0):
        return product, "", False
    return product[: match.start()], match.group("profile") or "", bool(match.group("shared"))


def model_name(product: str) -> str:
    """One spelling of a GPU model for node labels and DCGM alike: "NVIDIA-H100-80GB-HBM3" → "H100 80GB HBM3"."""
    bare = product_parts(product.strip().replace(" ", "-"))[0]
    return re.sub(r"[-_ ]+", " ", _VENDOR.sub("", bare)).strip()


def unit_fraction(resource: str, model: str, labels: Mapping[str, str], *, capacity: float, gpus: float) -> float:
    """GPU equivalents of one unit of ``resource`` on a node.

    ``labels`` are the node's, ``capacity`` the units the node advertises of it, ``gpus`` its physical GPUs (NaN if
    unknown). NaN when the labels do not allow an answer.
    """
    profile = mig_profile(resource)
    if profile:
        replicas = _count(labels.get(f"nvidia.com/mig-{profile}.replicas"))
        shared = (
            resource.endswith(".shared") or labels.get(f"nvidia.com/mig-{profile}.sharing-strategy", "none") != "none"
        )
        return mig_fraction(profile, model) / (max(replicas, 1.0) if shared and replicas else 1.0)
    if not resource.startswith("nvidia.com/"):
        return 1.0
    single = product_parts(labels.get("nvidia.com/gpu.product", ""))[1]
    whole = mig_fraction(single, model) if single else 1.0
    return whole / replicas_of(resource, labels, capacity=capacity, gpus=gpus if not single else math.nan)


def replicas_of(resource: str, labels: Mapping[str, str], *, capacity: float, gpus: float) -> float:
    """How many units share one device: 1 without sharing. Labels first, then capacity over physical GPUs.

    ``nvidia.com/gpu.replicas`` is "0" on MIG nodes without sharing and absent without GFD; GKE has its own label.
    """
    for label in ("nvidia.com/gpu.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu"):
        replicas = _count(labels.get(label))
        if replicas > 1:
            return replicas
    shared = resource.endswith(".shared") or product_parts(labels.get("nvidia.com/gpu.product", ""))[2]
    if (shared or "nvidia.com/gpu.replicas" not in labels) and gpus > 0 and capacity > gpus and capacity % gpus == 0:
        return capacity / gpus
    return 1.0


def _count(text: str | None) -> float:
    try:
        return float(int(text)) if text else 0.0
    except ValueError:
        return 0.0


def quantity(value: str | int | float | None) -> float:
    """A Kubernetes quantity of a device: an integer, written as text or number; 0 when absent, NaN when unreadable.

    Devices are whole numbers ("8", 8); the suffix "k" is legal in the API and read too.
    """
    if value is None:
        return 0.0
    try:
        return float(value)
    except ValueError:
        pass
    suffixes = {"k": 1e3, "Ki": 1024.0, "M": 1e6, "Mi": 1048576.0}
    for suffix, factor in suffixes.items():
        text = str(value)
        if text.endswith(suffix):
            try:
                return float(text.removesuffix(suffix)) * factor
            except ValueError:
                return math.nan
    return math.nan
