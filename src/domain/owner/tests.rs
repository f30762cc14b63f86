//! What the owner's words mean, as tables, and which conversation they reach, in random interleavings.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rstest::rstest;
use uuid::Uuid;

use super::texts::{self, AiWill};
use super::*;
use crate::domain::conversation::Ownership;
use crate::domain::emergency::Language;
use crate::domain::phone::PhoneNumber;
use crate::domain::sms_segments::MAX_BODY_CHARS;

fn read(text: &str) -> Said {
    super::read(text, false)
}

fn code(text: &str) -> Option<Code> {
    text.parse().ok()
}

fn words(with: &str, text: &str) -> Command {
    Command::Words { code: code(with), text: text.to_owned() }
}

#[rstest]
#[case("TAKE", Command::Take(None))]
#[case("take b2", Command::Take(code("B2")))]
#[case(" Take B2. ", Command::Take(code("B2")))]
#[case("TAKE!", Command::Take(None))]
#[case("B2 take", Command::Take(code("B2")))]
#[case("tomar C3", Command::Take(code("C3")))]
#[case("AI", Command::Release(None))]
#[case("ai B2", Command::Release(code("B2")))]
#[case("IA", Command::Release(None))]
#[case("DONE", Command::Done { code: None, summary: None })]
#[case("DONE B2", Command::Done { code: code("B2"), summary: None })]
#[case("done b2 new valve, paid", Command::Done { code: code("B2"), summary: Some("new valve, paid".into()) })]
#[case("Done: new valve", Command::Done { code: None, summary: Some("new valve".into()) })]
#[case("HECHO B2", Command::Done { code: code("B2"), summary: None })]
#[case("list", Command::List)]
#[case("Lista", Command::List)]
#[case("BLOCK B2", Command::Block(code("B2")))]
#[case("bloquear b2", Command::Block(code("B2")))]
#[case("?", Command::Help)]
#[case("??", Command::Help)]
#[case("Ayuda", Command::Help)]
#[case("OFF", Command::Off)]
#[case("apagar", Command::Off)]
#[case("On", Command::On)]
#[case("1", Command::TakeAlert)]
#[case("1.", Command::TakeAlert)]
#[case("I take it", Command::TakeAlert)]
#[case("I’ll take it!", Command::TakeAlert)]
#[case("Lo tomo", Command::TakeAlert)]
#[case("B2 on my way", words("B2", "on my way"))]
#[case("b2: on my way", words("B2", "on my way"))]
#[case("B2, on my way", words("B2", "on my way"))]
#[case("(B2) on my way", words("B2", "on my way"))]
#[case("B2 - on my way", words("B2", "on my way"))]
#[case("B27 on my way", words("B27", "on my way"))]
#[case("b2:yes", words("B2", "yes"))]
#[case("B2,ok", words("B2", "ok"))]
#[case("B2;ok", words("B2", "ok"))]
#[case("B2, done", Command::Done { code: code("B2"), summary: None })]
#[case("B2", words("B2", ""))]
#[case("B2B prices are lower", words("", "B2B prices are lower"))]
#[case("A4.5 is the size", words("", "A4.5 is the size"))]
#[case("take B2 please", Command::Take(code("B2")))]
#[case("TAKE B2 I'll be there at 5", Command::WordAndMore("B2".parse().unwrap()))]
#[case("AI B2 tell them I come", Command::WordAndMore("B2".parse().unwrap()))]
#[case("block b2 he is a prankster", Command::WordAndMore("B2".parse().unwrap()))]
#[case("STOP.", Command::Stop)]
#[case("Please stop texting me", Command::Stop)]
#[case("Stop by at 5", words("", "Stop by at 5"))]
#[case("B2 please stop texting me, call", words("B2", "please stop texting me, call"))]
#[case("2 hours, ok?", words("", "2 hours, ok?"))]
#[case("DONE 3 pm", words("", "DONE 3 pm"))]
#[case("Done with the other job, coming", words("", "Done with the other job, coming"))]
#[case("take your time", words("", "take your time"))]
#[case("On my way", words("", "On my way"))]
#[case("off work at 5", words("", "off work at 5"))]
#[case("AI is not me", words("", "AI is not me"))]
#[case("List price is $200", words("", "List price is $200"))]
#[case("1 hour", words("", "1 hour"))]
#[case("Yes?", words("", "Yes?"))]
#[case("¡Voy en camino!", words("", "¡Voy en camino!"))]
#[case("", Command::Nothing)]
#[case("  \n", Command::Nothing)]
#[case("Liked “On my way”", Command::Nothing)]
#[case("I’m driving right now, I’ll get back to you later.", Command::Nothing)]
fn a_text_is_read_as_it_is_meant(#[case] text: &str, #[case] command: Command) {
    assert_eq!(read(text).command, command);
}

#[rstest]
#[case("TOMAR B2", Language::Es)]
#[case("TAKE B2", Language::En)]
#[case("Hola, voy en una hora", Language::Es)]
#[case("B2 ok", Language::En)]
#[case("¿?", Language::Es)]
fn the_owner_is_answered_in_the_language_of_the_text(#[case] text: &str, #[case] language: Language) {
    assert_eq!(read(text).language, language);
}

#[test]
fn our_own_texts_that_come_back_are_no_words() {
    let customer: PhoneNumber = "+12125551234".parse().unwrap();
    let relayed = [RelayedText { words: "My sink leaks".into(), pictures: Vec::new() }];
    let relay = texts::relay(code("B2"), &customer, &relayed, AiWill::Answer { at: now() + SECOND * 60 }, false, now());
    assert_eq!(
        relay,
        "B2 +12125551234: \"My sink leaks\" AI answers in 60 s. Reply to answer yourself; begin with B2."
    );
    assert_eq!(read(&relay).command, Command::Nothing);
    assert_eq!(read(&format!("Fwd: {relay}")).command, Command::Nothing);
    for language in [Language::En, Language::Es] {
        assert_eq!(read(&texts::taken(code("B2"), &customer, false, language)).command, Command::Nothing);
        assert_eq!(read(&texts::sent(code("B2"), &customer, false, language)).command, Command::Nothing);
    }
}

#[test]
fn a_relay_says_what_the_ai_will_do_and_has_links_to_pictures() {
    let customer: PhoneNumber = "+12125551234".parse().unwrap();
    let text = |words: &str, pictures: &[&str]| RelayedText {
        words: words.into(),
        pictures: pictures.iter().map(|link| (*link).to_owned()).collect(),
    };
    let relay = |texts: &[RelayedText], ai_will| texts::relay(code("B2"), &customer, texts, ai_will, false, now());
    let two = [text("Look", &["https://nmc.example/1"]), text("", &[])];
    assert_eq!(
        relay(&two, AiWill::AnswerNow),
        "B2 +12125551234: \"Look\" / (no words) Pictures: https://nmc.example/1 AI answers now. Reply to answer yourself; \
         begin with B2."
    );
    let one = [text("Hi", &[])];
    assert!(relay(&one, AiWill::Answer { at: now() + TimeDelta::milliseconds(1_200) }).contains("in 2 s."));
    assert!(!relay(&one, AiWill::LeaveIt).contains("AI"));
    assert!(relay(&one, AiWill::StaySilent).contains("AI does not answer."));
    let long = [text(&"x".repeat(5_000), &[])];
    assert!(relay(&long, AiWill::AnswerNow).chars().count() < 800);
}

#[test]
fn a_relay_with_many_pictures_is_an_sms_still() {
    let customer: PhoneNumber = "+12125551234".parse().unwrap();
    let link =
        |n: usize| format!("https://nmc.example/conversations/{}/messages/{}/media/{n}", Uuid::nil(), Uuid::nil());
    let texts: Vec<RelayedText> =
        (0..20).map(|_| RelayedText { words: "é".repeat(1_000), pictures: (0..10).map(link).collect() }).collect();
    let text = texts::relay(code("B2"), &customer, &texts, AiWill::Answer { at: now() }, true, now());
    assert!(text.chars().count() <= MAX_BODY_CHARS, "{} characters", text.chars().count());
    assert!(text.contains("more in the app.") && text.contains("begin with B2."), "{text}");
}

const SECOND: TimeDelta = TimeDelta::seconds(1);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn open(number: u128, with: &str, ownership: Ownership, relayed_minutes_ago: Option<i64>) -> OpenConversation {
    OpenConversation {
        id: Uuid::from_u128(number),
        code: code(with),
        customer: format!("+1212555{:04}", 1_000 + number).parse().unwrap(),
        ownership,
        last_activity: now() + SECOND * i32::try_from(number).unwrap(),
        relayed: relayed_minutes_ago.map(|minutes| now() - TimeDelta::minutes(minutes)).map(|at| (at, at)),
    }
}

fn planned(text: &str, open: &[OpenConversation]) -> Plan {
    let situation = Situation { sender: Sender::Owner, open, ended_lately: false, same_words: 0, at: now() };
    plan(&read(text).command, &situation)
}

fn say(what: Answer) -> Plan {
    Plan::Say { what }
}

#[test]
fn words_without_a_code_need_a_conversation_that_is_certain() {
    let reply = |number, takes_over| Plan::Reply { conversation: Uuid::from_u128(number), takes_over };
    let a = open(1, "A2", Ownership::None, Some(3));
    let b = open(2, "B2", Ownership::User, Some(1));
    assert_eq!(planned("On my way", std::slice::from_ref(&a)), reply(1, true));
    assert_eq!(planned("On my way", std::slice::from_ref(&b)), reply(2, false));
    assert_eq!(planned("On my way", &[a.clone(), b.clone()]), say(Answer::WhichOne));
    let only = std::slice::from_ref(&a);
    let situation = Situation { sender: Sender::Owner, open: only, ended_lately: true, same_words: 0, at: now() };
    assert_eq!(plan(&read("On my way").command, &situation), say(Answer::WhichOne), "the other one may be meant");
    let earlier = Situation { ended_lately: false, at: now() - TimeDelta::minutes(4), ..situation };
    assert_eq!(plan(&read("On my way").command, &earlier), say(Answer::NobodyToWriteTo), "it was relayed later");
    assert_eq!(planned("123456", std::slice::from_ref(&a)), say(Answer::WhichOne), "a code for a phone");
    assert_eq!(planned("A2 On my way", &[a.clone(), b.clone()]), reply(1, true));
    assert_eq!(planned("C2 On my way", &[a.clone(), b.clone()]), say(Answer::NoSuchCode));
    assert_eq!(planned("C2 On my way", std::slice::from_ref(&a)), say(Answer::NoSuchCode));
    assert_eq!(planned("A2", &[a, b]), say(Answer::NoWords));
    assert_eq!(planned("On my way", &[]), say(Answer::NobodyToWriteTo));
    assert_eq!(planned("On my way", &[open(1, "A2", Ownership::None, Some(11))]), say(Answer::NobodyToWriteTo));
    assert_eq!(planned("On my way", &[open(1, "", Ownership::None, None)]), say(Answer::NobodyToWriteTo));
}

#[test]
fn a_command_without_a_code_takes_the_newest_gives_back_the_only_one_and_ends_the_only_one() {
    let id = Uuid::from_u128;
    let (a, b) = (open(1, "A2", Ownership::Ai, None), open(2, "B2", Ownership::None, None));
    let taken = open(3, "C2", Ownership::User, None);
    let all = [a.clone(), taken.clone(), b.clone()];
    assert_eq!(planned("TAKE", &all), Plan::TakeOver { conversation: id(2) });
    assert_eq!(planned("TAKE", std::slice::from_ref(&taken)), say(Answer::NothingToTake));
    assert_eq!(planned("TAKE A2", &all), Plan::TakeOver { conversation: id(1) });
    assert_eq!(planned("AI", &all), Plan::Release { conversation: id(3) });
    assert_eq!(planned("AI", &[a.clone(), b.clone()]), say(Answer::NothingTaken));
    assert_eq!(planned("AI", &[taken.clone(), open(4, "D2", Ownership::User, None)]), say(Answer::WhichOne));
    assert_eq!(planned("DONE", &all), Plan::Complete { conversation: id(3) });
    assert_eq!(planned("DONE", std::slice::from_ref(&a)), Plan::Complete { conversation: id(1) });
    assert_eq!(planned("DONE", &[a.clone(), b]), say(Answer::WhichOne));
    assert_eq!(planned("BLOCK", &all), say(Answer::WhichOne));
    assert_eq!(planned("BLOCK A2", &all), Plan::Block { conversation: id(1) });
    assert_eq!(planned("1", &all), Plan::TakeAlert);
}

#[test]
fn what_may_be_meant_in_two_ways_is_asked_for() {
    let all = [open(1, "A2", Ownership::None, Some(1))];
    assert_eq!(planned("TAKE A2 I'll be there at 5", &all), say(Answer::WordOrWords));
    assert_eq!(planned("STOP.", &all), say(Answer::StopAlone));
}

#[test]
fn a_contact_may_only_take_an_alert() {
    let all = [open(1, "A2", Ownership::None, Some(1))];
    let situation = Situation { sender: Sender::Contact, open: &all, ended_lately: false, same_words: 0, at: now() };
    for text in ["A2 On my way", "On my way", "TAKE", "DONE A2", "LIST", "OFF", "BLOCK A2"] {
        assert_eq!(plan(&read(text).command, &situation), say(Answer::OnlyTheOwner), "{text}");
    }
    assert_eq!(plan(&read("1").command, &situation), Plan::TakeAlert);
}

#[test]
fn the_same_words_again_and_again_are_a_machines() {
    let all = [open(1, "A2", Ownership::None, Some(1))];
    let with = |same_words, text: &str| {
        let situation = Situation { sender: Sender::Owner, open: &all, ended_lately: false, same_words, at: now() };
        plan(&read(text).command, &situation)
    };
    assert!(matches!(with(1, "On my way"), Plan::Reply { .. }));
    assert_eq!(with(2, "On my way"), Plan::Nothing);
    assert!(matches!(with(2, "A2 yes"), Plan::Reply { .. }), "a machine writes no code");
    assert!(matches!(with(9, "TAKE"), Plan::TakeOver { .. }), "a word is no automatic reply");
}

/// A step of a day with the owner's phone.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// This customer writes, which opens a conversation if none is open, and is relayed.
    Relay(usize),
    /// The conversation with this customer ends.
    End(usize),
    /// Time passes.
    Later { seconds: i64 },
    /// The owner writes words, with the code of this customer's conversation, open or not.
    Answer { with_code_of: Option<usize>, command: usize },
}

const CUSTOMERS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..CUSTOMERS).prop_map(Step::Relay),
        2 => (0..CUSTOMERS).prop_map(Step::End),
        2 => (0_i64..900).prop_map(|seconds| Step::Later { seconds }),
        6 => (proptest::option::of(0..CUSTOMERS), 0_usize..5)
            .prop_map(|(with_code_of, command)| Step::Answer { with_code_of, command }),
    ];
    prop::collection::vec(step, 0..60)
}

/// A conversation as the owner has it in mind.
#[derive(Debug, Clone)]
struct Mine {
    customer: usize,
    open: OpenConversation,
}

/// Which conversations a text may change, by what the owner can have meant.
fn may_mean(mine: &[Mine], ended_lately: bool, with: Option<Code>, now: DateTime<Utc>) -> Vec<Uuid> {
    match with {
        Some(code) => mine.iter().filter(|it| it.open.code == Some(code)).map(|it| it.open.id).collect(),
        None => match mine {
            [only] if !ended_lately && only.open.relayed.is_some_and(|(_, last)| now - last <= RELAYED_WITHIN) => {
                vec![only.open.id]
            }
            _ => Vec::new(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_open_conversations_are_never_mixed_up(steps in steps()) {
        let (mut mine, mut now, mut last): (Vec<Mine>, _, _) = (Vec::new(), now(), 0_u128);
        // The last code of each customer, which may be of a conversation that has ended, and the codes that are not free.
        let (mut codes, mut used) = ([None; CUSTOMERS], Vec::new());
        let mut ended: Vec<DateTime<Utc>> = Vec::new();
        for step in steps {
            match step {
                Step::Later { seconds } => now += SECOND * i32::try_from(seconds).unwrap(),
                Step::End(customer) => {
                    let open = mine.len();
                    mine.retain(|it| it.customer != customer);
                    ended.extend((mine.len() < open).then_some(now));
                }
                Step::Relay(customer) => {
                    if !mine.iter().any(|it| it.customer == customer) {
                        last += 1;
                        // Ids that begin at the same code.
                        let id = Uuid::from_u128(last * 192);
                        let code = Code::free(id, &used).unwrap();
                        prop_assert!(mine.iter().all(|it| it.open.code != Some(code)));
                        used.push(code);
                        codes[customer] = Some(code);
                        let new = open(last, "", Ownership::None, None);
                        mine.push(Mine { customer, open: OpenConversation { id, code: Some(code), ..new } });
                    }
                    let it = mine.iter_mut().find(|it| it.customer == customer).unwrap();
                    it.open.relayed = Some((it.open.relayed.map_or(now, |(first, _)| first), now));
                    it.open.last_activity = now;
                }
                Step::Answer { with_code_of, command } => {
                    let with = with_code_of.and_then(|customer| codes[customer]);
                    let prefix = with.map(|code| format!("{code} ")).unwrap_or_default();
                    let behind = with.map(|code| format!(" {code}")).unwrap_or_default();
                    let text = match command {
                        0 => format!("TAKE{behind}"),
                        1 => format!("DONE{behind}"),
                        _ => format!("{prefix}I will be there at {command}"),
                    };
                    let open: Vec<OpenConversation> = mine.iter().map(|it| it.open.clone()).collect();
                    let ended_lately = ended.iter().any(|at| now - *at <= RELAYED_WITHIN);
                    let situation = Situation { sender: Sender::Owner, open: &open, ended_lately, same_words: 0, at: now };
                    let plan = plan(&read(&text).command, &situation);
                    let is_open = |id: Uuid| open.iter().any(|open| open.id == id);
                    if let Some(id) = plan.conversation() {
                        prop_assert!(is_open(id), "{text} changed what is over");
                        if let Some(code) = with {
                            prop_assert!(open.iter().any(|open| open.id == id && open.code == Some(code)), "{text}: {plan:?}");
                        }
                    }
                    match plan {
                        Plan::Reply { conversation, .. } => {
                            prop_assert_eq!(may_mean(&mine, ended_lately, with, now), vec![conversation], "{}", text);
                        }
                        Plan::TakeOver { conversation } => {
                            let it = mine.iter_mut().find(|it| it.open.id == conversation).unwrap();
                            it.open.ownership = Ownership::User;
                        }
                        Plan::Complete { conversation } => {
                            mine.retain(|it| it.open.id != conversation);
                            ended.push(now);
                        }
                        _ if command > 1 => prop_assert!(may_mean(&mine, ended_lately, with, now).is_empty(), "{text}: {plan:?}"),
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic_and_words_are_passed_on_as_they_are(text in any::<String>()) {
        if let Command::Words { code: None, text: words } = read(&text).command {
            prop_assert_eq!(words, text.trim());
        }
    }
}
