//! Probes: synthetic texts that `nevermisscall probe` posts to a number that is kept for them. They take the way of a
//! customer's text as far as the event, and belong to no business, conversation or figure.

use uuid::Uuid;

use super::Webhook;
use crate::domain::business::Signer;

/// The number that probes are sent to. No telephone can have it: neither the area code 555 nor an exchange that begins
/// with 0 is ever assigned. The API refuses it as a number of a business.
pub const NUMBER: &str = "+15550100000";
/// The number that they come from, which nobody can have either.
pub const SENDER: &str = "+15550100001";
/// The text, for who finds it in NMC_INBOUND.
pub const BODY: &str = "A probe of nevermisscall";
/// The path below which the edge answers whether a probe was processed; the probe's id follows.
pub const PATH: &str = "/webhooks/twilio/probe/";
/// What the edge then says of a probe that was not processed.
pub const NOT_PROCESSED: &str = "no probe of this id was processed";

/// A new id of a probe: the MessageSid of its text.
pub fn new_id() -> String {
    format!("SM{}", Uuid::new_v4().simple())
}

/// Whether a text to this number is a probe. Only the operator can send one: a business's own account cannot sign it.
pub fn is_to_probe(to: &str, signer: &Signer) -> bool {
    to == NUMBER && signer.own_account.is_none()
}

/// The key of probes in subjects; see [`Webhook::key`].
pub fn key() -> String {
    let (message_sid, from, to) = (String::new(), SENDER.to_owned(), NUMBER.to_owned());
    Webhook::Sms { message_sid, from, to, body: String::new(), media: Vec::new(), opt_out_type: None }.key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_operators(NUMBER, None, true)]
    #[case::a_businesss_own_account(NUMBER, Some("AC1"), false)]
    #[case::another_number("+15550100001", None, false)]
    fn only_the_operator_can_send_a_probe(#[case] to: &str, #[case] own_account: Option<&str>, #[case] is_probe: bool) {
        let signer = Signer { own_account: own_account.map(str::to_owned), ..Signer::MAIN };
        assert_eq!(is_to_probe(to, &signer), is_probe);
    }
}
