//! The parts of the drill: private servers, simulators, HAProxy with its configuration of production, and the settings of the
//! service and of the script.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::process::Command;

use super::Options;
use super::control::{Colour, Control};
use super::link::{Link, Server};
use super::release::Release;
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::program::{Program, answers};
use crate::servers::{
    Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer, free_port,
    workspace_root,
};
use crate::settings::{API_KEY, Surroundings, hurried, owned};
use crate::sim::{http_client, lock};
use crate::twilio::{TwilioOptions, TwilioSim};

/// How many businesses there are: a number sends one SMS after the other.
const BUSINESSES: u32 = 20;
/// The bound that the script gets: above what a loaded machine takes, below what the slow release takes.
pub(super) const MAX_P95: Duration = Duration::from_secs(1);
const ONE_REQUEST: Duration = Duration::from_secs(10);
const COLOURS: [&str; 2] = ["blue", "green"];
const HAPROXY: &str = "/usr/sbin/haproxy";

/// Where everything listens.
struct Ports {
    https: u16,
    internal: u16,
    /// Of blue and of green: the edge, its port for health, and the worker's.
    colours: [[u16; 3]; 2],
}

/// What a colour has between itself and its servers.
pub(super) struct Links {
    pub(super) nats: Link,
    pub(super) database: Link,
}

/// All parts. Dropping it kills them.
pub(super) struct Stage {
    pub(super) dir: PathBuf,
    pub(super) twilio: TwilioSim,
    pub(super) control: Control,
    links: Mutex<HashMap<&'static str, Arc<Links>>>,
    ports: Ports,
    database_url: String,
    nats: Server,
    postgres: Server,
    settings: Vec<(String, String)>,
    servers: tokio::sync::Mutex<Option<Servers>>,
    _haproxy: Program,
    _dispatchbot: DispatchBotSim,
}

struct Servers {
    nats: NatsServer,
    redis: RedisServer,
    postgres: PostgresServer,
}

impl Stage {
    /// Starts everything; when this returns, blue gets all webhooks, and there is a business.
    pub(super) async fn start(options: &Options) -> anyhow::Result<Self> {
        let dir = options.dir.clone();
        std::fs::create_dir_all(&dir)?;
        let binaries = Binaries::find()?;
        let (nats, redis, postgres) = tokio::try_join!(
            NatsServer::start(NatsOptions::new(&binaries, dir.join("nats"))),
            RedisServer::start(RedisOptions::new(&binaries, dir.join("redis"))),
            PostgresServer::start(PostgresOptions::new(&binaries, dir.join("postgres"))),
        )?;
        let database_url = postgres.create_database("nevermisscall", None).await?;
        let twilio = TwilioSim::start(TwilioOptions::default()).await?;
        let dispatchbot = DispatchBotSim::start(DispatchBotOptions::default()).await?;
        let control = Control::start(dir.clone()).await?;
        let port = || free_port();
        let colours = [[port()?, port()?, port()?], [port()?, port()?, port()?]];
        let ports = Ports { https: port()?, internal: port()?, colours };
        certificate(&dir).await?;
        let public_url = format!("https://127.0.0.1:{}", ports.https);
        twilio.set_webhook_url(&public_url, Some(&format!("http://127.0.0.1:{}", ports.internal)));
        let surroundings = Surroundings {
            database: database_url.clone(),
            nats: nats.url(),
            redis: redis.url(),
            twilio: twilio.base_url(),
            dispatchbot: dispatchbot.base_url(),
        };
        let settings = settings(&dir, public_url.clone(), surroundings);
        let haproxy = haproxy(&dir, &ports)?;
        let stage = Self {
            nats: Server::Tcp(nats.url().trim_start_matches("nats://").parse().context("NATS's address")?),
            postgres: Server::Unix(socket(&database_url)?),
            dir,
            twilio,
            control,
            links: Mutex::default(),
            ports,
            database_url,
            settings,
            servers: tokio::sync::Mutex::new(Some(Servers { nats, redis, postgres })),
            _haproxy: haproxy,
            _dispatchbot: dispatchbot,
        };
        stage.write_script_settings(options, &public_url)?;
        stage.first(&options.running).await?;
        Ok(stage)
    }

    /// Starts blue, and creates a business.
    async fn first(&self, binary: &Path) -> anyhow::Result<()> {
        self.prepare("blue", Release::Good, binary).await?;
        let processes = &self.control.processes;
        processes.migrate("blue").await?;
        processes.start("blue", "edge").await?;
        processes.start("blue", "worker").await?;
        answers(&format!("http://127.0.0.1:{}/health/ready", self.ports.colours[0][2]))
            .await
            .context("blue's worker")?;
        answers(&format!("http://127.0.0.1:{}/health/ready", self.ports.internal)).await.context("HAProxy")?;
        let http = http_client(ONE_REQUEST)?;
        for business in 0..BUSINESSES {
            let document = json!({
                "name": "Joe's Plumbing", "user_id": "user-joe", "phone_numbers": [number_of(business)],
                "forward_to": "+15555552222", "timezone": "America/New_York", "trade": "plumbing",
                "job_estimates": [{ "job_type": "drain_cleaning", "min": 120, "max": 250 }],
            });
            let url = format!("http://127.0.0.1:{}/businesses/joes-plumbing-{business}", self.ports.internal);
            let put = http.put(url).bearer_auth(API_KEY).json(&document).send().await?;
            ensure!(put.status().is_success(), "a business: {}", put.text().await?);
        }
        Ok(())
    }

    /// Sets what a colour is started with next.
    pub(super) async fn prepare(&self, colour: &'static str, release: Release, binary: &Path) -> anyhow::Result<()> {
        let links =
            Links { nats: Link::to(self.nats.clone()).await?, database: Link::to(self.postgres.clone()).await? };
        let [edge, edge_ops, worker_ops] = self.ports.colours[usize::from(colour != COLOURS[0])];
        let mut database = url::Url::parse(&self.database_url)?;
        database.set_query(Some("sslmode=disable"));
        database.set_host(Some("127.0.0.1"))?;
        let set = database.set_port(Some(links.database.address.port()));
        ensure!(set.is_ok(), "the database's URL takes no port");
        let of = |role: &str, ops: u16| {
            let mut all = self.settings.clone();
            let mut set = |name: &str, value: String| {
                all.retain(|(known, _)| known != name);
                all.push((name.to_owned(), value));
            };
            set("DATABASE_URL", database.to_string());
            set("NMC_OPS_BIND", format!("127.0.0.1:{ops}"));
            if role == "edge" {
                set("NMC_BIND", format!("127.0.0.1:{edge}"));
                set("NATS_URL", format!("nats://{}", links.nats.address));
            }
            release.settings().iter().for_each(|(name, value)| set(name, (*value).to_owned()));
            all
        };
        let settings = HashMap::from([("edge", of("edge", edge_ops)), ("worker", of("worker", worker_ops))]);
        let lines = settings["edge"].iter().map(|(name, value)| format!("{name}='{value}'\n"));
        std::fs::write(
            self.dir.join(format!("{colour}.env")),
            format!("BINARY='{}'\n{}", binary.display(), lines.collect::<String>()),
        )?;
        self.control.processes.prepare(colour, Colour { binary: binary.to_owned(), settings });
        lock(&self.links).insert(colour, Arc::new(links));
        Ok(())
    }

    /// The links of a colour.
    pub(super) fn links(&self, colour: &str) -> anyhow::Result<Arc<Links>> {
        lock(&self.links).get(colour).cloned().with_context(|| format!("{colour} is not prepared"))
    }

    /// The colour that gets the webhooks, and the other one.
    pub(super) async fn live(&self) -> anyhow::Result<(&'static str, &'static str)> {
        let [blue, green] = COLOURS;
        Ok(if self.status().await?.contains("live: blue") { (blue, green) } else { (green, blue) })
    }

    /// What the script says of the colours.
    pub(super) async fn status(&self) -> anyhow::Result<String> {
        let script = workspace_root().join("scripts/rollout");
        let settings = self.dir.join("rollout.conf");
        let output = Command::new(script).arg("--settings").arg(settings).arg("status").output().await?;
        ensure!(output.status.success(), "status: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The settings of the script: those of production, with what is different here; and how processes are started.
    fn write_script_settings(&self, options: &Options, public_url: &str) -> anyhow::Result<()> {
        let (dir, control) = (self.dir.display(), self.control.url());
        let [[blue, blue_ops, blue_worker], [green, green_ops, green_worker]] = self.ports.colours;
        let production = std::fs::read_to_string(workspace_root().join("deploy/rollout/rollout.conf"))?;
        let hold = options.hold;
        let (longest, p95) = (hold * 5, MAX_P95.as_millis());
        let here = format!(
            "COMMANDS='{dir}/commands'\nSTATE_DIR='{dir}/state'\nHAPROXY_SOCKET='{dir}/haproxy.sock'\n\
             HAPROXY_STATE='{dir}/haproxy.state'\nPUBLIC_URL={public_url}\nBLUE_EDGE=127.0.0.1:{blue}\n\
             GREEN_EDGE=127.0.0.1:{green}\nBLUE_EDGE_OPS=127.0.0.1:{blue_ops}\nGREEN_EDGE_OPS=127.0.0.1:{green_ops}\n\
             BLUE_WORKER_OPS=127.0.0.1:{blue_worker}\nGREEN_WORKER_OPS=127.0.0.1:{green_worker}\nHOLD={hold}\n\
             LONGEST_HOLD={longest}\nMIN_WEBHOOKS=5\nMAX_P95_MS={p95}\nREADY_WITHIN=30\nNOTIFY_URL={control}/notify\n"
        );
        std::fs::write(self.dir.join("rollout.conf"), production + &here)?;
        let commands = format!(
            "control() {{ curl -fsS -o /dev/null \"$@\"; }}\n\
             install_release() {{ control -X POST '{control}/install/'\"$1\" -d \"$2\"; }}\n\
             migrate() {{ control -X POST '{control}/migrate/'\"$1\"; }}\n\
             start() {{ control -X POST '{control}/start/'\"$1/$2\"; }}\n\
             stop() {{ control -X POST '{control}/stop/'\"$1/$2\"; }}\n\
             is_running() {{ control '{control}/running/'\"$1/$2\" 2>/dev/null; }}\n\
             service() ( set -a; . '{dir}'/\"$1.env\"; shift; \"$BINARY\" \"$@\" )\n\
             finish_later() {{ :; }}\ncancel_finish() {{ :; }}\n"
        );
        Ok(std::fs::write(self.dir.join("commands"), commands)?)
    }

    /// Stops everything, and removes PostgreSQL's data in any location.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        self.control.processes.stop_all().await?;
        let Some(mut servers) = self.servers.lock().await.take() else { return Ok(()) };
        servers.nats.stop().await?;
        servers.redis.stop().await?;
        servers.postgres.destroy().await
    }
}

/// The number of a business, which the customers use by turns.
pub(super) fn number_of(business: u32) -> String {
    format!("+1555555{:04}", 1_111 + business % BUSINESSES)
}

/// The socket in a URL such as `postgres://postgres@localhost/name?host=%2Ftmp%2Fx`.
fn socket(database_url: &str) -> anyhow::Result<PathBuf> {
    let url = url::Url::parse(database_url)?;
    let folder = url.query_pairs().find(|(name, _)| name == "host").context("PostgreSQL has no socket")?.1.into_owned();
    Ok(Path::new(&folder).join(".s.PGSQL.5432"))
}

/// Starts HAProxy with the configuration of production.
fn haproxy(dir: &Path, ports: &Ports) -> anyhow::Result<Program> {
    let mut config = std::fs::read_to_string(workspace_root().join("deploy/haproxy/haproxy.cfg"))?;
    // Who it runs as in production; here, as whoever runs the drill.
    config = config.replace("    user haproxy\n", "").replace("    group haproxy\n", "");
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, config)?;
    let state = dir.join("haproxy.state");
    std::fs::write(&state, "1\n")?; // the version of its format
    let [[blue, blue_ops, _], [green, green_ops, _]] = ports.colours;
    let settings = [
        ("NMC_HAPROXY_SOCKET", dir.join("haproxy.sock").display().to_string()),
        ("NMC_HAPROXY_STATE", state.display().to_string()),
        ("NMC_HTTPS", format!("127.0.0.1:{}", ports.https)),
        ("NMC_CERTIFICATES", dir.join("certificate.pem").display().to_string()),
        ("NMC_INTERNAL", format!("127.0.0.1:{}", ports.internal)),
        ("NMC_BLUE_EDGE", format!("127.0.0.1:{blue}")),
        ("NMC_BLUE_OPS", blue_ops.to_string()),
        ("NMC_GREEN_EDGE", format!("127.0.0.1:{green}")),
        ("NMC_GREEN_OPS", green_ops.to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    let file = file.display().to_string();
    Program::new(dir, "haproxy", Path::new(HAPROXY), &["-db", "-f", &file], &settings)
        .context("`scripts/get-servers rollout` installs HAProxy")
}

/// Makes a certificate for 127.0.0.1 with its key, and the authority that has issued it.
async fn certificate(dir: &Path) -> anyhow::Result<()> {
    let script = r"
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout $1.key -out $1.$2 ${3:-} -subj /CN=$1; }
        new authority crt -x509
        new edge csr
        echo subjectAltName=IP:127.0.0.1 >names
        openssl x509 -req -in edge.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -extfile names -out edge.crt
        cat edge.crt edge.key >certificate.pem";
    let made = Command::new("bash").args(["-euc", script]).current_dir(dir).output().await.context("openssl")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The service's settings that both colours share.
fn settings(dir: &Path, public: String, surroundings: Surroundings) -> Vec<(String, String)> {
    let own = [
        ("NMC_PUBLIC_URL", public),
        ("SSL_CERT_FILE", dir.join("authority.crt").display().to_string()),
        ("RUST_LOG", "info,async_nats=warn".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    [surroundings.settings(), hurried(), owned(own)].concat()
}
