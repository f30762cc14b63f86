//! The servers, the service and the scripts of the drill.

use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;

use super::RestoreOptions;
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::program::{Program, beside_us, ready};
use crate::servers::{
    Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer, free_port,
    postgres_privileges, postgres_reaches, workspace_root,
};
use crate::settings::{API_KEY, PUBLIC_URL, Surroundings, brief_log, hurried, owned};
use crate::sim::http_client;
use crate::twilio::{TwilioOptions, TwilioSim};

pub(super) const OUR_NUMBER: &str = "+15555551111";
const DATABASE: &str = "nevermisscall";
const ONE_REQUEST: Duration = Duration::from_secs(40);

/// What outlives the disaster: Twilio, DispatchBot, the backups, and the programs.
pub(super) struct Place {
    dir: PathBuf,
    /// Belongs to PostgreSQL's user: the keys, the backups, the scripts and their settings.
    home: PathBuf,
    binaries: Binaries,
    pub(super) twilio: Arc<TwilioSim>,
    dispatchbot: DispatchBotSim,
}

impl Place {
    pub(super) async fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let home = postgres_reaches(&dir.join("home"))?;
        for script in ["backup", "restore"] {
            std::fs::copy(workspace_root().join("scripts").join(script), home.join(script))?;
        }
        // PostgreSQL's user may not reach the folder where it was built.
        std::fs::copy(beside_us("nevermisscall")?, home.join("nevermisscall"))?;
        let place = Self {
            dir: dir.to_owned(),
            home,
            binaries: Binaries::find()?,
            twilio: Arc::new(TwilioSim::start(TwilioOptions::default()).await?),
            dispatchbot: DispatchBotSim::start(DispatchBotOptions::default()).await?,
        };
        let (key, recipients) = (place.path("key.txt"), place.path("recipients.txt"));
        place.run("age-keygen", &["-o", &key]).await.context("age is needed: apt-get install age zstd")?;
        place.run("age-keygen", &["-y", "-o", &recipients, &key]).await?;
        Ok(place)
    }

    fn path(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    /// The settings of the scripts.
    fn configure(&self, postgres: &PostgresServer, nats: &NatsServer) -> anyhow::Result<()> {
        let settings = [
            ("NMC_BACKUP_DIR", self.path("backups")),
            ("NMC_BACKUP_RECIPIENTS", self.path("recipients.txt")),
            ("NMC_BACKUP_IDENTITY", self.path("key.txt")),
            ("NMC_BACKUP_SOURCE", postgres.url()),
            ("NMC_BACKUP_DATABASE", DATABASE.to_owned()),
            ("NMC_BACKUP_METRICS", self.path("")),
            ("NATS_URL", nats.url()),
            ("NEVERMISSCALL", self.path("nevermisscall")),
            ("PG_BIN_DIR", self.binaries.postgres_dir.display().to_string()),
            ("TMPDIR", self.path("")),
        ];
        let lines = settings.iter().map(|(name, value)| format!("{name}='{value}'\n"));
        Ok(std::fs::write(self.home.join("backup.env"), lines.collect::<String>())?)
    }

    /// Runs a script as PostgreSQL's user, and prints what it says.
    pub(super) async fn script(&self, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let said = self.run(&self.path(name), arguments).await?;
        print!("{said}");
        Ok(())
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("setpriv");
        command.args(postgres_privileges()?).arg("--").arg(program).args(arguments).current_dir(&self.home);
        command.env("NMC_BACKUP_CONFIG", self.path("backup.env")).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.with_context(|| format!("cannot run {program}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{program} {} failed:\n{said}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }

    /// The folder into which PostgreSQL's data is restored: an empty server.
    pub(super) fn restored_data(&self) -> anyhow::Result<PathBuf> {
        Ok(postgres_reaches(&self.dir.join("postgres-2"))?.join("data"))
    }

    pub(super) fn backup_bytes(&self) -> anyhow::Result<u64> {
        let output = StdCommand::new("du").args(["-sb", &self.path("backups")]).output()?;
        let text = String::from_utf8(output.stdout)?;
        text.split_whitespace().next().context("no size")?.parse().context("a size")
    }

    /// The service's settings.
    fn settings(&self, database: &str, nats: String, redis: String) -> Vec<(String, String)> {
        let surroundings = Surroundings {
            database: database.to_owned(),
            nats,
            redis,
            twilio: self.twilio.base_url(),
            dispatchbot: self.dispatchbot.base_url(),
        };
        let limits = ["NMC_DAY_TEXTS", "NMC_DAY_NEW_NUMBERS", "NMC_DAY_AI"].map(|limit| (limit, "1000000"));
        [surroundings.settings(), hurried(), owned(limits), brief_log()].concat()
    }
}

/// What the disaster destroys. Dropping it kills it.
pub(super) struct Running {
    /// Tells the folders and logs before the disaster from those after it.
    era: u8,
    postgres: Option<PostgresServer>,
    nats: Option<NatsServer>,
    redis: Option<RedisServer>,
    service: Vec<Program>,
    settings: Vec<(String, String)>,
    database_url: String,
}

impl Running {
    /// Starts it all, with a number of old conversations.
    pub(super) async fn start(place: &Place, options: &RestoreOptions) -> anyhow::Result<Self> {
        let (mut running, created) = Self::servers(place, 1).await?;
        ensure!(created, "the folder of PostgreSQL is not empty");
        let postgres = running.postgres.as_mut().context("PostgreSQL")?;
        let mut admin = PgConnection::connect(&postgres.url()).await?;
        let archive = format!("NMC_BACKUP_CONFIG={} {} wal %p %f", place.path("backup.env"), place.path("backup"));
        for (name, value) in [
            ("archive_mode", "on".to_owned()),
            ("archive_command", archive),
            ("archive_timeout", format!("{}s", options.archive_timeout.as_secs())),
        ] {
            sqlx::query(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = '{value}'"))).execute(&mut admin).await?;
        }
        admin.close().await?;
        postgres.restart().await?;
        running.program(place, "migrate", &[])?.finish().await?;
        fill(&running.database_url, options.conversations).await?;
        running.start_service(place).await?;
        running.put_business().await?;
        Ok(running)
    }

    /// Starts PostgreSQL on the restored data, and empty other servers. The service is not started.
    pub(super) async fn beside_restored(place: &Place) -> anyhow::Result<Self> {
        let (running, created) = Self::servers(place, 2).await?;
        ensure!(!created, "PostgreSQL's data was not restored");
        Ok(running)
    }

    async fn servers(place: &Place, era: u8) -> anyhow::Result<(Self, bool)> {
        let dir = |name: &str| place.dir.join(format!("{name}-{era}"));
        let nats = NatsOptions::new(&place.binaries, dir("nats"));
        let redis = RedisOptions { durable: true, ..RedisOptions::new(&place.binaries, dir("redis")) };
        let postgres = PostgresOptions::new(&place.binaries, dir("postgres"));
        let created = !dir("postgres").join("data/PG_VERSION").exists();
        let (nats, redis, postgres) =
            tokio::try_join!(NatsServer::start(nats), RedisServer::start(redis), PostgresServer::start(postgres))?;
        place.configure(&postgres, &nats)?;
        let database_url = match created {
            true => postgres.create_database(DATABASE, None).await?,
            false => postgres.database_url(DATABASE)?,
        };
        let settings = place.settings(&database_url, nats.url(), redis.url());
        let (postgres, nats, redis) = (Some(postgres), Some(nats), Some(redis));
        Ok((Self { era, postgres, nats, redis, service: Vec::new(), settings, database_url }, created))
    }

    fn program(&self, place: &Place, command: &str, more: &[(&str, String)]) -> anyhow::Result<Program> {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let settings: Vec<_> = self.settings.iter().cloned().chain(more).collect();
        let name = format!("{command}-{}", self.era);
        Program::new(&place.dir, &name, &beside_us("nevermisscall")?, &[command], &settings)
    }

    /// Starts an edge and a worker, and waits until the edge is ready.
    pub(super) async fn start_service(&mut self, place: &Place) -> anyhow::Result<()> {
        let bind = format!("127.0.0.1:{}", free_port()?);
        let edge = self.program(place, "edge", &[("NMC_BIND", bind.clone())])?;
        let worker = self.program(place, "worker", &[])?;
        self.service = vec![edge, worker];
        self.settings.push(("EDGE".to_owned(), bind.clone()));
        place.twilio.set_webhook_url(PUBLIC_URL, Some(&format!("http://{bind}")));
        ready(&format!("http://{bind}")).await
    }

    async fn put_business(&self) -> anyhow::Result<()> {
        let (_, edge) = self.settings.iter().find(|(name, _)| name == "EDGE").context("no edge")?;
        let business = json!({
            "name": "Joe's Plumbing", "user_id": "user-joe", "phone_numbers": [OUR_NUMBER],
            "forward_to": "+15555552222", "timezone": "America/New_York", "trade": "plumbing",
            "job_estimates": [{ "job_type": "drain_cleaning", "min": 120, "max": 250 }],
        });
        let url = format!("http://{edge}/businesses/joes-plumbing");
        let answer = http_client(ONE_REQUEST)?.put(url).bearer_auth(API_KEY).json(&business).send().await?;
        ensure!(answer.status().is_success(), "the business: {}", answer.text().await?);
        Ok(())
    }

    /// Runs `nevermisscall recover`; returns what it said in the end.
    pub(super) async fn recover(&self, _place: &Place) -> anyhow::Result<String> {
        let mut command = Command::new(beside_us("nevermisscall")?);
        command.args(["recover", "--apply"]).envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        Ok(last.into_iter().rev().map(|line| format!("recover: {line}\n")).collect())
    }

    pub(super) async fn sql(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.database_url).await?)
    }

    /// Kills all processes at once, and removes their data.
    pub(super) async fn destroy(&mut self) -> anyhow::Result<()> {
        let (mut postgres, nats, redis) = (self.postgres.take(), self.nats.take(), self.redis.take());
        for program in &mut self.service {
            program.kill().await?;
        }
        if let Some(postgres) = &mut postgres {
            postgres.kill().await?;
        }
        if let Some(postgres) = postgres {
            postgres.destroy().await?;
        }
        if let Some(mut nats) = nats {
            nats.kill().await?;
            std::fs::remove_dir_all(nats.dir())?;
        }
        if let Some(mut redis) = redis {
            redis.kill().await?;
            std::fs::remove_dir_all(redis.dir())?;
        }
        Ok(())
    }
}

/// Old conversations with two messages each.
async fn fill(database_url: &str, conversations: u32) -> anyhow::Result<()> {
    let mut sql = PgConnection::connect(database_url).await?;
    let fill = format!(
        "WITH old AS (
           INSERT INTO conversations (id, business_id, user_id, customer_phone, business_phone, status, ownership,
             ai_timer_started, emergency_detected, opted_out, created_at, last_activity, version, event_sequence, epoch,
             hard_epoch, rules_state)
           SELECT gen_random_uuid(), 'old-business', 'u', '+1646' || lpad(n::text, 7, '0'), '+15555559999', 'completed',
             'ai', true, false, false, now() - interval '9 days' - n * interval '1 second',
             now() - interval '8 days' - n * interval '1 second', 1, 5, 1, 1, '{{}}'
           FROM generate_series(1, {conversations}) n
           RETURNING id, created_at
         )
         INSERT INTO messages (id, conversation_id, subject_conversation_id, direction, sender_type, kind, body, media,
           twilio_sid, status, created_at, stream_sequence)
         SELECT gen_random_uuid(), id, id, direction, sender, kind, body, '[]',
           prefix || replace(gen_random_uuid()::text, '-', ''), status, created_at + delay, 0
         FROM old CROSS JOIN (VALUES
           ('inbound', 'customer', 'customer', 'My water heater leaks, and I need somebody today if that is possible.',
            'SM', 'received', interval '0'),
           ('outbound', 'ai', 'reply', 'Thanks for reaching us! We can be there between 2 and 4 pm. Does that work for you?',
            'SM', 'delivered', interval '1 minute')) AS m (direction, sender, kind, body, prefix, status, delay)"
    );
    sqlx::query(AssertSqlSafe(fill)).execute(&mut sql).await?;
    sql.close().await?;
    Ok(())
}
