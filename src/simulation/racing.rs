//! A command with a condition races with what its person has not seen, in the real engines of three processes, each with its
//! own cache, on one store: whichever is committed first, both are never accepted.

use tokio::sync::oneshot;

use super::people::{self, BUSINESS_PHONE};
use super::planted::Planted;
use super::scheduler::Group;
use super::worker::{self, SimShell};
use super::world::World;
use crate::domain::conversation::{self, Conversation, IfMatch, InboundSms, Seen};
use crate::domain::emergency::Reading;
use crate::domain::phone::PhoneNumber;
use crate::engine::{Applied, EngineError, Happening, Input, Target};
use crate::telemetry::Metrics;
use crate::trace::Trace;

const WORLDS: u64 = 400;
const PAIRS: u64 = 25;

/// What became of the two.
#[derive(Debug, Default)]
struct Counts {
    commands: u32,
    refused: u32,
    rivals_refused: u32,
    texts: u32,
}

/// The processes of a world: one with the texts, and one for each person.
struct Processes {
    groups: [Group; 3],
    engines: [SimShell; 3],
}

#[test]
fn ten_thousand_racing_pairs_never_accept_both() {
    let metrics = Metrics::new();
    let mut counts = Counts::default();
    for seed in 0..WORLDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new(seed, Planted::Nothing, false);
            world.lock().weather.clear_up();
            people::open_business(&world);
            let spawner = world.spawner.clone();
            spawner.run(seed, race(&world, &metrics, &mut counts)).await;
        });
    }
    println!("{counts:?}");
    // Each order happens, with each kind of rival.
    let Counts { commands, refused, rivals_refused, texts } = counts;
    assert_eq!(u64::from(commands + refused), WORLDS * PAIRS);
    assert!([commands, refused, rivals_refused, texts].iter().all(|count| *count > 500), "{counts:?}");
}

async fn race(world: &World, metrics: &Metrics, counts: &mut Counts) {
    let groups = [world.group(), world.group(), world.group()];
    let processes = Processes { groups, engines: groups.map(|group| worker::engine(world, group, metrics)) };
    for pair in 0..PAIRS {
        race_once(world, &processes, pair, counts).await;
    }
}

async fn race_once(world: &World, Processes { groups, engines }: &Processes, pair: u64, counts: &mut Counts) {
    let below = |n: u64| world.lock().weather.below(n);
    let customer: PhoneNumber = format!("+1212556{pair:04}").parse().unwrap();
    text(world, &engines[0], &customer, pair * 3).await;
    let id = newest(world, &customer).id;
    if below(2) == 0 {
        let taken = engines[1].command(id, &format!("first:{pair}"), command(0, "u1")).await.unwrap();
        assert!(matches!(taken, Applied::Now(_)));
    }
    if below(2) == 0 {
        // What the process of the takeover has cached is old by now.
        text(world, &engines[0], &customer, pair * 3 + 1).await;
    }
    let before = newest(world, &customer);
    let seen = IfMatch::parse(&Seen::of(&before).etag()).unwrap();
    let (ours, theirs, rival_writes) = (below(3), below(3), below(2) == 0);
    let (tell_ours, our_outcome) = oneshot::channel();
    let (tell_theirs, their_outcome) = oneshot::channel();
    let (engine, if_match, input_id) = (engines[1].clone(), seen.clone(), format!("ours:{pair}"));
    world.spawner.spawn(groups[1], async move {
        let _ = tell_ours.send(engine.command_if(id, &input_id, command(ours, "u1"), Some(if_match)).await);
    });
    let (there, engine) = (world.clone(), if rival_writes { engines[0].clone() } else { engines[2].clone() });
    world.spawner.spawn(if rival_writes { groups[0] } else { groups[2] }, async move {
        let outcome = if rival_writes {
            text(&there, &engine, &customer, pair * 3 + 2).await;
            None
        } else {
            Some(engine.command_if(id, &format!("theirs:{pair}"), command(theirs, "u2"), Some(seen)).await)
        };
        let _ = tell_theirs.send(outcome);
    });
    let (ours, theirs) = (our_outcome.await.unwrap(), their_outcome.await.unwrap());
    let accepted = accepted(ours, &before);
    counts.commands += u32::from(accepted.is_some());
    counts.refused += u32::from(accepted.is_none());
    match theirs {
        None => {
            counts.texts += 1;
            // What was accepted was committed on the texts that the person had seen.
            let on = accepted.flatten().map(|after| after.text_revision);
            assert!(on.is_none_or(|on| on == before.text_revision), "pair {pair}: accepted after a text");
        }
        Some(theirs) => {
            let theirs = self::accepted(theirs, &before);
            counts.rivals_refused += u32::from(theirs.is_none());
            // A takeover of what a person owns changes nothing, so both may have seen the newest state.
            let changed = [&accepted, &theirs].iter().filter(|outcome| matches!(outcome, Some(Some(_)))).count();
            assert!(changed <= 1, "pair {pair}: both were accepted");
            assert!(accepted.is_some() || theirs.is_some(), "pair {pair}: none was accepted");
        }
    }
}

/// What a command made of the conversation: `None` if it was refused, `Some(None)` if it changed nothing.
fn accepted(outcome: Result<Applied, EngineError>, before: &Conversation) -> Option<Option<Conversation>> {
    match outcome {
        Ok(Applied::Now(change)) => Some(Some(change.conversation)),
        Ok(Applied::Nothing { .. }) => Some(None),
        Err(EngineError::Newer(now)) => {
            assert_ne!(now, Seen::of(before), "refused on what was seen");
            None
        }
        other => panic!("{other:?}"),
    }
}

fn command(which: u64, user_id: &str) -> conversation::Input {
    let user_id = user_id.to_owned();
    match which {
        0 => conversation::Input::UserTookOver { user_id, reason: "mine".to_owned() },
        1 => conversation::Input::UserReplied { user_id, body: "On my way.".to_owned() },
        _ => conversation::Input::Completed { user_id, outcome: "done".to_owned(), summary: None },
    }
}

fn newest(world: &World, customer: &PhoneNumber) -> Conversation {
    let state = world.lock();
    let mut theirs = state.db.conversations.iter().filter(|c| c.customer_phone == *customer);
    theirs.next_back().cloned().unwrap()
}

/// A text of a customer, as the worker applies it.
async fn text(world: &World, engine: &SimShell, customer: &PhoneNumber, number: u64) {
    let business_phone: PhoneNumber = BUSINESS_PHONE.parse().unwrap();
    let business = engine.business_cache().by_phone(&business_phone).await.unwrap().unwrap();
    let sms = InboundSms {
        twilio_sid: format!("SM{number}"),
        customer: customer.clone(),
        business_phone: business_phone.clone(),
        own_account: None,
        body: "my sink is blocked".to_owned(),
        media: Vec::new(),
        opt_out_type: None,
        reading: Reading::default(),
        received_at: world.now(),
        stream_sequence: i64::try_from(number).unwrap(),
        is_followed: false,
    };
    let target = Target::Open { business_phone, customer_phone: customer.clone(), business };
    let happening = Happening::Input(conversation::Input::SmsReceived(sms));
    let input = Input { id: format!("sms:SM{number}"), body_hash: None, trace: Trace::start(), target, happening };
    assert!(matches!(engine.apply(input).await.unwrap(), Applied::Now(_)));
}
