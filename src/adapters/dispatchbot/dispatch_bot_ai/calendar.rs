//! `existing_calendar`, from the entries of the business's calendar that take time.

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::bounds::{self, cut};
use crate::domain::appointment_check::{CalendarEntry, calendar_entries};
use crate::domain::phone::PhoneNumber;

const BOOKING_TYPES: [&str; 3] = ["confirmed", "tentative", "blocked"];

/// The entries as dispatch-bot-ai has them, and how many have no time that can be read.
pub(super) fn written(calendar: &Value, timezone: &str, customer: &PhoneNumber) -> (Vec<Value>, usize) {
    let entries = calendar_entries(calendar, timezone);
    let read = entries.iter().enumerate().filter_map(|(place, entry)| written_entry(place, entry, customer));
    let written: Vec<Value> = read.collect();
    let left_out = entries.len() - written.len();
    (written, left_out)
}

fn written_entry(place: usize, of: &CalendarEntry<'_>, customer: &PhoneNumber) -> Option<Value> {
    let entry = of.entry;
    let (start, end) = of.time?;
    let text = |names: &[&str]| {
        let mut texts = names.iter().filter_map(|name| entry.get(name)?.as_str());
        texts.find(|text| !text.is_empty())
    };
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut written = Map::new();
    let mut put = |name: &str, value: Value| written.insert(name.to_owned(), value);
    let id = text(&["event_id", "id", "uid"]);
    put("event_id", json!(id.map_or_else(|| format!("entry-{}", place + 1), short)));
    put("start_time", json!(time(start)));
    put("end_time", json!(time(end)));
    put("job_type", json!(cut(text(&["job_type"]).unwrap_or("appointment"), bounds::JOB_TYPE)));
    put("booking_type", json!(booking_type(entry)));
    if let Some(address) = text(&["location_address", "location", "address"]) {
        put("location_address", json!(cut(address, bounds::LOCATION)));
    }
    for (name, most) in [("location_latitude", 90.0), ("location_longitude", 180.0)] {
        let degrees = entry.get(name).and_then(Value::as_f64);
        if let Some(degrees) = degrees.filter(|degrees: &f64| degrees.abs() <= most) {
            put(name, json!(degrees));
        }
    }
    // Nobody else's number is needed to answer this customer.
    if text(&["customer_phone"]) == Some(customer.as_str()) {
        put("customer_phone", json!(customer.as_str()));
    }
    Some(Value::Object(written))
}

/// An id of an entry within the bound. A longer one, such as those of Microsoft's calendars, is sent as its hash:
/// cut, those of one calendar would be equal.
fn short(id: &str) -> String {
    if cut(id, bounds::EVENT_ID) == id { id.to_owned() } else { HEXLOWER.encode(&Sha256::digest(id)) }
}

/// The type in the entry's own words. An entry that is about nobody's job blocks its time.
fn booking_type(entry: &Value) -> &'static str {
    let names = ["booking_type", "status", "show_as", "showAs"];
    let said = names.iter().filter_map(|name| entry.get(name)?.as_str());
    let mut known = said.filter_map(|said| BOOKING_TYPES.into_iter().find(|word| word.eq_ignore_ascii_case(said)));
    let is_job = ["job_type", "customer_phone"].iter().any(|name| entry.get(name).is_some_and(Value::is_string));
    known.next().unwrap_or(if is_job { "confirmed" } else { "blocked" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::adapters::dispatchbot::examples::question;

    const TIMES: (&str, &str) = ("2026-01-05T09:00:00-05:00", "2026-01-05T11:00:00-05:00");

    fn of(calendar: Value) -> (Vec<Value>, usize) {
        let question = question(json!([]));
        written(&calendar, &question.business.timezone, &question.customer)
    }

    #[rstest]
    #[case::a_time_of_ours(json!({ "title": "Heater", "starts_at": TIMES.0, "ends_at": TIMES.1 }),
        json!({ "event_id": "entry-1", "job_type": "appointment", "booking_type": "blocked" }))]
    #[case::a_job(json!({ "event_id": "e7", "start_time": TIMES.0, "end_time": TIMES.1, "job_type": "heater",
        "location_address": "12 Elm Street", "location_latitude": 42.1 }),
        json!({ "event_id": "e7", "job_type": "heater", "booking_type": "confirmed",
            "location_address": "12 Elm Street", "location_latitude": 42.1 }))]
    #[case::of_google(json!({ "id": "g1", "status": "tentative", "start": { "dateTime": TIMES.0 },
        "end": { "dateTime": TIMES.1 } }),
        json!({ "event_id": "g1", "job_type": "appointment", "booking_type": "tentative" }))]
    #[case::the_customers(json!({ "starts_at": TIMES.0, "ends_at": TIMES.1, "customer_phone": "+15550001111" }),
        json!({ "event_id": "entry-1", "job_type": "appointment", "booking_type": "confirmed",
            "customer_phone": "+15550001111" }))]
    #[case::of_somebody_else(json!({ "starts_at": TIMES.0, "ends_at": TIMES.1, "customer_phone": "+15550002222" }),
        json!({ "event_id": "entry-1", "job_type": "appointment", "booking_type": "confirmed" }))]
    fn an_entry_has_the_fields_of_the_dialect(#[case] entry: Value, #[case] mut expected: Value) {
        expected["start_time"] = json!("2026-01-05T14:00:00Z");
        expected["end_time"] = json!("2026-01-05T16:00:00Z");
        assert_eq!(of(json!([entry])), (vec![expected], 0));
    }

    #[test]
    fn texts_of_an_entry_are_cut_to_their_bounds() {
        let (written, _) = of(json!([{
            "starts_at": TIMES.0, "job_type": "ñ".repeat(101), "location": "ñ".repeat(501),
        }]));
        assert_eq!(written[0]["job_type"], "ñ".repeat(100));
        assert_eq!(written[0]["location_address"], "ñ".repeat(500));
    }

    #[test]
    fn a_long_id_of_an_entry_has_a_short_one_in_its_place_that_is_always_the_same() {
        let long = |last: &str| json!({ "starts_at": TIMES.0, "id": format!("{}{last}", "AAMkAGI2".repeat(18)) });
        let ids = |calendar: Value| of(calendar).0.iter().map(|entry| entry["event_id"].clone()).collect::<Vec<_>>();
        let as_long_as_may_be = json!({ "starts_at": TIMES.0, "id": "ñ".repeat(100) });
        let both = ids(json!([long("1"), long("2"), as_long_as_may_be]));
        assert_ne!(both[0], both[1]);
        assert!(both.iter().all(|id| id.as_str().unwrap().chars().count() <= 100), "{both:?}");
        assert_eq!(both[2], "ñ".repeat(100));
        assert_eq!(ids(json!([long("2")])), [both[1].clone()]);
    }

    #[test]
    fn an_entry_without_a_time_is_left_out_and_counted_and_a_cancelled_one_is_none() {
        let cancelled = json!({ "starts_at": TIMES.0, "status": "cancelled" });
        assert_eq!(of(json!([{ "title": "Some day" }, cancelled])), (Vec::new(), 1));
    }
}
