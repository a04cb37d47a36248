"""__NAME__ is an HTTP service of team __TEAM__."""

import os

NAME = "__NAME__"
# Set by the image: docker build --build-arg VERSION=v1.2.3.
VERSION = os.environ.get("SERVICE_VERSION") or "dev"
