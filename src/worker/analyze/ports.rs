//! What answering needs of its neighbours, PostgreSQL and DispatchBot, and what they have to guarantee for it.

use std::time::Duration;

use uuid::Uuid;

use crate::adapters::dispatchbot::{Analysis, AnalyzeError, AnalyzeRequest, DispatchBotClient};
use crate::adapters::postgres::{Message, Store, StoreError};
use crate::engine::Records;

/// What was said in a conversation.
pub trait Transcript: Records {
    /// The newest messages, oldest of them first; see [`Store::newest_messages`].
    fn newest_messages(
        &self,
        conversation_id: Uuid,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Message>, StoreError>> + Send;
}

/// Who knows what to answer.
pub trait Analyst: Send + Sync + 'static {
    /// An answer or an error, within `budget`; see [`DispatchBotClient::analyze`].
    fn analyze(
        &self,
        request: &AnalyzeRequest,
        budget: Duration,
    ) -> impl Future<Output = Result<Analysis, AnalyzeError>> + Send;
}

impl Transcript for Store {
    async fn newest_messages(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<Message>, StoreError> {
        self.newest_messages(conversation_id, limit).await
    }
}

impl Analyst for DispatchBotClient {
    async fn analyze(&self, request: &AnalyzeRequest, budget: Duration) -> Result<Analysis, AnalyzeError> {
        self.analyze(request, budget).await
    }
}
