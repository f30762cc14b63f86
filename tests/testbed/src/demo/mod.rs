//! The demo: everything on private servers, the journey from a missed call to an appointment visible in the terminal,
//! and then a prompt at which the user writes as the customer.
//!
//! The program `demo` (`make run`) runs it. It starts what it needs, and ends everything that it started and nothing
//! else: at Ctrl-C, at `/quit`, and (ensured by the kernel) at its own death.
//!
//! # Layout
//!
//! - `place`: the folder, locked and cleaned of earlier runs · `servers`, `service`, `simulators`: what is started
//! - `stage`: all of that, for the modules below · `phone`: the customer's side · `api`: the App Server's side
//! - `watch`: prints what happens, as it happens · `journey`: the script · `checks`, `findings`: the expected results ·
//!   `acts`: further scenes, with other customers
//! - `transcript`, `addresses`, `commands`: what can be viewed and typed afterwards
//! - `screen`, `terminal`, `keyboard`, `text`: output and input

mod acts;
mod addresses;
mod api;
mod business;
mod checks;
mod commands;
mod findings;
mod interrupts;
mod journey;
mod keyboard;
mod phone;
pub(crate) mod place;
mod screen;
mod servers;
mod service;
mod settings;
mod simulators;
mod stage;
mod terminal;
mod text;
mod transcript;
mod watch;

use std::process::ExitCode;

use interrupts::{Interrupts, Stop};
use place::Place;
use screen::{Screen, Tag};
use servers::Servers;
use service::Service;
use simulators::Simulators;
use stage::Stage;
use watch::Watchers;

use crate::servers::workspace_root;

/// The exit code that a shell reports after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What the demo does.
pub struct Options {
    /// Whether it ends after the journey.
    pub once: bool,
    /// The dialect in which DispatchBot is asked.
    pub dialect: String,
}

/// Plays the journey; unless `once`, it then keeps running until it is stopped.
///
/// It succeeds if everything in the journey happened, or, without `once`, also if it is stopped cleanly afterwards.
pub async fn run(options: &Options) -> ExitCode {
    let screen = Screen::new();
    let result = match Interrupts::listen() {
        Ok(mut interrupts) => perform(options, &screen, &mut interrupts).await,
        Err(error) => Err(Stop::Failed(error)),
    };
    screen.progress(None);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Stop::Interrupted) => {
            screen.line(Tag::Stop, "interrupted", "");
            ExitCode::from(INTERRUPTED)
        }
        Err(Stop::Failed(error)) => {
            screen.line(Tag::Failed, &format!("{error:#}"), "");
            ExitCode::FAILURE
        }
    }
}

async fn perform(options: &Options, screen: &Screen, interrupts: &mut Interrupts) -> Result<bool, Stop> {
    let place = Place::claim(&workspace_root().join(".run"))?;
    screen.plain(&format!("NeverMissCall: a missed call, live. Everything it needs runs under {}.\n", place.shown()));
    let servers = interrupts.unless_failing(Servers::start(&place, screen)).await?;
    let result = beside(options, screen, interrupts, &place, &servers).await;
    screen.announce(Tag::Stop, "stopping the servers");
    // At a second Ctrl-C, they are dropped and thereby killed.
    let stopped = interrupts.unless(servers.stop()).await;
    match stopped {
        Ok(Ok(())) => screen.line(Tag::Stop, "all that was started has ended", &place.shown_log()),
        Ok(Err(error)) => screen.line(Tag::Failed, &format!("{error:#}"), ""),
        Err(_) => screen.line(Tag::Stop, "the servers were killed", ""),
    }
    result
}

/// Runs the simulators, the service and the demo while the servers run.
async fn beside(
    options: &Options,
    screen: &Screen,
    interrupts: &mut Interrupts,
    place: &Place,
    servers: &Servers,
) -> Result<bool, Stop> {
    let simulators = Simulators::start(screen).await?;
    let wiring = settings::Wiring::new(place, servers, &simulators, &options.dialect)?;
    simulators.twilio.set_webhook_url(wiring.public_url(), None);
    place.announce(wiring.ops())?;
    let mut service = interrupts.unless(Service::start(&wiring, place.log(), screen)).await??;
    let console = format!("watch it at {}/console/ with the key {}", wiring.public_url(), settings::API_KEY);
    screen.line(Tag::Start, &console, &format!("you are {}", business::USER_ID));
    let result =
        play(options.once, screen, interrupts, &mut service, &Stage::new(screen, servers, &simulators, &wiring)?).await;
    if service.runs() {
        screen.announce(Tag::Stop, "stopping the service: it finishes what is under way");
        // At a second Ctrl-C, it is dropped and thereby killed.
        match interrupts.unless(service.stop()).await {
            Ok(Ok(status)) => screen.line(Tag::Stop, &format!("the service has drained and ended ({status})"), ""),
            Ok(Err(error)) => screen.line(Tag::Failed, &format!("{error:#}"), ""),
            Err(_) => screen.line(Tag::Stop, "the service was killed", ""),
        }
    }
    simulators.stop().await;
    result
}

/// Plays the journey and the acts; returns whether everything happened as expected.
async fn everything(stage: &Stage) -> anyhow::Result<bool> {
    let journey = journey::perform(stage).await?;
    let acts = acts::perform(stage).await;
    Ok(journey && acts)
}

/// Plays the journey and the acts, and then accepts commands.
async fn play(
    once: bool,
    screen: &Screen,
    interrupts: &mut Interrupts,
    service: &mut Service,
    stage: &Stage,
) -> Result<bool, Stop> {
    let _watchers = Watchers::start(stage).await?;
    let complete = interrupts.unless(service.unless_ended(everything(stage))).await???;
    if once {
        return Ok(complete);
    }
    addresses::print(stage);
    match interrupts.unless(service.unless_ended(commands::serve(stage))).await {
        Ok(ended) => ended?,
        Err(Stop::Interrupted) => {} // the usual end
        Err(failed) => return Err(failed),
    }
    screen.typed(None);
    Ok(true)
}
