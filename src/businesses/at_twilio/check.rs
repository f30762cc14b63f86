//! Checks accounts, numbers, what they can do, and their registration.

use std::fmt;

use serde::Serialize;

use super::{AccountView, AtTwilio, Fallback, Inventory, InventoryError, Owned, Selection};
use crate::adapters::twilio::{AccountFound, IncomingNumber};
use crate::domain::number_registration::{Campaigns, needs_registration, registration};
use crate::domain::number_setup::{Found, Settings, compare};
use crate::domain::phone::PhoneNumber;
use crate::text_enum;

text_enum! {
    /// What a finding is about.
    pub enum Subject {
        /// The credentials and the state of an account.
        Account = "account",
        /// Whether a number of a business is in its account.
        Number = "number",
        /// Whether its calls and texts reach the service.
        Webhooks = "webhooks",
        Capabilities = "capabilities",
        /// A2P 10DLC.
        Registration = "registration",
        /// A number that no business has.
        Unused = "unused",
    }
}

text_enum! {
    /// The result of a check.
    pub enum Verdict {
        Good = "ok",
        Wrong = "FAILED",
        /// Worth knowing, and not wrong.
        Noted = "note",
        Unchecked = "not checked",
    }
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub name: Subject,
    /// The account or the number.
    pub of: String,
    pub business_id: Option<String>,
    pub result: Verdict,
    pub message: String,
    /// What to do about a failure.
    pub advice: Option<String>,
}

impl AtTwilio {
    /// Checks what is meant, and if no number is left out, also which numbers of the accounts no business has. Changes nothing.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub async fn check(&self, selection: &Selection, fallback: Fallback<'_>) -> Result<Vec<Finding>, InventoryError> {
        let inventory = Inventory::read(self, selection).await?;
        let mut wanted = match fallback {
            Fallback::To(url) => self.urls(url).settings(),
            Fallback::Any => self.urls(None).settings(),
        };
        if matches!(fallback, Fallback::Any) {
            wanted.retain(|setting, _| !setting.is_fallback());
        }
        let mut findings = Vec::new();
        for view in inventory.accounts.values() {
            findings.push(account(self, view).await);
        }
        for owned in &inventory.owned {
            findings.extend(number(self, &inventory, owned, &wanted).await);
        }
        if !selection.is_narrow() {
            findings.extend(unused(self, &inventory));
        }
        Ok(findings)
    }
}

/// Whether an account can be used.
async fn account(at_twilio: &AtTwilio, view: &AccountView) -> Finding {
    let finding = Finding::about(Subject::Account, &view.account.sid, None);
    match at_twilio.twilio.account(&view.account).await {
        AccountFound::Is { status, kind } if status == "active" && kind == "Trial" => {
            finding.noted("active, a trial account: it sends only to numbers that are verified at Twilio")
        }
        AccountFound::Is { status, .. } if status == "active" => {
            finding.good("active, and the auth token belongs to it")
        }
        AccountFound::Is { status, .. } => {
            finding.wrong(format!("it is {status}"), "ask Twilio's support, or put its businesses with another account")
        }
        AccountFound::Refused { code } => {
            let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
            let advice = if at_twilio.accounts.is_main(&view.account.sid) {
                "correct TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
            } else {
                "put its businesses with the auth token that the account has now"
            };
            finding.wrong(format!("Twilio refuses the account or its auth token{code}"), advice)
        }
        AccountFound::Away { reason } => {
            finding.wrong(format!("no answer: {reason}"), "check the way to TWILIO_API_URL, and Twilio's status page")
        }
    }
}

/// Everything about a number of a business.
async fn number(at_twilio: &AtTwilio, inventory: &Inventory, owned: &Owned, wanted: &Settings) -> Vec<Finding> {
    let about = |subject| Finding::about(subject, &owned.phone, Some(&owned.business_id));
    let can_be_read = match &owned.account {
        Ok(sid) => inventory.accounts.get(sid).is_some_and(|view| view.numbers.is_ok()),
        Err(_) => false,
    };
    let (view, found) = match (inventory.find(owned), &owned.account) {
        (Ok(found), _) => found,
        (Err(error), Err(_)) => {
            let advice = "set NMC_TOKEN_KEY, or put the business with its auth token again";
            return vec![about(Subject::Number).wrong(error, advice)];
        }
        // What is wrong with the account is said there.
        (Err(error), Ok(_)) if !can_be_read => return vec![about(Subject::Number).unchecked(error)],
        (Err(error), Ok(_)) => {
            let advice = "move it there, or put its business with the account that has it";
            return vec![about(Subject::Number).wrong(error, advice)];
        }
    };
    vec![
        webhooks(about(Subject::Webhooks), view, found, wanted),
        capabilities(about(Subject::Capabilities), found),
        registered(about(Subject::Registration), at_twilio, view, &owned.phone).await,
    ]
}

/// Whether calls and texts reach the service.
fn webhooks(finding: Finding, view: &AccountView, number: &IncomingNumber, wanted: &Settings) -> Finding {
    let service = view.service_of(&number.phone_number);
    let found = Found { settings: &number.settings, trunk_sid: number.trunk_sid.as_deref(), service: service.as_ref() };
    let comparison = compare(&found, wanted, false);
    let changes = comparison.changes.iter().map(ToString::to_string);
    let wrong: Vec<String> = comparison.handled.iter().map(ToString::to_string).chain(changes).collect();
    match (wrong.is_empty(), comparison.handled.is_empty()) {
        (true, _) if view.services.is_err() => finding
            .noted("its own settings are as they should be; whether a Messaging Service handles texts is not known"),
        (true, _) => finding.good("calls and texts are posted to the service"),
        (false, true) => finding.wrong(wrong.join(", "), "run `nevermisscall twilio configure`"),
        (false, false) => {
            let advice = "take the number out of it, or let it post to the service (docs/operations.md, Twilio)";
            finding.wrong(wrong.join(", "), advice)
        }
    }
}

fn capabilities(finding: Finding, number: &IncomingNumber) -> Finding {
    let can = number.capabilities;
    let lacking: Vec<&str> =
        [(can.voice, "calls"), (can.sms, "SMS")].into_iter().filter(|(can, _)| !can).map(|(_, what)| what).collect();
    if !lacking.is_empty() {
        return finding.wrong(format!("it cannot do {}", lacking.join(" and ")), "use a number that can do both");
    }
    if can.mms { finding.good("calls, SMS and MMS") } else { finding.noted("calls and SMS, but no MMS") }
}

/// Whether US carriers know what the number's texts are for.
async fn registered(finding: Finding, at_twilio: &AtTwilio, view: &AccountView, phone: &str) -> Finding {
    let needed = phone.parse::<PhoneNumber>().is_ok_and(|phone| needs_registration(&phone));
    if !needed {
        return finding.unchecked("A2P 10DLC is only for ordinary US numbers");
    }
    match campaigns(at_twilio, view, phone).await.map(|services| registration(&services)) {
        Err(error) => finding.unchecked(format!("A2P 10DLC cannot be read: {error}")),
        Ok(Ok(good)) => finding.good(good),
        Ok(Err(wrong)) => {
            finding.wrong(wrong, "register the number at Twilio (A2P 10DLC); carriers block its texts otherwise")
        }
    }
}

/// The campaigns of those Messaging Services of an account that have a number among their senders.
async fn campaigns(at_twilio: &AtTwilio, view: &AccountView, phone: &str) -> Result<Vec<Campaigns>, String> {
    let services = view.services.as_ref().map_err(Clone::clone)?;
    let mut found = Vec::new();
    for (service, _) in services.iter().filter(|(_, senders)| senders.iter().any(|sender| sender == phone)) {
        let campaigns = at_twilio.messaging.campaigns(&view.account, &service.sid).await;
        found.push((service.friendly_name.clone(), campaigns.map_err(|error| error.to_string())?));
    }
    Ok(found)
}

/// Numbers of the accounts that no business has.
fn unused(at_twilio: &AtTwilio, inventory: &Inventory) -> Vec<Finding> {
    let (base, known) = (at_twilio.public_url.as_str(), &inventory.known);
    let numbers = inventory.accounts.values().filter_map(|view| Some((view, view.numbers.as_ref().ok()?)));
    let unknown = numbers.flat_map(|(view, numbers)| {
        let unknown = numbers.values().filter(move |number| !known.contains_key(&number.phone_number));
        unknown.map(move |number| (&view.account.sid, number))
    });
    let findings = unknown.map(|(sid, number)| {
        let finding = Finding::about(Subject::Unused, &number.phone_number, None);
        let is_ours = |url: &String| url.strip_prefix(base).is_some_and(|path| path.starts_with('/'));
        if number.settings.values().any(is_ours) {
            let advice =
                "put it in a business, or change its webhooks: its calls are rejected and its texts kept unread";
            finding.wrong(format!("posts to the service, and no business has it (account {sid})"), advice)
        } else {
            finding.noted(format!("no business has it (account {sid})"))
        }
    });
    findings.collect()
}

impl Finding {
    fn about(name: Subject, of: &str, business_id: Option<&str>) -> Self {
        let business_id = business_id.map(str::to_owned);
        let (of, message) = (of.to_owned(), String::new());
        Self { name, of, business_id, result: Verdict::Good, message, advice: None }
    }

    fn good(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    fn noted(self, message: impl Into<String>) -> Self {
        Self { result: Verdict::Noted, message: message.into(), ..self }
    }

    fn unchecked(self, why: impl Into<String>) -> Self {
        Self { result: Verdict::Unchecked, message: why.into(), ..self }
    }

    fn wrong(self, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { result: Verdict::Wrong, message: message.into(), advice: Some(advice.into()), ..self }
    }
}

/// One line: `ok           webhooks       +15555551111  joes-plumbing: calls and texts are posted to the service`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (result, name) = (self.result.as_str(), self.name.as_str());
        let business = self.business_id.as_ref().map_or_else(String::new, |id| format!("{id}: "));
        let message = self.message.replace(['\n', '\r'], " ");
        write!(f, "{result:<12} {name:<13} {}  {business}{message}", self.of)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}
