"""Periodic work: recording pod starts before their events expire, filling in the past, forgetting what is old.

Everything is written by natural key, so doing it twice changes nothing; a lease (:mod:`.tenure`) lets one of several
processes work. :mod:`.loop` does what is due.
"""
