"""Validates manifests strictly (unknown fields are errors) against the schemas of a version of Kubernetes, and of the
operator of Prometheus.

  validate.py KUBERNETES_VERSION CRDS FILE…    CRDS is the folder with the operator's definitions
"""
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def strict(schema):
    """A schema of a definition, in which an object has no fields but those that are listed."""
    if isinstance(schema, dict):
        schema = {key: strict(value) for key, value in schema.items()}
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema.pop("type", None)
        # Go's syntax; in Python's, flags come first.
        if str(schema.get("pattern", "")).startswith("^(?i)"):
            schema["pattern"] = "(?i)^" + schema["pattern"].removeprefix("^(?i)")
        return schema
    return [strict(value) for value in schema] if isinstance(schema, list) else schema


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads `=` as a text, which PyYAML cannot."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


class Definitions:
    """The schemas of the kinds that the operator of Prometheus defines."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.known = {}

    def get(self, api_version, kind):
        """The schema of a kind, or nothing if it is not one of the operator's."""
        if (api_version, kind) not in self.known:
            self.known[api_version, kind] = self.read(api_version, kind)
        return self.known[api_version, kind]

    def read(self, api_version, kind):
        group, _, wanted = api_version.rpartition("/")
        file = self.folder / f"{group}_{kind.lower()}s.yaml"
        if not file.exists():
            return None
        definition = yaml.load(file.read_text(encoding="utf-8"), Loader)["spec"]
        [version] = [version for version in definition["versions"] if version["name"] == wanted]
        schema = strict(version["schema"]["openAPIV3Schema"])
        # Every object has more metadata than a definition lists.
        schema["properties"]["metadata"] = {"type": "object"}
        return schema


def problem(item, version, custom):
    """What is wrong with an object, or nothing."""
    schema = custom.get(item["apiVersion"], item["kind"])
    try:
        if schema:
            jsonschema.validate(item, schema)
        else:
            kubernetes_validate.validate(item, version, strict=True)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message
    return None


def main():
    version, custom, wrong, seen = sys.argv[1], Definitions(sys.argv[2]), 0, 0
    for file in sys.argv[3:]:
        with open(file, encoding="utf-8") as stream:
            for item in filter(None, yaml.safe_load_all(stream)):
                seen += 1
                found = problem(item, version, custom)
                if found:
                    wrong += 1
                    print(f"{file}: {item['kind']} {item['metadata']['name']}: {found}")
    # A validator that accepts anything would also pass.
    for item in (
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selectors": {}}},
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "m"},
         "spec": {"selector": {}, "endpoints": [{"ports": "ops"}]}},
        {"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "u"}},
    ):
        if not problem(item, version, custom):
            wrong += 1
            print(f"an invalid {item['kind']} is accepted")
    print(f"Kubernetes {version}: {seen} objects in {len(sys.argv) - 3} builds, {wrong} problems")
    sys.exit(1 if wrong or not seen else 0)


main()
