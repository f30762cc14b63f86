//! Phones that take no SMS, and customers who write in Spanish.

use rstest::rstest;

use super::*;

const DAY: f64 = 86_400.0;

/// A customer whose first missed-call text failed with this error.
fn failed(report: MessageReport) -> Talk {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.report(0, report);
    talk
}

fn rejected(code: i32) -> MessageReport {
    MessageReport::Rejected { code: Some(code), why: "no".into() }
}

fn undelivered(code: i32) -> MessageReport {
    let (twilio_sid, status) = ("SMx".into(), DeliveryStatus::Undelivered);
    MessageReport::Delivery { twilio_sid, status, error_code: Some(code), why: None }
}

#[rstest]
#[case::not_mobile(21_614, false)]
#[case::a_landline(21_635, false)]
#[case::blocked_by_the_carrier(21_612, true)]
fn a_phone_that_takes_no_sms_is_not_texted_for_ninety_days(#[case] code: i32, #[case] texted: bool) {
    let mut talk = failed(rejected(code));
    let again = talk.later(DAY).call_missed().clone();
    assert_eq!(is_sent(&again), texted);
    assert_eq!(events(&again).contains(&"conversation.needs_attention"), !texted);
    if !texted {
        assert_eq!(event_data(&again, EventType::NeedsAttention)["reason"], "landline");
        assert!(!is_sent(talk.later(88.0 * DAY).call_missed()));
        assert!(is_sent(talk.later(2.0 * DAY).call_missed()), "ninety days are over");
    }
}

/// The error may also mean that the carrier could not be reached.
#[test]
fn a_carrier_that_calls_it_a_landline_is_believed_on_the_second_day() {
    let mut talk = failed(undelivered(30_006));
    assert!(is_sent(talk.later(3_600.0).call_missed()), "it said so once");
    talk.report(1, undelivered(30_006));
    assert!(is_sent(talk.later(DAY).call_missed()), "twice on one day is one");
    talk.report(2, undelivered(30_006));
    assert!(!is_sent(talk.later(3_600.0).call_missed()));
}

#[test]
fn a_text_from_a_phone_proves_that_it_takes_texts() {
    let mut talk = failed(rejected(21_635));
    talk.later(60.0).text("hello, it's me");
    let window = talk.close_window();
    assert!(is_sent(talk.answered(window, "We can help.")));
    assert!(is_sent(talk.later(DAY).call_missed()));
}

#[test]
fn what_is_known_of_a_phone_outlives_the_conversation() {
    let mut talk = failed(rejected(21_614));
    let again = talk.later(30.0 * DAY).call_missed().clone();
    assert_eq!(events(&again)[0], "conversation.created");
    assert!(!is_sent(&again));
}

#[test]
fn the_missed_call_text_says_how_to_opt_out() {
    let mut talk = Talk::new();
    let text = &talk.call_missed().messages[0].body;
    assert!(text.ends_with("Reply STOP to opt out."), "{text}");
    assert_eq!(crate::domain::sms_segments::count(text), 1);
    let mut own = Talk::new();
    own.business.templates.en.missed_call = Some("Joe here – on a ladder. {opt_out} Call you back!".into());
    let text = &own.call_missed().messages[0].body;
    assert_eq!(text, "Joe here - on a ladder. Reply STOP to opt out. Call you back!");
}

/// DispatchBot is away: the service's own texts are in the customer's language.
#[rstest]
#[case::spanish("Hola, necesito cambiar la llave de la cocina", "Gracias, hemos recibido su mensaje.")]
#[case::english("Hi, my kitchen sink is clogged", "Thanks, we received your message.")]
#[case::no_words("12 345", "Thanks, we received your message.")]
fn the_fallback_is_in_the_language_of_the_customer(#[case] text: &str, #[case] begins: &str) {
    let mut talk = Talk::new();
    talk.text(text);
    let window_id = talk.close_window();
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::Unreachable });
    assert!(decision.messages[0].body.starts_with(begins), "{}", decision.messages[0].body);
}

#[test]
fn a_customer_who_wrote_in_spanish_is_called_back_in_spanish_and_in_the_business_s_own_words() {
    let mut talk = Talk::new();
    talk.text("Buenos días, necesito un plomero para mañana");
    talk.later(30.0 * DAY);
    assert!(talk.call_missed().messages[0].body.starts_with("¡Hola!"));
    talk.business.templates.es.missed_call = Some("Habla José. {opt_out}".into());
    let text = &talk.later(30.0 * DAY).call_missed().messages[0].body;
    assert_eq!(text, "Habla José. Responda STOP para darse de baja.");
}

#[test]
fn the_emergency_text_is_in_spanish_too() {
    let mut talk = Talk::new();
    talk.text("se reventó la tubería y hay agua por todos lados");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut });
    assert!(decision.messages[0].body.starts_with("Vemos que es una emergencia"), "{}", decision.messages[0].body);
}
