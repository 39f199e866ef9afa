"""Telling people what needs attention, through the channels they chose."""
