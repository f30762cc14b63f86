//! What a business may use in a day, so that strangers cannot make it pay for thousands of texts.
//!
//! A day is that of the business's time zone. Danger to life is never limited.

use std::collections::HashMap;
use std::hash::Hash;

use crate::domain::business_policy::BusinessPolicy;
use crate::text_enum;

text_enum! {
    /// What is limited.
    pub enum Limit {
        /// Texts that the service writes to customers: after missed calls, and answers to windows.
        Texts = "texts",
        /// Numbers that the service texts for the first time.
        NewNumbers = "new_numbers",
        /// Requests to DispatchBot.
        Ai = "ai",
        /// Emergency alerts to the owner and the contacts, except those about a danger to life.
        Alerts = "alerts",
    }
}

/// A value for each limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerLimit<T> {
    /// For [`Limit::Texts`].
    pub texts: T,
    /// For [`Limit::NewNumbers`].
    pub new_numbers: T,
    /// For [`Limit::Ai`].
    pub ai: T,
    /// For [`Limit::Alerts`].
    pub alerts: T,
}

impl<T: Copy> PerLimit<T> {
    /// The value for this limit.
    pub fn of(&self, limit: Limit) -> T {
        match limit {
            Limit::Texts => self.texts,
            Limit::NewNumbers => self.new_numbers,
            Limit::Ai => self.ai,
            Limit::Alerts => self.alerts,
        }
    }

    /// The value for this limit, to be changed.
    pub fn of_mut(&mut self, limit: Limit) -> &mut T {
        match limit {
            Limit::Texts => &mut self.texts,
            Limit::NewNumbers => &mut self.new_numbers,
            Limit::Ai => &mut self.ai,
            Limit::Alerts => &mut self.alerts,
        }
    }
}

/// How much a business may use in a day.
pub type DayLimits = PerLimit<u32>;

impl DayLimits {
    /// The limits of a business: its own where it has set them.
    pub fn of_business(self, policy: &BusinessPolicy) -> Self {
        Self {
            texts: policy.day_texts.unwrap_or(self.texts),
            new_numbers: policy.day_new_numbers.unwrap_or(self.new_numbers),
            ai: policy.day_ai.unwrap_or(self.ai),
            alerts: policy.day_alerts.unwrap_or(self.alerts),
        }
    }
}

/// What a business has used in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayUse {
    /// How much.
    pub used: PerLimit<i64>,
    /// How often somebody was told that a limit was reached: at most once.
    pub told: PerLimit<i64>,
}

impl DayUse {
    /// The rest without these.
    pub fn without(&self, others: &Self) -> Self {
        let mut rest = *self;
        for limit in Limit::ALL {
            *rest.used.of_mut(*limit) -= others.used.of(*limit);
            *rest.told.of_mut(*limit) -= others.told.of(*limit);
        }
        rest
    }

    /// Adds what a decision uses.
    pub fn add(&mut self, spending: &Spending) {
        for limit in Limit::ALL {
            *self.used.of_mut(*limit) += spending.uses.of(*limit);
            *self.told.of_mut(*limit) += i64::from(spending.tells.of(*limit));
        }
    }
}

/// What a decision uses of a day, and what it was decided by. If others have used too much meanwhile, it is made again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    /// How much.
    pub uses: PerLimit<i64>,
    /// How much may have been used in the day, this included. `None` if it does not matter.
    pub at_most: PerLimit<Option<u32>>,
    /// Whether it is the first that tells that a limit is reached.
    pub tells: PerLimit<bool>,
}

impl Spending {
    /// Whether it changes nothing of the day.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it may still be committed after this was used.
    pub fn fits(&self, before: &DayUse) -> bool {
        Limit::ALL.iter().all(|limit| {
            let used = before.used.of(*limit) + self.uses.of(*limit);
            let is_within = self.at_most.of(*limit).is_none_or(|most| used <= i64::from(most));
            is_within && !(self.tells.of(*limit) && before.told.of(*limit) > 0)
        })
    }
}

/// Which of these decisions, given by their place and their business's day, use too much: each counts those before it that
/// do not. `used` is what was used before all of them.
pub fn too_much<'a, K: Eq + Hash>(
    decisions: impl Iterator<Item = (usize, K, &'a Spending)>,
    mut used: HashMap<K, DayUse>,
) -> Vec<usize> {
    let mut refused = Vec::new();
    for (place, day, spending) in decisions.filter(|(_, _, spending)| !spending.is_nothing()) {
        let used = used.entry(day).or_default();
        if spending.fits(used) {
            used.add(spending);
        } else {
            refused.push(place);
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_used_meanwhile_counts() {
        let mut spending = Spending::default();
        spending.uses.texts = 2;
        spending.at_most.texts = Some(5);
        let mut before = DayUse::default();
        before.used.texts = 3;
        assert!(spending.fits(&before));
        before.add(&spending);
        assert!(!spending.fits(&before));
        spending.at_most.texts = None;
        assert!(spending.fits(&before));
    }

    #[test]
    fn a_limit_is_told_once() {
        let mut spending = Spending::default();
        spending.tells.ai = true;
        let mut before = DayUse::default();
        assert!(spending.fits(&before));
        before.add(&spending);
        assert!(!spending.fits(&before));
    }
}
