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

/// The phones that get calls, and the phones that get alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phones {
    /// `forward_to`, in its order.
    pub forward_to: Vec<String>,
    /// `emergency_contacts`, in their order.
    pub contacts: Vec<String>,
}

impl Phones {
    /// Whether the phone is one of them.
    pub fn has(&self, phone: &str) -> bool {
        self.forward_to.iter().chain(&self.contacts).any(|own| own == phone)
    }

    /// The phones of `wanted` that take effect, if `self` was in effect before. A removed phone is removed immediately.
    /// A new phone takes effect only if it is `willing`. If `forward_to` would have no phone left, the old ones remain.
    pub fn with(&self, wanted: &Self, willing: impl Fn(&str) -> bool) -> Self {
        let counts = |phone: &str| self.has(phone) || willing(phone);
        let those = |phones: &[String]| phones.iter().filter(|phone| counts(phone)).cloned().collect::<Vec<_>>();
        let forward_to = Some(those(&wanted.forward_to)).filter(|phones| !phones.is_empty());
        let forward_to = forward_to.unwrap_or_else(|| self.forward_to.clone());
        Self { forward_to, contacts: those(&wanted.contacts) }
    }

    /// The phones of `wanted` that are not in effect in `self`, without duplicates.
    pub fn missing(&self, wanted: &Self) -> Vec<String> {
        let calls = wanted.forward_to.iter().filter(|phone| !self.forward_to.contains(phone));
        let alerts = wanted.contacts.iter().filter(|contact| !self.contacts.contains(contact));
        let mut missing: Vec<String> = Vec::new();
        for phone in calls.chain(alerts) {
            if !missing.contains(phone) {
                missing.push(phone.clone());
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The phones of `forward_to` are letters of one word.
    fn phones(forward_to: &str, contacts: &[&str]) -> Phones {
        let forward_to = forward_to.chars().map(String::from).collect();
        Phones { forward_to, contacts: contacts.iter().map(|c| (*c).to_owned()).collect() }
    }

    #[rstest]
    #[case::nothing_new(phones("a", &["b", "c"]), phones("a", &["b", "c"]), &[])]
    #[case::another_order_and_one_out(phones("b", &["a"]), phones("b", &["a"]), &[])]
    #[case::a_new_forward_to(phones("x", &["b", "c"]), phones("a", &["b", "c"]), &["x"])]
    #[case::a_new_contact_at_its_place(phones("a", &["b", "x", "c"]), phones("a", &["b", "c"]), &["x"])]
    #[case::both_the_same(phones("x", &["x"]), phones("a", &[]), &["x"])]
    #[case::one_that_has_answered_before(phones("w", &["w"]), phones("w", &["w"]), &[])]
    #[case::a_new_one_after_the_old(phones("ax", &[]), phones("a", &[]), &["x"])]
    #[case::a_new_one_before_the_old(phones("xa", &[]), phones("a", &[]), &["x"])]
    #[case::two_new(phones("xy", &[]), phones("a", &[]), &["x", "y"])]
    #[case::one_that_answered_and_a_new_one(phones("xw", &[]), phones("w", &[]), &["x"])]
    #[case::a_contact_gets_calls(phones("ab", &[]), phones("ab", &[]), &[])]
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
