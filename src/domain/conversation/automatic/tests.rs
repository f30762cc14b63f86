//! Reactions and automatic replies, and texts that only look like them.

use rstest::rstest;

use super::*;

#[rstest]
#[case::liked("Liked “I am on my way.”")]
#[case::emphasized("Emphasized “Leave the house now and call 911.”")]
#[case::laughed("Laughed at “See you at 3!”")]
#[case::straight_quotes("Loved \"Thanks, see you then\"")]
#[case::quote_within("Questioned “He said “now” to me”")]
#[case::reacted("Reacted 👍 to “I am on my way.”")]
#[case::rcs("\u{200a}\u{200b}👍\u{200b} to “\u{200a}I missed your call. \u{200a}”\u{200a}")]
#[case::skin("👍🏽 to “I missed your call”")]
#[case::heart("Reacted ❤️ to “Reply STOP to end”")]
#[case::removed("Removed a heart from “Thanks”")]
#[case::removed_exclamation("Removed an exclamation mark from “I smell gas”")]
#[case::image("Liked an image")]
#[case::cut_off("Liked “I missed your call, this is Joe. How can I…”")]
#[case::several_lines("Loved “first\nsecond”")]
#[case::spanish("Le gustó “Voy en camino”")]
#[case::spanish_loved("Le encantó «Voy en camino»")]
#[case::spanish_removed("Quitó un corazón de “Voy en camino”")]
#[case::spanish_reacted("Reaccionó con 👍 a “Voy en camino”")]
#[case::spanish_image("Le encantó una imagen")]
fn a_reaction_is_not_the_customers_words(#[case] body: &str) {
    assert_eq!(kind_of(body), MessageKind::Reaction);
}

#[rstest]
#[case::ios("I’m driving with Driving Focus turned on. I’ll see your message when I get where I’m going.")]
#[case::ios_urgent(
    "I'm driving with Do Not Disturb While Driving turned on. I'll see your message when I get where I'm going. (I'm not \
     receiving notifications. If this is urgent, reply \"urgent\" to send a notification through with your original \
     message.)"
)]
#[case::android("I'm driving right now - I'll get back to you later.")]
#[case::marked("Auto-reply: The shop is closed today.")]
#[case::automated("[Automated message] I will be back on Monday")]
#[case::office(
    "Thank you for your message. I am out of the office until Monday, December 7 and will reply upon my return."
)]
#[case::spanish("Estoy manejando. Te llamo más tarde.")]
#[case::spanish_marked("Respuesta automática: estoy fuera de la oficina hasta el lunes.")]
fn an_automatic_reply_is_not_the_customers_words(#[case] body: &str) {
    assert_eq!(kind_of(body), MessageKind::AutoReply);
}

#[rstest]
#[case::liked_something("Liked your work, can you come again?")]
#[case::quote_and_more("Loved “your work” but the basement is flooding")]
#[case::two_quotes("Liked \"the first\" and the house is on fire \"really\"")]
#[case::quote_only("“I smell gas”")]
#[case::emoji_and_more("👍 to all of that, when can you come?")]
#[case::removed_something("Removed a pipe from “the wall” and now water is coming out")]
#[case::removed_it("Removed the cover from the breaker and it sparks")]
#[case::an_image_of("Liked an image of the boiler you sent, how much is it?")]
#[case::driving_and_more("I'm driving right now but my basement is flooding, can you come")]
#[case::driving_and_this("I'm driving. This toilet overflowed.")]
#[case::vacation_and_toilet("I am on vacation and my toilet is overflowing")]
#[case::thanks_and_a_day("I'm driving. Thanks, the sink can wait for Tuesday.")]
#[case::call_me("Call me as soon as possible, I'm driving")]
#[case::driving_to("I'm driving home. The alarm company says there is smoke in the kitchen.")]
#[case::out_of_office_and_gas("I am out of the office. The tenant smells gas.")]
#[case::vacation("We are on vacation and the neighbor says our house has a leak")]
#[case::vacation_question("I'm on vacation until Monday, can you do Tuesday?")]
#[case::thanks("Thank you for your message. Tuesday works.")]
#[case::nothing("")]
#[case::cannot_talk("Sorry, I can't talk right now.")]
fn what_a_customer_writes_stays_their_words(#[case] body: &str) {
    assert_eq!(kind_of(body), MessageKind::Customer);
}
