//! Receives Alertmanager's notifications, as the pager and the tickets of production do.

use std::net::SocketAddr;
use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt, Route, handler, middleware::AddData, post};
use serde::Deserialize;

use super::alert::Alert;
use crate::sim::{Journal, SimServer};

/// A notification: Alertmanager's webhook JSON, and the receiver that it was for.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    /// `page` or `ticket`.
    pub(super) receiver: String,
    /// The alerts in it, each firing or resolved.
    pub(super) alerts: Vec<Told>,
}

/// An alert in a notification.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    /// `firing` or `resolved`.
    pub(super) status: String,
    #[serde(flatten)]
    pub(super) alert: Alert,
}

#[derive(Deserialize)]
struct Body {
    alerts: Vec<Told>,
}

/// Listens for notifications; dropping it stops it.
pub(super) struct Receiver {
    server: SimServer,
    notifications: Arc<Journal<Notification>>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let notifications = Arc::<Journal<Notification>>::default();
        let routes = Route::new().at("/:receiver", post(receive)).with(AddData::new(notifications.clone()));
        let server = SimServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), |_| routes).await?;
        Ok(Self { server, notifications })
    }

    /// `host:port`.
    pub(super) fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// All notifications, oldest first.
    pub(super) fn notifications(&self) -> &Journal<Notification> {
        &self.notifications
    }
}

#[handler]
fn receive(
    Path(receiver): Path<String>,
    Json(body): Json<Body>,
    Data(notifications): Data<&Arc<Journal<Notification>>>,
) -> StatusCode {
    notifications.push(Notification { receiver, alerts: body.alerts });
    StatusCode::OK
}
