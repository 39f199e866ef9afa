"""Pure arithmetic: frames and dataclasses in, frames and dataclasses out. No I/O, no clock, no settings."""
