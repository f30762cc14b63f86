//! Tests of the ledger: a run without breaches, and each kind of breach planted in it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::evidence::{Call, Conversation, Window};
use super::*;
use crate::chaos::load::{Asked, Both, Count, End, Outcome, Posted, What};
use crate::chaos::plan::Command;

const CUSTOMER: &str = "+12120000001";

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + ms).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn text(number: u128, sid: &str, ms: i64, window: u128) -> Message {
    Message {
        id: id(number),
        conversation_id: Some(id(1)),
        sender_type: "customer".to_owned(),
        body: "My sink is blocked".to_owned(),
        twilio_sid: Some(sid.to_owned()),
        status: "received".to_owned(),
        window_id: Some(id(window)),
        in_reply_to_window: None,
        created_at: at(ms),
        stream_sequence: 0,
        attempted_at: None,
    }
}

fn ours(number: u128, sender: &str, status: &str, sid: Option<&str>, window: Option<u128>) -> Message {
    Message {
        sender_type: sender.to_owned(),
        body: format!("{sender} {number}"),
        twilio_sid: sid.map(str::to_owned),
        status: status.to_owned(),
        window_id: None,
        in_reply_to_window: window.map(id),
        attempted_at: Some(at(2_900)),
        ..text(number, "", 2_900, 0)
    }
}

fn posted(what: What, sid: &str, ms: i64) -> Posted {
    let sid = sid.to_owned();
    Posted { what, sid, sent_at: at(ms), ended_at: at(ms + 50), outcome: Outcome::Answered(200) }
}

fn asked(command: Command, ms: i64, body: Option<&str>) -> Asked {
    Asked {
        command,
        conversation: Some(id(1)),
        body: body.map(str::to_owned),
        asked_at: at(ms - 100),
        ended_at: at(ms),
        end: End::Done { in_flight: false },
    }
}

fn accepted(sid: &str, message: u128, ms: i64) -> Accepted {
    Accepted { sid: sid.to_owned(), message: Some(id(message)), at: at(ms) }
}

fn step(window: u128, state: &str) -> Step {
    Step { window_id: id(window), conversation_id: id(1), state: state.to_owned(), because: "deadline".to_owned() }
}

fn event(number: u64) -> Event {
    let id_text = format!("event-{number}");
    let event_type = "message.sent".to_owned();
    Event { id: id_text, event_type, about: Some(id(1)), message: None, sequence: number as i64 }
}

/// The first event of the call.
fn rings() -> Event {
    Event { id: "ringing".to_owned(), event_type: "call.received".to_owned(), about: Some(id(41)), ..event(1) }
}

/// A call, two texts, the second of which overtakes the answer to the first, an answer, a takeover and a person's
/// reply.
fn well() -> Evidence {
    let text_what = || What::Text { stop: false };
    let both = |number| Both { wanted: number, done: number };
    let window = |number, state: &str| Window { id: id(number), conversation_id: id(1), state: state.to_owned() };
    Evidence {
        count: Count { conversations: both(1), webhooks: both(3), commands: both(2), requests: both(4), tasks_lost: 0 },
        posted: vec![
            posted(What::Call, "CA1", 0),
            posted(What::CallStatus("busy"), "CA1", 100),
            posted(text_what(), "SM1", 1_000),
            posted(text_what(), "SM2", 2_000),
        ],
        asked: vec![asked(Command::TakeOver, 5_000, None), asked(Command::Reply, 6_000, Some("user 23"))],
        twilio: [("accepted".to_owned(), 1), ("dropped_after".to_owned(), 1)].into(),
        accepted: vec![accepted("SM8", 22, 3_000), accepted("SM9", 23, 5_500)],
        reports: vec![Report { sid: "SM8".to_owned(), status: "delivered".to_owned() }],
        conversations: vec![Conversation { id: id(1), customer_phone: CUSTOMER.to_owned(), event_sequence: 3 }],
        messages: vec![
            text(11, "SM1", 1_000, 31),
            text(12, "SM2", 2_000, 32),
            ours(21, "ai", "superseded", None, Some(31)),
            ours(22, "ai", "delivered", Some("SM8"), Some(32)),
            ours(23, "user", "sent", Some("SM9"), None),
        ],
        windows: vec![window(31, "superseded"), window(32, "answered")],
        steps: vec![
            step(31, "open"),
            step(31, "claimed"),
            step(32, "open"),
            step(31, "superseded"),
            step(32, "claimed"),
            step(32, "answered"),
        ],
        calls: vec![Call {
            id: id(41),
            call_sid: "CA1".to_owned(),
            event_sequence: 1,
            dial_status: Some("busy".to_owned()),
        }],
        events: vec![rings(), event(1), event(2), event(3)],
        ..Evidence::default()
    }
}

/// The kinds of breaches that the ledger finds after `spoil`, each once.
fn told(spoil: impl FnOnce(&mut Evidence)) -> Vec<Kind> {
    let mut evidence = well();
    spoil(&mut evidence);
    let mut kinds: Vec<Kind> = breaches(&evidence).into_iter().map(|breach| breach.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn a_run_in_which_all_is_well_has_no_breach_and_is_not_void() {
    assert_eq!(breaches(&well()), []);
    assert_eq!(void(&well()), Vec::<String>::new());
}

#[test]
fn a_text_that_was_acknowledged_and_is_nowhere_is_lost() {
    let lost = told(|evidence| evidence.messages.retain(|message| message.id != id(11)));
    assert_eq!(lost, [Kind::Lost, Kind::Sum]);
}

#[test]
fn a_text_that_was_not_acknowledged_may_be_lost_or_not() {
    let unanswered = |evidence: &mut Evidence| evidence.posted[2].outcome = Outcome::Broken;
    assert_eq!(told(unanswered), []);
    let gone = told(|evidence| {
        unanswered(evidence);
        evidence.messages.retain(|message| message.id != id(11));
    });
    assert_eq!(gone, []);
}

#[test]
fn a_text_that_is_kept_twice_is_a_breach() {
    let twice = told(|evidence| evidence.messages.push(text(13, "SM1", 1_000, 31)));
    assert_eq!(twice, [Kind::Lost, Kind::Sum]);
}

#[test]
fn a_text_that_nobody_sent_is_a_breach() {
    let invented = told(|evidence| evidence.messages.push(text(13, "SM3", 2_500, 32)));
    assert_eq!(invented, [Kind::Lost]);
}

#[test]
fn the_end_of_a_call_that_was_acknowledged_and_is_not_on_record_is_lost() {
    assert_eq!(told(|evidence| evidence.calls[0].dial_status = None), [Kind::Lost]);
    assert_eq!(told(|evidence| evidence.calls.clear()), [Kind::Lost]);
}

#[test]
fn a_delivery_that_was_acknowledged_and_is_not_on_record_is_lost() {
    assert_eq!(told(|evidence| evidence.messages[3].status = "sent".to_owned()), [Kind::Lost]);
}

#[test]
fn a_person_s_reply_that_is_not_there_or_there_twice_is_a_breach() {
    let gone = told(|evidence| {
        evidence.messages.retain(|message| message.id != id(23));
        evidence.accepted.pop();
    });
    assert_eq!(gone, [Kind::Command]);
    let twice = told(|evidence| {
        let again =
            Message { id: id(24), status: "failed".to_owned(), twilio_sid: None, ..evidence.messages[4].clone() };
        evidence.messages.push(again);
    });
    assert_eq!(twice, [Kind::Command]);
}

#[test]
fn an_sms_that_twilio_accepted_twice_is_a_breach() {
    assert_eq!(told(|evidence| evidence.accepted.push(accepted("SM7", 22, 4_000))), [Kind::SentTwice]);
}

#[test]
fn an_sms_that_the_tables_do_not_know_of_is_a_breach() {
    assert_eq!(told(|evidence| evidence.accepted.push(accepted("SM7", 99, 4_000))), [Kind::Unrecorded]);
    let held_back_and_sent = told(|evidence| evidence.accepted.push(accepted("SM7", 21, 4_000)));
    assert_eq!(held_back_and_sent, [Kind::Unrecorded, Kind::WindowEnd]);
    let another_s = told(|evidence| evidence.messages[4].twilio_sid = Some("SM6".to_owned()));
    assert_eq!(another_s, [Kind::Unrecorded]);
}

#[test]
fn an_sms_that_is_recorded_as_sent_and_never_was_is_a_breach() {
    assert_eq!(told(|evidence| drop(evidence.accepted.pop())), [Kind::Unrecorded]);
}

#[test]
fn a_message_in_no_window_or_in_somebody_else_s_is_a_breach() {
    assert_eq!(told(|evidence| evidence.messages[0].window_id = None), [Kind::WindowOfMessage]);
    let elsewhere = told(|evidence| evidence.windows[0].conversation_id = id(2));
    assert_eq!(elsewhere, [Kind::WindowOfMessage, Kind::WindowEnd]);
}

#[test]
fn an_opt_out_and_what_follows_it_are_in_no_window() {
    let stops = |evidence: &mut Evidence| {
        evidence.messages[1].window_id = None;
        evidence.posted[3].what = What::Text { stop: true };
    };
    assert_eq!(told(stops), []);
    let before = |evidence: &mut Evidence| {
        stops(evidence);
        evidence.messages[0].window_id = None;
    };
    assert_eq!(told(before), [Kind::WindowOfMessage]);
    let received_later = told(|evidence| {
        before(evidence);
        evidence.messages[0].created_at = at(2_100);
        (evidence.posted[2].sent_at, evidence.posted[2].ended_at) = (at(2_060), at(2_110));
    });
    assert_eq!(received_later, []);
    let processed = |evidence: &mut Evidence, place: u64, stop_s_place: u64| {
        before(evidence);
        let event_type = "conversation.opted_out".to_owned();
        evidence.events[stop_s_place as usize] = Event { event_type, ..event(stop_s_place) };
        let event_type = "message.received".to_owned();
        evidence.events[place as usize] = Event { event_type, message: Some(id(11)), ..event(place) };
    };
    assert_eq!(told(|evidence| processed(evidence, 2, 1)), [], "it was processed later");
    assert_eq!(told(|evidence| processed(evidence, 1, 2)), [Kind::WindowOfMessage]);
}

#[test]
fn a_window_that_never_ends_is_a_breach() {
    for state in ["open", "claimed"] {
        let found = told(|evidence| evidence.windows[1].state = state.to_owned());
        assert_eq!(found, [Kind::WindowEnd, Kind::Sum], "{state}");
    }
}

#[test]
fn a_window_that_is_answered_twice_or_by_nobody_is_a_breach() {
    let twice = told(|evidence| {
        evidence.messages.push(ours(25, "ai", "sent", Some("SM7"), Some(32)));
        evidence.accepted.push(accepted("SM7", 25, 3_500));
    });
    assert_eq!(twice, [Kind::WindowEnd]);
    let never = told(|evidence| {
        evidence.messages[3].in_reply_to_window = None;
    });
    assert_eq!(never, [Kind::WindowEnd]);
}

#[test]
fn a_superseded_window_that_nobody_follows_is_silence() {
    let silence = told(|evidence| evidence.steps.truncate(4));
    assert_eq!(silence, [Kind::WindowEnd]);
    let only_later = told(|evidence| drop(evidence.steps.remove(2)));
    assert_eq!(only_later, [Kind::WindowEnd], "who writes again some time later is answered for that");
    let after_all = told(|evidence| {
        evidence.steps[3].because = "sent after all".to_owned();
        evidence.steps.truncate(4);
    });
    assert_eq!(after_all, []);
}

#[test]
fn a_message_of_the_ai_after_a_takeover_is_a_breach_until_it_is_given_back() {
    let late = |evidence: &mut Evidence| evidence.accepted[0].at = at(5_001);
    assert_eq!(told(late), [Kind::AfterTakeover]);
    let given_back = told(|evidence| {
        late(evidence);
        evidence.asked[1] = asked(Command::Release, 5_050, None);
        evidence.messages.pop();
        evidence.accepted.pop();
    });
    assert_eq!(given_back, []);
    let told_of = told(|evidence| {
        late(evidence);
        evidence.asked[0].end = End::Done { in_flight: true };
    });
    assert_eq!(told_of, []);
    let not_the_one = told(|evidence| {
        late(evidence);
        evidence.asked[0].end = End::Done { in_flight: true };
        evidence.messages[3].attempted_at = Some(at(5_001));
    });
    assert_eq!(not_the_one, [Kind::AfterTakeover]);
}

#[test]
fn texts_in_another_order_than_they_arrived_in_are_a_breach() {
    let swapped = told(|evidence| evidence.messages[0].created_at = at(2_500));
    assert_eq!(swapped, [Kind::Order]);
    let at_the_same_time = told(|evidence| {
        evidence.messages[0].created_at = at(2_500);
        evidence.posted[3].sent_at = at(1_010);
    });
    assert_eq!(at_the_same_time, []);
}

#[test]
fn an_event_twice_or_missing_or_out_of_order_is_a_breach() {
    assert_eq!(told(|evidence| evidence.events.push(event(3))), [Kind::Events]);
    assert_eq!(told(|evidence| drop(evidence.events.pop())), [Kind::Events]);
    assert_eq!(told(|evidence| drop(evidence.events.remove(2))), [Kind::Events]);
    assert_eq!(told(|evidence| evidence.events.swap(1, 2)), [Kind::Events]);
    assert_eq!(told(|evidence| drop(evidence.events.remove(0))), [Kind::Events], "the call's");
    assert_eq!(told(|evidence| evidence.events[0].about = None), [Kind::Events]);
}

#[test]
fn what_is_put_aside_or_under_way_or_ended_by_itself_is_a_breach() {
    assert_eq!(told(|evidence| evidence.dead.push("nmc.dead.exhausted".to_owned())), [Kind::DeadLetter]);
    assert_eq!(told(|evidence| evidence.unsettled.push("1 window".to_owned())), [Kind::Unsettled]);
    assert_eq!(told(|evidence| evidence.ended_by_themselves.push("edge-0".to_owned())), [Kind::EndedByItself]);
}

#[test]
fn a_generator_that_lost_count_makes_the_run_void() {
    let spoils: [fn(&mut Evidence); 11] = [
        |evidence| evidence.twilio.clear(),
        |evidence| evidence.count.requests.wanted += 1,
        |evidence| evidence.count.webhooks.done -= 1,
        |evidence| evidence.count.conversations.done = 0,
        |evidence| evidence.count.commands.wanted += 1,
        |evidence| evidence.count.tasks_lost = 1,
        |evidence| drop(evidence.posted.pop()),
        |evidence| evidence.reports.clear(),
        |evidence| evidence.events_trimmed = true,
        |evidence| evidence.spared.push("Redis".to_owned()),
        |evidence| evidence.asked.iter_mut().for_each(|asked| asked.end = End::NoAnswer),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut evidence = well();
        spoil(&mut evidence);
        assert_eq!(void(&evidence).len(), 1, "{number}: {:?}", void(&evidence));
    }
}
