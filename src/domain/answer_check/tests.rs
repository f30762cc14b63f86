use rstest::rstest;

use super::*;
use crate::domain::phone::PhoneNumber;

fn phone(number: &str) -> PhoneNumber {
    number.parse().unwrap()
}

#[rstest]
#[case::no_link("We can be there at 9 am tomorrow. Is that OK?", true)]
#[case::the_businesss_own("Book at https://smithplumbing.com/book?id=1.", true)]
#[case::below_it("See www.smithplumbing.com, please", true)]
#[case::in_capitals("SMITHPLUMBING.COM", true)]
#[case::a_mail_address_of_it("Write to office@smithplumbing.com", true)]
#[case::another("Pay at https://pay.example.net/x", false)]
#[case::another_without_scheme("Pay at pay.example.net", false)]
#[case::a_shortener("bit.ly/3xYz", false)]
#[case::a_mail_address("Write to smith@example.net!", false)]
#[case::that_ends_like_it("https://evilsmithplumbing.com", false)]
#[case::that_begins_like_it("https://smithplumbing.com.example.net", false)]
#[case::with_it_as_user("https://smithplumbing.com@example.net/", false)]
#[case::with_backslashes(r"https:\\example.net\smithplumbing.com", false)]
#[case::with_it_in_the_path("http://example.net/smithplumbing.com", false)]
#[case::of_another_scheme("ftp://example.net", false)]
#[case::with_a_port("example.net:8080", false)]
#[case::an_address("http://192.0.2.7/pay", false)]
#[case::an_address_without_scheme("open 192.0.2.7", false)]
#[case::one_number("http://3221225985/", false)]
#[case::in_parentheses("(example.net)", false)]
#[case::after_a_comma("here,example.net,now", false)]
#[case::of_another_script("Pay at exаmple.com", false)] // with a Cyrillic a
#[case::in_punycode("xn--exmple-4nf.com", false)]
#[case::of_full_width("ｅｘａｍｐｌｅ．ｎｅｔ", false)]
#[case::with_an_ideographic_full_stop("example。net", false)]
#[case::with_a_spelled_dot("go to example dot com", false)]
#[case::with_a_spelled_dot_and_a_path("go to example dot com/pay", false)]
#[case::with_a_bracketed_dot("example[.]net", false)]
#[case::with_a_bracketed_word("example (dot) com", false)]
#[case::split_by_what_nobody_sees("exam\u{200b}ple.net", false)]
#[case::two_of_which_one_is_another("smithplumbing.com or example.net", false)]
#[case::a_sentence_without_a_space("Thanks.We will come", true)]
#[case::a_question_without_a_space("at 5.Is that ok", true)]
#[case::abbreviations("e.g. a leak, i.e. water, at 9 a.m. or 5 p.m. in the U.S.", true)]
#[case::an_hour("at 9.am", true)]
#[case::numbers("It takes 2.5 hours, $150.00-200.00, 10:30, 1/2, 24/7", true)]
#[case::dots("Well... let me see...ok", true)]
#[case::and_or("today and/or tomorrow; w/o parts", true)]
#[case::a_dot_that_is_said("Press the red dot and wait", true)]
#[case::an_address_of_a_house("12 St. John St., Apt. 5", true)]
#[case::of_a_capitalised_ending("Pay at Example.Com now", false)]
#[case::of_a_short_capitalised_ending("See bit.Ly", false)]
#[case::of_two_capitalised_words("Paypal-Refund.Com", false)]
#[case::of_its_own_with_a_capitalised_ending("Smithplumbing.Com", true)]
#[case::sentences_without_spaces("Thanks.We come.See you at 9. Ok.Me too.It is.No problem.So be it", true)]
#[case::spanish_sentences_without_spaces("Gracias.De nada.Me llamo Ana.Es a las 9.Si", true)]
#[case::of_markdown("[https://smithplumbing.com/](https://example.net/pay)", false)]
#[case::of_markdown_that_shows_another("[example.net](https://smithplumbing.com/)", false)]
#[case::of_markdown_of_its_own("Book [here](https://smithplumbing.com/book) or **smithplumbing.com**", true)]
#[case::after_one_and_a_comma("https://smithplumbing.com/,https://example.net", false)]
#[case::after_one_and_a_comma_without_scheme("https://smithplumbing.com/,example.net", false)]
#[case::after_one_and_a_semicolon("https://smithplumbing.com;example.net", false)]
#[case::after_one_and_a_quote("https://smithplumbing.com/\"example.net", false)]
#[case::after_one_and_an_apostrophe("https://smithplumbing.com'@example.net/", false)]
#[case::after_one_and_a_pipe("https://smithplumbing.com|https://example.net", false)]
#[case::after_one_and_an_asterisk("https://smithplumbing.com/*example.net*", false)]
#[case::after_one_and_angle_brackets("<https://smithplumbing.com/><https://example.net/>", false)]
#[case::within_the_path_of_one("https://smithplumbing.com/login?next=https://example.net", false)]
#[case::of_a_number_after_a_colon("Link:https://3221225985/", false)]
#[case::several_of_its_own("(https://smithplumbing.com/a,https://www.smithplumbing.com/b)", true)]
#[case::a_path_with_signs("https://smithplumbing.com/a_(b),c;d!e", true)]
#[case::a_user_of_ones_own("https://office@smithplumbing.com:443/x?y=1&z=2#top", true)]
#[case::of_an_escaped_host("https://example.net%23.smithplumbing.com", false)]
#[case::with_a_mark("https://evil\u{332}smithplumbing.com/", false)]
#[case::before_a_hyphen("example.net-now", false)]
#[case::before_an_underscore("_example.net_", false)]
#[case::before_a_joined_word("example.com_pay", false)]
#[case::with_a_typographic_hyphen("evil\u{2010}smithplumbing.com", false)]
#[case::with_a_hyphen_that_does_not_break("evil\u{2011}smithplumbing.com", false)]
#[case::with_a_minus("evil\u{2212}smithplumbing.com", false)]
#[case::between_dashes("Book online \u{2014} smithplumbing.com \u{2014} or reply", true)]
fn links_lead_only_where_the_business_lets_them(#[case] text: &str, #[case] allowed: bool) {
    let domains = ["smithplumbing.com".parse().unwrap()];
    assert_eq!(links_are_allowed(text, &domains), allowed, "{text}");
}

#[rstest]
#[case("https://example.com")]
#[case("example")]
#[case("example..com")]
#[case("-example.com")]
#[case("example.com/path")]
#[case("192.0.2.7")]
#[case("exämple.com")]
#[case("")]
fn what_is_no_domain_is_refused(#[case] text: &str) {
    assert!(text.parse::<Domain>().is_err());
}

#[rstest]
#[case::none("We come at 10:30 on 12/05/2026 or 2026-12-05, it takes 2 hours.", true)]
#[case::the_businesss("Call us at (415) 555-0100.", true)]
#[case::the_businesss_in_full("Call us at +1 415-555-0100.", true)]
#[case::the_businesss_without_area("Call 555-0100", true)]
#[case::another_of_the_business("Call 415.555.0101", true)]
#[case::the_customers("Is 415 555 0177 the best number?", true)]
#[case::an_emergency_number("Call 911 and leave the house.", true)]
#[case::another("Call 415-555-0199", false)]
#[case::another_in_full("Call +1 (415) 555-0199 now", false)]
#[case::another_without_signs("Call 4155550199", false)]
#[case::another_without_area("Call 555-0199", false)]
#[case::of_another_country("WhatsApp +44 20 7946 0018", false)]
#[case::with_an_access_code("Call 011 44 20 7946 0018", false)]
#[case::toll_free("Call 1-800-555-0199", false)]
#[case::in_letters("Call 1-800-FLOWERS", false)]
#[case::in_words("Call four one five, five five five, zero one nine nine", false)]
#[case::in_spanish_words("Llame al cuatro uno cinco cinco cinco cinco cero uno nueve nueve", false)]
#[case::of_full_width("Call ４１５５５５０１９９", false)]
#[case::split_by_what_nobody_sees("Call 415\u{200b}555\u{200b}0199", false)]
#[case::beside_a_known_one("Call 415-555-0100 or 415-555-0199", false)]
#[case::prices("It is $1,000 - $1,500, or 1200-1800 dollars.", true)]
#[case::an_address_with_zip("1234 Main Street, San Francisco, CA 94103-1234", true)]
#[case::a_few_words("one or two hours, three at most; five of six", true)]
#[case::hours("Mon 8-5, Tue 8-12, 1-5", true)]
fn phone_numbers_are_the_businesss_and_the_customers(#[case] text: &str, #[case] known: bool) {
    let (own, other, customer) = (phone("+14155550100"), phone("+14155550101"), phone("+14155550177"));
    assert_eq!(numbers_are_known(text, &own, &[&other, &customer]), known, "{text}");
}

#[rstest]
#[case::in_full("Llame al +34 612 345 678", "+34612345678", true)]
#[case::national("Llame al 612 345 678", "+34612345678", true)]
#[case::another("Llame al 612 345 679", "+34612345678", false)]
#[case::with_a_trunk_zero("Ring 020 7946 0018", "+442079460018", true)]
#[case::mexican("Llame al 55 1234 5678", "+525512345678", true)]
fn a_number_is_read_as_people_there_write_it(#[case] text: &str, #[case] own: &str, #[case] known: bool) {
    assert_eq!(numbers_are_known(text, &phone(own), &[]), known, "{text}");
}

#[rstest]
#[case::words("See you at 9 – it’s fine. ¿Mañana? Sí.", false)]
#[case::emoji("👍🏽 ❤️ 👩‍🔧 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿", false)]
#[case::turned_around("Pay \u{202e}051$", true)]
#[case::isolated("a\u{2066}b\u{2069}", true)]
#[case::zero_width("exam\u{200b}ple", true)]
#[case::joined("exam\u{200d}ple", true)]
#[case::a_mark("\u{200f}hello", true)]
#[case::an_arabic_mark("a\u{61c}b", true)]
#[case::tags("hello\u{e0041}", true)]
#[case::a_filler("hello\u{3164}there", true)]
fn what_is_not_seen_is_noticed(#[case] text: &str, #[case] hidden: bool) {
    assert_eq!(has_hidden_characters(text), hidden, "{text:?}");
}
