//! Prices in the notations of people and of language models.

use rstest::rstest;
use serde_json::json;

use super::find::prices;
use super::*;

#[rstest]
#[case::one("That is $150.", &[150.0])]
#[case::a_range("Usually $150 to $1,350.50, plus parts", &[150.0, 1350.5])]
#[case::in_words("about 200 dollars or 90 bucks", &[200.0, 90.0])]
#[case::thousands("up to $2k", &[2000.0])]
#[case::said_twice("$80 dollars", &[80.0])]
#[case::sign_after("It is 150$.", &[150.0])]
#[case::sign_apart("$ 150 or 200 €", &[150.0, 200.0])]
#[case::code_before("USD 150", &[150.0])]
#[case::code_and_sign("US$150", &[150.0])]
#[case::code_glued("150USD or USD150", &[150.0, 150.0])]
#[case::country("150 US dollars, 90 U.S. dollars", &[150.0, 90.0])]
#[case::another_currency("£150", &[150.0])]
#[case::full_width("\u{ff04}\u{ff11}\u{ff15}\u{ff10}", &[150.0])]
#[case::invisible_between("$1\u{200b}50", &[150.0])]
#[case::spanish("150 dólares, 90 dolares", &[150.0, 90.0])]
#[case::spanish_short("unos 150 dlls", &[150.0])]
#[case::cents("50¢", &[0.5])]
#[case::thousands_with_a_point("$1.350,50", &[1350.5])]
#[case::thousands_only("$1.350 or $1,350", &[1350.0, 1350.0])]
#[case::thousands_with_an_apostrophe("$1'450 or 2\u{2019}500 USD", &[1450.0, 2500.0])]
#[case::thousands_with_a_space("$1\u{202f}085", &[1085.0])]
#[case::no_leading_digit("$.50", &[0.5])]
#[case::code_and_a_colon("USD: 150, USD-90", &[150.0, 90.0])]
#[case::other_codes("AUD 150 or 90 CHF", &[150.0, 90.0])]
#[case::a_minus("$-150", &[150.0])]
#[case::bold("_150_ dollars, **90** bucks", &[150.0, 90.0])]
#[case::in_brackets("about 150 (USD)", &[150.0])]
#[case::an_emoji("\u{1f4b2}150 or 90 \u{1f4b5}", &[150.0, 90.0])]
#[case::misspelled("150 dolars", &[150.0])]
#[case::slang("150 billetes", &[150.0])]
#[case::pounds("150 pounds sterling", &[150.0])]
#[case::millions("$1.2M", &[1_200_000.0])]
fn a_number_beside_a_currency_is_a_price(#[case] text: &str, #[case] expected: &[f64]) {
    assert_eq!(prices(text), expected);
}

#[rstest]
#[case::hundreds("one hundred fifty dollars", &[150.0])]
#[case::with_and("One hundred and fifty dollars", &[150.0])]
#[case::with_a("a hundred bucks", &[100.0])]
#[case::with_a_hyphen("ninety-five dollars", &[95.0])]
#[case::spoken("one fifty dollars", &[150.0])]
#[case::fifteen_hundred("fifteen hundred dollars", &[1500.0])]
#[case::thousands("two thousand three hundred dollars", &[2300.0])]
#[case::grand("2 grand", &[2000.0])]
#[case::spanish("ciento cincuenta dólares", &[150.0])]
#[case::spanish_thousands("dos mil quinientos dólares", &[2500.0])]
#[case::digits_and_words("2 mil dólares, 3 hundred dollars", &[2000.0, 300.0])]
#[case::a_range("between one hundred and two hundred dollars", &[100.0, 200.0])]
#[case::a_rate("ninety five an hour", &[95.0])]
#[case::hundreds_said_once("two to three hundred dollars", &[200.0, 300.0])]
#[case::twenty_three_hundred("twenty-three hundred dollars", &[2300.0])]
#[case::no_currency("That would be fifteen hundred.", &[1500.0])]
#[case::a_grand("It is a grand.", &[1000.0])]
#[case::a_couple("a couple of hundred bucks", &[200.0])]
#[case::a_few("a few thousand dollars", &[3000.0])]
fn a_price_in_words_is_a_price(#[case] text: &str, #[case] expected: &[f64]) {
    assert_eq!(prices(text), expected);
}

#[rstest]
#[case::sign_once("$150-200", &[150.0, 200.0])]
#[case::long_dash("$150\u{2013}200", &[150.0, 200.0])]
#[case::to("$150 to 200.", &[150.0, 200.0])]
#[case::currency_once("150-200 dollars", &[150.0, 200.0])]
#[case::currency_once_in_words("150 to 200 dollars", &[150.0, 200.0])]
#[case::between("between 150 and 200 dollars", &[150.0, 200.0])]
#[case::spanish("entre 150 y 200 dólares", &[150.0, 200.0])]
#[case::or("100 or 200 dollars", &[100.0, 200.0])]
#[case::a_slash("$100/200", &[100.0, 200.0])]
#[case::then_a_time("$150 to 2 pm", &[150.0])]
#[case::before_it_a_time("at 2 or 150 dollars", &[150.0])]
fn both_ends_of_a_range_are_prices(#[case] text: &str, #[case] expected: &[f64]) {
    assert_eq!(prices(text), expected);
}

#[rstest]
#[case::an_hour("150/hr", &[150.0])]
#[case::an_hour_in_words("we charge 150 per hour, 95 an hour", &[150.0, 95.0])]
#[case::spanish("95 la hora o 150 por visita", &[95.0, 150.0])]
#[case::a_fee("The fee is 150.", &[150.0])]
#[case::a_colon("Price: 150", &[150.0])]
#[case::about("It would cost you about 150 plus tax", &[150.0])]
#[case::spanish_cost("Cuesta unos 150.", &[150.0])]
#[case::flat("150 flat", &[150.0])]
#[case::flat_and_more("65 flat before 8 pm", &[65.0])]
#[case::each("Keys are 3.50 each.", &[3.5])]
#[case::thousands("You are looking at roughly 3k for that", &[3000.0])]
#[case::it_will_be("That'll be 150.", &[150.0])]
#[case::it_is("It’s 150", &[150.0])]
#[case::done_for("We can do it for 150.", &[150.0])]
#[case::a_service_call("Service call: 150", &[150.0])]
#[case::a_diagnostic("The diagnostic is 150", &[150.0])]
#[case::a_dash("Price - 150", &[150.0])]
#[case::owed("you owe 150", &[150.0])]
#[case::hourly("150 hourly", &[150.0])]
#[case::plus_parts("150 plus parts or 90 + tax", &[150.0, 90.0])]
#[case::all_in("150 all in, 90 out the door", &[150.0, 90.0])]
#[case::to_the_cent("only 149.99 today", &[149.99])]
#[case::alone("150.", &[150.0])]
#[case::spanish_hour("150 x hora", &[150.0])]
#[case::spanish_would_be("serían 150", &[150.0])]
#[case::spanish_tax("150 más IVA o 90 en efectivo", &[150.0, 90.0])]
#[case::it_runs("It runs about 350 for a toilet", &[350.0])]
#[case::it_starts("Starts at 99 for the first drain", &[99.0])]
fn what_is_charged_is_a_price_without_a_currency(#[case] text: &str, #[case] expected: &[f64]) {
    assert_eq!(prices(text), expected);
}

#[rstest]
#[case::times("We can come at 3pm, or on the 12th.")]
#[case::a_lonely_sign("cost in $ depends")]
#[case::an_address("He lives at 54 Bucks County Rd")]
#[case::another_address("See you at 1200 Grand Ave, near 12 Bucks Lane")]
#[case::hours("Our hours are 8 to 5, 24/7 for emergencies, 365 days a year")]
#[case::a_date("Does 10/12 at 9:30 work?")]
#[case::a_phone_number("Call 555-123-4567 or (212) 555-0150")]
#[case::a_visit("We can give you a free estimate at 10.")]
#[case::a_visit_with_a_quote("The technician will quote the job at 2 or 3.")]
#[case::a_service("At 8 a service technician will come.")]
#[case::measures("A 50 gallon tank, 3/4 inch pipe, 220/240V, 30 amp, 5% off")]
#[case::years("In business for 25 years, rated 4.9 stars")]
#[case::charged_time("We charge a 2 hour minimum.")]
#[case::a_start("We start at 8, and the job runs until 3.")]
#[case::a_long_run("He is on a 5k run, 2 each day.")]
#[case::once("The fee is charged once per visit.")]
#[case::people("One of our two techs can be there in twenty to thirty minutes.")]
#[case::a_dollar_street("45 Dollar Bay Dr")]
#[case::a_street_cut_short("I live at 1500 Grand")]
#[case::a_call("If it is an emergency, call 911.")]
#[case::a_phone_number_announced("For a service call 555-0150 or 212-555-0151.")]
#[case::minutes_of_a_range("We will be there for 30 to 45 minutes.")]
#[case::text_us("Text us 24/7")]
#[case::a_year("We are booking for 2027.")]
#[case::customers("We have helped hundreds, even thousands, of customers. Thanks a million.")]
#[case::a_letter("K, see you then. Bring plan K")]
#[case::a_grand_opening("Come to a grand opening.")]
#[case::a_time_in_words("See you at one fifty.")]
#[case::spanish("Podemos llegar a las 3 o a las 4, son 2 cuartos.")]
fn other_numbers_are_no_prices(#[case] text: &str) {
    assert_eq!(prices(text), [0.0; 0]);
}

#[rstest]
#[case::within("It is $150 to $350.", true)]
#[case::at_the_edges("$100, at most $350", true)]
#[case::in_another_jobs_range("$900", true)]
#[case::between_the_ranges("$500", false)]
#[case::one_of_two("$150, or $40 on Sundays", false)]
#[case::the_other_end("$150-500", false)]
#[case::no_price("We will see.", true)]
#[case::free("The estimate is $0, free.", true)]
fn a_price_has_to_lie_in_one_of_the_ranges(#[case] text: &str, #[case] fine: bool) {
    let estimates = json!([{ "min": 100, "max": 350 }, { "min_price": 800, "max_price": 1000 }, { "note": "?" }]);
    assert_eq!(are_estimated(text, &PriceRange::of_estimates(&estimates)), fine);
}

#[test]
fn without_estimates_no_price_is_one_that_somebody_has_made() {
    assert!(!are_estimated("$150", &[]));
    assert!(are_estimated("soon", &[]));
}
