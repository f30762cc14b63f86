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
#[case::several_images("Loved 3 images")]
#[case::a_contact("Liked a contact")]
#[case::a_key_of_a_keypad("Reacted 1\u{fe0f}\u{20e3} to “See you at 3”")]
#[case::marks_as_a_sign("Reacted !! to “I smell gas”")]
#[case::a_flag("Reacted 🇲🇽 to “See you at 3”")]
#[case::a_family("Reacted 👨\u{200d}👩\u{200d}👧 to “See you at 3”")]
#[case::a_sticker("Reacted with a sticker to “See you at 3”")]
#[case::the_sign_last("Reacted to “See you at 3” with 😂")]
#[case::to_your_message("Reacted 😂 to your message “See you at 3”")]
#[case::no_space("👍to “I missed your call”")]
#[case::cut_off_before_the_mark("Liked “I missed your call. This is Joe’s Plumbing…")]
#[case::single_marks("Questioned ‘I’m on my way’")]
#[case::straight_single_marks("Questioned 'I'm on my way'")]
#[case::spanish_with_a_name("A Juan le encantó “Voy en camino”")]
#[case::spanish_of_spain("Le ha gustado “Voy en camino”")]
#[case::spanish_emphasis("Puso énfasis en “Salga de la casa y llame al 911”")]
#[case::spanish_doubt("Puso en duda “Voy en camino”")]
#[case::spanish_removed_me_gusta("Quitó un “Me gusta” de “Voy en camino”")]
#[case::spanish_no_longer("Ya no le gusta “Voy en camino”")]
#[case::spanish_sign("Reaccionó 👍🏽 a “Voy en camino”")]
#[case::spanish_sign_last("Reaccionó a “Voy en camino” con 👍")]
#[case::spanish_voice("Le encantó un mensaje de voz")]
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
#[case::missed_call("Sorry, I missed your call. I'm driving and will call you back later.")]
#[case::android_auto("Hi, I'm driving right now and can't respond. I'll text you when I arrive. Sent via Android Auto")]
#[case::ios_second_text(
    "(I’m not receiving notifications. If this is urgent, reply “urgent” to send a notification through with your \
     original message.)"
)]
#[case::do_not_disturb("Do Not Disturb is on. I'll see your message later.")]
#[case::office_until("I am out of the office until 12/7. For urgent matters please contact my colleague.")]
#[case::subject("Automatic Reply: RE: Your appointment")]
#[case::of_a_business(
    "Thank you for contacting Smith Realty. We have received your message and will get back to you shortly."
)]
#[case::closed("Our office is currently closed. Our hours are Monday to Friday 9 am to 5 pm.")]
#[case::no_mailbox("This mailbox is not monitored. Please do not reply to this message.")]
#[case::spanish_ios("Estoy conduciendo con “Conducción” activado. Veré tu mensaje cuando llegue a mi destino.")]
#[case::spanish_ios_second_text(
    "No recibo notificaciones. Si es urgente, responde “urgente” para que tu mensaje original me llegue con una \
     notificación."
)]
#[case::spanish_call_back("Voy manejando, te marco luego")]
#[case::spanish_office("Gracias por su mensaje. Me encuentro fuera de la oficina y regresaré el lunes.")]
#[case::spanish_business("Hemos recibido su mensaje y le responderemos lo antes posible.")]
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
#[case::two_quotations("Liked “ok”. The gas smell is back “really”")]
#[case::two_quotations_in_single_marks("Questioned ‘ok’ and the ‘smoke’")]
#[case::a_line_after("Liked “ok”\nThere is water everywhere")]
#[case::a_report_of_anothers_words("My tenant emphasized “I smell gas”")]
#[case::badly("Reacted badly to “drain cleaner”")]
#[case::marks_and_a_quotation("! to “everyone”, house is on fire")]
#[case::a_word_and_a_quotation("FIRE to “everybody”")]
#[case::spanish_and_gas("Me encanta “su trabajo”, pero hay una fuga de gas")]
#[case::automatic_as_an_adjective("Automatic response needed? My pump failed")]
#[case::of_a_smoke_alarm("Automated message: smoke alarm triggered at 12 Main St, kitchen")]
#[case::of_a_sensor("Sent automatically by my water sensor: LEAK DETECTED in basement")]
#[case::out_of_office_and_a_toilet("Out of office toilet is overflowing")]
#[case::thanks_and_a_flood("Thanks for calling my basement is flooding. I'm driving")]
#[case::a_time("I'm driving, Monday at 9 is good")]
#[case::a_meeting("I'm driving. See you on Tuesday")]
#[case::a_request("I'm driving, can you text back")]
#[case::another_request("I'm driving. Call when you can")]
#[case::the_end_of_texts("I'm driving now. Stop")]
#[case::a_receipt("I received your message. Thanks")]
#[case::spanish_request("Estoy manejando, llame")]
#[case::nothing("")]
#[case::cannot_talk("Sorry, I can't talk right now.")]
fn what_a_customer_writes_stays_their_words(#[case] body: &str) {
    assert_eq!(kind_of(body), MessageKind::Customer);
}
