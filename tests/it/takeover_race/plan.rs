//! The plan of each conversation, drawn before the race from one seed.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::AT_ONCE;

/// The random choices for one conversation.
pub struct Plan {
    pub number: u32,
    pub customer: String,
    /// Spreads the start of the first conversations; the others start when one has ended.
    pub starts_after: Duration,
    /// Some customers text twice: in the first window, or after it has closed.
    pub again_after: Option<Duration>,
    /// How long DispatchBot takes.
    pub thinks: Duration,
    /// How long Twilio waits before it accepts …
    pub delays: Duration,
    /// … or holds its answer, once it has.
    pub holds: Duration,
    pub takes_over: Moment,
}

/// When a takeover happens.
pub enum Moment {
    /// This long after the customer's first text, independent of the service.
    AfterText(Duration),
    /// This long after DispatchBot was asked.
    AfterQuestion(Duration),
}

impl Plan {
    pub fn draw(number: u32, random: &mut StdRng) -> Self {
        let mut ms = |from: u64, to: u64| Duration::from_millis(random.random_range(from..=to));
        let (starts_after, thinks, at_twilio) = (ms(0, 2_000), ms(0, 600), ms(0, 3_000));
        let (again_after, about_the_close) = (ms(0, 2_500), ms(700, 1_500));
        let (as_it_is_written, later) = (ms(0, 150), ms(0, 4_000));
        let takes_over = match random.random_range(0..100) {
            0..25 => Moment::AfterText(about_the_close),
            // While the answer is written, committed, queued, claimed or posted.
            25..60 => Moment::AfterQuestion(thinks + as_it_is_written),
            // Before Twilio accepts it, before Twilio answers, or after that.
            _ => Moment::AfterQuestion(thinks + later),
        };
        let before = random.random();
        Self {
            number,
            customer: format!("+1212{:07}", 2_000_000 + number),
            starts_after: if (number as usize) < AT_ONCE { starts_after } else { Duration::ZERO },
            again_after: random.random_bool(0.3).then_some(again_after),
            thinks,
            delays: if before { at_twilio } else { Duration::ZERO },
            holds: if before { Duration::ZERO } else { at_twilio },
            takes_over,
        }
    }
}
