//! Twilio's clock, to compare ours with.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::DATE;

use super::client::TwilioClient;
use crate::adapters::http_client::describe;

impl TwilioClient {
    /// The time in the header `Date` of Twilio's answer to a request without credentials, within `timeout`. It is in
    /// whole seconds, cut off.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn server_time(&self, timeout: Duration) -> Result<DateTime<Utc>, String> {
        let answer = self.http.get(format!("{}/2010-04-01.json", self.api_url)).timeout(timeout).send().await;
        let answer = answer.map_err(describe)?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).unwrap_or_default();
        let date = DateTime::parse_from_rfc2822(date).map_err(|_| "its answer has no date".to_owned())?;
        Ok(date.to_utc())
    }
}
