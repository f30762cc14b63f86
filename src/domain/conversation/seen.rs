//! What a person has seen of a conversation, as the ETag that they were given, and whether there is something newer.
//!
//! It changes with the ownership, with a message of a person, with the end, and with each message of the customer, in
//! whatever order they arrive. It does not change with what becomes of a message of ours, nor with what the customer's phone
//! writes by itself.

use std::fmt;

use uuid::Uuid;

use super::state::Conversation;

/// The most tags that a condition may list.
const MOST_TAGS: usize = 32;

/// The state of a conversation that a person must have seen. Its text is the opaque tag of the ETag, without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    conversation_id: Uuid,
    ownership_revision: i64,
    text_revision: i64,
}

impl Seen {
    pub fn of(conversation: &Conversation) -> Self {
        let Conversation { id, ownership_revision, text_revision, .. } = *conversation;
        Self { conversation_id: id, ownership_revision, text_revision }
    }

    /// The value of the header `ETag`: a strong validator.
    pub fn etag(&self) -> String {
        format!("\"{self}\"")
    }

    /// What has changed since one of the tags of a condition that does not hold.
    pub fn changed_since(&self, condition: &IfMatch) -> Vec<Newer> {
        let IfMatch::Tags(tags) = condition else { return Vec::new() };
        let [tag] = &tags[..] else { return Vec::new() };
        let mut parts = tag.split('.');
        let is_own = parts.next() == Some(&self.conversation());
        let revisions = (parts.next().map(str::parse::<i64>), parts.next().map(str::parse::<i64>));
        let (true, (Some(Ok(ownership)), Some(Ok(text))), None) = (is_own, revisions, parts.next()) else {
            return Vec::new();
        };
        let ownership = (ownership != self.ownership_revision).then_some(Newer::Ownership);
        let text = (text != self.text_revision).then_some(Newer::Message);
        ownership.into_iter().chain(text).collect()
    }

    /// Tells conversations apart, in case a client mixes up their tags.
    fn conversation(&self) -> String {
        format!("{:08x}", self.conversation_id.as_fields().0)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.conversation(), self.ownership_revision, self.text_revision)
    }
}

/// What a person has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// Somebody else has taken over, written, released or completed the conversation, the AI has taken it, or it was
    /// reopened.
    Ownership,
    /// A message of the customer.
    Message,
}

/// The condition of a command: the header `If-Match` (RFC 9110, section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: the conversation exists.
    Any,
    /// It is in one of these states: the opaque tags of the strong ETags. Weak ones are left out, because they never match.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(value: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "must be `*` or a list of ETags in double quotes, such as \"a1b2c3d4.3.7\"";
        let mut rest = value.trim_matches([' ', '\t']);
        if rest == "*" {
            return Ok(Self::Any);
        }
        let (mut tags, mut is_empty) = (Vec::new(), true);
        loop {
            // A list may have empty elements.
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let is_weak = rest.starts_with("W/");
            rest = rest.strip_prefix("W/").unwrap_or(rest);
            let (tag, after) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).ok_or(SHAPE)?;
            if !tag.chars().all(|c| c == '!' || ('#'..='~').contains(&c) || !c.is_ascii()) {
                return Err(SHAPE);
            }
            is_empty = false;
            if !is_weak {
                tags.push(tag.to_owned());
            }
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(SHAPE);
            }
        }
        match (is_empty, tags.len() > MOST_TAGS) {
            (true, _) => Err(SHAPE),
            (false, true) => Err("must not list more than 32 ETags"),
            (false, false) => Ok(Self::Tags(tags)),
        }
    }

    /// Whether a conversation is in the state that the person has seen.
    pub fn holds(&self, conversation: &Conversation) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => {
                let now = Seen::of(conversation).to_string();
                tags.contains(&now)
            }
        }
    }
}
