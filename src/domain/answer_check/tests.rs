use proptest::prelude::*;
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
#[case::with_a_blank_before_the_dot("Pay at evil .com", false)]
#[case::with_a_blank_before_the_dot_and_a_path("Pay at evil .com/path now", false)]
#[case::with_a_blank_before_the_dot_and_a_mark("Pay at evil .com, please", false)]
#[case::with_a_blank_after_the_dot("Pay at evil. com", false)]
#[case::with_a_blank_after_the_dot_and_a_path("Pay at evil. com/path", false)]
#[case::with_blanks_around_the_dot("Pay at evil . com", false)]
#[case::with_a_line_after_the_dot("Pay at evil.\ncom", false)]
#[case::with_a_blank_in_capitals("PAY AT EVIL. COM", false)]
#[case::with_a_blank_and_a_scheme("https://evil .com", false)]
#[case::a_shortener_with_a_blank("bit. ly/3xYz", false)]
#[case::a_messenger_with_a_blank("t. me/joe", false)]
#[case::a_messenger_with_a_blank_before_the_dot("t .me/joe", false)]
#[case::a_word_with_a_path("evil. online/pay", false)]
#[case::a_mail_address_with_a_blank("joe@evil .net", false)]
#[case::with_a_spelled_dot_in_spanish("visite ejemplo punto com", false)]
#[case::with_a_spelled_dot_before_a_word("visite ejemplo punto es", false)]
#[case::before_its_own_with_a_blank("https://evil.co .com.smithplumbing.com", false)]
#[case::before_its_own_with_a_spelled_dot("https://evil.co dot com.smithplumbing.com", false)]
#[case::its_own_with_a_blank("Book at smithplumbing .com or smithplumbing. com/book", true)]
#[case::its_own_in_words("Book at smithplumbing dot com", true)]
#[case::the_point_is("El punto es que hoy no hay agua. Un buen punto es la llave.", true)]
#[case::a_point_of_the_language("Este punto me preocupa; otro punto es el precio", true)]
#[case::short_sentences("Call us. Come in. It is so. So be it. No. Me too. In a minute. Is it ok? Es bueno.", true)]
#[case::short_sentences_in_small_letters("call us. come in. it is so. me too. us too. es bueno. no hay", true)]
#[case::sentences_that_begin_with_a_top_level(
    "Done. Info follows. Top price. Net 30. Online too. Link: none. Shop around.",
    true
)]
#[case::a_state_after_a_dot("12 Main St. CA 94103, or Denver. CO 80201", true)]
#[case::in_mixed_case("Pay at evil. Com, or at evil. Org", false)]
#[case::a_word_after_a_dot_with_a_blank_before_it("Pay at evil .me today", false)]
#[case::two_ways("You can pay two ways. Online/phone is fine. Tel/text anytime. Shop/office in the back", true)]
#[case::detectors("We install detectors. CO/smoke alarms too. Top/bottom valves, too", true)]
#[case::other_points("Hasta cierto punto es normal. A tal punto me importa. El ultimo punto es el precio", true)]
#[case::a_rate_that_is_net("$150/hr. net, avg. net price", true)]
#[case::a_price_that_is_net("It is $500. net of tax, approx. net", true)]
#[case::dots_after_a_word("Well ... come in, or . in a minute", true)]
#[case::carbon_monoxide("Leave the basement. co is dangerous. CO alarms help", true)]
#[case::decimals("a .5 inch pipe and .75 in. of it", true)]
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
#[case::with_underscores("Call 415_555_0199", false)]
#[case::with_commas("Call 415,555,0199", false)]
#[case::with_commas_and_blanks("Call 415, 555, 0199", false)]
#[case::with_asterisks("Call 415*555*0199", false)]
#[case::with_bullets("Call 415\u{2022}555\u{2022}0199", false)]
#[case::with_colons("Call 415:555:0199", false)]
#[case::in_lines("Call\n415\n555\n0199", false)]
#[case::in_lines_of_windows("Call 415\r\n555\r\n0199", false)]
#[case::with_many_blanks("Call 415     555     0199", false)]
#[case::with_arrows("Call 415 -> 555 -> 0199", false)]
#[case::with_many_dots("Call 415......555......0199", false)]
#[case::in_keycaps("Call 4️⃣1️⃣5️⃣5️⃣5️⃣5️⃣0️⃣1️⃣9️⃣9️⃣", false)]
#[case::in_keycaps_apart("4️⃣ 1️⃣ 5️⃣ 5️⃣ 5️⃣ 5️⃣ 0️⃣ 1️⃣ 9️⃣ 9️⃣", false)]
#[case::with_lines_under_digits("4\u{332}1\u{332}5\u{332}-555-0199", false)]
#[case::with_one_sign_after_each_digit("4*1*5*5*5*5*0*1*9*9", false)]
#[case::in_full_with_underscores("+1_415_555_0199", false)]
#[case::of_another_country_with_underscores("+44_20_7946_0018", false)]
#[case::with_an_access_code_and_underscores("011_44_20_7946_0018", false)]
#[case::with_a_currency_sign("Call $415, 555, 0199", false)]
#[case::in_two_parts("Call 415_5550199", false)]
#[case::without_area_with_an_underscore("Call 555_0199", false)]
#[case::after_a_date("On 12/05/26 415-555-0199", false)]
#[case::after_a_date_in_full("On 2026-12-05 415-555-0199", false)]
#[case::after_a_date_and_a_time("12-05-2026 10:30 415-555-0199", false)]
#[case::after_all_week("24/7/365 415-555-0199", false)]
#[case::after_an_odd_date("1/1/11 4155550199", false)]
#[case::after_a_postal_code("Chicago, IL 60609 415-555-0199", false)]
#[case::of_another_country_like_a_date("+44 12-05-2026 10", false)]
#[case::after_many_others(&*("1a".repeat(700) + " 415-555-0199"), false)]
#[case::partly_in_words("Call 415-555-zero one nine nine", false)]
#[case::partly_in_words_at_its_middle("Call 415 five five five 0199", false)]
#[case::partly_in_words_within_a_group("Call 415-555-01nine9", false)]
#[case::partly_in_words_without_spaces("Call four1five-555-0199", false)]
#[case::with_a_double_digit("Call 415, double five five, 0199", false)]
#[case::with_a_double_and_a_triple_digit("four one five triple five oh one double nine", false)]
#[case::with_hundreds("Call one eight hundred five five five 0199", false)]
#[case::with_words_between("Call 415 dash 555 dash 0199", false)]
#[case::with_the_letter_o("Call 415-555-O199", false)]
#[case::in_spanish_words_and_digits("Llame al 415 cinco cinco cinco 0199", false)]
#[case::in_small_letters("Call 1-800-flowers", false)]
#[case::in_a_capitalised_word("Call 1-800-Flowers", false)]
#[case::in_letters_after_a_blank("Call 1 800 FLOWERS", false)]
#[case::in_small_letters_after_a_blank("Call 1 800 flowers", false)]
#[case::in_letters_after_parentheses("Call (800) FLOWERS", false)]
#[case::in_small_letters_after_parentheses("Call (800) flowers", false)]
#[case::in_letters_without_one("Call 800-flowers", false)]
#[case::in_two_words("Call 1-800-got-junk", false)]
#[case::in_two_words_after_blanks("Call 1 800 GOT JUNK", false)]
#[case::in_many_letters("Call 1-800-mattress", false)]
#[case::partly_in_small_letters("Call 1-800-555-help", false)]
#[case::in_letters_of_an_area("Call 415-plumber", false)]
#[case::in_letters_of_an_area_in_parentheses("Call (415) plumber", false)]
#[case::in_letters_without_a_sign("Call 1800flowers", false)]
#[case::the_businesss_with_underscores("Call 415_555_0100", true)]
#[case::the_businesss_with_commas("Call 415, 555, 0100", true)]
#[case::the_businesss_with_bullets("Call 415\u{2022}555\u{2022}0100", true)]
#[case::the_businesss_in_lines("Call\n415\n555\n0100", true)]
#[case::the_businesss_in_keycaps("4️⃣1️⃣5️⃣5️⃣5️⃣5️⃣0️⃣1️⃣0️⃣0️⃣", true)]
#[case::the_businesss_in_full_with_underscores("+1_415_555_0100", true)]
#[case::the_businesss_without_area_with_an_underscore("Call 555_0100", true)]
#[case::the_businesss_after_a_date("On 12/05/26 415-555-0100", true)]
#[case::the_businesss_after_a_date_and_a_time("12-05-2026 10:30 415-555-0100", true)]
#[case::the_businesss_after_a_time("At 10:30 415-555-0100, 24/7/365", true)]
#[case::the_businesss_after_a_postal_code("Chicago, IL 60609 (415) 555-0100", true)]
#[case::the_businesss_in_words("Call four one five, five five five, zero one zero zero, 24 hours", true)]
#[case::the_businesss_partly_in_words("Call 415-555-zero one zero zero", true)]
#[case::the_businesss_with_a_double_digit("415 double five five 0 1 double 0", true)]
#[case::the_customers_with_words_between("Is 415 dash 555 dash 0177 right?", true)]
#[case::another_of_the_business_beside_it("Call 415_555_0100, 415_555_0101", true)]
#[case::a_date_and_a_time("It is on 12-05-2026 10:30.", true)]
#[case::a_date_with_dots_and_a_time("It is on 12.05.2026 10:30.", true)]
#[case::a_date_the_other_way_round_and_a_time("It is on 31-12-2026, 9:30", true)]
#[case::an_iso_date_and_a_time("It is on 2026-12-05 10:30.", true)]
#[case::an_iso_timestamp("2026-12-05T10:30:00Z", true)]
#[case::a_date_and_hours("On 12/05/2026 10:30-12:00 or 12/06/2026 14:00-15:30", true)]
#[case::a_date_and_plain_hours("On 12-05-2026 10-12 or 14-16", true)]
#[case::spans_of_hours("9:00-10:30 or 14:00-15:30", true)]
#[case::more_spans_of_hours("Mon 8:00-12:00, 13:00-17:00; Tue 08:00-12:00", true)]
#[case::hours_in_lines("8:00\n9:30\n10:00\n11:30", true)]
#[case::prices_with_commas("$1,250 - $2,400", true)]
#[case::prices_of_three_and_four_digits("$250, $300, $1200", true)]
#[case::prices_with_one_sign("$250, 300, 1200", true)]
#[case::a_price_range_with_one_sign("$850-1200", true)]
#[case::a_price_range_with_a_word("850-1200 dollars", true)]
#[case::prices_with_cents("$150.00, $200.00, $250.00, $1,200.00", true)]
#[case::a_price_in_millions("1,250,000 gallons, 10,000,000 of 1,250,000,000", true)]
#[case::an_address("1200 W 35th St, Chicago 60609", true)]
#[case::an_address_in_lines("Suite 350\n1200 W 35th St\nChicago, IL 60609-1234", true)]
#[case::an_address_with_a_unit("Apt 350, 1200 Main St", true)]
#[case::an_address_of_capitals("800 MADISON AVE, NEW YORK, NY 10065", true)]
#[case::an_address_of_many_letters("Unit 1 - 450 Mission St, or 800 Madison Ave", true)]
#[case::an_order_number("Order 423456, 1200 W 35th St", true)]
#[case::a_permit("Permit 12345, issued 12/05/2026, unit 3", true)]
#[case::a_range("It takes between 200 and 450 minutes", true)]
#[case::gallons("a tank of 800 gallons, 800-gallon tanks, 240-volt, 1,800 gallons", true)]
#[case::counts_in_words("one or two hours, three at most; two 9:00-10:30 slots", true)]
#[case::a_list_of_steps("1. Close it\n2. Wait 15 min\n3. Call us\n4. Done", true)]
#[case::measures("3/4 x 1/2 in. pipe, 2x4, 16'6\", 120/240 V, 1,500 psi", true)]
#[case::units("a 240-volt and a 350-gallon a, 800-gallon tanks, (350) gallons, a 200-percent rise", true)]
#[case::counting("1, 2, 3, 4, 5, 6, 7, 8, 9, 10", true)]
#[case::a_few_words_with_digits("two 415-555-0100 lines, one 3-hour visit", true)]
#[case::a_tracking_number("Tracking 123456789012345678", true)]
#[case::openings("We have openings on 5/4, 5/5, 5/6, 5/7, 5/8", true)]
#[case::openings_with_hours("3/2 8-9, 3/3 8-9, 3/4", true)]
#[case::hours_in_a_list("2-3, 3-4, 4-5, 5-6, 6-7", true)]
#[case::sizes("3/8, 1/2, 5/8, 3/4, 7/8 in. and 1/2, 3/4, 1, 1 1/4, 1 1/2, and 2 inch", true)]
#[case::streets_of_capitals("Is 350 PARK AVE the right address, or 240 OAK ROAD? 350 CENTRAL PKWY", true)]
#[case::an_emergency_number("If you smell gas CALL 911 AND STAY OUT. CALL 911 AND WAIT", true)]
#[case::measures_with_hyphens("an 800-square-foot basement, an 800-gallon-per-hour pump, a 200-amp-main panel", true)]
#[case::measures_of_capitals("a 200-year-old house, a 500 GAL TANK, a 240 VAC PUMP", true)]
#[case::a_price_range_with_a_dash("$850\u{2013}1200 ✅", true)]
#[case::ranges_of_measures("A 300-1000 gallon tank, 200-1500 GPH", true)]
#[case::single_digits_in_groups("4 1 5 - 5 5 5 - 0 1 9 9", false)]
#[case::single_digits_with_one_sign("4-1-5-5-5-5-0-1-9-9", false)]
#[case::toll_free_with_a_unit("Call 1-800-GALLONS", false)]
#[case::a_ticket_of_words("a double sink, two hundred feet, one on one", true)]
#[case::a_tank("an 800-gallon tank, (800) gallons, un tanque de (800) galones", true)]
#[case::a_range_of_feet("between 800 and 900 square feet, entre 800 y 900 pies cuadrados", true)]
#[case::ranges_in_spanish("un tanque de 300-1000 galones, 200-1500 libras, 200-1500 minutos", true)]
#[case::ranges_of_counts("a 200-1500 degree range, 300-1000 percent more, 200-1500 dólares", true)]
#[case::years_in_spanish("una casa de 200-años, a (200) second delay", true)]
#[case::no_unit_but_flowers("Call 1 800 flowers1", false)]
#[case::before_day("Call 555-1299 day or night", false)]
#[case::before_customers("Llame al 555-1299 clientes nuevos", false)]
#[case::before_thanks_in_spanish("Llame al 555-1299 mil gracias", false)]
#[case::before_a_time_of_the_year("Call 555-1299 year round", false)]
#[case::before_the_yard("Call 555-1299 yard work", false)]
#[case::before_a_sentence_with_a_unit("Call 555-1299. Miles will answer", false)]
#[case::toll_free_with_a_unit_in_capitals("Call 800-GALLONS", false)]
#[case::toll_free_with_a_unit_as_its_first_word("Call 800-METRO-CAB", false)]
fn phone_numbers_are_the_businesss_and_the_customers(#[case] text: &str, #[case] known: bool) {
    let (own, other, customer) = (phone("+14155550100"), phone("+14155550101"), phone("+14155550177"));
    assert_eq!(numbers_are_known(text, &own, &[&other, &customer]), known, "{text}");
}

#[rstest]
#[case::teens_and_tens("Call four fifteen, five fifty-five, twelve twelve", false)]
#[case::without_signs("call four fifteen five fifty five twelve twelve", false)]
#[case::with_one("one, four fifteen, five fifty-five, twelve twelve", false)]
#[case::with_a_number_after_it("four fifteen, five fifty-five, twelve twelve, two", false)]
#[case::with_hundreds("eight hundred, five fifty-five, twelve twelve", false)]
#[case::with_hundreds_and_more("four hundred fifteen, five hundred and fifty-five, twelve twelve", false)]
#[case::with_digits("415 five fifty-five 1212", false)]
#[case::with_a_double("four fifteen, double five five, twelve twelve", false)]
#[case::with_dashes_in_words("four fifteen dash five fifty-five dash twelve twelve", false)]
#[case::joined("Call fourfifteen? four fifteen five fiftyfive twelve twelve", false)]
#[case::in_pairs("forty-one fifty-five fifty-five twelve twelve", false)]
#[case::in_spanish("Llame al ocho cero cero, cinco cincuenta y cinco, doce doce", false)]
#[case::in_spanish_with_hundreds("cuatrocientos quince, quinientos cincuenta y cinco, doce doce", false)]
#[case::in_spanish_pairs("cuarenta y uno, cincuenta y cinco, cincuenta y cinco, doce, doce", false)]
#[case::in_lines("four fifteen\nfive fifty-five\ntwelve twelve", false)]
#[case::the_businesss("Call four fifteen, five fifty-five, oh one hundred", true)]
#[case::the_businesss_in_spanish("Llame al cuatro quince, cinco cincuenta y cinco, cero cien", true)]
#[case::the_customers("Is four fifteen, five fifty-five, oh one seventy-seven right?", true)]
#[case::times("from four fifteen to five fifty-five, or at twelve twelve", true)]
#[case::a_list_of_times("We have eight thirty, nine thirty, ten thirty", true)]
#[case::four_times("We have two thirty, three thirty, four thirty, five thirty", true)]
#[case::five_times("seven thirty, eight thirty, nine thirty, ten thirty, eleven thirty", true)]
#[case::quarters("two fifteen, three fifteen, four fifteen, five fifteen", true)]
#[case::four_prices("two fifty, three fifty, four fifty, five fifty dollars", true)]
#[case::years_in_a_list("twenty twenty-four, twenty twenty-five, twenty twenty-six", true)]
#[case::before_day_or_night("four fifteen, five fifty-five, twelve twelve day or night", false)]
#[case::more_times("at nine fifteen, ten thirty, eleven forty-five, or twelve fifteen", true)]
#[case::times_in_spanish("a las cuatro y quince, cinco y cincuenta o doce y doce", true)]
#[case::hours_of_a_day("ten to twelve, one to three, four to five thirty", true)]
#[case::prices("It is four fifteen to five fifty-five, or twelve hundred dollars", true)]
#[case::prices_in_a_list("two fifty, three fifty, twelve fifty dollars", true)]
#[case::prices_in_spanish("ochocientos cincuenta, novecientos veinte, mil doscientos pesos", true)]
#[case::a_price_in_full("one thousand two hundred and fifty-five dollars and fifteen cents", true)]
#[case::years("since nineteen ninety-nine, or twenty twenty-six, and two thousand twelve", true)]
#[case::an_address("twelve thirty-four West Thirty-Fifth Street, apartment four fifteen, six oh six oh nine", true)]
#[case::an_address_in_spanish("calle quince, número doscientos veinte, piso cinco", true)]
#[case::sizes("thirty, thirty-five, forty, forty-five, fifty gallon tanks", true)]
#[case::sizes_in_spanish("de veinte, treinta, cuarenta y cincuenta galones", true)]
#[case::all_week("twenty-four seven, three sixty-five", true)]
#[case::counting("one, two, three, ten, eleven, twelve, fifteen", true)]
#[case::measures("a two by four, six by eight, ten by twelve, fifteen feet", true)]
#[case::once("once or twice, one on one, ten out of ten", true)]
fn phone_numbers_that_are_said_are_the_businesss_and_the_customers(#[case] text: &str, #[case] known: bool) {
    let (own, customer) = (phone("+14155550100"), phone("+14155550177"));
    assert_eq!(numbers_are_known(text, &own, &[&customer]), known, "{text}");
}

#[rstest]
#[case::in_full("Llame al +34 612 345 678", "+34612345678", true)]
#[case::national("Llame al 612 345 678", "+34612345678", true)]
#[case::another("Llame al 612 345 679", "+34612345678", false)]
#[case::with_a_trunk_zero("Ring 020 7946 0018", "+442079460018", true)]
#[case::mexican("Llame al 55 1234 5678", "+525512345678", true)]
#[case::spanish_with_underscores("Llame al 612_345_678", "+34612345678", true)]
#[case::another_spanish_with_underscores("Llame al 612_345_679", "+34612345678", false)]
#[case::another_spanish_partly_in_words("Llame al 612 345 seis siete nueve", "+34612345678", false)]
#[case::spanish_in_words("seis uno dos, tres cuatro cinco, seis siete ocho", "+34612345678", true)]
#[case::another_mexican_with_bullets("55\u{2022}1234\u{2022}5679", "+525512345678", false)]
#[case::mexican_with_bullets("55\u{2022}1234\u{2022}5678", "+525512345678", true)]
#[case::another_british_with_underscores("Ring 020_7946_0019", "+442079460018", false)]
#[case::a_date_and_a_time_there("El 12-05-2026 10:30, de 9:00 a 14:00", "+34612345678", true)]
#[case::prices_there("Cuesta 1.250,00 € - 2.400,00 € o 250, 300, 450 €", "+34612345678", true)]
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
#[case::tags_after_a_full_stop("We can come tomorrow.\u{e0050}\u{e0061}\u{e0079}", true)]
#[case::tags_after_an_emoji("\u{1f44d}\u{e0050}\u{e0061}\u{e0079}", true)]
#[case::tags_of_no_flag("\u{1f3f4}\u{e0050}\u{e0061}\u{e0079}\u{e007f}", true)]
#[case::tags_without_their_end("\u{1f3f4}\u{e0067}\u{e0062}", true)]
#[case::a_joiner_after_a_mark("Sure!\u{200d}", true)]
#[case::a_joiner_at_the_end("Sure \u{1f44d}\u{200d}", true)]
#[case::a_joiner_before_a_letter("\u{1f44d}\u{200d}ok", true)]
#[case::two_joiners("\u{1f468}\u{200d}\u{200d}\u{1f467}", true)]
#[case::a_skin_tone_after_a_mark("Sure!\u{1f3fd}", true)]
#[case::a_variant_after_a_mark("Sure!\u{fe0f}", true)]
#[case::a_variant_of_a_digit("5\u{fe0f} pm", true)]
#[case::many_variants("\u{2764}\u{fe0f}\u{fe0e}\u{fe0f}\u{fe0e}", true)]
#[case::another_variant("\u{2764}\u{fe01}", true)]
#[case::a_joiner_of_graphemes("a\u{34f}b", true)]
#[case::a_bell("ding\u{7}", true)]
#[case::a_backspace("$90\u{8}\u{8}15", true)]
#[case::an_escape("\u{1b}[8mhidden", true)]
#[case::a_next_line("a\u{85}b", true)]
#[case::a_zero_byte("a\u{0}", true)]
#[case::a_line_separator("a\u{2028}b", true)]
#[case::a_soft_hyphen("ex\u{ad}ample", true)]
#[case::lines_and_a_tab("a\nb\r\nc\td", false)]
#[case::families("👨‍👩‍👧‍👦 👩‍❤️‍💋‍👨 🧑🏽‍🤝‍🧑🏻 👨🏾‍👩🏾‍👧🏾", false)]
#[case::flags("🇺🇸🇲🇽 🏳️‍🌈 🏴‍☠️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🏴", false)]
#[case::skin_tones("👍🏽 ✌🏿 ☝️ 🙏🏻 👷🏽‍♀️ 👮🏻‍♂️ 🏃🏽‍♀️‍➡️", false)]
#[case::keycaps("#️⃣ *️⃣ 0️⃣ 9️⃣ 1⃣ 🔟", false)]
#[case::signs_that_are_emoji("❤️ ☎️ ✅ ✔️ ⚠️ ☀️ ⏰ ⭐ ➡️ ▶️ ©️ ®️ ™️ ‼️ ⁉️ ℹ️ Ⓜ️ ㊗️ 〰️ ❤️‍🔥 👁️‍🗨️ ☎︎", false)]
#[case::emoji_of_the_trade("🔧🛠️🚿🚽💧🔥🏠📞🗓️💵 Thanks!👍", false)]
#[case::marks_of_letters("Jose\u{301} a las 5, man\u{303}ana", false)]
fn what_is_not_seen_is_noticed(#[case] text: &str, #[case] hidden: bool) {
    assert_eq!(has_hidden_characters(text), hidden, "{text:?}");
}

/// Sentences as a business writes them, with nothing that is to be held back.
fn plain_sentence() -> impl Strategy<Value = String> {
    let date = (1..=12_u32, 1..=28_u32, 2024..=2031_u32).prop_flat_map(|(month, day, year)| {
        prop_oneof![
            Just(format!("{month:02}/{day:02}/{year}")),
            Just(format!("{month}/{day}/{:02}", year % 100)),
            Just(format!("{month:02}-{day:02}-{year}")),
            Just(format!("{day:02}.{month:02}.{year}")),
            Just(format!("{year}-{month:02}-{day:02}")),
        ]
    });
    let time = || (6..=19_u32, 0..=59_u32).prop_map(|(hour, minute)| format!("{hour}:{minute:02}"));
    let price = || {
        (50..=9_999_u32).prop_flat_map(|price| {
            let thousands = format!("${},{:03}", price / 1000, price % 1000);
            let plain = format!("${price}");
            prop_oneof![Just(format!("{plain}.00")), Just(if price < 1000 { plain } else { thousands })]
        })
    };
    let number = prop_oneof![
        Just("415-555-0100"),
        Just("(415) 555-0100"),
        Just("+1 415 555 0100"),
        Just("415_555_0100"),
        Just("415.555.0100"),
        Just("415, 555, 0100"),
        Just("four one five, five five five, 0100"),
        Just("555-0100"),
    ];
    prop_oneof![
        (date, time(), time()).prop_map(|(date, from, to)| format!("We can come on {date} {from}, or until {to}.")),
        (time(), time(), time(), time()).prop_map(|(a, b, c, d)| format!("We have {a}-{b} or {c}-{d}.")),
        (price(), price()).prop_map(|(low, high)| format!("It costs {low} - {high}, parts included.")),
        (price(), price(), price()).prop_map(|(a, b, c)| format!("Prices: {a}, {b}, {c}")),
        number.prop_map(|number| format!("Call us at {number}.")),
        (1..=999_999_u32).prop_map(|order| format!("Your order is {order}, and the permit {order}.")),
        (1..=500_u32, 1..=500_u32).prop_map(|(low, high)| format!("It takes between {low} and {high} minutes.")),
        (100..=9_999_u32, 10_000..=99_999_u32)
            .prop_map(|(house, zip)| format!("Is it {house} W 35th St, Chicago {zip}?")),
    ]
}

proptest! {
    #[test]
    fn plain_sentences_pass(sentences in prop::collection::vec(plain_sentence(), 1..6), line in any::<bool>()) {
        let text = sentences.join(if line { "\n" } else { " " });
        prop_assert!(numbers_are_known(&text, &phone("+14155550100"), &[]), "{}", text);
        prop_assert!(links_are_allowed(&text, &[]), "{}", text);
        prop_assert!(!has_hidden_characters(&text), "{}", text);
    }

    #[test]
    fn an_unknown_number_is_found_within_plain_sentences(
        before in plain_sentence(),
        after in plain_sentence(),
        gap in "[-_.,:;*• \n/]{1,4}",
    ) {
        let text = format!("{before} Call 212{gap}555{gap}0199 now. {after}");
        prop_assert!(!numbers_are_known(&text, &phone("+14155550100"), &[]), "{:?}", text);
    }

    #[test]
    fn any_text_can_be_judged(text in "([0-9]|[-+_.:/()$ ,@]|one |fifty |hundred |and |http|.com|[a-zA-Z]|\\PC){0,60}") {
        let domains = ["smithplumbing.com".parse().unwrap()];
        for own in ["+14155550100", "+34612345678"] {
            let _ = numbers_are_known(&text, &phone(own), &[]);
        }
        let _ = (links_are_allowed(&text, &domains), has_hidden_characters(&text));
    }
}

#[rstest]
#[case::digits("1")]
#[case::single_digits("4 ")]
#[case::words("five ")]
#[case::tens("fifty ")]
#[case::hundreds("four hundred fifteen ")]
#[case::groups("212 ")]
#[case::doubles("double ")]
#[case::dates("1/1/11 ")]
#[case::pluses("+1_")]
#[case::letters_and_digits("1a")]
#[case::vanity("1-800-F")]
#[case::schemes("a:/")]
#[case::dots("a.")]
#[case::dots_and_blanks("a. com ")]
#[case::brackets("[")]
#[case::flags("\u{1f3f4}\u{e0067}")]
fn a_long_text_hides_no_number_behind_it(#[case] unit: &str) {
    let long: String = unit.chars().cycle().take(1_580).collect();
    assert!(!numbers_are_known(&format!("{long}\nCall 212-555-0188"), &phone("+14155550100"), &[]));
    let _ = (links_are_allowed(&long, &[]), has_hidden_characters(&long));
}
