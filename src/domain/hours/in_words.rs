//! When a business opens, as a customer reads it.

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::domain::emergency::Language;

const DAYS: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
const MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
/// Within these days, the name of the day says which one it is.
const NAMED_DAYS: i64 = 6;

/// When a business opens, to stand after "until" or "hasta": the time alone on the same day, with the day of the week
/// within six days, and else with the date.
pub fn opens_in_words(opens: DateTime<Utc>, now: DateTime<Utc>, zone: Tz, language: Language) -> String {
    let (opens, today) = (opens.with_timezone(&zone), now.with_timezone(&zone).date_naive());
    let days = (opens.date_naive() - today).num_days();
    match language {
        Language::En => {
            let format = match days {
                0 => "%-I:%M %p",
                1..=NAMED_DAYS => "%A %-I:%M %p",
                _ => "%A, %B %-d, %-I:%M %p",
            };
            opens.format(format).to_string()
        }
        Language::Es => {
            let half = if opens.format("%P").to_string() == "am" { "a. m." } else { "p. m." };
            let article = if opens.format("%-I").to_string() == "1" { "la" } else { "las" };
            let time = format!("{article} {} {half}", opens.format("%-I:%M"));
            let day = DAYS[opens.weekday().num_days_from_monday() as usize];
            match days {
                0 => time,
                1..=NAMED_DAYS => format!("el {day} a {time}"),
                _ => format!("el {day} {} de {} a {time}", opens.day(), MONTHS[opens.month0() as usize]),
            }
        }
    }
}
