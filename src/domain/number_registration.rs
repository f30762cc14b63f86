//! Which numbers' texts US carriers want registered (A2P 10DLC), and whether they are.

use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Region;

/// Toll-free area codes of North America; their registration is another one than A2P 10DLC.
const TOLL_FREE: [&str; 8] = ["1800", "1822", "1833", "1844", "1855", "1866", "1877", "1888"];

/// Whether US carriers want the number's texts registered (A2P 10DLC): an ordinary US number.
pub fn needs_registration(phone: &PhoneNumber) -> bool {
    let is_toll_free = TOLL_FREE.iter().any(|code| phone.as_str()[1..].starts_with(code));
    let region = Region::of(phone).unwrap_or_else(|| Region::main_of(phone));
    !is_toll_free && region.to_string() == "US"
}

/// A Messaging Service of a number, with the `campaign_status` of each of its campaigns.
pub type Campaigns = (String, Vec<String>);

/// Whether a number is in an A2P 10DLC campaign that carriers have accepted, in words.
///
/// # Errors
/// If it is not, with what is missing.
pub fn registration(services: &[Campaigns]) -> Result<String, String> {
    if services.is_empty() {
        return Err("it is in no Messaging Service, so in no A2P 10DLC campaign".to_owned());
    }
    let with = |wanted: fn(&str) -> bool| {
        services.iter().find_map(|(name, campaigns)| {
            let status = campaigns.iter().find(|status| wanted(status))?;
            Some(format!("the A2P 10DLC campaign of the Messaging Service {name} is {status}"))
        })
    };
    if let Some(verified) = with(|status| status == "VERIFIED") {
        return Ok(verified);
    }
    let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    let without = || format!("the Messaging Service {} has no A2P 10DLC campaign", names.join(", "));
    Err(with(|_| true).unwrap_or_else(without))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::new_york("+12125551234", true)]
    #[case::fictitious("+15555551111", true)]
    #[case::toll_free("+18005551234", false)]
    #[case::toronto("+14165551234", false)]
    #[case::london("+442079460000", false)]
    fn only_ordinary_us_numbers_are_registered(#[case] phone: &str, #[case] needed: bool) {
        assert_eq!(needs_registration(&phone.parse().unwrap()), needed);
    }

    #[rstest]
    #[case::in_no_service(vec![], Err("no Messaging Service"))]
    #[case::no_campaign(vec![("Plumbers", vec![])], Err("Plumbers has no A2P 10DLC campaign"))]
    #[case::waiting(vec![("Plumbers", vec!["PENDING"])], Err("Plumbers is PENDING"))]
    #[case::failed_before(vec![("Plumbers", vec!["FAILED", "VERIFIED"])], Ok("is VERIFIED"))]
    #[case::in_two(vec![("Old", vec!["FAILED"]), ("New", vec!["VERIFIED"])], Ok("New is VERIFIED"))]
    fn a_number_is_registered_by_a_campaign_that_is_verified(
        #[case] services: Vec<(&str, Vec<&str>)>,
        #[case] expected: Result<&str, &str>,
    ) {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let services: Vec<Campaigns> = services.into_iter().map(|(name, all)| (name.to_owned(), owned(all))).collect();
        let said = registration(&services);
        assert_eq!(said.is_ok(), expected.is_ok());
        let (said, expected) = (said.unwrap_or_else(|error| error), expected.unwrap_or_else(|error| error));
        assert!(said.contains(expected), "{said}");
    }
}
