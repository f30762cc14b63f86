//! Many takeovers at every stage of an answer: after a takeover is answered, Twilio accepts no more messages of the AI
//! in that conversation.
//!
//! Each conversation has a plan, drawn from one seed before the race: when the customer texts, how long DispatchBot
//! takes, whether Twilio delays the POST before or after it accepts, and when the takeover happens. Many run at the
//! same time, on two processes. The results are read from the simulators and the tables, and checked by
//! [`History::breaches`].
//!
//! A takeover is a request over REST, which is answered, or the owner's text `TAKE`, which is acknowledged by SMS.
//!
//! `NMC_RACE_TAKEOVERS` and `NMC_RACE_TAKES` set the numbers (`make race` plays thousands), `NMC_RACE_SEED` repeats the plans
//! of an earlier race.

mod history;
mod plan;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use nevermisscall::internals::Role;
use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Callbacks, Fault, SentMessage, new_message_sid};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::harness::{API_KEY, App, BUSINESS, OUR_NUMBER, PATIENCE, Rest, business, query};

use history::{History, Met, Question, Reply, Takeover};
use plan::{Moment, Plan};

const TAKEOVERS: u32 = 300;
const TAKES: u32 = 100;
/// The businesses, in whose order the conversations go: texts of one owner are processed one after the other, and
/// an owner gets answers to 20 of them within ten minutes: with 60, a thousand are answered.
const BUSINESSES: u32 = 60;
/// The number of conversations at the same time.
const AT_ONCE: usize = 120;
/// The minimum share of takeovers that must happen while an answer is under way.
const SHARE: f64 = 0.2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takeover_race_nothing_of_the_ai_is_accepted_once_a_takeover_has_answered() {
    hold(By::Rest, setting("NMC_RACE_TAKEOVERS").unwrap_or(TAKEOVERS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takeover_race_nothing_of_the_ai_is_accepted_once_the_owner_is_told_that_a_take_counts() {
    hold(By::Sms, setting("NMC_RACE_TAKES").unwrap_or(TAKES)).await;
}

/// How a person takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rest,
    /// The owner texts `TAKE` and the code of the conversation.
    Sms,
}

async fn hold(by: By, takeovers: u32) {
    let seed = setting("NMC_RACE_SEED").unwrap_or_else(rand::random);
    println!("{takeovers} takeovers: NMC_RACE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let plans: Vec<_> = (0..takeovers).map(|number| Arc::new(Plan::draw(number, &mut random))).collect();

    let begun = Instant::now();
    let histories = run(by, plans).await;
    let took = begun.elapsed();

    let mut met = BTreeMap::<Met, Vec<TimeDelta>>::new();
    histories.iter().for_each(|history| met.entry(history.met()).or_default().push(history.takeover.took()));
    let share = |count: usize| count as f64 / histories.len() as f64;
    for (what, waits) in &mut met {
        waits.sort_unstable();
        let (half, most) = (waits[waits.len() / 2].num_milliseconds(), waits[waits.len() - 1].num_milliseconds());
        let percent = 100.0 * share(waits.len());
        println!("{:6} ({percent:4.1} %) {what:?}: took {half} ms at the median, {most} ms at the most", waits.len());
    }
    println!("{} SMS accepted; all in {took:?}", histories.iter().map(|history| history.replies.len()).sum::<usize>());

    let breaches: Vec<_> = histories.iter().flat_map(History::breaches).collect();
    assert!(breaches.is_empty(), "{} breaches with NMC_RACE_SEED={seed}: {breaches:#?}", breaches.len());
    let under_way = met.iter().filter(|(met, _)| met.is_under_way()).map(|(_, waits)| waits.len()).sum();
    assert!(share(under_way) >= SHARE, "only {under_way} of {takeovers} takeovers met an answer under way");
    // An answer is queued for a few milliseconds only, so a takeover rarely meets one.
    for kind in [Met::Thinking, Met::Posting] {
        assert!(met.contains_key(&kind) || takeovers < TAKEOVERS, "no takeover met an answer that was {kind:?}");
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}")))
}

/// Runs the race and returns each conversation's history.
async fn run(by: By, plans: Vec<Arc<Plan>>) -> Vec<History> {
    let race = Arc::new(Race::start(by, &plans).await);
    let (mut asked, mut to_play) = (HashMap::new(), Vec::new());
    for plan in &plans {
        let (sender, receiver) = oneshot::channel();
        asked.insert(plan.customer.clone(), sender);
        to_play.push((Arc::clone(plan), receiver));
    }
    // Each runs in a separate task, so that none delays another's clock.
    let playing = futures::stream::iter(to_play).map(|(plan, asked)| {
        let race = Arc::clone(&race);
        tokio::spawn(async move {
            let played = race.play(&plan, asked).await;
            (plan, played)
        })
    });
    let played = playing.buffer_unordered(AT_ONCE).map(|played| played.expect("no panic")).collect::<Vec<_>>();
    let played = tokio::select! {
        played = played => played,
        () = race.announce_questions(asked) => unreachable!("it only ends with the race"),
    };
    race.app.settled().await;
    race.histories(played).await
}

struct Race {
    by: By,
    app: App,
    edges: Vec<Rest>,
    /// What the phone of each owner has got.
    phones: Arc<HashMap<String, watch::Sender<Vec<SentMessage>>>>,
}

/// What the race itself records about a conversation.
struct Played {
    texts: Vec<DateTime<Utc>>,
    takeover: Takeover,
}

impl Race {
    async fn start(by: By, plans: &[Arc<Plan>]) -> Self {
        let setup = App::setup()
            .roles([Role::Serve, Role::Serve])
            .set("NMC_WINDOW_HOLD", "1s")
            .set("NMC_WINDOW_QUIET", "200ms")
            .set("NMC_WINDOW_MAX", "5s")
            .set("NMC_SEND_RATE", "100000/s")
            .set("NMC_RATE_LIMIT", "100000000/min")
            // The usual value: a POST that Twilio delays must not count as absent meanwhile.
            .set("NMC_RECONCILE_AFTER", "30s");
        let app = setup.start().await;
        for number in 0..BUSINESSES {
            let id = if number == 0 { BUSINESS.to_owned() } else { format!("business-{number}") };
            let mut another = business();
            another["phone_numbers"] = json!([number_of(number)]);
            another["forward_to"] = json!(owner_of(number));
            if by == By::Sms {
                another["policy"]["owner_sms"] = json!("all");
            }
            app.put_business(&id, &another).await;
        }
        let edges = app.addresses().iter().map(|address| Rest::new(format!("http://{address}"), API_KEY)).collect();
        for plan in plans {
            let thinks = BotFault::Delay(Span::exactly(plan.thinks));
            app.servers.dispatchbot.add_rule(Rule::always(thinks).to(&plan.customer));
            for waits in [Fault::Delay(Span::exactly(plan.delays)), Fault::Hold(Span::exactly(plan.holds))] {
                app.servers.twilio.add_rule(Rule::always(waits).to(&plan.customer));
            }
        }
        // A status callback proves the send, like Twilio's answer. Sometimes one comes first, sometimes the other.
        let delay = Span::between(Duration::ZERO, Duration::from_secs(2));
        app.servers.twilio.change_faults(|faults| faults.callbacks = Callbacks { delay, ..Callbacks::default() });
        let phones: HashMap<_, _> =
            (0..BUSINESSES).map(|number| (owner_of(number), watch::Sender::default())).collect();
        let phones = Arc::new(phones);
        let sent = Arc::clone(&phones);
        app.servers.twilio.on_message(move |sms| {
            sent.get(&sms.to).inspect(|phone: &&watch::Sender<Vec<_>>| phone.send_modify(|got| got.push(sms.clone())));
        });
        Self { by, app, edges, phones }
    }

    /// Notifies each conversation when DispatchBot is first asked about it.
    async fn announce_questions(&self, mut waiting: HashMap<String, oneshot::Sender<()>>) {
        let mut seen = 0;
        let announce = |all: &[Value]| {
            for question in &all[seen..] {
                let customer = question["customer_phone"].as_str().unwrap_or_default();
                // A conversation that does not wait for it has dropped the receiver.
                waiting.remove(customer).map(|sender| sender.send(()).ok());
            }
            seen = all.len();
            false
        };
        let for_ever = Duration::from_secs(24 * 60 * 60);
        self.app.servers.dispatchbot.wait_for(announce, for_ever).await.expect("an end of the race");
    }

    async fn play(&self, plan: &Plan, asked: oneshot::Receiver<()>) -> Played {
        sleep(plan.starts_after).await;
        let (texted_at, first) = (Instant::now(), Utc::now());
        self.text(plan, 0).await;
        let again = async {
            sleep_until(texted_at + plan.again_after?).await;
            let at = Utc::now();
            self.text(plan, 1).await;
            Some(at)
        };
        let takeover = async {
            let id = timeout(PATIENCE, self.conversation_of(plan)).await.expect("a conversation");
            match plan.takes_over {
                Moment::AfterText(after) => sleep_until(texted_at + after).await,
                Moment::AfterQuestion(after) => {
                    // On a slow machine the circuit breaker opens: DispatchBot is not asked, and the takeover is late.
                    match timeout(PATIENCE, asked).await {
                        Ok(asked) => asked.expect("the race goes on"),
                        Err(_) => eprintln!("{}: DispatchBot was not asked", plan.customer),
                    }
                    sleep(after).await;
                }
            }
            match self.by {
                By::Rest => self.take_over(plan, &id).await,
                By::Sms => self.take(plan).await,
            }
        };
        let (again, takeover) = tokio::join!(again, takeover);
        Played { texts: [Some(first), again].into_iter().flatten().collect(), takeover }
    }

    async fn text(&self, plan: &Plan, turn: usize) {
        let client = self.app.webhook().with_target(self.edge(plan, turn).base());
        let text = ["My kitchen sink is blocked", "The one in the kitchen"][turn];
        let sid = new_message_sid();
        loop {
            let answer = client.sms(&sid, &plan.customer, &number_of(plan.number), text).await.expect("an answer");
            match answer.status {
                200 => return,
                503 => {} // not stored: Twilio would use the fallback URL
                status => panic!("{status} {}", answer.body),
            }
        }
    }

    /// Waits for the conversation and returns its id. (The harness's `eventually` cannot run in a spawned task.)
    async fn conversation_of(&self, plan: &Plan) -> String {
        let path = query("/conversations", &[("customer_phone", &plan.customer)]);
        loop {
            sleep(Duration::from_millis(150)).await;
            let list = self.edge(plan, 0).get(&path).await.ok();
            if let Some(id) = list["conversations"][0]["id"].as_str() {
                return id.to_owned();
            }
        }
    }

    async fn take_over(&self, plan: &Plan, id: &str) -> Takeover {
        let body = json!({ "user_id": "u1", "reason": "race" });
        let path = format!("/conversations/{id}/takeover");
        let asked_at = Utc::now();
        let mut tries = 0;
        let (answer, answered_at) = loop {
            let answer = self.edge(plan, 1).send(Method::POST, &path, Some(&body)).await;
            let answered_at = Utc::now();
            tries += 1;
            // A busy machine may answer 503, although the takeover may have been carried out.
            if answer.status != 503 {
                break (answer.ok(), answered_at);
            }
        };
        let says = |field: &str| answer[field].as_bool().expect("a boolean");
        let changed = says("ownership_changed") || tries > 1;
        Takeover { asked_at, answered_at, changed, in_flight: says("in_flight") }
    }

    /// The owner texts `TAKE`; it counts once Twilio has accepted the acknowledgement.
    async fn take(&self, plan: &Plan) -> Takeover {
        let owner = owner_of(plan.number);
        let is_relay = |body: &str| body.contains(&format!(" {}: ", plan.customer));
        let relay = timeout(PATIENCE, self.told(&owner, is_relay)).await.expect("a relay");
        let code = relay.body.split(' ').next().unwrap_or_default().to_owned();
        let asked_at = Utc::now();
        let client = self.app.webhook().with_target(self.edge(plan, 1).base());
        let (sid, text) = (new_message_sid(), format!("TAKE {code}"));
        while client.sms(&sid, &owner, &number_of(plan.number), &text).await.expect("an answer").status != 200 {}
        let (is_taken, is_in_flight) =
            (format!("You have {code} "), format!("{code} ({}) is yours. An AI text", plan.customer));
        let is_answer = |body: &str| body.starts_with(&is_taken) || body.starts_with(&is_in_flight);
        let answer = timeout(2 * PATIENCE, self.told(&owner, is_answer)).await.unwrap_or_else(|_| {
            let got: Vec<String> = self.app.sms_to(&owner).into_iter().map(|sms| sms.body).collect();
            panic!("no acknowledgement of {text:?}, but {got:#?}")
        });
        let in_flight = answer.body.starts_with(&is_in_flight);
        Takeover { asked_at, answered_at: answer.accepted_at, changed: true, in_flight }
    }

    /// Waits for an SMS to the owner's phone.
    async fn told(&self, owner: &str, is_it: impl Fn(&str) -> bool + Send) -> SentMessage {
        let mut phone = self.phones[owner].subscribe();
        let got = phone.wait_for(|got| got.iter().any(|sms| is_it(&sms.body))).await.expect("the race goes on");
        got.iter().find(|sms| is_it(&sms.body)).expect("it has come").clone()
    }

    /// Alternates between the two processes.
    fn edge(&self, plan: &Plan, turn: usize) -> &Rest {
        &self.edges[(plan.number as usize + turn) % self.edges.len()]
    }

    async fn histories(&self, played: Vec<(Arc<Plan>, Played)>) -> Vec<History> {
        let tables = Tables::read(&self.app).await;
        let (mut questions, mut replies) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for question in self.app.servers.dispatchbot.requests() {
            assert_eq!((&question["problems"], &question["answered_with"]), (&json!([]), &json!(200)));
            let text = |field: &str| question[field].as_str().expect("a text").to_owned();
            let asked = Question {
                at: text("received_at").parse().expect("a time"),
                window: text("window_id").parse().expect("an id"),
            };
            questions.entry(text("customer_phone")).or_default().push(asked);
        }
        let owners: Vec<String> = (0..BUSINESSES).map(owner_of).collect();
        for sms in self.app.servers.twilio.messages().into_iter().filter(|sms| !owners.contains(&sms.to)) {
            let window = tables.window_of.get(&sms.sid).copied();
            replies.entry(sms.to).or_default().push(Reply { accepted_at: sms.accepted_at, window });
        }
        let history = |(plan, played): (Arc<Plan>, Played)| History {
            customer: plan.customer.clone(),
            texts: played.texts,
            questions: questions.remove(&plan.customer).unwrap_or_default(),
            superseded: tables.superseded.clone(),
            replies: replies.remove(&plan.customer).unwrap_or_default(),
            held: plan.holds,
            takeover: played.takeover,
            ownership: tables.ownership[&plan.customer].clone(),
        };
        let histories: Vec<_> = played.into_iter().map(history).collect();
        assert!(questions.is_empty() && replies.is_empty(), "strangers: {:?}", replies.keys());
        histories
    }
}

/// The number of a conversation's business.
fn number_of(plan: u32) -> String {
    match plan % BUSINESSES {
        0 => OUR_NUMBER.to_owned(),
        number => format!("+1555666{number:04}"),
    }
}

/// The phone of its owner.
fn owner_of(plan: u32) -> String {
    format!("+1555777{:04}", plan % BUSINESSES)
}

/// The contents of the tables at the end.
struct Tables {
    /// The window that each accepted message answers, by the message's SID.
    window_of: HashMap<String, Uuid>,
    /// The windows whose answer was superseded.
    superseded: Arc<HashSet<Uuid>>,
    ownership: HashMap<String, String>,
}

impl Tables {
    async fn read(app: &App) -> Self {
        let mut sql = app.servers.sql().await;
        let ownership = sqlx::query_as("SELECT customer_phone, ownership FROM conversations").fetch_all(&mut sql).await;
        let replies: Vec<(Option<String>, Option<Uuid>, String)> =
            sqlx::query_as("SELECT twilio_sid, in_reply_to_window, status FROM messages WHERE sender_type = 'ai'")
                .fetch_all(&mut sql)
                .await
                .expect("the messages");
        sql.close().await.expect("closed");
        let held_back = replies.iter().filter(|(_, _, status)| status == "superseded");
        Self {
            superseded: Arc::new(held_back.filter_map(|(_, window, _)| *window).collect()),
            window_of: replies.into_iter().filter_map(|(sid, window, _)| Some((sid?, window?))).collect(),
            ownership: ownership.expect("the conversations").into_iter().collect(),
        }
    }
}
