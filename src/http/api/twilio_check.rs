//! `/businesses/{id}/twilio-check`: what `nevermisscall twilio check` says of a business.

use std::time::Duration;

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::Reader;
use super::failure::Failure;
use super::{EdgeData, Group};
use crate::businesses::at_twilio::{Finding, InventoryError, Selection, Verdict};
use crate::http::problem::{Code, Problem};

/// How long all of Twilio's answers together may take: less than the deadline of a read, which is about PostgreSQL.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Twilio limits how many requests of an account it answers at once, and each check makes several.
const RETRY_AFTER_SECONDS: u64 = 5;

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
    /// The same as `nevermisscall twilio check --business ID`. Changes nothing. One check runs at a time: the answer to another
    /// one is 429. It is 503 if Twilio takes too long.
    #[oai(path = "/businesses/:business_id/twilio-check", method = "get", operation_id = "check_business_at_twilio")]
    async fn check_business_at_twilio(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
    ) -> Result<Json<TwilioCheck>, Failure> {
        key.0.sees(&business_id, "business")?;
        let Ok(_turn) = edge.twilio_checks.try_acquire() else {
            let busy = Problem::new(Code::RateLimited, "another check is asking Twilio; try again later");
            return Err(busy.retry_after(RETRY_AFTER_SECONDS).into());
        };
        let selection = Selection { businesses: vec![business_id.0], numbers: Vec::new() };
        let asked = tokio::time::timeout(TIMEOUT, edge.at_twilio.check(&selection, None)).await;
        let checks = match asked {
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
        let ok = checks.iter().all(|found| found.result != Verdict::Wrong);
        Ok(Json(TwilioCheck { ok, checks: checks.into_iter().map(Check::from).collect() }))
    }
}
