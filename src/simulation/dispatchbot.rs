//! DispatchBot: answers, is slow, is unsure, does not answer, sees an emergency, or is unavailable.

use std::time::Duration;

use super::scheduler::Group;
use super::weather::Fault;
use super::world::World;
use crate::adapters::dispatchbot::{AnalyzeError, Question};
use crate::domain::conversation::{Answer, Urgency};
use crate::worker::analyze::AiClient;

/// DispatchBot's answer to a window, and its time.
#[derive(Clone, Copy)]
pub struct Answering {
    at_ms: u64,
    fault: Option<u64>,
    ends: bool,
}

/// The DispatchBot client of a process.
#[derive(Clone)]
pub struct SimDispatchBot {
    pub world: World,
    pub group: Group,
}

impl AiClient for SimDispatchBot {
    async fn analyze(&self, question: &Question, budget: Duration) -> Result<Answer, AnalyzeError> {
        self.world.pause(self.group).await;
        let now = self.world.ms();
        let answering = {
            let mut state = self.world.lock();
            let weather = &mut state.weather;
            let fault = weather.strikes(Fault::Analysis).then(|| weather.below(5));
            let mine = Answering { at_ms: now + 20 + weather.below(1_500), fault, ends: weather.chance(8) };
            // The window's id is the idempotency key: repeated requests get one answer, at one time.
            *state.answering.entry(question.window_id).or_insert(mine)
        };
        let Answering { at_ms, fault, ends } = answering;
        let after = Duration::from_millis(at_ms.saturating_sub(now));
        if fault == Some(0) || after > budget {
            tokio::time::sleep(budget).await;
            return Err(AnalyzeError::TimedOut);
        }
        tokio::time::sleep(after).await;
        if fault == Some(1) {
            return Err(AnalyzeError::Rejected { status: 503 });
        }
        let emergency = fault == Some(2);
        Ok(Answer {
            job_type: Some("drain_cleaning".to_owned()),
            urgency: if emergency { Urgency::Emergency } else { Urgency::Normal },
            emergency_detected: emergency,
            // Often the same text, as from a person: one message must not be mistaken for another.
            text: format!("We will see to it. Anything else? {}", question.messages.len() / 4),
            confidence: Some(if fault == Some(3) { 0.1 } else { 0.9 }),
            appointment: None,
            complete: ends || fault == Some(4),
            outcome: None,
            summary: None,
            prices: Vec::new(),
            is_escalated: false,
            follow_up_minutes: None,
        })
    }
}
