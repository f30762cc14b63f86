//! NeverMissCall: at the edge its edge process alone, as the others only store webhooks there; for a burst all of it,
//! with simulators that answer at once.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sqlx::{Connection, PgConnection};

use super::ground::{Ground, Purpose};
use super::requests::BUSINESSES;
use super::running::{Progress, Running, Source};
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::load::{Addresses, AppServer, of_the_place, put_businesses};
use crate::program::{Program, ready};
use crate::servers::free_port;
use crate::sim::lock;
use crate::twilio::{TwilioOptions, TwilioSim};

/// The windows of the other candidates, and no limit that would delay a burst of one machine.
const SETTINGS: [(&str, &str); 4] = [
    ("NMC_WINDOW_HOLD", "3s"),
    ("NMC_WINDOW_QUIET", "3s"),
    ("NMC_SEND_RATE", "1000/s"),
    ("NMC_RATE_LIMIT", "1000000/min"),
];

pub(super) async fn start(ground: &Ground, dir: &Path, purpose: Purpose) -> anyhow::Result<Running> {
    let nats = ground.nats(dir, purpose.fsync()).await?;
    let redis = ground.redis(dir, purpose.fsync()).await?;
    let database = ground.postgres.create_database(&ground.new_database(), None).await?;
    let answers = Answers::listen(&database).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let url = format!("http://{address}");
    answers.twilio.set_webhook_url(&url, None);

    let servers = Addresses { database, nats: nats.url(), redis: redis.url(), parts: Vec::new() };
    let (twilio, dispatchbot) = (answers.twilio.base_url(), answers.dispatchbot.base_url());
    let mut settings = of_the_place(&address.to_string(), &servers, twilio, dispatchbot);
    settings.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let run = |role: &str| Program::new(dir, role, &ground.options.service, &[role], &settings);
    run("migrate")?.finish().await?;
    let service = run(match purpose {
        Purpose::Edge(_) => "edge",
        Purpose::Burst => "serve",
    })?;
    ready(&url).await?;
    put_businesses(&AppServer::new(&url)?, BUSINESSES).await?;
    let source = Source::Ours(answers);
    Ok(Running { address, source, programs: vec![service], _nats: Some(nats), _redis: Some(redis) })
}

/// Twilio and DispatchBot, and what of a burst has been answered.
pub(super) struct Answers {
    twilio: TwilioSim,
    dispatchbot: DispatchBotSim,
    database: PgConnection,
    answered: Arc<Mutex<HashSet<String>>>,
}

impl Answers {
    async fn listen(database: &str) -> anyhow::Result<Self> {
        let twilio = TwilioSim::start(TwilioOptions::default()).await?;
        let dispatchbot = DispatchBotSim::start(DispatchBotOptions::default()).await?;
        let answered = Arc::new(Mutex::new(HashSet::new()));
        let customers = Arc::clone(&answered);
        twilio.on_message(move |message| {
            lock(&customers).insert(message.to.clone());
        });
        Ok(Self { twilio, dispatchbot, database: PgConnection::connect(database).await?, answered })
    }

    /// Settled is what has stored every text, has no window without an end and no message on its way, and has answered
    /// every customer. The database is not asked before every customer has been answered.
    pub(super) async fn progress(&mut self, texts: usize, customers: usize) -> anyhow::Result<Progress> {
        if lock(&self.answered).len() < customers {
            return Ok(Progress { windows: 0, settled: false });
        }
        let counts = "SELECT (SELECT count(*) FROM messages WHERE direction = 'inbound'),
                             (SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')),
                             (SELECT count(*) FROM windows WHERE state IN ('open', 'claimed')),
                             (SELECT count(*) FROM windows)";
        let (stored, on_their_way, open, windows): (i64, i64, i64, i64) =
            sqlx::query_as(counts).fetch_one(&mut self.database).await?;
        let settled = usize::try_from(stored)? == texts && on_their_way == 0 && open == 0;
        Ok(Progress { windows: u64::try_from(windows)?, settled })
    }
}
