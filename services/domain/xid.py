"""What an XID means and whether the GPU or the application is at fault.

Condensed from NVIDIA's Xid catalog and k8s-device-plugin internal/rm/health.go; own words.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Xid:
    """One code: its meaning, what to do, and whether it points at hardware or driver rather than the application."""

    meaning: str
    action: str
    hardware: bool


_RESET = "drain it and reset the GPU"
_REBOOT = "drain and reboot the node"
XIDS: dict[int, Xid] = {
    13: Xid("a kernel used a bad instruction or address", "restart the application", False),
    31: Xid("the application touched memory that is not its own", "restart the application", False),
    43: Xid("the application's channel was reset after a fault", "nothing: the application is already gone", False),
    45: Xid("clean-up after another error or a kill", "look for the error before it", False),
    48: Xid("uncorrectable memory error", _RESET, True),
    61: Xid("internal micro-controller stopped", _RESET, True),
    62: Xid("internal micro-controller halted", _RESET, True),
    63: Xid("a broken memory row was remapped", "reset the GPU when it is next idle", True),
    64: Xid("a broken memory row could not be remapped", _RESET + "; replace it if this repeats", True),
    68: Xid("the video decoder faulted", "restart the application", False),
    74: Xid("NVLink error", _RESET + " and check the link", True),
    79: Xid("the GPU has fallen off the bus", _REBOOT, True),
    92: Xid("many corrected memory errors", "watch it", False),
    94: Xid("a contained memory error hit one application", "restart that application", True),
    95: Xid("an uncontained memory error", "stop everything on it, then reset the GPU", True),
    109: Xid("context switch timed out", _RESET, True),
    110: Xid("security fault", _RESET, True),
    119: Xid("the GPU's system processor does not answer", _RESET + "; reboot if that fails", True),
    120: Xid("the GPU's system processor failed", _RESET, True),
    121: Xid("chip-to-chip link error", "watch it", False),
    136: Xid("link training failed", _RESET, True),
    140: Xid("unrecovered memory error", _RESET, True),
    143: Xid("the GPU could not initialise", _RESET, True),
    154: Xid("the driver asks for a recovery action", "read the driver log for the action it names", True),
    155: Xid("NVLink error", _RESET, True),
    156: Xid("a memory resource was retired", _RESET, True),
    158: Xid("fatal timeout", _RESET, True),
    167: Xid("fatal PCIe timeout", _REBOOT, True),
    171: Xid("uncorrectable memory error (DRAM)", _RESET, True),
    172: Xid("uncorrectable memory error (SRAM)", _RESET, True),
}


def explain(code: int) -> Xid:
    """Meaning of a code; codes not in the table are called so and not blamed on the hardware."""
    return XIDS.get(code, Xid("a code not in the table", "look it up in NVIDIA's Xid catalog", False))
