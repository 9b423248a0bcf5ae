"""The demo: a real year of purchases through the whole pipeline on one machine, and a report of what happened."""
