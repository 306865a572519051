"""How a run looks in a terminal: columns that grow, or plain lines where nobody watches."""

from chains.management.terminal.answers import print_answers
from chains.management.terminal.panels import LivePanels
from chains.management.terminal.progress import PlainLines

__all__ = ["LivePanels", "PlainLines", "print_answers"]
