//! Texts of the business's own side: twins of the statements in `src/adapters/postgres/owner_texts.rs`.

use chrono::{DateTime, TimeDelta, Utc};

use super::{CodeUse, OwnerTextRow, Tables};
use crate::domain::business::Profile;
use crate::domain::conversation::{CodeChange, Conversation, Status, pairing};
use crate::domain::owner::{Code, Plan, RELAYED_WITHIN};
use crate::store::{MOST_OPEN, OwnerText, OwnerView};

/// A code that is given back belongs to nobody else for this long.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

impl Tables {
    pub(super) fn owner_view(&self, text: &OwnerText<'_>, now: DateTime<Utc>) -> OwnerView {
        let is_of_phone = |row: &OwnerTextRow| row.business_id == text.business_id && row.phone == *text.phone;
        let recent = |(id, row): &(&String, &OwnerTextRow)| {
            *id != text.input_id && is_of_phone(row) && row.created_at > now - RELAYED_WITHIN
        };
        let recent: Vec<&OwnerTextRow> = self.owner_texts.iter().filter(recent).map(|(_, row)| row).collect();
        let is_open = |c: &&Conversation| c.business_id == text.business_id && c.status != Status::Completed;
        let mut open: Vec<Conversation> = self.conversations.iter().filter(is_open).cloned().collect();
        open.sort_by_key(|c| std::cmp::Reverse((c.last_activity, c.id)));
        open.truncate(usize::try_from(MOST_OPEN).unwrap());
        let is_over = |id| !self.conversations.iter().any(|c| c.id == id && c.status != Status::Completed);
        let ended_lately = |code: &CodeUse| {
            code.given_back_at.is_some_and(|at| at > now - RELAYED_WITHIN) && is_over(code.conversation_id)
        };
        let mut codes = self.codes.iter().filter(|((business, _), _)| business == text.business_id);
        OwnerView {
            ended_lately: codes.any(|(_, code)| ended_lately(code)),
            plan: self.owner_texts.get(text.input_id).map(|row| row.plan),
            open,
            texts: i64::try_from(recent.len()).unwrap(),
            same_words: i64::try_from(recent.iter().filter(|row| row.body == text.body).count()).unwrap(),
        }
    }

    pub(super) fn keep_owner_plan(&mut self, text: &OwnerText<'_>, plan: Plan, at: DateTime<Utc>) -> Plan {
        let channel = |input_id: &str| input_id.starts_with("sms:IM");
        let is_same = |(id, row): &(&String, &OwnerTextRow)| {
            row.business_id == text.business_id
                && row.phone == *text.phone
                && row.body == text.body
                && *id != text.input_id
                && (row.created_at - at).abs() <= pairing::WITHIN
        };
        let (own, other): (Vec<_>, Vec<_>) =
            self.owner_texts.iter().filter(is_same).partition(|(id, _)| channel(id) == channel(text.input_id));
        let plan = if other.len() > own.len() { Plan::Nothing } else { plan };
        let row = || OwnerTextRow {
            business_id: text.business_id.to_owned(),
            phone: text.phone.clone(),
            body: text.body.to_owned(),
            plan,
            created_at: at,
        };
        self.owner_texts.entry(text.input_id.to_owned()).or_insert_with(row).plan
    }

    pub(super) fn set_owner_off(&mut self, business_id: &str, is_off: bool, at: DateTime<Utc>) {
        let last = self.owner_off_changed_at.get(business_id).copied();
        let Some(business) = self.businesses.get_mut(business_id).filter(|_| last.is_none_or(|last| last <= at)) else {
            return;
        };
        business.owner_off_since = is_off.then(|| business.owner_off_since.unwrap_or(at));
        self.owner_off_changed_at.insert(business_id.to_owned(), at);
    }

    /// Whether the owner of the only business there is has said OFF, or STOP.
    pub fn is_owner_away(&self) -> bool {
        self.businesses.iter().any(|(id, business)| {
            let said_stop = || {
                let profile: Profile = serde_json::from_value(business.profile.clone()).unwrap();
                self.opt_outs.contains_key(&(id.clone(), profile.owner_phone().clone()))
            };
            business.owner_off_since.is_some() || (!self.opt_outs.is_empty() && said_stop())
        })
    }

    pub(super) fn add_never_text(&mut self, business_id: &str, phone: &str) -> bool {
        let Some(business) = self.businesses.get_mut(business_id) else { return false };
        if !business.never_text.iter().any(|listed| listed == phone) {
            business.never_text.push(phone.to_owned());
        }
        true
    }

    /// The codes that no other conversation of the business may get.
    pub(super) fn codes_in_use(&self, business_id: &str, now: DateTime<Utc>) -> Vec<Code> {
        let is_in_use = |code: &CodeUse| code.given_back_at.is_none_or(|at| at > now - KEPT_FOR);
        let codes = self.codes.iter().filter(|((business, _), code)| business == business_id && is_in_use(code));
        codes.map(|((_, code), _)| *code).collect()
    }

    /// Whether a conversation may get this code.
    pub(super) fn is_free(&self, business_id: &str, code: Code, now: DateTime<Utc>) -> bool {
        !self.codes_in_use(business_id, now).contains(&code)
    }

    pub(super) fn write_code(&mut self, of: &Conversation, change: CodeChange, now: DateTime<Utc>) {
        match change {
            CodeChange::Taken(code) => {
                let given = CodeUse { conversation_id: of.id, given_back_at: None };
                self.codes.insert((of.business_id.clone(), code), given);
            }
            CodeChange::GivenBack => {
                let theirs = |code: &&mut CodeUse| code.conversation_id == of.id && code.given_back_at.is_none();
                self.codes.values_mut().filter(theirs).for_each(|code| code.given_back_at = Some(now));
            }
        }
    }
}
