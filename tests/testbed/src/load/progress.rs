//! Lines while a run goes on.

use std::convert::Infallible;
use std::time::Duration;

use super::Options;
use super::book::Book;
use super::records::Measure;
use super::report::short;

const EVERY: Duration = Duration::from_secs(10);

/// Prints a line at intervals, with the percentiles of everything since the beginning.
pub(super) async fn tell(options: &Options, book: &Book) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        let (now, records) = (book.now(), book.read());
        let users = users_at(options, now);
        let p95 = |measure| short(records.of(measure).summary().p95);
        println!(
            "{:4} s: {users} users, {} actions; p95: webhook {}, missed call → SMS {}, text → SMS {}, AI {}, takeover {}; \
             {} errors",
            now.as_secs(),
            records.begun,
            p95(Measure::Webhook),
            p95(Measure::MissedCall),
            p95(Measure::Text),
            p95(Measure::Analysis),
            p95(Measure::Takeover),
            records.errors(),
        );
    }
}

/// The number of users that have begun.
fn users_at(options: &Options, now: Duration) -> usize {
    if now >= options.ramp {
        return options.users;
    }
    (options.users as f64 * now.as_secs_f64() / options.ramp.as_secs_f64()).ceil() as usize
}
