//! Servers with TLS and users: the examples of `deploy/`, with other paths and addresses.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nmc_testbed::servers::{
    Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::certificates::Certificate;
use crate::harness::eventually;

/// The users of deploy/nats/secure.conf, whose passwords are made of their names here.
const NATS_USERS: [&str; 5] = ["EDGE", "WORKER", "APP_SERVER", "PEOPLE", "ADMIN"];

fn example(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The statements that begin with this word in the comments of deploy/postgres/pg_hba.conf, with passwords.
fn statements(word: &str) -> Vec<String> {
    let of_line = |line: &str| Some(line.strip_prefix("#   ")?.split_once(';')?.0.to_owned());
    let found = example("deploy/postgres/pg_hba.conf").lines().filter_map(of_line).collect::<Vec<String>>();
    let password =
        |statement: &str| if statement.contains("nmc_owner") { "'owner-password'" } else { "'nmc-password'" };
    let found = found.iter().filter(|statement| statement.starts_with(word));
    found.map(|statement| statement.replace("'…'", password(statement))).collect()
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// The URL of a NATS server for a user.
pub fn nats_url(nats: &NatsServer, host: &str, user: &str) -> String {
    let port = nats.url().rsplit(':').next().unwrap().to_owned();
    format!("tls://{user}:{user}-password@{host}:{port}")
}

/// A nats-server with deploy/nats/secure.conf.
pub async fn nats(dir: &Path, of_server: &Certificate, authority: &Path, verify_clients: bool) -> NatsServer {
    std::fs::create_dir_all(dir).unwrap();
    let mut config = example("deploy/nats/secure.conf")
        .replace("$NATS_CERT_FILE", &quoted(&of_server.file))
        .replace("$NATS_KEY_FILE", &quoted(&of_server.key))
        .replace("$NATS_CA_FILE", &quoted(authority))
        .replace("$NATS_VERIFY_CLIENTS", &verify_clients.to_string());
    for user in NATS_USERS {
        config = config.replace(&format!("$NATS_{user}_PASSWORD"), &format!("\"{}-password\"", user.to_lowercase()));
    }
    std::fs::write(dir.join("nats.conf"), example("nats.conf")).unwrap();
    let file = dir.join("secure.conf");
    std::fs::write(&file, config).unwrap();
    let binaries = Binaries::find().unwrap();
    NatsServer::start(NatsOptions { config: file, ..NatsOptions::new(&binaries, dir) }).await.unwrap()
}

/// A Redis with deploy/redis/redis.conf, and its port for TLS. Its other port is for the wait until it runs.
pub async fn redis(dir: &Path, of_server: &Certificate, authority: &Path, verify_clients: bool) -> (RedisServer, u16) {
    std::fs::create_dir_all(dir).unwrap();
    let port = free_port();
    let config = example("deploy/redis/redis.conf")
        .replace("tls-port 6379", &format!("tls-port {port}"))
        .replace("/etc/redis/tls/redis.crt", &of_server.file.display().to_string())
        .replace("/etc/redis/tls/redis.key", &of_server.key.display().to_string())
        .replace("/etc/redis/tls/ca.crt", &authority.display().to_string())
        .replace("tls-auth-clients no", if verify_clients { "tls-auth-clients yes" } else { "tls-auth-clients no" });
    let file = dir.join("redis.conf");
    std::fs::write(&file, config).unwrap();
    let options = RedisOptions { config: Some(file), ..RedisOptions::new(&Binaries::find().unwrap(), dir) };
    (RedisServer::start(options).await.unwrap(), port)
}

/// A PostgreSQL with deploy/postgres/pg_hba.conf, and the users of it.
pub struct Postgres {
    pub server: PostgresServer,
    port: u16,
}

impl Postgres {
    pub async fn start(dir: PathBuf, of_server: &Certificate) -> Self {
        let port = free_port();
        let options = PostgresOptions {
            port,
            settings: vec!["listen_addresses=127.0.0.1".to_owned()],
            ..PostgresOptions::new(&Binaries::find().unwrap(), dir).fast()
        };
        let postgres = Self { server: PostgresServer::start(options).await.unwrap(), port };
        let hba = example("deploy/postgres/pg_hba.conf")
            .replace("10.0.0.0/24", "127.0.0.1/32")
            // The tests are another user of the machine.
            .replace("peer", "trust");
        std::fs::write(postgres.data("pg_hba.conf"), hba).unwrap();
        for statement in statements("CREATE ") {
            postgres.execute(&[statement.as_str()]).await;
        }
        postgres.execute(&["ALTER SYSTEM SET ssl = on"]).await;
        postgres.present(of_server).await;
        postgres
    }

    /// Lets edges and workers in, after the first migration.
    pub async fn let_the_service_in(&self) {
        for statement in statements("GRANT ") {
            self.execute(&[statement.as_str()]).await;
        }
    }

    /// Presents this certificate to new connections.
    pub async fn present(&self, certificate: &Certificate) {
        self.provide(&certificate.file, "server.crt");
        self.provide(&certificate.key, "server.key");
        let mut sql = PgConnection::connect(&self.server.url()).await.unwrap();
        let loaded = "SELECT pg_conf_load_time()::text";
        let before: String = sqlx::query_scalar(loaded).fetch_one(&mut sql).await.unwrap();
        self.execute(&["SELECT pg_reload_conf()"]).await;
        eventually("the reload", async || {
            let mut new = PgConnection::connect(&self.server.url()).await.ok()?;
            let now: String = sqlx::query_scalar(loaded).fetch_one(&mut new).await.ok()?;
            (now != before).then_some(())
        })
        .await;
    }

    /// Copies a file into the data folder, for its owner alone.
    fn provide(&self, from: &Path, to: &str) {
        let (to, owner) = (self.data(to), std::fs::metadata(self.data("")).unwrap());
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Lets its owner in with a client certificate of this authority only.
    pub async fn ask_for_certificates(&self, authority: &Path, of_server: &Certificate) {
        let (file, hba) = (self.data("pg_hba.conf"), "hostssl nevermisscall nmc_owner 127.0.0.1/32 cert\n");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{hba}{before}")).unwrap();
        self.provide(authority, "ca.crt");
        self.execute(&["ALTER SYSTEM SET ssl_ca_file = 'ca.crt'"]).await;
        self.present(of_server).await;
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, statements: &[&str]) {
        let mut sql = PgConnection::connect(&self.server.url()).await.unwrap();
        for statement in statements {
            sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut sql).await.unwrap();
        }
    }

    /// The URL of the database for a user.
    pub fn url(&self, host: &str, user: &str, password: &str, options: &str) -> String {
        format!("postgres://{user}:{password}@{host}:{}/nevermisscall?{options}", self.port)
    }

    fn data(&self, file: &str) -> PathBuf {
        self.server.dir().join("data").join(file)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
