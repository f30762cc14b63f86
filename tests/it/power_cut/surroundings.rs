//! The processes that these tests follow, and the requests that they send.

use futures::future::join_all;
use nmc_testbed::syscalls::Tracer;
use nmc_testbed::twilio::webhooks::{WebhookAnswer, WebhookClient};
use nmc_testbed::twilio::{new_call_sid, new_message_sid};
use uuid::Uuid;

use crate::harness::{API_KEY, BUSINESS, Child, OUR_NUMBER, PUBLIC_URL, Rest, Servers, business, customer, eventually};

/// Customers who text and call at the same time: enough for atomic batches.
const CUSTOMERS: u32 = 24;
/// For each customer: a text that Twilio posts twice, a call, its end, and a delivery report.
pub const ANSWERS: usize = 5 * CUSTOMERS as usize;

/// Starts the program, edge and worker, with the document's business.
pub async fn start_service(servers: &Servers, changes: &[(&str, &str)]) -> (Child, Rest) {
    let changes: Vec<_> = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut service = Child::start(servers, "service", &["serve"], &servers.settings(&changes));
    let base = format!("http://{}", service.address().await);
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&base));
    let rest = Rest::new(base, API_KEY);
    rest.ready().await;
    rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
    (service, rest)
}

/// Follows these processes from now on.
pub async fn follow(servers: &Servers, pids: &[u32]) -> Tracer {
    Tracer::attach(pids, servers.dir()).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// The SIDs of webhooks that were posted and accepted.
pub struct Posted {
    /// How often they were answered: Twilio posts each text twice.
    pub answers: usize,
    /// The owner's phone rings even if a call cannot be recorded, so the answer alone promises nothing.
    pub calls: Vec<String>,
    pub others: Vec<String>,
}

impl Posted {
    pub fn extend(&mut self, more: Posted) {
        self.answers += more.answers;
        self.calls.extend(more.calls);
        self.others.extend(more.others);
    }

    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.others.iter().chain(&self.calls)
    }
}

/// Posts webhooks of every kind concurrently; all succeed.
pub async fn post_webhooks(servers: &Servers) -> Posted {
    let client = servers.twilio.webhook_client(None).unwrap();
    let posted = join_all((0..CUSTOMERS).map(|number| post_one_of_each(&client, customer(number)))).await;
    let (calls, others): (Vec<_>, Vec<_>) = posted.into_iter().unzip();
    Posted { answers: ANSWERS, calls, others: others.concat() }
}

/// How many answered webhooks were recorded elsewhere or nowhere, as the service itself counts.
pub struct Counted {
    /// JetStream took too long: PostgreSQL has them.
    pub kept_in_postgres: usize,
    /// Calls that were put through though nothing recorded them.
    pub unrecorded_calls: usize,
}

impl Counted {
    pub async fn by(rest: &Rest) -> Self {
        let counts = &rest.get("/metrics").await.ok()["webhook_processing"];
        let count = |name: &str| usize::try_from(counts[name].as_u64().expect(name)).unwrap();
        Self { kept_in_postgres: count("kept_in_postgres"), unrecorded_calls: count("calls_unrecorded") }
    }
}

/// The SID of the call, and the others.
async fn post_one_of_each(client: &WebhookClient, from: String) -> (String, [String; 3]) {
    let [text, report] = [new_message_sid(), new_message_sid()];
    let [call, ended] = [new_call_sid(), new_call_sid()];
    let message_id = Uuid::new_v4().to_string();
    tokio::join!(
        until_taken(async || client.sms(&text, &from, OUR_NUMBER, "My sink is blocked").await),
        // Twilio's second try may arrive while we handle the first; its answer is a promise too.
        until_taken(async || client.sms(&text, &from, OUR_NUMBER, "My sink is blocked").await),
        until_taken(async || client.incoming_call(&call, &from, OUR_NUMBER, "ringing").await),
        until_taken(async || client.call_status(&ended, "no-answer", Some(&from), Some(OUR_NUMBER), 0).await),
        until_taken(async || client.message_status(&message_id, &report, "delivered").await),
    );
    (call, [text, ended, report])
}

/// Posts until the webhook is accepted: a traced server is slow, and 503 promises nothing.
async fn until_taken(post: impl AsyncFn() -> anyhow::Result<WebhookAnswer>) {
    eventually("a webhook that is taken", async || {
        let answer = post().await.unwrap();
        let taken = (200..300).contains(&answer.status);
        assert!(taken || answer.status == 503, "{} {}", answer.status, answer.body);
        taken.then_some(())
    })
    .await;
}
