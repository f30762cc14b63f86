//! Starts and stops the processes of both colours for the script, over HTTP, and takes its notifications.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use poem::http::StatusCode;
use poem::middleware::AddData;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt, Route, get, handler, post};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::program::Program;
use crate::sim::{Journal, SimServer, lock};

/// What the script posts at the end of a rollout.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Notification {
    pub(super) event: String,
    pub(super) step: String,
    pub(super) reason: String,
}

/// What a colour is started with.
#[derive(Debug, Clone, Default)]
pub(super) struct Colour {
    pub(super) binary: PathBuf,
    /// The settings of its edge and of its worker.
    pub(super) settings: HashMap<&'static str, Vec<(String, String)>>,
}

/// The colours by name, and the processes by colour and role.
#[derive(Default)]
pub(super) struct Processes {
    dir: PathBuf,
    colours: std::sync::Mutex<HashMap<String, Colour>>,
    running: Mutex<HashMap<(String, String), Program>>,
    pub(super) notifications: Journal<Notification>,
}

/// Listens for the script; dropping it stops it, and kills the processes.
pub(super) struct Control {
    server: SimServer,
    pub(super) processes: Arc<Processes>,
}

impl Control {
    pub(super) async fn start(dir: PathBuf) -> anyhow::Result<Self> {
        let processes = Arc::new(Processes { dir, ..Processes::default() });
        let routes = Route::new()
            .at("/install/:colour", post(install))
            .at("/migrate/:colour", post(migrate))
            .at("/start/:colour/:role", post(start))
            .at("/stop/:colour/:role", post(stop))
            .at("/running/:colour/:role", get(running_now))
            .at("/notify", post(notify))
            .with(AddData::new(Arc::clone(&processes)));
        let server = SimServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), |_| routes).await?;
        Ok(Self { server, processes })
    }

    pub(super) fn url(&self) -> String {
        self.server.base_url()
    }
}

impl Processes {
    /// Sets what a colour is started with next.
    pub(super) fn prepare(&self, colour: &str, prepared: Colour) {
        lock(&self.colours).insert(colour.to_owned(), prepared);
    }

    fn colour(&self, name: &str) -> anyhow::Result<Colour> {
        lock(&self.colours).get(name).cloned().with_context(|| format!("{name} is not prepared"))
    }

    fn program(&self, colour: &str, role: &str, arguments: &[&str]) -> anyhow::Result<Program> {
        let found = self.colour(colour)?;
        let settings = found.settings.get(if role == "worker" { role } else { "edge" }).context("no such role")?;
        Program::new(&self.dir, &format!("{role}-{colour}"), &found.binary, arguments, settings)
    }

    pub(super) async fn migrate(&self, colour: &str) -> anyhow::Result<()> {
        self.program(colour, "migrate", &["migrate"])?.finish().await?;
        self.program(colour, "streams", &["streams", "apply"])?.finish().await
    }

    pub(super) async fn start(&self, colour: &str, role: &str) -> anyhow::Result<()> {
        let key = (colour.to_owned(), role.to_owned());
        let mut running = self.running.lock().await;
        if running.get(&key).is_none_or(Program::has_ended) {
            running.insert(key, self.program(colour, role, &[role])?);
        }
        Ok(())
    }

    pub(super) async fn stop(&self, colour: &str, role: &str) -> anyhow::Result<()> {
        let stopped = self.running.lock().await.remove(&(colour.to_owned(), role.to_owned()));
        match stopped {
            Some(mut program) if !program.has_ended() => program.stop().await,
            _ => Ok(()),
        }
    }

    pub(super) async fn is_running(&self, colour: &str, role: &str) -> bool {
        let running = self.running.lock().await;
        running.get(&(colour.to_owned(), role.to_owned())).is_some_and(|program| !program.has_ended())
    }

    /// Stops all.
    pub(super) async fn stop_all(&self) -> anyhow::Result<()> {
        let all = std::mem::take(&mut *self.running.lock().await);
        for mut program in all.into_values().filter(|program| !program.has_ended()) {
            program.stop().await?;
        }
        Ok(())
    }
}

fn done(result: anyhow::Result<()>) -> (StatusCode, String) {
    match result {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}

/// The body is the path of the release.
#[handler]
fn install(Path(colour): Path<String>, body: String, processes: Data<&Arc<Processes>>) -> (StatusCode, String) {
    done(
        processes
            .colour(&colour)
            .map(|prepared| processes.prepare(&colour, Colour { binary: body.into(), ..prepared })),
    )
}

#[handler]
async fn migrate(Path(colour): Path<String>, processes: Data<&Arc<Processes>>) -> (StatusCode, String) {
    done(processes.migrate(&colour).await)
}

#[handler]
async fn start(Path((colour, role)): Path<(String, String)>, processes: Data<&Arc<Processes>>) -> (StatusCode, String) {
    done(processes.start(&colour, &role).await)
}

#[handler]
async fn stop(Path((colour, role)): Path<(String, String)>, processes: Data<&Arc<Processes>>) -> (StatusCode, String) {
    done(processes.stop(&colour, &role).await)
}

#[handler]
async fn running_now(Path((colour, role)): Path<(String, String)>, processes: Data<&Arc<Processes>>) -> StatusCode {
    if processes.is_running(&colour, &role).await { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

#[handler]
fn notify(Json(notification): Json<Notification>, processes: Data<&Arc<Processes>>) -> StatusCode {
    processes.notifications.push(notification);
    StatusCode::OK
}
