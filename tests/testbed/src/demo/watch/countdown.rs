//! The window's lines and its countdown: drawn in place on a terminal, otherwise printed every other second.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::events::Events;
use super::window::{Onlooker, seconds};
use crate::demo::api::Api;
use crate::demo::screen::{Screen, Tag};
use crate::dispatchbot::DispatchBotSim;

const TICK: Duration = Duration::from_millis(100);
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Interval of the lines if there is no live line.
const BETWEEN_LINES: TimeDelta = TimeDelta::seconds(2);
const BAR: usize = 24;

/// Shows the countdown as long as the future runs.
pub(super) async fn show(screen: Screen, api: Api, events: Arc<Events>, dispatchbot: Arc<DispatchBotSim>) {
    let mut onlooker = Onlooker::default();
    let mut countdown = Countdown { screen: screen.clone(), whole: None, said: None };
    let mut ticks = tokio::time::interval(TICK);
    let (mut event, mut request) = (0, 0);
    loop {
        let line = tokio::select! {
            Ok(all) = events.wait_for(|all| all.len() > event, FOR_EVER) => {
                event += 1;
                let envelope = &all[event - 1].envelope;
                onlooker.event(envelope, &explained(&api, envelope).await)
            }
            Ok(all) = dispatchbot.wait_for(|all| all.len() > request, FOR_EVER) => {
                request += 1;
                onlooker.asked(&all[request - 1], Utc::now())
            }
            _ = ticks.tick() => None,
        };
        if let Some(line) = line {
            screen.line(Tag::Window, &line, "");
        }
        countdown.update(onlooker.left(Utc::now()), Utc::now());
    }
}

/// The record of the conversation that received a message; null for any other event.
async fn explained(api: &Api, envelope: &Value) -> Value {
    let Some(id) = envelope["conversation_id"].as_str().filter(|_| envelope["event_type"] == "message.received") else {
        return Value::Null;
    };
    api.get(&format!("/conversations/{id}/explain")).await.unwrap_or_default()
}

struct Countdown {
    screen: Screen,
    /// The longest remaining time so far: the full length of the bar.
    whole: Option<TimeDelta>,
    said: Option<DateTime<Utc>>,
}

impl Countdown {
    fn update(&mut self, left: Option<TimeDelta>, now: DateTime<Utc>) {
        let Some(left) = left else {
            if self.whole.take().is_some() {
                self.said = None;
                self.screen.window(None);
            }
            return;
        };
        let whole = *self.whole.insert(self.whole.unwrap_or(left).max(left));
        if self.screen.is_live() {
            self.screen.window(Some(drawn(left, whole)));
        } else if now - *self.said.get_or_insert(now) >= BETWEEN_LINES {
            self.said = Some(now);
            self.screen.line(Tag::Window, &format!("closes in {:.1} s", seconds(left).max(0.0)), "");
        }
    }
}

fn drawn(left: TimeDelta, whole: TimeDelta) -> String {
    let left = seconds(left).max(0.0);
    let share = left / seconds(whole).max(0.001);
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("window closes in {left:4.1} s {}{}", "█".repeat(full), "░".repeat(BAR - full))
}
