"""`python -m bench [NAME ...]`: print the figures as Markdown."""

import sys

from bench import controller, local, manifests, placement, screen, slots, ssh, throughput, triggers, webhooks
from bench.timing import machine

REPORTS = {
    "controller": controller.report,
    "local": local.report,
    "manifests": manifests.report,
    "placement": placement.report,
    "screen": screen.report,
    "slots": slots.report,
    "ssh": ssh.report,
    "throughput": throughput.report,
    "triggers": triggers.report,
    "webhooks": webhooks.report,
}

if __name__ == "__main__":
    print(f"Measured on {machine()}.\n")
    for name in sys.argv[1:] or REPORTS:
        print(REPORTS[name](), flush=True)
