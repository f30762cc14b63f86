//! What a request of either dialect is about, for those who look on.

use serde_json::Value;

/// The customer's number.
pub fn customer(request: &Value) -> &str {
    ["customer_phone", "caller_phone"].iter().find_map(|field| request[*field].as_str()).unwrap_or_default()
}

/// The texts of the conversation, oldest first.
pub fn texts(request: &Value) -> Vec<&str> {
    let items = |list: &'static str, text: &'static str| {
        request[list].as_array().into_iter().flatten().filter_map(move |item| item[text].as_str())
    };
    let current = request["current_message"].as_str().unwrap_or_default().lines();
    items("messages", "body").chain(items("conversation_history", "message")).chain(current).collect()
}

/// Whether it is one of dispatch-bot-ai.
pub fn is_of_dispatch_bot_ai(request: &Value) -> bool {
    !request["caller_phone"].is_null()
}
