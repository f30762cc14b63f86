//! What businesses have used of their limits of a day.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::{Store, StoreError};
use crate::domain::day_limits::{DayUse, PerLimit, too_much};
use crate::store::{Commit, FactsOf};

impl Store {
    /// What these businesses have used on the days that the inputs ask for.
    pub(super) async fn day_use(
        &self,
        wanted: &[FactsOf<'_>],
    ) -> Result<HashMap<(String, NaiveDate), DayUse>, StoreError> {
        let days: BTreeSet<(&str, NaiveDate)> =
            wanted.iter().filter_map(|wanted| Some((wanted.business_id, wanted.day?))).collect();
        if days.is_empty() {
            return Ok(HashMap::new());
        }
        let (businesses, days): (Vec<&str>, Vec<NaiveDate>) = days.into_iter().unzip();
        let rows = sqlx::query_as!(
            Row,
            "SELECT d.business_id, d.day, texts, new_numbers, ai, alerts, told_texts, told_new_numbers, told_ai, told_alerts
             FROM unnest($1::text[], $2::date[]) AS w (business_id, day)
               JOIN day_use d ON d.business_id = w.business_id AND d.day = w.day",
            &businesses as _,
            &days
        )
        .fetch_all(&self.by_key)
        .await?;
        Ok(rows.into_iter().map(|row| ((row.business_id.clone(), row.day), row.day_use())).collect())
    }
}

struct Row {
    business_id: String,
    day: NaiveDate,
    texts: i64,
    new_numbers: i64,
    ai: i64,
    alerts: i64,
    told_texts: i64,
    told_new_numbers: i64,
    told_ai: i64,
    told_alerts: i64,
}

impl Row {
    fn day_use(&self) -> DayUse {
        let Self { texts, new_numbers, ai, alerts, .. } = *self;
        DayUse {
            used: PerLimit { texts, new_numbers, ai, alerts },
            told: PerLimit {
                texts: self.told_texts,
                new_numbers: self.told_new_numbers,
                ai: self.told_ai,
                alerts: self.told_alerts,
            },
        }
    }
}

/// Adds what a batch uses. Returns the places of those for which too much was used before.
pub(super) async fn write(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<Vec<usize>, StoreError> {
    let mut added: BTreeMap<(&str, NaiveDate), DayUse> = BTreeMap::new();
    let spends = |commit: &Commit<'_>| commit.decision.is_some_and(|decision| !decision.spending.is_nothing());
    for commit in batch.iter().filter(|commit| spends(commit)) {
        let Some(decision) = commit.decision else { continue };
        added.entry((&decision.conversation.business_id, commit.day)).or_default().add(&decision.spending);
    }
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let (businesses, days): (Vec<&str>, Vec<NaiveDate>) = added.keys().copied().unzip();
    let column = |of: fn(&DayUse) -> i64| added.values().map(of).collect::<Vec<i64>>();
    let rows = sqlx::query_as!(
        Row,
        "INSERT INTO day_use AS d (business_id, day, texts, new_numbers, ai, alerts, told_texts, told_new_numbers, told_ai,
           told_alerts)
         SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
           $8::bigint[], $9::bigint[], $10::bigint[])
         ON CONFLICT (business_id, day) DO UPDATE SET texts = d.texts + excluded.texts,
           new_numbers = d.new_numbers + excluded.new_numbers, ai = d.ai + excluded.ai,
           alerts = d.alerts + excluded.alerts, told_texts = d.told_texts + excluded.told_texts,
           told_new_numbers = d.told_new_numbers + excluded.told_new_numbers, told_ai = d.told_ai + excluded.told_ai,
           told_alerts = d.told_alerts + excluded.told_alerts
         RETURNING business_id, day, texts, new_numbers, ai, alerts, told_texts, told_new_numbers, told_ai, told_alerts",
        &businesses as _,
        &days,
        &column(|day| day.used.texts),
        &column(|day| day.used.new_numbers),
        &column(|day| day.used.ai),
        &column(|day| day.used.alerts),
        &column(|day| day.told.texts),
        &column(|day| day.told.new_numbers),
        &column(|day| day.told.ai),
        &column(|day| day.told.alerts)
    )
    .fetch_all(tx)
    .await?;
    let mut before: HashMap<(&str, NaiveDate), DayUse> = HashMap::new();
    for row in &rows {
        let key = (row.business_id.as_str(), row.day);
        before.insert(key, row.day_use().without(&added.get(&key).copied().unwrap_or_default()));
    }
    let spending = batch.iter().enumerate().filter_map(|(place, commit)| {
        let decision = commit.decision?;
        Some((place, (decision.conversation.business_id.as_str(), commit.day), &decision.spending))
    });
    Ok(too_much(spending, before))
}
