//! An alert, as Prometheus and Alertmanager report it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels that say whose alert it is rather than which.
const COMMON: [&str; 4] = ["alertname", "environment", "instance", "job"];

/// An alert with what it says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Alert {
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Alert {
    /// Its name and its own labels: `service_down critical role=worker`.
    pub(super) fn key(&self) -> String {
        let own = self.labels.iter().filter(|(name, _)| !COMMON.contains(&name.as_str()) && *name != "severity");
        let own: String = own.map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{} {}{own}", self.label("alertname"), self.label("severity"))
    }

    /// A label, empty if it has none of this name.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map(String::as_str).unwrap_or_default()
    }

    /// An annotation, empty if it has none of this name.
    pub(super) fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map(String::as_str).unwrap_or_default()
    }
}
