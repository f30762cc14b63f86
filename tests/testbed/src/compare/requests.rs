//! The requests, prepared and signed before they are sent.

use std::net::SocketAddr;
use std::ops::Range;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::candidate::Candidate;
use crate::load::number_of;
use crate::twilio::TwilioOptions;
use crate::twilio::webhooks::{SIGNATURE_HEADER, params, signature};

/// Number of businesses to which the customers write.
pub(super) const BUSINESSES: usize = 200;

/// A request that only needs to be sent.
pub(super) type Request = hyper::Request<Full<Bytes>>;

/// The texts with these numbers, as this candidate takes them at this address. The customers write in turn, each to
/// one business.
pub(super) fn texts(
    candidate: Candidate,
    address: SocketAddr,
    numbers: Range<usize>,
    customers: usize,
) -> anyhow::Result<Vec<Request>> {
    let prepare = match candidate {
        Candidate::Ours | Candidate::Bare | Candidate::Express => webhook,
        Candidate::Restate => invocation,
    };
    numbers.map(|number| prepare(address, number, number % customers)).collect()
}

/// Twilio's webhook, signed.
fn webhook(address: SocketAddr, number: usize, customer: usize) -> anyhow::Result<Request> {
    let account = TwilioOptions::default();
    let (sid, to) = (format!("SM{number:032x}"), number_of(customer % BUSINESSES));
    let form = params::sms(&account.account_sid, &sid, &phone(customer), &to, &body(number));
    let url = format!("http://{address}/webhooks/twilio/sms");
    let signature = signature(&account.auth_token, &url, &form);
    hyper::Request::post("/webhooks/twilio/sms")
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .header(SIGNATURE_HEADER, signature)
        .body(Full::from(Serializer::new(String::new()).extend_pairs(form).finish()))
        .context("a webhook cannot be built")
}

/// An asynchronous invocation of the customer's virtual object.
fn invocation(address: SocketAddr, number: usize, customer: usize) -> anyhow::Result<Request> {
    let key = phone(customer);
    hyper::Request::post(format!("/conversation/{}/text/send", key.trim_start_matches('+')))
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(json!({ "body": body(number) }).to_string()))
        .context("an invocation cannot be built")
}

fn phone(customer: usize) -> String {
    format!("+1212{:07}", 5_550_000 + customer)
}

/// No emergency, no opt-out, no agreement to an appointment.
fn body(number: usize) -> String {
    format!("The kitchen sink drains slowly, can you have a look? ({number})")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_are_different_and_their_customers_write_in_turn() -> anyhow::Result<()> {
        let address = "127.0.0.1:80".parse()?;
        let all = texts(Candidate::Restate, address, 0..6, 3)?;
        let paths: Vec<_> = all.iter().map(|request| request.uri().path().to_owned()).collect();
        assert_eq!(paths[..3], paths[3..]);
        assert_eq!(paths.iter().collect::<HashSet<_>>().len(), 3);
        let signed = texts(Candidate::Ours, address, 0..6, 3)?;
        let signatures: HashSet<_> = signed.iter().map(|request| &request.headers()[SIGNATURE_HEADER]).collect();
        assert_eq!(signatures.len(), 6);
        Ok(())
    }
}
