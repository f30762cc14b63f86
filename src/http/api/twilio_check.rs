//! `/businesses/{id}/twilio-check`: what `nevermisscall twilio check` says of a business.

use std::time::Duration;

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::Reader;
use super::failure::Failure;
use super::{EdgeData, Group};
use crate::businesses::at_twilio::{Fallback, Finding, InventoryError, Selection, Subject, Verdict};
use crate::http::problem::{Code, Problem};

/// How long the turn and all of Twilio's answers together may take: less than the deadline of a read, which is about
/// PostgreSQL. Twilio limits how many requests of an account it answers at once, and each check makes several.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Replaces the SID of the service's own account for a key of certain businesses.
const MAIN: &str = "of the service";

/// What was found at Twilio.
#[derive(Debug, Object)]
struct TwilioCheck {
    /// Whether nothing is wrong.
    ok: bool,
    /// One for each thing that was checked.
    checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug, Object)]
struct Check {
    /// What it is about: `account`, `number` (whether it is in the account), `webhooks` (whether its calls and texts reach the
    /// service), `capabilities`, or `registration` (A2P 10DLC).
    name: String,
    /// The SID of the account, or the number.
    of: String,
    /// `ok`, `FAILED`, `note` (worth knowing, and not wrong) or `not checked`.
    result: String,
    /// What was found, in words.
    message: String,
    /// What to do about a failure.
    advice: Option<String>,
}

impl From<Finding> for Check {
    fn from(found: Finding) -> Self {
        Self {
            name: found.name.to_string(),
            of: found.of,
            result: found.result.to_string(),
            message: found.message,
            advice: found.advice,
        }
    }
}

pub(super) struct TwilioCheckApi;

#[OpenApi(tag = "Group::Businesses")]
impl TwilioCheckApi {
    /// Asks Twilio how the account and the numbers of a business are set up.
    ///
    /// The same as `nevermisscall twilio check --business ID`, except that any fallback URL is right. Changes nothing. A key for
    /// certain businesses is not shown the service's own account. The answer is 503 if Twilio takes longer than 12 s.
    #[oai(path = "/businesses/:business_id/twilio-check", method = "get", operation_id = "check_business_at_twilio")]
    async fn check_business_at_twilio(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
    ) -> Result<Json<TwilioCheck>, Failure> {
        key.0.sees(&business_id, "business")?;
        let selection = Selection { businesses: vec![business_id.0], numbers: Vec::new() };
        let checked = async {
            let _turn = edge.twilio_checks.acquire().await;
            edge.at_twilio.check(&selection, Fallback::Any).await
        };
        let mut checks = match tokio::time::timeout(TIMEOUT, checked).await {
            Ok(Ok(checks)) => checks,
            Ok(Err(InventoryError::NoBusiness(_) | InventoryError::NoNumber(_))) => {
                return Err(Problem::not_found("business").into());
            }
            Ok(Err(InventoryError::Store(error))) => return Err(error.into()),
            Ok(Err(error @ InventoryError::Unreadable { .. })) => {
                tracing::error!(%error, "a business cannot be checked at Twilio");
                return Err(Problem::new(Code::Internal, "internal error; quote request_id to support").into());
            }
            Err(_late) => {
                return Err(Problem::new(Code::Unavailable, "Twilio has not answered in time; try again later").into());
            }
        };
        if key.0.businesses().is_some() {
            let main = edge.accounts.main().sid;
            checks.retain(|found| found.name != Subject::Account || found.of != main);
            checks.iter_mut().for_each(|found| found.message = found.message.replace(&main, MAIN));
        }
        let ok = checks.iter().all(|found| found.result != Verdict::Wrong);
        Ok(Json(TwilioCheck { ok, checks: checks.into_iter().map(Check::from).collect() }))
    }
}
