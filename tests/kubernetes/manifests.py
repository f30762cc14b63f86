"""What kustomize makes of deploy/kubernetes (scripts/check-kubernetes builds it), and the rules of Prometheus."""
import functools
import os
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ["BUILT"])
ENVIRONMENTS = ("production", "staging")
# What is applied, by the folder in deploy/kubernetes/overlays.
BUILDS = tuple(sorted(str(file.relative_to(BUILT).with_suffix("")) for file in BUILT.rglob("*.yaml")))


@functools.cache
def of(build):
    """The objects of a build such as production/green."""
    with open(BUILT / f"{build}.yaml", encoding="utf-8") as file:
        return [item for item in yaml.safe_load_all(file) if item]


def everything(environment):
    """The objects of an environment while both colours run."""
    return of(environment) + of(f"{environment}/green") + of(f"{environment}/migrate")


def select(items, kind, name=None):
    """The objects of a kind, or the one of a name."""
    found = [item for item in items if item["kind"] == kind]
    if name is None:
        return found
    [one] = [item for item in found if item["metadata"]["name"] == name]
    return one


def environment_file(path):
    """The variables of a file with lines NAME=value."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
