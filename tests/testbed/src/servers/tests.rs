//! Tests of the servers themselves: they start, keep their data over a kill, and end.

use std::{path::Path, time::Duration};

use super::*;

const KEY: &str = "servers_tests";

fn shared() -> Shared {
    Shared::from_env().unwrap()
}

fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

async fn store(nats: &NatsServer) -> async_nats::jetstream::kv::Store {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let bucket = async_nats::jetstream::kv::Config { bucket: "kept".to_owned(), ..Default::default() };
    async_nats::jetstream::new(client).create_or_update_key_value(bucket).await.unwrap()
}

async fn ask_redis(redis: &RedisServer, command: &[&str]) -> String {
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut connection = connect_redis(&client).await.unwrap();
    ::redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
}

async fn count(url: &str) -> i64 {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap()
}

async fn make_table(url: String) -> anyhow::Result<()> {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&url).await?;
    sqlx::query("CREATE TABLE kept AS SELECT 1 AS one").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

#[tokio::test]
async fn a_killed_nats_server_comes_back_at_its_place_with_what_it_acknowledged() {
    let mut nats = shared().nats().await.unwrap();
    let url = nats.url();
    store(&nats).await.put("key", "value".into()).await.unwrap();
    nats.kill().await.unwrap();
    nats.restart().await.unwrap();
    assert_eq!(nats.url(), url);
    assert_eq!(store(&nats).await.get("key").await.unwrap().unwrap(), "value");
}

#[tokio::test]
async fn a_dropped_server_is_gone_with_its_folder() {
    let redis = shared().redis().await.unwrap();
    let (pid, dir) = (redis.pid(), redis.dir().to_path_buf());
    assert!(runs(pid) && dir.exists());
    drop(redis);
    assert!(!runs(pid) && !dir.exists());
}

#[tokio::test]
async fn a_durable_redis_keeps_its_data_over_a_restart() {
    let shared = shared();
    let dir = shared.dir().unwrap();
    let options = RedisOptions { durable: true, ..RedisOptions::new(shared.binaries(), dir.path()) };
    let mut redis = RedisServer::start(options).await.unwrap();
    assert_eq!(ask_redis(&redis, &["SET", "key", "value"]).await, "OK");
    redis.stop().await.unwrap();
    redis.restart().await.unwrap();
    assert_eq!(ask_redis(&redis, &["GET", "key"]).await, "value");
}

#[tokio::test]
async fn a_killed_postgres_comes_back_at_its_place_with_what_it_committed() {
    let shared = shared();
    let dir = shared.dir().unwrap();
    let options = PostgresOptions::new(shared.binaries(), dir.path()).fast();
    let mut postgres = PostgresServer::start(options).await.unwrap();
    let url = postgres.create_database("mine", None).await.unwrap();
    make_table(url.clone()).await.unwrap();
    postgres.kill().await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(postgres.database_url("mine").unwrap(), url);
    assert_eq!(count(&url).await, 1);
    let data = postgres.dir().to_path_buf();
    postgres.destroy().await.unwrap();
    assert!(!data.exists());
}

#[tokio::test]
async fn postgres_is_open_to_no_other_user() {
    use sqlx::Connection;
    use std::os::unix::fs::MetadataExt;
    let shared = shared();
    let dir = shared.dir().unwrap();
    let postgres = PostgresServer::start(PostgresOptions::new(shared.binaries(), dir.path()).fast()).await.unwrap();
    make_table(postgres.url()).await.unwrap();
    let url = url::Url::parse(&postgres.url()).unwrap();
    let sockets = url.query_pairs().find(|(name, _)| name == "host").unwrap().1.into_owned();
    assert_eq!(std::fs::metadata(&sockets).unwrap().mode() & 0o077, 0, "others may enter {sockets}");
    let mut connection = sqlx::PgConnection::connect(url.as_str()).await.unwrap();
    let listens: String = sqlx::query_scalar("SHOW listen_addresses").fetch_one(&mut connection).await.unwrap();
    assert_eq!(listens, "", "it listens on TCP");
    connection.close().await.unwrap();
    postgres.destroy().await.unwrap();
}

#[tokio::test]
async fn postgres_starts_even_where_a_folder_above_is_closed_to_its_user() {
    use std::os::unix::fs::PermissionsExt;
    let shared = shared();
    let closed = shared.dir().unwrap();
    std::fs::set_permissions(closed.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let options = PostgresOptions::new(shared.binaries(), closed.path().join("inside")).fast();
    let postgres = PostgresServer::start(options).await.unwrap();
    make_table(postgres.url()).await.unwrap();
    let data = postgres.dir().to_path_buf();
    postgres.destroy().await.unwrap();
    assert!(!data.exists());
}

#[tokio::test]
async fn a_template_is_migrated_once_however_many_ask_for_it() {
    let shared = shared();
    let make = || shared.database(KEY, make_table);
    let (first, second, third) = tokio::join!(make(), make(), make());
    for database in [first.unwrap(), second.unwrap(), third.unwrap()] {
        assert_eq!(count(database.url()).await, 1);
    }
}

#[tokio::test]
async fn a_template_whose_migration_failed_is_made_anew() {
    let shared = shared();
    let failing = async |_: String| anyhow::bail!("a migration with a mistake");
    let failed = template_database(shared.admin_url(), "failing_once", failing).await;
    assert!(failed.is_err());
    let database = shared.database("failing_once", make_table).await.unwrap();
    assert_eq!(count(database.url()).await, 1);
}

#[tokio::test]
async fn a_dropped_test_database_is_gone() {
    let database = shared().empty_database().await.unwrap();
    let url = database.url().to_owned();
    drop(database);
    use sqlx::Connection;
    assert!(sqlx::PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let shared = shared();
    let dir = shared.dir().unwrap();
    let config = dir.path().join("bad.conf");
    std::fs::write(&config, "no_such_setting: 1").unwrap();
    let options = NatsOptions { config, ..NatsOptions::new(shared.binaries(), dir.path()) };
    let error = format!("{:#}", NatsServer::start(options).await.err().unwrap());
    assert!(error.contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_goes_on() {
    let redis = shared().redis().await.unwrap();
    redis.signal(Signal::Stop).unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(100), ask_redis(&redis, &["PING"]));
    assert!(silent.await.is_err());
    redis.signal(Signal::Cont).unwrap();
    assert_eq!(ask_redis(&redis, &["PING"]).await, "PONG");
}

#[tokio::test]
async fn a_cluster_keeps_what_it_acknowledged_when_the_node_that_leads_is_killed() {
    let shared = shared();
    let dir = shared.dir().unwrap();
    let cluster = NatsCluster::start(shared.binaries(), dir.path()).await.unwrap();
    let url = cluster.url();
    let servers: Vec<&str> = url.split(',').collect();
    let context = async_nats::jetstream::new(async_nats::connect(&servers[..]).await.unwrap());
    let bucket = async_nats::jetstream::kv::Config { bucket: "kept".to_owned(), num_replicas: 3, ..Default::default() };
    let store = context.create_or_update_key_value(bucket).await.unwrap();
    acknowledged(&store, "key", "value").await;
    let mut nodes = cluster.into_nodes();
    let leader = stream_leader(&store.stream).await.unwrap();
    assert!(meta_leader(&nodes[0].monitor_url()).await.unwrap().starts_with("node-"));
    let node = nodes.iter_mut().find(|node| node.name() == Some(&leader)).unwrap();
    node.kill().await.unwrap();
    // It is healthy again only as a member of the cluster.
    node.restart().await.unwrap();
    assert_eq!(kept(&store, "key").await, "value");
}

/// Writes a key until it is acknowledged. While a node does not know yet who leads a new stream, nobody answers there.
async fn acknowledged(store: &async_nats::jetstream::kv::Store, key: &str, value: &'static str) {
    let asked = async {
        while let Err(error) = store.put(key, value.into()).await {
            eprintln!("not yet: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.expect("the stream has a leader");
}

/// Reads a key until it has a value. A request is lost if its node was killed, and there is no answer while the other
/// nodes elect a leader. If the value was lost, this times out.
async fn kept(store: &async_nats::jetstream::kv::Store, key: &str) -> String {
    let asked = async {
        loop {
            match store.get(key).await {
                Ok(Some(value)) => return String::from_utf8(value.into()).unwrap(),
                missing => eprintln!("not yet: {missing:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.expect("the value is still there")
}
