//! What analysis needs from PostgreSQL and DispatchBot, and what they must guarantee.

use std::time::Duration;

use uuid::Uuid;

use crate::adapters::dispatchbot::{Analysis, AnalyzeError, AnalyzeRequest, DispatchBotClient};
use crate::adapters::postgres::Store;
use crate::engine::ConversationStore;
use crate::store::{Message, StoreError};

/// Reads the messages of a conversation.
pub trait AnalysisStore: ConversationStore {
    /// The newest messages, in order of time; see [`Store::newest_messages`].
    fn newest_messages(
        &self,
        conversation_id: Uuid,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Message>, StoreError>> + Send;
}

/// The service that proposes answers.
pub trait AiClient: Send + Sync + 'static {
    /// An answer or an error, within `budget`; see [`DispatchBotClient::analyze`].
    fn analyze(
        &self,
        request: &AnalyzeRequest,
        budget: Duration,
    ) -> impl Future<Output = Result<Analysis, AnalyzeError>> + Send;
}

impl AnalysisStore for Store {
    async fn newest_messages(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<Message>, StoreError> {
        self.newest_messages(conversation_id, limit).await
    }
}

impl AiClient for DispatchBotClient {
    async fn analyze(&self, request: &AnalyzeRequest, budget: Duration) -> Result<Analysis, AnalyzeError> {
        self.analyze(request, budget).await
    }
}
