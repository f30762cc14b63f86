//! What the business may use in a day. Beyond a limit nothing is lost: a text is kept and its window is handed over, a
//! missed call is kept, and a person is told.

use crate::domain::conversation::decision::Draft;
use crate::domain::conversation::event::NeedsAttentionData;
use crate::domain::conversation::input::Context;
use crate::domain::day_limits::Limit;

/// Counts an automatic text after a missed call, or says which limit forbids it.
pub(in crate::domain::conversation) fn use_for_text(context: Context<'_>, draft: &mut Draft<'_>) -> Result<(), Limit> {
    use_for_customer(context, draft, &[Limit::Texts])
}

/// Counts the answer to a window, or says which limit forbids it. It counts when the window closes, with the text that
/// DispatchBot's answer will be.
pub(in crate::domain::conversation) fn use_for_answer(
    context: Context<'_>,
    draft: &mut Draft<'_>,
) -> Result<(), Limit> {
    use_for_customer(context, draft, &[Limit::Texts, Limit::Ai])
}

/// Counts the answer to a customer in danger, which no limit forbids.
pub(in crate::domain::conversation) fn use_for_danger(draft: &mut Draft<'_>) {
    for limit in new_number(draft).into_iter().chain([Limit::Texts, Limit::Ai]) {
        draft.spends(limit, None);
    }
    draft.state().memory.texted = true;
}

/// Counts an alert, or says that the limit forbids it.
pub(in crate::domain::conversation) fn use_for_alert(context: Context<'_>, draft: &mut Draft<'_>) -> Result<(), Limit> {
    use_up(context, draft, &[Limit::Alerts])
}

/// Whether this is the first time today that this limit stops something.
pub(in crate::domain::conversation) fn is_first(context: Context<'_>, draft: &mut Draft<'_>, limit: Limit) -> bool {
    context.day_use.told.of(limit) == 0 && draft.tells(limit)
}

/// Notifies a person that this limit stopped something, unless somebody was notified today.
pub(in crate::domain::conversation) fn tell_once(context: Context<'_>, draft: &mut Draft<'_>, limit: Limit) {
    if is_first(context, draft, limit) {
        draft.needs_attention(NeedsAttentionData::limit(limit));
    }
}

fn use_for_customer(context: Context<'_>, draft: &mut Draft<'_>, limits: &[Limit]) -> Result<(), Limit> {
    let limits: Vec<Limit> = new_number(draft).into_iter().chain(limits.iter().copied()).collect();
    use_up(context, draft, &limits)?;
    draft.state().memory.texted = true;
    Ok(())
}

fn new_number(draft: &mut Draft<'_>) -> Option<Limit> {
    (!draft.state().memory.texted).then_some(Limit::NewNumbers)
}

/// Counts one of each, or none.
fn use_up(context: Context<'_>, draft: &mut Draft<'_>, limits: &[Limit]) -> Result<(), Limit> {
    let most = context.policy.day_limits.of_business(&context.business.policy);
    let is_reached =
        |limit: &&Limit| context.day_use.used.of(**limit) + draft.spent(**limit) >= i64::from(most.of(**limit));
    if let Some(reached) = limits.iter().find(is_reached) {
        draft.stopped_by(*reached);
        return Err(*reached);
    }
    for limit in limits {
        draft.spends(*limit, Some(most.of(*limit)));
    }
    Ok(())
}
