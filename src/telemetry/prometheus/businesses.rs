//! Series of single businesses, bounded in number.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::registrar::{About, Registrar};
use crate::domain::conversation::MessageKind;
use crate::telemetry::Metrics;

/// All businesses beyond the bound.
const OTHER: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    business: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BusinessLabel {
    business: String,
}

#[derive(Debug)]
pub(in crate::telemetry) struct Businesses {
    most: usize,
    /// Those that have series of their own: the first that were seen.
    known: Mutex<HashSet<String>>,
    messages: Family<MessageLabels, Counter>,
    unanswered: Family<BusinessLabel, Gauge>,
}

impl Businesses {
    pub(super) fn register(r: &mut Registrar, most: usize) -> Self {
        let messages = About::new(
            "business_messages",
            "Messages of a business's conversations, by kind: of customers, and ours when they are queued",
        );
        let unanswered = About::new(
            "business_customers_unanswered",
            "`nmc_customers_unanswered{seconds=\"60\"}` of a business; `other` for all beyond the bound",
        );
        Self {
            most,
            known: Mutex::default(),
            messages: r.counter(messages.by(&["business", "kind"]), Family::default()),
            unanswered: r.gauge_of_workers(unanswered.by(&["business"]), Family::default()),
        }
    }

    /// The business's label.
    fn label(&self, business_id: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A business may have the id of the rest: it then counts as one of them.
        let has_room = known.len() < self.most && business_id != OTHER;
        if known.contains(business_id) || (has_room && known.insert(business_id.to_owned())) {
            business_id.to_owned()
        } else {
            OTHER.to_owned()
        }
    }
}

impl Metrics {
    /// A conversation of a business has a new message.
    pub fn business_message(&self, business_id: &str, kind: MessageKind) {
        if let Some(businesses) = &self.inner.totals.businesses {
            let labels = MessageLabels { business: businesses.label(business_id), kind: kind.as_str() };
            businesses.messages.get_or_create(&labels).inc();
        }
    }

    /// Sets how many customers of each business are unanswered; those that are not named have none.
    pub fn business_customers_unanswered<'a>(&self, counts: impl Iterator<Item = (&'a str, i64)>) {
        let Some(businesses) = &self.inner.totals.businesses else { return };
        self.inner.totals.is_worker();
        let mut by_label: BTreeMap<String, i64> = BTreeMap::new();
        for (business_id, count) in counts {
            *by_label.entry(businesses.label(business_id)).or_default() += count;
        }
        let known = businesses.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for business in known.into_iter().chain([OTHER.to_owned()]) {
            let count = by_label.get(&business).copied().unwrap_or_default();
            businesses.unanswered.get_or_create(&BusinessLabel { business }).set(count);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_more_businesses_than_wanted_have_series_and_the_rest_share_one() {
        let metrics = Metrics::per_business(2);
        for business in ["one", "two", "three", "four", "one"] {
            metrics.business_message(business, MessageKind::Customer);
        }
        metrics.business_customers_unanswered([("three", 2), ("four", 1), ("two", 4)].into_iter());
        metrics.business_customers_unanswered([("three", 2), ("four", 1)].into_iter());
        let text = metrics.openmetrics().unwrap();
        let series = |name: &str| {
            let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
            lines.sort_unstable();
            lines.join("\n").replace(name, "")
        };
        let messages = "{business=\"one\",kind=\"customer\"} 2\n{business=\"other\",kind=\"customer\"} 2\n\
                        {business=\"two\",kind=\"customer\"} 1";
        assert_eq!(series("nmc_business_messages_total"), messages);
        let unanswered = "{business=\"one\"} 0\n{business=\"other\"} 3\n{business=\"two\"} 0";
        assert_eq!(series("nmc_business_customers_unanswered"), unanswered);
    }

    #[test]
    fn no_business_has_series_unless_that_is_wanted() {
        let metrics = Metrics::new();
        metrics.business_message("one", MessageKind::Customer);
        metrics.business_customers_unanswered([("one", 2)].into_iter());
        assert!(!metrics.openmetrics().unwrap().contains("business=\""));
    }
}
