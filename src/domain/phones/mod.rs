//! The phones and numbers of a business: which of its phones are in effect, which numbers an API key may add, which
//! numbers are never called, and the code with which a phone agrees.

pub mod code;
mod premium;
mod region;
pub mod scope;

pub use premium::why_refused;
pub use region::Region;
pub use scope::beyond_scope;

use crate::text_enum;

text_enum! {
    /// Whether the Twilio account of a business contains a number.
    pub enum Verified {
        /// The account contains it.
        Yes = "yes",
        /// The account does not contain it: the number belongs to another account.
        No = "no",
        /// Twilio has not answered yet.
        Unknown = "unknown",
    }
}

/// The maximum number of numbers of a business.
pub const MAX_NUMBERS: usize = 100;

/// The phone that gets calls, and the phones that get alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phones {
    /// `forward_to`.
    pub forward_to: String,
    /// `emergency_contacts`, in their order.
    pub contacts: Vec<String>,
}

impl Phones {
    /// Whether the phone is one of them.
    pub fn has(&self, phone: &str) -> bool {
        self.forward_to == phone || self.contacts.iter().any(|contact| contact == phone)
    }

    /// The phones of `wanted` that take effect, if `self` was in effect before. A removed phone is removed immediately.
    /// A new phone takes effect only if it is `willing`; until then the old `forward_to` remains.
    pub fn with(&self, wanted: &Self, willing: impl Fn(&str) -> bool) -> Self {
        let counts = |phone: &str| self.has(phone) || willing(phone);
        let forward_to = if counts(&wanted.forward_to) { &wanted.forward_to } else { &self.forward_to };
        let contacts = wanted.contacts.iter().filter(|contact| counts(contact));
        Self { forward_to: forward_to.clone(), contacts: contacts.cloned().collect() }
    }

    /// The phones of `wanted` that are not in effect in `self`, without duplicates.
    pub fn missing(&self, wanted: &Self) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        if wanted.forward_to != self.forward_to {
            missing.push(wanted.forward_to.clone());
        }
        for contact in wanted.contacts.iter().filter(|contact| !self.contacts.contains(contact)) {
            if !missing.contains(contact) {
                missing.push(contact.clone());
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn phones(forward_to: &str, contacts: &[&str]) -> Phones {
        Phones { forward_to: forward_to.to_owned(), contacts: contacts.iter().map(|c| (*c).to_owned()).collect() }
    }

    #[rstest]
    #[case::nothing_new(phones("a", &["b", "c"]), phones("a", &["b", "c"]), &[])]
    #[case::another_order_and_one_out(phones("b", &["a"]), phones("b", &["a"]), &[])]
    #[case::a_new_forward_to(phones("x", &["b", "c"]), phones("a", &["b", "c"]), &["x"])]
    #[case::a_new_contact_at_its_place(phones("a", &["b", "x", "c"]), phones("a", &["b", "c"]), &["x"])]
    #[case::both_the_same(phones("x", &["x"]), phones("a", &[]), &["x"])]
    #[case::one_that_has_answered_before(phones("w", &["w"]), phones("w", &["w"]), &[])]
    #[case::none_left(phones("a", &[]), phones("a", &[]), &[])]
    fn what_is_new_waits_and_what_is_out_is_out(
        #[case] wanted: Phones,
        #[case] counts: Phones,
        #[case] missing: &[&str],
    ) {
        let before = phones("a", &["b", "c"]);
        let after = before.with(&wanted, |phone| phone == "w");
        assert_eq!(after, counts);
        assert_eq!(after.missing(&wanted), missing);
    }
}
