//! The owner's phone gets the texts of customers.

use super::*;
use crate::domain::hours::DailyHours;
use crate::domain::owner::Code;

const OWNER: &str = "+15555552222";

/// A conversation of a business whose owner gets all texts.
fn relayed() -> Talk {
    let mut talk = Talk::new();
    talk.business.relay_to = Some(OWNER.parse().unwrap());
    talk
}

fn relays(decision: &Decision) -> Vec<&NewMessage> {
    decision.messages.iter().filter(|message| message.kind == MessageKind::Relay).collect()
}

fn relay(decision: &Decision) -> String {
    let relays = relays(decision);
    assert_eq!(relays.len(), 1, "{relays:?}");
    assert_eq!(relays[0].recipient.as_ref().map(|phone| phone.as_str()), Some(OWNER));
    relays[0].body.clone()
}

fn memory(talk: &Talk) -> &crate::domain::owner::Relaying {
    &talk.state.as_ref().unwrap().memory.relay
}

#[test]
fn the_first_text_is_relayed_at_once_with_a_code_and_what_the_ai_will_do() {
    let mut talk = relayed();
    let first = talk.text("My sink leaks").clone();
    let code = memory(&talk).code.unwrap();
    assert_eq!(first.code, Some(CodeChange::Taken(code)));
    assert_eq!(
        relay(&first),
        format!(
            "{code} {}: \"My sink leaks\" AI answers in 60 s. Reply to answer yourself; begin with {code}.",
            customer()
        )
    );
    assert!(
        first
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::SendSms { message_id, .. } if *message_id == relays(&first)[0].id))
    );
}

#[test]
fn later_texts_go_together_at_most_every_ten_seconds() {
    let mut talk = relayed();
    talk.text("My sink leaks");
    assert_eq!(relays(talk.later(2.0).text("It is the kitchen")).len(), 0);
    assert_eq!(relays(talk.later(2.0).text("Please hurry")).len(), 0);
    assert_eq!(talk.state.as_ref().unwrap().next_look(), memory(&talk).due_at);
    let bundle = talk.later(6.0).due().clone();
    assert!(
        relay(&bundle).contains("\"It is the kitchen\" / \"Please hurry\" AI answers in 50 s."),
        "{}",
        relay(&bundle)
    );
    assert_eq!(bundle.code, None, "it keeps its code");
    assert_eq!(relays(talk.later(11.0).text("Hello?")).len(), 1);
}

#[test]
fn with_the_default_nothing_is_relayed() {
    let mut talk = Talk::new();
    let first = talk.text("My sink leaks").clone();
    assert!(relays(&first).is_empty() && first.code.is_none() && memory(&talk).is_nothing());
}

#[test]
fn keywords_automatic_texts_and_blocked_numbers_are_not_relayed() {
    for text in ["STOP", "START", "HELP", "Liked “Thanks”"] {
        assert!(relays(relayed().text(text)).is_empty(), "{text}");
    }
    let mut talk = relayed();
    talk.business.never_text = Arc::new([customer()].into());
    assert!(relays(talk.text("Hi")).is_empty());
}

#[test]
fn a_relay_says_that_the_ai_is_silent_for_who_opted_out() {
    let mut talk = relayed();
    talk.opted_out_at = Some(talk.now);
    assert!(relay(talk.later(1.0).text("Where are you?")).contains("AI does not answer."));
}

#[test]
fn while_a_person_owns_it_a_relay_names_no_ai() {
    let mut talk = relayed();
    talk.text("My sink leaks");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "sms".into() });
    assert!(!relay(talk.later(20.0).text("Thanks")).contains("AI"));
}

#[test]
fn pictures_are_links_on_this_service() {
    let mut talk = relayed();
    let mut sms = talk.sms("Look", talk.now);
    sms.media =
        vec![Media { url: "https://api.twilio.com/1".into(), content_type: "image/jpeg".into(), is_foreign: false }];
    let first = talk.apply(&Input::SmsReceived(sms)).clone();
    let message = first.messages.iter().find(|message| message.kind == MessageKind::Customer).unwrap().id;
    let link = format!("https://nmc.example/conversations/{}/messages/{message}/media/0", first.conversation.id);
    assert!(relay(&first).contains(&link), "{}", relay(&first));
}

#[test]
fn at_the_end_what_waits_is_relayed_and_the_code_is_given_back() {
    let mut talk = relayed();
    talk.text("My sink leaks");
    let code = memory(&talk).code.unwrap();
    talk.later(1.0).text("Never mind");
    talk.policy.idle_after = Duration::from_secs(1);
    let ended = talk.apply(&Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None }).clone();
    assert_eq!((ended.code, relays(&ended).len()), (Some(CodeChange::GivenBack), 0), "the person who ended it knows");
    assert!(memory(&talk).is_nothing());
    // Soon afterwards the customer opens it again: another code, because this one is not free yet.
    talk.codes_in_use = vec![code];
    let again = talk.later(5.0).text("One more thing").clone();
    assert!(matches!(again.code, Some(CodeChange::Taken(other)) if other != code), "{:?}", again.code);
}

/// The AI owns the conversation, and ends it with its answer.
fn the_ai_ends_it(talk: &mut Talk) -> Decision {
    let window_id = talk.close_window();
    talk.apply(&Input::AnalysisReady { window_id, answer: Answer { complete: true, ..answer("See you then.") } })
        .clone()
}

#[test]
fn a_relay_at_the_end_says_that_it_is_over_and_names_no_code() {
    let mut talk = relayed();
    talk.text("My sink leaks");
    let code = memory(&talk).code.unwrap();
    let window_id = talk.close_window();
    talk.answered(window_id, "Is 9 or 11 better?");
    talk.text("Let me see");
    talk.later(1.0).text("9 works");
    let ended = the_ai_ends_it(&mut talk);
    assert_eq!(ended.conversation.status, Status::Completed);
    assert_eq!(ended.code, Some(CodeChange::GivenBack));
    let text = relay(&ended);
    assert_eq!(text, format!("{}: \"9 works\" This conversation is over. Call them, or use the app.", customer()));
    assert!(!text.contains(&code.to_string()));
}

#[test]
fn what_waits_in_quiet_hours_is_relayed_at_their_end_even_if_the_ai_ends_the_conversation_before() {
    let mut talk = relayed_at_night(23);
    assert!(relays(talk.text("My sink leaks")).is_empty());
    let ended = the_ai_ends_it(&mut talk);
    assert_eq!(ended.conversation.status, Status::Completed);
    assert!(relay(&ended).contains("\"My sink leaks\""));
    let morning = relays(&ended)[0].not_before.unwrap();
    assert_eq!(morning.format("%H:%M").to_string(), "06:00");
    assert!(memory(&talk).is_nothing());
}

#[test]
fn where_all_codes_are_taken_a_relay_has_none() {
    let mut talk = relayed();
    let mut taken = Vec::new();
    while let Some(code) = Code::free(Uuid::nil(), &taken) {
        taken.push(code);
    }
    talk.codes_in_use = taken;
    assert!(relay(talk.text("Hi")).ends_with("Use the app to answer yourself."));
}

#[test]
fn a_relay_that_fails_changes_nothing_for_the_customer() {
    let mut talk = relayed();
    let first = talk.text("My sink leaks").clone();
    let before = talk.state.clone().unwrap();
    let relay = relays(&first)[0];
    let message = SentMessage {
        id: relay.id,
        status: MessageStatus::Sending,
        kind: MessageKind::Relay,
        twilio_sid: None,
        in_reply_to_window: None,
        created_at: relay.created_at,
    };
    let report = MessageReport::Rejected { code: Some(21_610), why: "it opted out".into() };
    let failed = talk.apply(&Input::MessageReported { message, report }).clone();
    assert_eq!(failed.message_updates.len(), 1);
    assert!(failed.effects.is_empty() && failed.ledger.is_none() && failed.windows.is_empty());
    assert_eq!(failed.conversation, before);
}

#[test]
fn while_the_owner_is_away_the_ai_waits_for_nobody() {
    let mut talk = Talk::new();
    talk.business.owner_is_off = true;
    talk.text("My sink leaks");
    let window = talk.state.as_ref().unwrap().window.clone().unwrap();
    assert_eq!(window.deadline, Some(talk.now + TimeDelta::seconds(2)), "quiet, and no hold");
}

#[test]
fn what_the_own_side_is_told_is_in_a_conversation_of_its_own_that_no_event_tells_of() {
    let mut talk = Talk::new();
    let note = |what| {
        Input::OwnSide(OwnSideNote {
            phone: OWNER.parse().unwrap(),
            business_phone: business(),
            own_account: None,
            what,
        })
    };
    let told = talk.apply(&note(OwnSideWhat::Told { text: "Nothing is open.".into(), about: "list" })).clone();
    assert!(told.conversation.own_side && told.conversation.status == Status::Completed);
    assert_eq!(told.messages.len(), 1);
    assert!(told.effects.iter().all(|effect| !matches!(effect, Effect::Emit(_))), "{:?}", told.effects);
    let at = talk.now;
    let out = talk.later(1.0).apply(&note(OwnSideWhat::OptedOut { at })).clone();
    assert_eq!(out.ledger, Some(LedgerChange::Out { by: "own_side".into(), at, note: None }));
    talk.opted_out_at = Some(at);
    let at = talk.now;
    assert_eq!(talk.apply(&note(OwnSideWhat::OptedIn { at })).ledger, Some(LedgerChange::In));
    // An older STOP that comes late changes nothing.
    talk.opted_out_at = None;
    let late = at - TimeDelta::seconds(10);
    assert_eq!(talk.apply(&note(OwnSideWhat::OptedOut { at: late })).ledger, None);
}

/// The owner's quiet hours are from 22:00 to 06:00. It is this hour now; a talk begins at 8:00.
fn relayed_at_night(hour: i64) -> Talk {
    let mut talk = relayed();
    talk.business.policy.owner_quiet_hours = Some(DailyHours::new("22:00", "06:00").unwrap());
    talk.now += TimeDelta::hours(hour - 8);
    talk
}

#[test]
fn a_text_in_the_owners_quiet_hours_is_relayed_at_their_end() {
    let mut talk = relayed_at_night(23);
    let first = talk.text("My sink leaks").clone();
    assert!(relays(&first).is_empty());
    assert!(matches!(first.code, Some(CodeChange::Taken(_))), "the owner may name it at night");
    assert!(relays(talk.later(60.0).text("It can wait till morning")).is_empty());
    let due_at = memory(&talk).due_at.unwrap();
    assert_eq!(due_at - talk.now, TimeDelta::hours(7) - TimeDelta::minutes(1));
    assert!(relays(talk.later(3_600.0).due()).is_empty());
    let wait = (due_at - talk.now).as_seconds_f64();
    let morning = relay(talk.later(wait).due());
    assert!(morning.contains("\"My sink leaks\" / \"It can wait till morning\""), "{morning}");
}

#[test]
fn a_text_that_waits_when_the_quiet_hours_begin_is_not_lost() {
    let mut talk = relayed_at_night(21);
    talk.later(3_595.0).text("My sink leaks");
    assert!(relays(talk.later(2.0).text("It is the kitchen")).is_empty());
    assert!(relays(talk.later(8.0).due()).is_empty(), "it is after 22:00");
    let wait = (memory(&talk).due_at.unwrap() - talk.now).as_seconds_f64();
    assert!(relay(talk.later(wait).due()).contains("\"It is the kitchen\""));
}

#[test]
fn in_an_emergency_texts_are_relayed_in_quiet_hours_too() {
    let mut talk = relayed_at_night(23);
    assert!(relays(talk.text("Are you there?")).is_empty());
    let emergency = relay(talk.later(5.0).text("I smell gas"));
    assert!(emergency.contains("\"Are you there?\" / \"I smell gas\""), "{emergency}");
    assert_eq!(relays(talk.later(20.0).text("We are outside")).len(), 1);
}

#[test]
fn the_owner_gets_a_hundred_relays_of_a_conversation_and_the_last_says_so() {
    let mut talk = relayed();
    let texts: Vec<String> = (0..103)
        .flat_map(|_| {
            let decision = talk.later(11.0).text("Hello?");
            relays(decision).iter().map(|relay| relay.body.clone()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(texts.len(), 100);
    let (last, others) = texts.split_last().unwrap();
    let is_last = |text: &String| text.ends_with("You get no more of this conversation by SMS.");
    assert!(is_last(last) && !others.iter().any(is_last), "{last}");
}
