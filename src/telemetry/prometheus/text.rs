//! Prometheus' own text format, for clients that do not read OpenMetrics.

/// The same metrics without units and exemplars, and with the names of counters as they are in their series.
pub(super) fn from_openmetrics(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            // The type follows, and decides the name in both.
            let kind = lines.peek().and_then(|next| next.strip_prefix("# TYPE ")).unwrap_or_default();
            let suffix = if kind.ends_with(" counter") { "_total" } else { "" };
            for (keyword, of) in [("HELP", help), ("TYPE", kind)] {
                let (name, rest) = of.split_once(' ').unwrap_or((of, ""));
                text.extend(["# ", keyword, " ", name, suffix, " ", rest, "\n"]);
            }
            lines.next();
        } else if !line.starts_with('#') {
            text.extend([without_exemplar(line), "\n"]);
        }
    }
    text
}

/// Only the buckets of histograms have exemplars, and their labels have fixed words.
fn without_exemplar(line: &str) -> &str {
    let (name, _) = line.split_once('{').unwrap_or((line, ""));
    match line.rsplit_once(" # {") {
        Some((sample, _exemplar)) if name.ends_with("_bucket") => sample,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_series_and_exemplars_are_left_out() {
        let openmetrics = "# HELP nmc_x Things.\n# TYPE nmc_x counter\nnmc_x_total{business=\"a # {b\"} 1\n\
            # HELP nmc_y_seconds Time.\n# TYPE nmc_y_seconds histogram\n# UNIT nmc_y_seconds seconds\n\
            nmc_y_seconds_sum 1.0\nnmc_y_seconds_bucket{le=\"1.0\"} 1 # {trace_id=\"ab\"} 0.5 1.7\n# EOF\n";
        let text = "# HELP nmc_x_total Things.\n# TYPE nmc_x_total counter\nnmc_x_total{business=\"a # {b\"} 1\n\
            # HELP nmc_y_seconds Time.\n# TYPE nmc_y_seconds histogram\n\
            nmc_y_seconds_sum 1.0\nnmc_y_seconds_bucket{le=\"1.0\"} 1\n";
        assert_eq!(from_openmetrics(openmetrics), text);
    }
}
