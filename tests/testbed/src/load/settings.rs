//! The service's settings in a run.

use std::time::Duration;

use super::{Addresses, Options};
use crate::settings::{Surroundings, brief_log, owned};

/// The service's default `NMC_WINDOW_MAX`.
pub(super) const WINDOW_MAX: Duration = Duration::from_secs(90);

/// Longer than any run.
const LONG: Duration = Duration::from_secs(3_600);

/// The settings that differ from the defaults and matter to the figures; the summary names them.
///
/// - The hold of 60 s is the time that a person has before the AI answers for the first time. It plays no part in a
///   conversation that the AI has already; without it, the conversations can be prepared within seconds.
/// - The default quiet period of 2 s, DispatchBot's 1.4 s (p95) and a timer's lateness of up to 0.25 s would exceed the
///   document's 3 s, whatever the service does.
/// - One API key makes all requests, also at rates above the default limit.
/// - While windows stay open, the hold is longer than any run.
pub(super) fn that_matter(options: &Options, keeps_open: bool) -> Vec<(String, String)> {
    let (hold, max) = if keeps_open { (LONG, LONG) } else { (Duration::ZERO, WINDOW_MAX) };
    let mut settings = owned([
        ("NMC_WINDOW_HOLD", format!("{}s", hold.as_secs())),
        ("NMC_WINDOW_MAX", format!("{}s", max.as_secs())),
        ("NMC_WINDOW_QUIET", format!("{}ms", options.quiet.as_millis())),
        ("NMC_RATE_LIMIT", "1000000/min".to_owned()),
    ]);
    settings.extend(options.batch.map(|most| ("NMC_BATCH".to_owned(), most.to_string())));
    settings
}

/// The addresses and credentials of a run.
pub(crate) fn of_the_place(
    bind: &str,
    servers: &Addresses,
    twilio_url: String,
    bot_url: String,
) -> Vec<(String, String)> {
    let surroundings = Surroundings {
        database: servers.database.clone(),
        nats: servers.nats.clone(),
        redis: servers.redis.clone(),
        twilio: twilio_url,
        dispatchbot: bot_url,
    };
    let more = owned([("NMC_BIND", bind.to_owned()), ("NMC_PUBLIC_URL", format!("http://{bind}"))]);
    [surroundings.settings(), brief_log(), more].concat()
}
