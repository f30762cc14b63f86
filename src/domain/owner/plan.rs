//! Which conversation a text of the owner is for, or what the owner is asked.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Code, Command};
use crate::domain::conversation::{Conversation, Ownership};
use crate::domain::phone::PhoneNumber;
use crate::domain::phones;
use crate::text_enum;

/// Words without a code go to the only open conversation if the owner got a relay of it within this time.
pub const RELAYED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// The same words so often within [`RELAYED_WITHIN`] are those of a phone that answers by itself.
const SAME_WORDS: i64 = 2;

/// An open conversation, as far as the owner's text needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConversation {
    pub id: Uuid,
    pub code: Option<Code>,
    pub customer: PhoneNumber,
    pub ownership: Ownership,
    pub last_activity: DateTime<Utc>,
    /// When the owner first and last got a relay of it.
    pub relayed: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl OpenConversation {
    /// The part of a conversation that is needed.
    pub fn of(conversation: &Conversation) -> Self {
        let relay = &conversation.memory.relay;
        Self {
            id: conversation.id,
            code: relay.code,
            customer: conversation.customer_phone.clone(),
            ownership: conversation.ownership,
            last_activity: conversation.last_activity,
            relayed: relay.first_at.zip(relay.last_at),
        }
    }
}

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The owner, who speaks for the business.
    Owner,
    /// Another phone of the business's own side, which may only take an alert.
    Contact,
}

/// What is known when a text of the business's own side is read.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    pub sender: Sender,
    /// Every open conversation of the business.
    pub open: &'a [OpenConversation],
    /// Whether a conversation that was relayed has ended within [`RELAYED_WITHIN`], and is over: the owner may still mean
    /// that one.
    pub ended_lately: bool,
    /// How many texts with the same words this phone has sent within [`RELAYED_WITHIN`] before.
    pub same_words: i64,
    /// When it was written: what the owner has got since does not count.
    pub at: DateTime<Utc>,
}

text_enum! {
    /// What the owner is told when nothing is done.
    pub enum Answer {
        /// Several conversations may be meant.
        WhichOne = "which_one",
        /// The code belongs to no open conversation.
        NoSuchCode = "no_such_code",
        /// Nothing is open, or nothing was relayed lately.
        NobodyToWriteTo = "nobody_to_write_to",
        /// A code without words.
        NoWords = "no_words",
        /// A word that takes only a code, with more behind it.
        WordOrWords = "word_or_words",
        /// Words that end texts for customers, but for the owner's phone only as the keyword alone.
        StopAlone = "stop_alone",
        /// A picture without words.
        NoPictures = "no_pictures",
        /// No open conversation is without a person.
        NothingToTake = "nothing_to_take",
        /// No person owns an open conversation.
        NothingTaken = "nothing_taken",
        /// What is open.
        List = "list",
        /// What can be done by text.
        Help = "help",
        /// Only the owner's phone may do this.
        OnlyTheOwner = "only_the_owner",
    }
}

/// What is done about a text. It is kept before it is carried out, so that a text that is processed again goes to the same
/// conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Plan {
    /// Nothing: nobody wrote it.
    Nothing,
    /// The words go to the customer.
    Reply {
        conversation: Uuid,
        /// Whether no person owned the conversation before.
        takes_over: bool,
    },
    TakeOver {
        conversation: Uuid,
    },
    Release {
        conversation: Uuid,
    },
    Complete {
        conversation: Uuid,
    },
    Block {
        conversation: Uuid,
    },
    /// The phone takes the emergency of its newest alert.
    TakeAlert,
    Off,
    On,
    /// The owner is only told something.
    Say {
        what: Answer,
    },
}

impl Plan {
    /// The conversation that it changes, if it changes one.
    pub fn conversation(self) -> Option<Uuid> {
        match self {
            Self::Reply { conversation, .. }
            | Self::TakeOver { conversation }
            | Self::Release { conversation }
            | Self::Complete { conversation }
            | Self::Block { conversation } => Some(conversation),
            Self::Nothing | Self::TakeAlert | Self::Off | Self::On | Self::Say { .. } => None,
        }
    }
}

/// Chooses what is done about a text.
pub fn plan(command: &Command, situation: &Situation<'_>) -> Plan {
    let say = |what| Plan::Say { what };
    match command {
        Command::Nothing => return Plan::Nothing,
        Command::TakeAlert => return Plan::TakeAlert,
        // A machine writes no code.
        Command::Words { code: None, .. } if situation.same_words >= SAME_WORDS => return Plan::Nothing,
        Command::Stop => return say(Answer::StopAlone),
        _ if situation.sender == Sender::Contact => return say(Answer::OnlyTheOwner),
        _ => {}
    }
    let chosen = match command {
        Command::Words { code, text } => words(*code, text, situation).map(|id| {
            let is_taken = |open: &OpenConversation| open.id == id && open.ownership == Ownership::User;
            Plan::Reply { conversation: id, takes_over: !situation.open.iter().any(is_taken) }
        }),
        Command::Take(code) => {
            chosen(*code, situation, newest_without_a_person).map(|id| Plan::TakeOver { conversation: id })
        }
        Command::Release(code) => chosen(*code, situation, only_taken).map(|id| Plan::Release { conversation: id }),
        Command::Done { code, .. } => {
            chosen(*code, situation, only_taken_or_open).map(|id| Plan::Complete { conversation: id })
        }
        Command::Block(code) => {
            chosen(*code, situation, |_| Err(Answer::WhichOne)).map(|id| Plan::Block { conversation: id })
        }
        Command::Picture => Err(Answer::NoPictures),
        Command::WordAndMore(_) => Err(Answer::WordOrWords),
        Command::List => Err(Answer::List),
        Command::Help => Err(Answer::Help),
        Command::Off => Ok(Plan::Off),
        Command::On => Ok(Plan::On),
        Command::TakeAlert | Command::Nothing | Command::Stop => Ok(Plan::Nothing),
    };
    chosen.unwrap_or_else(say)
}

/// The conversation with the code, or what the command means without one.
fn chosen(
    code: Option<Code>,
    situation: &Situation<'_>,
    without: impl Fn(&Situation<'_>) -> Result<Uuid, Answer>,
) -> Result<Uuid, Answer> {
    let Some(code) = code else { return without(situation) };
    let with_it = situation.open.iter().find(|open| open.code == Some(code));
    with_it.map(|open| open.id).ok_or(Answer::NoSuchCode)
}

/// Words without a code go to the only open conversation, and only if it was relayed lately and no other one is over since:
/// then it is the one that the owner has before them.
fn words(code: Option<Code>, text: &str, situation: &Situation<'_>) -> Result<Uuid, Answer> {
    let only = |situation: &Situation<'_>| match situation.open {
        // A code for a phone, perhaps, that was typed into the wrong conversation, or arrived twice.
        _ if phones::code::is_all(text) => Err(Answer::WhichOne),
        [] => Err(Answer::NobodyToWriteTo),
        [only] => {
            let at = situation.at;
            let is_recent = only.relayed.is_some_and(|(first, last)| first <= at && at - last <= RELAYED_WITHIN);
            match (is_recent, situation.ended_lately) {
                (true, false) => Ok(only.id),
                (true, true) => Err(Answer::WhichOne),
                (false, _) => Err(Answer::NobodyToWriteTo),
            }
        }
        _ => Err(Answer::WhichOne),
    };
    let id = chosen(code, situation, only)?;
    if text.is_empty() { Err(Answer::NoWords) } else { Ok(id) }
}

fn newest_without_a_person(situation: &Situation<'_>) -> Result<Uuid, Answer> {
    let free = situation.open.iter().filter(|open| open.ownership != Ownership::User);
    free.max_by_key(|open| (open.last_activity, open.id)).map(|open| open.id).ok_or(Answer::NothingToTake)
}

fn only_taken(situation: &Situation<'_>) -> Result<Uuid, Answer> {
    let mut taken = situation.open.iter().filter(|open| open.ownership == Ownership::User);
    match (taken.next(), taken.next()) {
        (None, _) => Err(Answer::NothingTaken),
        (Some(only), None) => Ok(only.id),
        (Some(_), Some(_)) => Err(Answer::WhichOne),
    }
}

fn only_taken_or_open(situation: &Situation<'_>) -> Result<Uuid, Answer> {
    match (only_taken(situation), situation.open) {
        (Err(Answer::NothingTaken), [only]) => Ok(only.id),
        (Err(Answer::NothingTaken), []) => Err(Answer::NobodyToWriteTo),
        (Err(Answer::NothingTaken), _) => Err(Answer::WhichOne),
        (chosen, _) => chosen,
    }
}
