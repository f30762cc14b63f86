//! Phones that take no SMS: a text to one costs money and reaches nobody, so that a person has to call back.

use chrono::TimeDelta;

use crate::domain::conversation::decision::Draft;
use crate::domain::conversation::state::Landline;

/// Twilio's errors before it accepts a message: the number is not mobile, or is a landline.
const REFUSED: [i32; 2] = [21_614, 21_635];
/// A carrier's error: a landline, or a carrier that could not be reached. It is believed the second time, on another day.
const UNREACHABLE: i32 = 30_006;
/// Numbers change hands, and landlines learn to take texts.
const BELIEVED_FOR: TimeDelta = TimeDelta::days(90);

/// A message to the customer failed with this error.
pub(in crate::domain::conversation) fn failed(draft: &mut Draft<'_>, code: Option<i32>) {
    let Some(code) = code else { return };
    let (now, today) = (draft.now, draft.now.date_naive());
    let landline = &mut draft.state().memory.landline;
    if code == UNREACHABLE {
        let said_before = landline.said_on.is_some_and(|day| day != today);
        landline.said_on = Some(today);
        if said_before {
            landline.until = Some(now + BELIEVED_FOR);
        }
    } else if REFUSED.contains(&code) {
        landline.until = Some(now + BELIEVED_FOR);
    }
}

/// The customer has written: their phone takes texts.
pub(in crate::domain::conversation) fn wrote(draft: &mut Draft<'_>) {
    draft.state().memory.landline = Landline::default();
}

/// Whether an automatic text may go to the customer's phone.
pub(in crate::domain::conversation) fn takes_texts(draft: &mut Draft<'_>) -> bool {
    let now = draft.now;
    draft.state().memory.landline.until.is_none_or(|until| until <= now)
}
