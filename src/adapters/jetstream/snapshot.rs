//! Saves a stream to a file, and puts it back: JetStream's own snapshots, which are consistent while the stream is in use.
//!
//! A file begins with the length of a line of JSON, big-endian, and the line: the stream's configuration and state. The rest
//! is what the server sent.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{JetStream, JetStreamError};

/// How long the server may take for the next part. It reads or writes the whole stream before the last.
const PART_TIMEOUT: Duration = Duration::from_secs(120);
/// The size of a part that is sent to the server, well below NATS's limit on messages.
const PART: usize = 128 * 1024;
/// JetStream's error code for a stream that does not exist.
const NOT_FOUND: u64 = 10_059;

/// The beginning of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    config: Value,
    state: Value,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    deliver_subject: String,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl JetStream {
    /// Saves a stream with its consumers. Returns how many messages it has; `None` if it does not exist.
    ///
    /// # Errors
    /// If JetStream does not answer, or the file cannot be written. The file is then not whole.
    pub async fn save_stream(&self, stream: &str, file: &mut impl Write) -> Result<Option<u64>, JetStreamError> {
        let failed = |why: String| JetStreamError::Snapshot { stream: stream.to_owned(), why };
        let inbox = self.client.new_inbox();
        let mut parts = self.client.subscribe(inbox.clone()).await.map_err(|error| failed(error.to_string()))?;
        let wanted = json!({ "deliver_subject": inbox, "no_consumers": false, "jsck": true });
        let answer = match self.ask(&format!("$JS.API.STREAM.SNAPSHOT.{stream}"), wanted.to_string()).await? {
            Answer { error: Some(error), .. } if error.err_code == NOT_FOUND => return Ok(None),
            Answer { error: Some(error), .. } => return Err(failed(error.description)),
            answer => answer,
        };
        let messages = answer.state.get("messages").and_then(Value::as_u64);
        let head = Head { config: answer.config, state: answer.state };
        let head = serde_json::to_vec(&head).map_err(|error| failed(error.to_string()))?;
        let length = u32::try_from(head.len()).map_err(|error| failed(error.to_string()))?;
        let mut write = |bytes: &[u8]| file.write_all(bytes).map_err(|error| failed(error.to_string()));
        write(&length.to_be_bytes())?;
        write(&head)?;
        loop {
            let part = tokio::time::timeout(PART_TIMEOUT, parts.next()).await;
            let part = part.ok().flatten().ok_or_else(|| failed("the server stopped sending".to_owned()))?;
            if part.payload.is_empty() {
                return match part.status.map(|status| status.as_u16()) {
                    None | Some(200..300) => Ok(messages.or(Some(0))),
                    Some(status) => Err(failed(format!("the server ended it with status {status}"))),
                };
            }
            write(&part.payload)?;
            // The server sends no more before it has this.
            if let Some(reply) = part.reply {
                self.client.publish(reply, Vec::new().into()).await.map_err(|error| failed(error.to_string()))?;
            }
        }
    }

    /// Puts a saved stream back. Returns its name, and how many messages it has.
    ///
    /// # Errors
    /// If the stream exists, JetStream does not answer, or the file is not whole.
    pub async fn load_stream(&self, file: &mut impl Read) -> Result<(String, u64), JetStreamError> {
        let unreadable = |why: String| JetStreamError::Snapshot { stream: "a file".to_owned(), why };
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(|error| unreadable(error.to_string()))?;
        let mut head = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or_default()];
        file.read_exact(&mut head).map_err(|error| unreadable(error.to_string()))?;
        let Head { config, state } = serde_json::from_slice(&head).map_err(|error| unreadable(error.to_string()))?;
        let Some(stream) = config.get("name").and_then(Value::as_str).map(str::to_owned) else {
            return Err(unreadable("it names no stream".to_owned()));
        };
        let failed = |why: String| JetStreamError::Snapshot { stream: stream.clone(), why };
        let messages = state.get("messages").and_then(Value::as_u64).unwrap_or_default();
        let wanted = json!({ "config": config, "state": state });
        let answer = self.ask(&format!("$JS.API.STREAM.RESTORE.{stream}"), wanted.to_string()).await?;
        if let Some(error) = answer.error {
            return Err(failed(error.description));
        }
        let mut part = vec![0; PART];
        loop {
            let length = match file.read(&mut part) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error.to_string())),
            };
            let sent = self.client.request(answer.deliver_subject.clone(), part[..length].to_vec().into());
            let answered = tokio::time::timeout(PART_TIMEOUT, sent).await;
            let answered = answered.map_err(|_late| failed("the server does not answer".to_owned()))?;
            let answered = answered.map_err(|error| failed(error.to_string()))?;
            if let Ok(Answer { error: Some(error), .. }) = serde_json::from_slice(&answered.payload) {
                return Err(failed(error.description));
            }
            // An empty part ends it.
            if length == 0 {
                return Ok((stream, messages));
            }
        }
    }

    async fn ask(&self, subject: &str, request: String) -> Result<Answer, JetStreamError> {
        let failed = |why: String| JetStreamError::Snapshot { stream: subject.to_owned(), why };
        let answered =
            tokio::time::timeout(PART_TIMEOUT, self.client.request(subject.to_owned(), request.into())).await;
        let answered = answered.map_err(|_late| failed("no answer".to_owned()))?;
        let answered = answered.map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&answered.payload).map_err(|error| failed(error.to_string()))
    }
}
