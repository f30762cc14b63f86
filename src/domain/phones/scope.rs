//! What an API key without the scope `numbers` may not write.

use crate::domain::phone::PhoneNumber;

/// The fields of a PUT that an API key without the scope may not write: a number or an account that the business does
/// not have, or any token. `numbers` and `account_sids` are what it has: the account in use, and one that Twilio has
/// not confirmed.
pub fn beyond_scope(
    numbers: &[impl AsRef<str>],
    account_sids: &[Option<&str>],
    put_numbers: &[PhoneNumber],
    put_account_sid: Option<&str>,
    puts_token: bool,
) -> Vec<&'static str> {
    let has = |phone: &PhoneNumber| numbers.iter().any(|number| number.as_ref() == phone.as_str());
    let adds = put_numbers.iter().any(|phone| !has(phone));
    let another = puts_token || (put_account_sid.is_some() && !account_sids.contains(&put_account_sid));
    [(adds, "phone_numbers"), (another, "twilio")]
        .into_iter()
        .filter_map(|(beyond, field)| beyond.then_some(field))
        .collect()
}

/// The field that such a key may neither set, change nor remove: it says who reads the customers' texts.
pub const DISPATCHBOT: &str = "policy.dispatchbot";

/// The reason for the refusal, in words.
pub fn why(fields: &[&str]) -> String {
    format!("this API key does not have the scope `numbers`: it cannot add to or change {}", fields.join(" and "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NO_FIELD: &[&str] = &[];

    #[rstest]
    #[case::the_same(&["+15555551111", "+15555551112"], Some("AC1"), false, NO_FIELD)]
    #[case::fewer(&["+15555551111"], None, false, NO_FIELD)]
    #[case::another_number(&["+15555551111", "+15555551113"], Some("AC1"), false, &["phone_numbers"])]
    #[case::another_account(&["+15555551111"], Some("AC2"), false, &["twilio"])]
    #[case::another_token(&["+15555551111"], Some("AC1"), true, &["twilio"])]
    #[case::both(&["+15555551113"], Some("AC2"), true, &["phone_numbers", "twilio"])]
    fn what_is_there_may_be_put_again_or_left_out(
        #[case] numbers: &[&str],
        #[case] account_sid: Option<&str>,
        #[case] puts_token: bool,
        #[case] expected: &[&str],
    ) {
        let numbers: Vec<PhoneNumber> = numbers.iter().map(|number| number.parse().unwrap()).collect();
        let has = ["+15555551111", "+15555551112"];
        assert_eq!(beyond_scope(&has, &[Some("AC1"), None], &numbers, account_sid, puts_token), expected);
    }

    #[test]
    fn a_new_business_needs_numbers() {
        let none: [&str; 0] = [];
        assert_eq!(beyond_scope(&none, &[], &["+15555551111".parse().unwrap()], None, false), ["phone_numbers"]);
    }
}
