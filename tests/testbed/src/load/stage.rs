//! The service and the simulators of a run, with the book that listens to the simulators.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use super::app_server::AppServer;
use super::book::Book;
use super::cast::{Customer, number_of};
use super::cost::{Meter, Part};
use super::settings;
use super::{Addresses, Options};
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::program::{Program, ready};
use crate::servers::free_port;
use crate::sim::Span;
use crate::twilio::webhooks::WebhookClient;
use crate::twilio::{TwilioOptions, TwilioSim, new_message_sid};

/// Twilio's status callbacks come this long after the acceptance of a message, and after each other, unless `--fast`.
const CALLBACK_DELAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(1_500));

/// Everything that takes part in a run, running.
pub(super) struct Stage {
    /// The service, and further workers.
    pub(super) service: Vec<Program>,
    twilio: TwilioSim,
    dispatchbot: DispatchBotSim,
    pub(super) servers: Addresses,
    url: String,
    /// The addresses and credentials of the service.
    place: Vec<(String, String)>,
    /// The settings that matter to the figures.
    pub(super) settings: Vec<(String, String)>,
    pub(super) webhooks: WebhookClient,
    pub(super) app_server: AppServer,
    pub(super) book: Arc<Book>,
}

impl Stage {
    /// Starts the simulators, migrates, and starts the service; when this returns, it is ready. The simulators answer
    /// at once.
    pub(super) async fn start(options: &Options, addresses: &Addresses) -> anyhow::Result<Self> {
        let twilio = TwilioSim::start(TwilioOptions { seed: Some(options.seed), ..TwilioOptions::default() }).await?;
        let dispatchbot = DispatchBotSim::start(DispatchBotOptions::default()).await?;
        let bind = format!("127.0.0.1:{}", free_port()?);
        let url = format!("http://{bind}");
        twilio.set_webhook_url(&url, None);
        let matter = settings::that_matter(options, false);
        let place = settings::of_the_place(&bind, addresses, twilio.base_url(), dispatchbot.base_url());
        let variables: Vec<_> = matter.iter().chain(&place).cloned().collect();
        Program::new(&options.dir, "migrate", &options.service, &["migrate"], &variables)?.finish().await?;
        let service = start_service(options, &variables)?;
        ready(&url).await?;
        let book = Arc::new(Book::new(options.quiet));
        listen(&book, &twilio, &dispatchbot);
        let webhooks = twilio.webhook_client(None)?;
        let app_server = AppServer::new(&url)?;
        let servers = addresses.clone();
        Ok(Self { service, twilio, dispatchbot, servers, url, place, settings: matter, webhooks, app_server, book })
    }

    /// Starts the service again, with settings that keep new windows open.
    pub(super) async fn keep_windows_open(&mut self, options: &Options) -> anyhow::Result<()> {
        self.settings = settings::that_matter(options, true);
        let variables: Vec<_> = self.settings.iter().chain(&self.place).cloned().collect();
        self.stop_service().await?;
        self.service = start_service(options, &variables)?;
        ready(&self.url).await
    }

    /// A customer writes for the first time.
    pub(super) async fn first_text(&self, customer: &Customer) -> anyhow::Result<()> {
        let (from, to) = (&customer.phone, number_of(customer.business));
        let answer = self.webhooks.sms(&new_message_sid(), from, &to, "Do you mend boilers?").await?;
        ensure!(answer.status == 200, "the first text of {from} was answered {}", answer.status);
        Ok(())
    }

    /// What reads the costs of the service and its servers.
    pub(super) async fn meter(&self) -> anyhow::Result<Meter> {
        let service = self.service.iter().map(|program| Part { name: "service", pid: program.pid() });
        let parts = service.chain(self.servers.parts.iter().cloned()).collect();
        Meter::new(parts, &self.servers.database).await
    }

    /// Makes the simulators as slow as the options say.
    pub(super) fn slow_down(&self, options: &Options) {
        self.dispatchbot.change_faults(|faults| faults.latency = options.dispatchbot);
        self.twilio.change_faults(|faults| {
            faults.latency = options.twilio;
            if options.twilio.is_some() {
                faults.callbacks.delay = Span::between(CALLBACK_DELAY.0, CALLBACK_DELAY.1);
            }
        });
    }

    /// Stops the service and the simulators.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_service().await?;
        self.dispatchbot.stop().await;
        self.twilio.stop().await;
        Ok(())
    }

    async fn stop_service(&mut self) -> anyhow::Result<()> {
        for program in &mut self.service {
            program.stop().await?;
        }
        Ok(())
    }
}

/// Starts the service and its further workers.
fn start_service(options: &Options, variables: &[(String, String)]) -> anyhow::Result<Vec<Program>> {
    let program = |name: &str, role| Program::new(&options.dir, name, &options.service, &[role], variables);
    let further = (1..options.workers).map(|number| program(&format!("worker-{number}"), "worker"));
    std::iter::once(program("serve", "serve")).chain(further).collect()
}

/// Tells the book what the simulators see, at the moment at which they see it.
fn listen(book: &Arc<Book>, twilio: &TwilioSim, dispatchbot: &DispatchBotSim) {
    let asked = Arc::clone(book);
    dispatchbot.on_request(move |request| asked.asked(request["customer_phone"].as_str().unwrap_or_default()));
    let analyzed = Arc::clone(book);
    dispatchbot.on_answer(move |answer| analyzed.analyzed(&answer.customer, &answer.message));
    let posted = Arc::clone(book);
    twilio.on_message(move |message| posted.posted(&message.to, &message.body));
    let reported = Arc::clone(book);
    twilio.on_callback(move |callback| reported.reported(callback.http_status));
}
