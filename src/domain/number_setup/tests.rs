//! What is changed, and what is left alone.

#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::*;

const OURS: &str = "https://nmc.example/webhooks/twilio/sms";

fn wanted() -> Settings {
    let call = "https://nmc.example/webhooks/twilio/call".to_owned();
    let (call_fallback, sms_fallback) = (call.clone(), OURS.to_owned());
    Urls { call, sms: OURS.to_owned(), call_fallback, sms_fallback }.settings()
}

fn with(settings: &[(Setting, &str)]) -> Settings {
    settings.iter().map(|(setting, value)| (*setting, (*value).to_owned())).collect()
}

fn service(inbound_url: Option<&str>, defers_to_number: bool) -> Service {
    let inbound_url = inbound_url.map(str::to_owned);
    Service { sid: "MG1".to_owned(), name: "Plumbers".to_owned(), inbound_url, defers_to_number }
}

fn compared(settings: &Settings, trunk_sid: Option<&str>, service: Option<&Service>, apps: bool) -> Comparison {
    compare(&Found { settings, trunk_sid, service }, &wanted(), apps)
}

fn settings_of(comparison: &Comparison, traffic: Traffic) -> usize {
    comparison.changes.iter().filter(|change| change.setting.traffic() == traffic).count()
}

#[test]
fn a_number_that_is_as_it_must_be_is_not_changed() {
    assert_eq!(compared(&wanted(), None, None, false), Comparison::default());
}

#[test]
fn a_change_names_what_is_and_what_will_be() {
    let mut settings = wanted();
    settings.insert(Setting::SmsMethod, "GET".to_owned());
    settings.remove(&Setting::StatusCallback);
    let comparison = compared(&settings, None, None, false);
    let lines: Vec<String> = comparison.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [r#"status_callback: "" → "https://nmc.example/webhooks/twilio/call""#, r#"sms_method: "GET" → "POST""#]
    );
}

/// A number that was just bought lacks three URLs for calls and two for texts; its methods are as they must be.
#[rstest]
#[case::nothing(None, None, "", "", (3, 2), &[])]
#[case::an_app_for_calls(None, None, "AP1", "", (0, 2), &["calls are handled by the TwiML app AP1"])]
#[case::an_app_for_texts(None, None, "", "AP2", (3, 0), &["texts are handled by the TwiML app AP2"])]
#[case::a_trunk(Some("TK1"), None, "", "", (0, 2), &["calls are handled by the SIP trunk TK1"])]
#[case::a_service_that_defers(None, Some(service(Some("https://x.example"), true)), "", "", (3, 2), &[])]
#[case::a_service_that_posts_to_us(None, Some(service(Some(OURS), false)), "", "", (3, 0), &[])]
#[case::a_service_of_others(
    None,
    Some(service(Some("https://x.example"), false)),
    "",
    "",
    (3, 0),
    &["texts are handled by the Messaging Service MG1 (Plumbers), which posts them to https://x.example"]
)]
#[case::a_service_that_drops(
    None,
    Some(service(None, false)),
    "",
    "AP2",
    (3, 0),
    &["texts are handled by the Messaging Service MG1 (Plumbers), which drops them"]
)]
fn what_something_else_handles_is_named_and_left_alone(
    #[case] trunk_sid: Option<&str>,
    #[case] service: Option<Service>,
    #[case] voice_app: &str,
    #[case] sms_app: &str,
    #[case] changes: (usize, usize),
    #[case] handled: &[&str],
) {
    let bought = [
        (Setting::VoiceMethod, "POST"),
        (Setting::VoiceFallbackMethod, "POST"),
        (Setting::StatusCallbackMethod, "POST"),
        (Setting::SmsMethod, "POST"),
        (Setting::SmsFallbackMethod, "POST"),
        (Setting::VoiceApplicationSid, voice_app),
        (Setting::SmsApplicationSid, sms_app),
    ];
    let comparison = compared(&with(&bought), trunk_sid, service.as_ref(), false);
    assert_eq!(
        (settings_of(&comparison, Traffic::Calls), settings_of(&comparison, Traffic::Texts)),
        changes,
        "{comparison:?}"
    );
    let shown: Vec<String> = comparison.handled.iter().map(ToString::to_string).collect();
    assert_eq!(shown, handled);
}

#[test]
fn apps_are_replaced_on_request_and_nothing_else_is() {
    let settings = with(&[(Setting::VoiceApplicationSid, "AP1"), (Setting::SmsApplicationSid, "AP2")]);
    let comparison = compared(&settings, None, None, true);
    assert_eq!((comparison.changes.len(), comparison.handled.len()), (12, 0));
    let comparison = compared(&settings, Some("TK1"), Some(&service(None, false)), true);
    assert_eq!((comparison.changes.len(), comparison.handled.len()), (0, 2));
}
