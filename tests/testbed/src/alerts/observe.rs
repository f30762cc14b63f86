//! `make observe`: Prometheus and Alertmanager beside `make run`, with the rules of production, and its pager: a terminal.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::config::Place;
use super::receiver::{Notification, Receiver};
use crate::demo::place::TARGETS;
use crate::servers::{Monitor, MonitorOptions, MonitoringBinaries, free_port, workspace_root};
use crate::sim::until_signal;

/// The usual ports, used if they are free.
const PROMETHEUS_PORT: u16 = 9090;
const ALERTMANAGER_PORT: u16 = 9093;
/// Far longer than any run.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Runs both until a signal, and prints each notification.
///
/// # Errors
/// If one of them cannot be started, or ends by itself.
pub async fn observe() -> anyhow::Result<()> {
    let binaries = MonitoringBinaries::find()?;
    let dir = workspace_root().join("target/observe");
    let targets = workspace_root().join(".run").join(TARGETS);
    fs::create_dir_all(&targets)?;
    let receiver = Receiver::start().await?;
    let (prometheus_port, alertmanager_port) = (port(PROMETHEUS_PORT)?, port(ALERTMANAGER_PORT)?);
    let place = Place {
        scale: 1,
        alertmanager: &format!("127.0.0.1:{alertmanager_port}"),
        receiver: &receiver.address(),
        targets: &targets.join("*.json").display().to_string(),
    };
    place.write_prometheus(&dir)?;
    place.write_alertmanager(&dir)?;
    let mut alertmanager = Monitor::alertmanager(&MonitorOptions {
        program: binaries.alertmanager,
        config: dir.join("alertmanager.yml"),
        dir: dir.join("alertmanager"),
        port: alertmanager_port,
    })
    .await?;
    let mut prometheus = Monitor::prometheus(&MonitorOptions {
        program: binaries.prometheus,
        config: dir.join("prometheus.yml"),
        dir: dir.join("prometheus"),
        port: prometheus_port,
    })
    .await?;
    tell(&prometheus.url(), &alertmanager.url());
    let ended = tokio::select! {
        signal = until_signal() => signal,
        error = prometheus.ended() => Err(error.context("Prometheus")),
        error = alertmanager.ended() => Err(error.context("Alertmanager")),
        told = print_notifications(&receiver) => told,
    };
    println!("\nstopping Prometheus and Alertmanager; their data stays in target/observe");
    tokio::try_join!(prometheus.stop(), alertmanager.stop())?;
    ended
}

fn tell(prometheus: &str, alertmanager: &str) {
    println!(
        "Prometheus scrapes every running `make run` and evaluates deploy/prometheus/rules.\n\n\
         \x20 alerts         {prometheus}/alerts\n\
         \x20 targets        {prometheus}/targets\n\
         \x20 a first query  {prometheus}/graph?g0.expr=max+by+(seconds)+(nmc_customers_unanswered)&g0.tab=0&g0.range_input=15m\n\
         \x20 Alertmanager   {alertmanager}\n\
         \x20 dashboards     import deploy/grafana/*.json into Grafana, with {prometheus} as the datasource\n\
         \x20 what to do     docs/runbook.md\n\n\
         Notifications appear here, as they would reach a pager or a list of tickets. Ctrl-C ends both."
    );
}

async fn print_notifications(receiver: &Receiver) -> anyhow::Result<()> {
    let mut seen = 0;
    loop {
        let all = receiver.notifications().wait_for(|all| all.len() > seen, FOREVER).await?;
        all[seen..].iter().for_each(print);
        seen = all.len();
    }
}

fn print(notification: &Notification) {
    println!();
    for told in &notification.alerts {
        let alert = &told.alert;
        println!(
            "{:<7} {:<9} {}: {}",
            notification.receiver,
            told.status,
            alert.label("alertname"),
            alert.annotation("summary")
        );
        if told.status == "firing" {
            println!("{:18}{}\n{:18}{}", "", alert.annotation("description"), "", alert.annotation("runbook_url"));
        }
    }
}

/// The usual port, or another if it is taken.
fn port(usual: u16) -> anyhow::Result<u16> {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).is_ok() { Ok(usual) } else { free_port() }
}
