//! Checks what a PUT of a business may change, in its transaction: which numbers, how many, which phones take effect,
//! and where forwarded calls end up.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::businesses::{AccountWrite, BusinessWrite, DispatchBotKeyWrite};
use super::{StoreError, forwarding, phone_codes};
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::{MAX_NUMBERS, Phones, beyond_scope, scope};

/// The field of a document for the phones of `forward_to` after the first.
const NEXT: &str = "forward_to_next";

/// What a PUT changes, after its checks.
pub(super) struct BusinessChange {
    /// The document, with the phones that are in effect.
    pub(super) profile: Value,
    /// The first phone of `forward_to` that is in effect.
    pub(super) forward_to: String,
    /// The phones of the PUT, if not all of them are in effect yet.
    wanted: Option<Phones>,
    /// The phones of the PUT that are not in effect yet.
    missing: Vec<String>,
    /// Whether the Twilio account in effect changes.
    is_other_account: bool,
}

impl BusinessChange {
    /// Checks a PUT, and locks numbers and forwarding against other changes until the end of the transaction.
    pub(super) async fn judged(tx: &mut PgConnection, b: &BusinessWrite<'_>) -> Result<Self, StoreError> {
        forwarding::lock(tx).await?;
        let before = sqlx::query!(
            "SELECT profile, forward_to, twilio_account_sid, twilio_pending_account_sid FROM businesses WHERE id = $1
             FOR UPDATE",
            b.id
        )
        .fetch_optional(&mut *tx)
        .await?;
        let numbers = sqlx::query_scalar!("SELECT phone FROM business_numbers WHERE business_id = $1", b.id)
            .fetch_all(&mut *tx)
            .await?;
        let account_sid = before.as_ref().and_then(|before| before.twilio_account_sid.as_deref());
        if !b.may_manage_numbers {
            let pending_sid = before.as_ref().and_then(|before| before.twilio_pending_account_sid.as_deref());
            let mut beyond =
                beyond_scope(&numbers, &[account_sid, pending_sid], b.phone_numbers, b.account.account_sid(), false);
            let own_before = before.as_ref().and_then(|before| own_dispatchbot(&before.profile));
            let puts_key = matches!(b.dispatchbot_key, DispatchBotKeyWrite::Set(_));
            if puts_key || own_before != own_dispatchbot(b.profile) {
                beyond.push(scope::DISPATCHBOT);
            }
            if !beyond.is_empty() {
                return Err(StoreError::Forbidden(scope::why(&beyond)));
            }
        }
        let adds = b.phone_numbers.iter().any(|phone| !numbers.iter().any(|number| number == phone.as_str()));
        let listed = before.as_ref().and_then(|before| before.profile.get("phone_numbers")?.as_array().map(Vec::len));
        let grows = adds || b.phone_numbers.len() > listed.unwrap_or_default();
        if b.phone_numbers.len() > MAX_NUMBERS && grows {
            return Err(invalid("phone_numbers", format!("must not have more than {MAX_NUMBERS} numbers")));
        }
        let is_other_account = before.is_some()
            && match b.account {
                AccountWrite::Main => account_sid.is_some(),
                AccountWrite::Proven { account_sid: proven, .. } => account_sid != Some(proven),
                AccountWrite::Unchanged | AccountWrite::Pending { .. } => false,
            };
        let put = Phones { forward_to: texts(b.forward_to.iter()), contacts: texts(b.emergency_contacts) };
        let before = before.map(|before| phones_of(before.forward_to, &before.profile));
        let moves = before.as_ref().is_none_or(|before| before.forward_to != put.forward_to);
        if moves || adds {
            let not = forwarding::why_not(tx, b.id, &texts(b.phone_numbers), &put.forward_to).await?;
            if let Some(reason) = not {
                return Err(invalid(if moves { "forward_to" } else { "phone_numbers" }, reason));
            }
        }
        let counts = match &before {
            Some(before) if !b.may_manage_numbers => {
                let willing = phone_codes::willing(tx, b.id).await?;
                before.with(&put, |phone| willing.iter().any(|other| other == phone))
            }
            _ => put.clone(),
        };
        let missing = counts.missing(&put);
        Ok(Self {
            profile: with_phones(b.profile.clone(), &counts),
            forward_to: counts.forward_to.first().cloned().unwrap_or_default(),
            wanted: (!missing.is_empty()).then_some(put),
            missing,
            is_other_account,
        })
    }

    /// The rest of the change, once the business is written: queues codes for phones that are not in effect yet,
    /// cancels codes that are no longer needed, and schedules lookups of the numbers if an account was put.
    pub(super) async fn settled(
        &self,
        tx: &mut PgConnection,
        b: &BusinessWrite<'_>,
        put_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        phone_codes::want(tx, b.id, self.wanted.as_ref(), put_at).await?;
        let mut asked = self.missing.clone();
        if self.profile["policy"]["voice_ladder"] == json!(true) {
            // Who is to be called has to agree once, whatever the key may do.
            let contacts = phones_of(self.forward_to.clone(), &self.profile).contacts;
            let mut unasked = super::ladder_calls::to_confirm(tx, b.id, &contacts).await?;
            unasked.retain(|phone| !asked.contains(phone));
            asked.extend(unasked);
        }
        phone_codes::ask(tx, b.id, &asked).await?;
        if self.is_other_account {
            super::business_numbers::of_another_account(tx, b.id).await?;
        } else if matches!(b.account, AccountWrite::Proven { .. }) {
            sqlx::query!(
                "UPDATE business_numbers SET look_at = now(), unanswered_looks = 0 WHERE business_id = $1",
                b.id
            )
            .execute(tx)
            .await?;
        }
        Ok(())
    }
}

/// Returns the document with these phones.
pub(super) fn with_phones(mut profile: Value, phones: &Phones) -> Value {
    profile["forward_to"] = json!(phones.forward_to.first());
    let next = phones.forward_to.get(1..).unwrap_or_default();
    if let (true, Some(fields)) = (next.is_empty(), profile.as_object_mut()) {
        fields.remove(NEXT);
    } else {
        profile[NEXT] = json!(next);
    }
    profile["emergency_contacts"] = json!(phones.contacts);
    profile
}

/// The phones of a business by its column and its document.
pub(super) fn phones_of(forward_to: String, profile: &Value) -> Phones {
    let list = |field: &str| -> Vec<String> { serde_json::from_value(profile[field].clone()).unwrap_or_default() };
    let forward_to = std::iter::once(forward_to).chain(list(NEXT)).collect();
    Phones { forward_to, contacts: list("emergency_contacts") }
}

/// The DispatchBot that a business has itself, by its document.
fn own_dispatchbot(profile: &Value) -> Option<&Value> {
    profile.get("policy")?.get("dispatchbot").filter(|own| !own.is_null())
}

fn texts<'a>(phones: impl IntoIterator<Item = &'a PhoneNumber>) -> Vec<String> {
    phones.into_iter().map(|phone| phone.as_str().to_owned()).collect()
}

fn invalid(field: &'static str, reason: String) -> StoreError {
    StoreError::Invalid { field, reason }
}
