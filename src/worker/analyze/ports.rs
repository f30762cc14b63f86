//! What analysis needs from PostgreSQL and DispatchBot, and what they must guarantee.

use std::time::Duration;

use uuid::Uuid;

use crate::adapters::dispatchbot::{AnalyzeError, DispatchBotClient, Question};
use crate::adapters::postgres::Store;
use crate::domain::conversation::Answer;
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
        question: &Question,
        budget: Duration,
    ) -> impl Future<Output = Result<Answer, AnalyzeError>> + Send;
}

impl AnalysisStore for Store {
    async fn newest_messages(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<Message>, StoreError> {
        self.newest_messages(conversation_id, limit).await
    }
}

impl AiClient for DispatchBotClient {
    async fn analyze(&self, question: &Question, budget: Duration) -> Result<Answer, AnalyzeError> {
        self.analyze(question, budget).await
    }
}
