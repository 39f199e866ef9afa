"""Breakers: what takes replicas out when they fail, in the mesh and in the gateway, and what did it do?"""

from pages.operate import _breakers
from pages.ui import actions, shell

page = shell.page("Breakers")
_breakers.draw(page)
shell.glossary("Circuit breaker", "Taken out", "Left out")
actions.host()
