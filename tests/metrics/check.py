"""A page and an export of one recorder, read by others' parsers: `check.py FOLDER docs/metrics`.

FOLDER holds page.txt and export.bin, as the live test leaves them. Checked: the page is strict OpenMetrics; the export is
OTLP with the same series; dashboard and rules name only series that the page has. Left there: the dashboard's expressions as
rules, dashboard.yaml, for promtool to read.
"""

import json
import re
import sys
from pathlib import Path

import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from prometheus_client.openmetrics.parser import text_string_to_metric_families

# Parts of an expression that are names of series; labels and functions are not.
NAME = re.compile(r"\bingero_[a-z_]+")
# What the load of the live test calls itself.
COMM = 'a"} 1\n\\x{b='
# These stand still between the page and the export, which are a second apart, when the load has ended.
STILL = re.compile(r"ingero_(cuda|launch|sync)|ingero_recorder_(ring_max|build_info|start_time|trigger_asked)")


def samples(page: str) -> dict[tuple, float]:
    """Every sample of the page by name and labels. The parser refuses what is no OpenMetrics, and doubles."""
    found = {}
    for family in text_string_to_metric_families(page):
        assert family.documentation, f"{family.name} has no help"
        assert not family.unit or family.name.endswith(family.unit), family.name
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def exported(data: bytes) -> dict[tuple, float]:
    """Every number of the export, called as Prometheus calls it."""
    request = ExportMetricsServiceRequest.FromString(data)
    (resource,) = request.resource_metrics
    attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert attributes["service.name"] == "ingero-recorder" and attributes["host.name"], attributes
    (scope,) = resource.scope_metrics
    found = {}

    def put(name, point, value, **more):
        assert point.time_unix_nano > point.start_time_unix_nano >= 0
        labels = {a.key: a.value.string_value for a in point.attributes} | more
        key = (name, frozenset(labels.items()))
        assert key not in found, key
        found[key] = value

    for metric in scope.metrics:
        assert metric.description and metric.unit, metric.name
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            if kind == "histogram":
                assert metric.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
                assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                assert sum(point.bucket_counts) == point.count
                put(metric.name + "_count", point, point.count)
                put(metric.name + "_sum", point, point.sum)
                running = 0
                for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts):
                    running += count
                    put(metric.name + "_bucket", point, running, le=bound)
                continue
            if kind == "sum":
                assert metric.sum.is_monotonic and metric.name.endswith("_total") and point.start_time_unix_nano > 0
                assert metric.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
            put(metric.name, point, getattr(point, point.WhichOneof("value")))
    return found


def with_numbers(found: dict[tuple, float]) -> dict[tuple, float]:
    """Bounds as numbers: both sides write them in their own way."""

    def key(name, labels):
        return name, frozenset((k, float(v)) if k == "le" else (k, v) for k, v in labels)

    return {key(*k): v for k, v in found.items()}


def expressions(folder: Path) -> dict[str, str]:
    """Every expression of rules and dashboard, by where it stands."""
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())
    found = {}
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        annotations = rule["annotations"]
        assert annotations["summary"] and annotations["description"] and rule["labels"]["severity"], rule
        found[f"rule {rule['alert']}"] = rule["expr"]
    dashboard = json.loads((folder / "grafana.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    for variable in dashboard["templating"]["list"]:
        found[f"variable {variable['name']}"] = variable.get("definition", "")
    return found


def as_rules(found: dict[str, str]) -> dict:
    """The dashboard's expressions as recording rules, with values for what Grafana fills in."""
    rules = []
    for where, expression in found.items():
        if where.startswith("panel "):
            for name, value in {"$__rate_interval": "2m", "$__range": "1h", "$instance": ".*", "$comm": ".*"}.items():
                expression = expression.replace(name, value)
            assert "$" not in expression, f"{where}: {expression}"
            rules.append({"record": re.sub(r"\W+", "_", where), "expr": expression})
    return {"groups": [{"name": "dashboard", "rules": rules}]}


def main(out: str, docs: str) -> None:
    page = with_numbers(samples(Path(out, "page.txt").read_text()))
    export = with_numbers(exported(Path(out, "export.bin").read_bytes()))
    assert page.keys() == export.keys(), page.keys() ^ export.keys()
    still = [key for key in page if STILL.match(key[0])]
    assert len(still) > 100
    assert any(name == "ingero_launches_total" and ("comm", COMM) in labels for name, labels in page)
    for key in still:
        assert page[key] == export[key], (key, page[key], export[key])
    # A family may be there without samples: nothing was refused, for one.
    silent = {"ingero_recorder_trigger_refused_total"}
    names = {name for name, _ in page} | silent
    used = set()
    for where, expression in expressions(Path(docs)).items():
        named = set(NAME.findall(expression))
        assert named or "up{" in expression or where == "variable datasource", f"{where} names no series: {expression}"
        assert named <= names, f"{where}: no such series: {named - names}"
        used |= named
    assert len(used) > 15, used
    Path(out, "dashboard.yaml").write_text(yaml.safe_dump(as_rules(expressions(Path(docs)))))
    print(f"{len(page)} samples read alike from page and export; {len(used)} names in dashboard and rules, all there")


main(*sys.argv[1:])
