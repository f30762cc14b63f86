//! `/figures`: how calls and texts went, per day.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::{Caller, Reader};
use super::failure::Failure;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::postgres::{AnswerFigures, CallFigures, FiguresOf};
use crate::clock::now;

/// The most days of a request.
const MOST_DAYS: usize = 92;
/// The days of a request that names none.
const USUAL_DAYS: u64 = 7;
/// Dates from this year on have figures, and to the other: what PostgreSQL and time zones know well.
const YEARS: [i32; 2] = [2000, 2200];
/// The time after a missed call within which its text is prompt.
const PROMPT: TimeDelta = TimeDelta::seconds(5);

/// How calls and texts went, per day.
#[derive(Debug, Object)]
struct Figures {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// The time zone in which the days begin and end.
    timezone: String,
    /// Each day, in order.
    days: Vec<DayFigures>,
    /// All days together. The times to answer are those of all conversations, and not a mean of the days.
    total: Counts,
}

/// The figures of a day.
#[derive(Debug, Object)]
struct DayFigures {
    /// The day.
    date: NaiveDate,
    /// Its figures.
    #[oai(flatten)]
    counts: Counts,
}

/// What is counted. A call counts on the day on which it rang, a conversation on the day on which it began, a booking on the
/// day on which the customer agreed.
#[derive(Debug, Default, Clone, PartialEq, Object)]
struct Counts {
    /// Calls to the businesses' numbers. Those that still ring are neither answered nor missed.
    calls: i64,
    /// Calls that the owner answered.
    answered: i64,
    /// Calls that nobody answered.
    missed: i64,
    /// The missed calls after which the caller was to get a text. Callers who want no texts, withhold their number or were
    /// texted shortly before get none.
    to_text_back: i64,
    /// How many of these texts Twilio accepted by a request that began within 5 seconds after the call had ended. A text that
    /// quiet hours put off is not among them.
    texted_within_5s: i64,
    /// Conversations that began, and in which the customer wrote.
    conversations: i64,
    /// Who gave the first answer in these conversations.
    first_answer: FirstAnswer,
    /// The time from the customer's first text to the request by which Twilio accepted the first answer, of the AI or of a
    /// person. Conversations without an answer are not in it, however long they wait.
    answer_seconds: AnswerSeconds,
    /// Appointments to which customers agreed with the AI (`appointment.requested`), and which the business has to confirm.
    bookings: i64,
}

/// Who gave the first answer, in how many conversations. Only texts count that Twilio accepted.
#[derive(Debug, Default, Clone, PartialEq, Object)]
struct FirstAnswer {
    /// An answer of DispatchBot.
    ai: i64,
    /// A person.
    user: i64,
    /// Nobody so far, but a text said that somebody will: the fallback or the emergency text, or that a person has taken the
    /// emergency.
    fallback: i64,
    /// Nobody so far.
    nobody: i64,
}

/// Times to the first answer, in seconds.
#[derive(Debug, Default, Clone, PartialEq, Object)]
struct AnswerSeconds {
    /// Half of the answers took at most this long. Null if there is no answer.
    median: Option<f64>,
    /// Nine of ten answers took at most this long. Null if there is no answer.
    p90: Option<f64>,
}

pub(super) struct FiguresApi;

#[OpenApi(tag = "Group::Figures")]
impl FiguresApi {
    /// Returns how calls and texts went, per day.
    ///
    /// Counted from the record at the moment of the request: what happens later, such as a late answer, changes the day on which
    /// the conversation began. What retention has deleted is not counted.
    #[oai(path = "/figures", method = "get", operation_id = "get_figures")]
    async fn get_figures(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Only the figures of this business.
        business_id: Query<Option<String>>,
        /// The first day, such as `2026-03-01`. Default: six days before the last.
        from: Query<Option<NaiveDate>>,
        /// The last day; at most 92 days in all. Default: today.
        to: Query<Option<NaiveDate>>,
        /// The time zone in which days begin, as an IANA name. Default: UTC.
        timezone: Query<Option<String>>,
    ) -> Result<Json<Figures>, Failure> {
        let mut problems = Problems::default();
        let zone = timezone.0.as_deref().unwrap_or("UTC").parse::<Tz>();
        if zone.is_err() {
            problems.add("timezone", "must be an IANA time zone, such as America/New_York");
        }
        let zone = zone.unwrap_or(Tz::UTC);
        let days = days(&mut problems, from.0, to.0, now().with_timezone(&zone).date_naive());
        problems.into_result()?;
        let of =
            FiguresOf { bounds: bounds(zone, &days), business_ids: businesses(&key.0, business_id.0), prompt: PROMPT };
        let of = &of;
        let calls = edge.read(|store| async move { store.call_figures(of).await }).await?;
        let answers = edge.read(|store| async move { store.answer_figures(of).await }).await?;
        let bookings = edge.read(|store| async move { store.booking_figures(of).await }).await?;
        Ok(Json(figures(zone, &days, &calls, &answers, &bookings)))
    }
}

/// The businesses that a request for one, or for all, may count.
pub(super) fn businesses(caller: &Caller, one: Option<String>) -> Option<Vec<String>> {
    match (one, caller.businesses()) {
        (None, all) => all.map(<[_]>::to_vec),
        (Some(one), None) => Some(vec![one]),
        (Some(one), Some(all)) => Some(all.iter().filter(|id| **id == one).cloned().collect()),
    }
}

/// The days of a request.
fn days(problems: &mut Problems, from: Option<NaiveDate>, to: Option<NaiveDate>, today: NaiveDate) -> Vec<NaiveDate> {
    use chrono::Datelike;
    let mut usable = |field: &str, day: NaiveDate| {
        let is_known = (YEARS[0]..=YEARS[1]).contains(&day.year());
        if !is_known {
            problems.add(field, format!("must be in the years {} to {}", YEARS[0], YEARS[1]));
        }
        is_known
    };
    let last = to.unwrap_or(today);
    let first = from.or_else(|| last.checked_sub_days(Days::new(USUAL_DAYS - 1))).unwrap_or(last);
    if !usable("to", last) | !from.is_none_or(|from| usable("from", from)) {
        return Vec::new();
    }
    if first > last {
        problems.add("from", "must not be after to");
        return Vec::new();
    }
    let days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).take(MOST_DAYS + 1).collect();
    if days.len() > MOST_DAYS {
        problems.add("from", format!("must be at most {MOST_DAYS} days before the end of to"));
    }
    days
}

/// The beginning of each day, and the end of the last.
fn bounds(zone: Tz, days: &[NaiveDate]) -> Vec<DateTime<Utc>> {
    let end = days.last().and_then(|day| day.succ_opt());
    days.iter().copied().chain(end).map(|day| beginning(zone, day)).collect()
}

/// The first moment of a day. In some zones clocks are put forward at midnight.
fn beginning(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let quarters = (0..96).map(|n| midnight + TimeDelta::minutes(15 * n));
    let first = quarters.into_iter().find_map(|at| zone.from_local_datetime(&at).earliest());
    first.map_or_else(|| midnight.and_utc(), |first| first.with_timezone(&Utc))
}

fn figures(
    zone: Tz,
    days: &[NaiveDate],
    calls: &[CallFigures],
    answers: &[AnswerFigures],
    bookings: &[(i32, i64)],
) -> Figures {
    let of_day = |(at, date): (usize, &NaiveDate)| {
        let day = i32::try_from(at + 1).unwrap_or(i32::MAX);
        let bookings = bookings.iter().find(|(of, _)| *of == day).map_or(0, |(_, bookings)| *bookings);
        let calls = calls.iter().find(|calls| calls.day == day);
        let answers = answers.iter().find(|answers| answers.day == Some(day));
        DayFigures { date: *date, counts: counts(calls, answers, bookings) }
    };
    let summed = |of: fn(&CallFigures) -> i64| calls.iter().map(of).sum();
    let all_calls = CallFigures {
        day: 0,
        calls: summed(|day| day.calls),
        answered: summed(|day| day.answered),
        missed: summed(|day| day.missed),
        to_text_back: summed(|day| day.to_text_back),
        texted_in_time: summed(|day| day.texted_in_time),
    };
    let all_answers = answers.iter().find(|answers| answers.day.is_none());
    let all_bookings = bookings.iter().map(|(_, bookings)| bookings).sum();
    Figures {
        from: days.first().copied().unwrap_or_default(),
        to: days.last().copied().unwrap_or_default(),
        timezone: zone.name().to_owned(),
        days: days.iter().enumerate().map(of_day).collect(),
        total: counts(Some(&all_calls), all_answers, all_bookings),
    }
}

fn counts(calls: Option<&CallFigures>, answers: Option<&AnswerFigures>, bookings: i64) -> Counts {
    let calls = calls.cloned().unwrap_or_default();
    let answers = answers.cloned().unwrap_or_default();
    Counts {
        calls: calls.calls,
        answered: calls.answered,
        missed: calls.missed,
        to_text_back: calls.to_text_back,
        texted_within_5s: calls.texted_in_time,
        conversations: answers.conversations,
        first_answer: FirstAnswer {
            ai: answers.ai,
            user: answers.user,
            fallback: answers.fallback,
            nobody: answers.conversations - answers.ai - answers.user - answers.fallback,
        },
        answer_seconds: AnswerSeconds { median: answers.median, p90: answers.p90 },
        bookings,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::new_york_in_winter("America/New_York", "2026-01-15", "2026-01-15T05:00:00Z")]
    #[case::clocks_go_forward_at_midnight("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z")]
    #[case::utc("UTC", "2026-01-15", "2026-01-15T00:00:00Z")]
    fn a_day_begins_at_the_first_moment_that_its_zone_has(#[case] zone: Tz, #[case] of: &str, #[case] begins: &str) {
        assert_eq!(beginning(zone, day(of)), begins.parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn the_day_on_which_clocks_change_is_an_hour_shorter() {
        let bounds = bounds(chrono_tz::America::New_York, &[day("2026-03-08")]);
        assert_eq!(bounds[1] - bounds[0], TimeDelta::hours(23));
    }

    #[rstest]
    #[case::none(None, None, Ok(("2026-03-04", "2026-03-10", 7)))]
    #[case::one_day(Some("2026-03-01"), Some("2026-03-01"), Ok(("2026-03-01", "2026-03-01", 1)))]
    #[case::as_many_as_may_be(Some("2026-01-01"), Some("2026-04-02"), Ok(("2026-01-01", "2026-04-02", 92)))]
    #[case::too_many(Some("2026-01-01"), Some("2026-04-03"), Err("from"))]
    #[case::turned_around(Some("2026-03-02"), Some("2026-03-01"), Err("from"))]
    #[case::long_ago(Some("0001-01-01"), None, Err("from"))]
    #[case::far_away(None, Some("9999-01-01"), Err("to"))]
    fn a_request_is_for_at_most_92_days(
        #[case] from: Option<&str>,
        #[case] to: Option<&str>,
        #[case] expected: Result<(&str, &str, usize), &str>,
    ) {
        let mut problems = Problems::default();
        let days = days(&mut problems, from.map(day), to.map(day), day("2026-03-10"));
        match expected {
            Ok((first, last, count)) => {
                assert!(problems.into_result().is_ok());
                assert_eq!((days[0], *days.last().unwrap(), days.len()), (day(first), day(last), count));
            }
            Err(field) => {
                let problem = problems.into_result().unwrap_err();
                assert!(format!("{problem:?}").contains(&format!("(\"{field}\", ")), "{problem:?}");
            }
        }
    }
}
