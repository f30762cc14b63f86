//! Numbers that cost the caller or sender more than an ordinary call or text. Calls and alerts never go there.
//!
//! The list has whole ranges, by their first digits. Sources: ITU-T E.164 and the list of country codes assigned to it
//! (an annex of its Operational Bulletins) for codes without a country; NANPA for area codes; the national numbering
//! plans that regulators file with the ITU (E.129) for the rest. A missing range costs money, and a range that is too
//! wide locks out a business's phone: therefore numbers of ordinary subscribers are never in it.

use crate::domain::phone::PhoneNumber;

const SATELLITE: &str = "is a satellite number; calls and texts to it are not allowed";
const INTERNATIONAL: &str = "is an international service number; calls and texts to it are not allowed";
const PREMIUM: &str = "is a premium-rate or shared-cost number; calls and texts to it are not allowed";

/// The first digits after the `+`, and why such numbers are refused.
const RANGES: &[(&str, &str)] = &[
    // E.164: Inmarsat (871 to 874 formerly), GMSS (Iridium, Globalstar), and networks without a country, most of them
    // by satellite (Thuraya, maritime, aeronautical).
    ("870", SATELLITE),
    ("871", SATELLITE),
    ("872", SATELLITE),
    ("873", SATELLITE),
    ("874", SATELLITE),
    ("881", SATELLITE),
    ("882", SATELLITE),
    ("883", SATELLITE),
    // E.164: universal freephone, shared cost, personal numbers, disaster relief, trials, premium rate.
    ("800", INTERNATIONAL),
    ("808", INTERNATIONAL),
    ("878", INTERNATIONAL),
    ("888", INTERNATIONAL),
    ("991", INTERNATIONAL),
    ("979", PREMIUM),
    // North America: area code 900.
    ("1900", PREMIUM),
    // Russia and Kazakhstan share +7: 803 and 809 (premium).
    ("7803", PREMIUM),
    ("7809", PREMIUM),
    // Europe.
    ("3090", PREMIUM),  // Greece
    ("31900", PREMIUM), // Netherlands: 0900, 0906, 0909
    ("31906", PREMIUM),
    ("31909", PREMIUM),
    ("3290", PREMIUM), // Belgium
    ("3389", PREMIUM), // France: 0 89x; 0 81x and 0 82x share the cost
    ("3381", PREMIUM),
    ("3382", PREMIUM),
    ("34803", PREMIUM), // Spain: 803, 806, 807, 905, 907; 901, 902 share the cost
    ("34806", PREMIUM),
    ("34807", PREMIUM),
    ("34901", PREMIUM),
    ("34902", PREMIUM),
    ("34905", PREMIUM),
    ("34907", PREMIUM),
    ("3516", PREMIUM), // Portugal: 601, 607, 646, 648, 760, 761, 762
    ("351760", PREMIUM),
    ("351761", PREMIUM),
    ("351762", PREMIUM),
    ("353818", PREMIUM), // Ireland; 1520 to 1599 are not listed: they look like Dublin numbers
    ("358600", PREMIUM), // Finland: 0600, 0700
    ("358700", PREMIUM),
    ("35990", PREMIUM),  // Bulgaria
    ("3690", PREMIUM),   // Hungary
    ("37090", PREMIUM),  // Lithuania
    ("37190", PREMIUM),  // Latvia
    ("372900", PREMIUM), // Estonia
    ("38590", PREMIUM),  // Croatia: 060, 064, 069, 090
    ("38560", PREMIUM),
    ("38564", PREMIUM),
    ("38569", PREMIUM),
    ("38690", PREMIUM), // Slovenia
    ("39144", PREMIUM), // Italy: 144, 166, 892, 895, 899; 84x shares the cost, 89x costs more
    ("39166", PREMIUM),
    ("3984", PREMIUM),
    ("3989", PREMIUM),
    ("40900", PREMIUM), // Romania: 0900, 0903, 0906
    ("40903", PREMIUM),
    ("40906", PREMIUM),
    ("41900", PREMIUM), // Switzerland: 0900, 0901, 0906; 084x shares the cost
    ("41901", PREMIUM),
    ("41906", PREMIUM),
    ("4184", PREMIUM),
    ("42090", PREMIUM),  // Czechia: 90x
    ("421900", PREMIUM), // Slovakia; 0901 and above are mobile
    ("43900", PREMIUM),  // Austria: 0900, 0901, 0930, 0931, 0939; 081x, 082x share the cost
    ("43901", PREMIUM),
    ("43930", PREMIUM),
    ("43931", PREMIUM),
    ("43939", PREMIUM),
    ("43810", PREMIUM),
    ("43820", PREMIUM),
    ("43821", PREMIUM),
    ("44843", PREMIUM), // United Kingdom: 084x, 087x share the revenue, 09 is premium, 070 personal
    ("44844", PREMIUM),
    ("44845", PREMIUM),
    ("44870", PREMIUM),
    ("44871", PREMIUM),
    ("44872", PREMIUM),
    ("44873", PREMIUM),
    ("449", PREMIUM),
    ("4470", PREMIUM),
    ("4590", PREMIUM),  // Denmark: 90
    ("46900", PREMIUM), // Sweden: 0900, 0939, 0944, 099
    ("46939", PREMIUM),
    ("46944", PREMIUM),
    ("4699", PREMIUM),
    ("47820", PREMIUM), // Norway: 820, 829
    ("47829", PREMIUM),
    ("4870", PREMIUM),  // Poland: 70x
    ("48300", PREMIUM), // Poland: 300, 400
    ("48400", PREMIUM),
    ("49137", PREMIUM), // Germany: 0137 (votes), 0180 (shared cost), 0190, 0900, 0700 (personal)
    ("49180", PREMIUM),
    ("49190", PREMIUM),
    ("49700", PREMIUM),
    ("49900", PREMIUM),
    // Elsewhere.
    ("52900", PREMIUM), // Mexico
    ("5590", PREMIUM),  // Brazil: 0900 as 900, 0300 as 300
    ("55300", PREMIUM),
    ("54600", PREMIUM),  // Argentina
    ("61190", PREMIUM),  // Australia
    ("64900", PREMIUM),  // New Zealand
    ("81990", PREMIUM),  // Japan: 0990
    ("81570", PREMIUM),  // Japan: 0570
    ("8260", PREMIUM),   // Korea: 060
    ("972190", PREMIUM), // Israel
    ("972191", PREMIUM),
    ("90900", PREMIUM), // Türkiye
    ("2786", PREMIUM),  // South Africa: 086x shares the cost
    ("27900", PREMIUM),
];

/// Why calls and alerts may not go to a number; `None` if they may.
pub fn why_refused(phone: &PhoneNumber) -> Option<&'static str> {
    let digits = phone.as_str().trim_start_matches('+');
    RANGES.iter().find(|(first, _)| digits.starts_with(first)).map(|(_, why)| *why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::north_america("+19005551234")]
    #[case::inmarsat("+870771234567")]
    #[case::iridium("+881612345678")]
    #[case::thuraya("+8821612345678")]
    #[case::a_network_of_no_country("+883510001234567")]
    #[case::universal_freephone("+80012345678")]
    #[case::shared_cost_of_no_country("+80812345678")]
    #[case::personal_of_no_country("+878101234567890")]
    #[case::disaster_relief("+8881234567")]
    #[case::premium_of_no_country("+979123456789")]
    #[case::united_kingdom("+449098765432")]
    #[case::united_kingdom_revenue_share("+448712345678")]
    #[case::united_kingdom_personal("+447012345678")]
    #[case::france("+33899123456")]
    #[case::germany("+499001234567")]
    #[case::spain("+34806123456")]
    #[case::italy("+39899123456")]
    #[case::switzerland("+41900123456")]
    #[case::australia("+61190123456")]
    fn a_number_that_costs_more_is_refused(#[case] phone: &str) {
        assert!(why_refused(&phone.parse().unwrap()).is_some(), "{phone}");
    }

    #[rstest]
    #[case::new_york("+12125551234")]
    #[case::fictitious("+15555552222")]
    #[case::twilios_magic("+15005550006")]
    #[case::freephone("+18005551234")]
    #[case::london("+442079460000")]
    #[case::a_mobile_in_the_united_kingdom("+447911123456")]
    #[case::a_mobile_in_france("+33612345678")]
    #[case::a_mobile_in_germany("+4915123456789")]
    #[case::a_mobile_in_italy("+393331234567")]
    #[case::dublin("+35315123456")]
    #[case::umea("+4690123456")]
    #[case::ghent("+3292345678")]
    #[case::auckland("+6493001234")]
    #[case::a_mobile_in_slovakia("+421905123456")]
    #[case::a_mobile_in_hong_kong("+85290012345")]
    #[case::of_nobody("+999123456789012")]
    fn a_number_of_an_ordinary_subscriber_is_not(#[case] phone: &str) {
        assert_eq!(why_refused(&phone.parse().unwrap()), None, "{phone}");
    }

    #[test]
    fn no_range_is_named_twice_or_within_another() {
        for (n, (first, _)) in RANGES.iter().enumerate() {
            let mut others = RANGES.iter().enumerate().filter(|(m, _)| *m != n);
            assert!(!others.any(|(_, (other, _))| first.starts_with(other)), "{first}");
        }
    }
}
